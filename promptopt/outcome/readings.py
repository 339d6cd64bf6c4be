"""In what ways a model may read words that are spelt so that a search for them fails: letters apart, digits, codes."""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from urllib.parse import unquote

_MARKUP_SIGNS = re.compile(r"(?<=\S)\*+|\*+(?=\S)|~~|__|`+")
"""Not a star that begins an item of a list."""
_HTML_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,80}>|<!--|-->")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|_")
_APART = re.compile(r"(?<!\w)\w(?:[^\w\n]{1,4}\w(?!\w)){4,}")
"""Five letters or more, each alone."""
_NON_WORD = re.compile(r"\W+")
_DIGITS_IN_WORDS = re.compile(r"(?<![\w@$])(?=[\d@$!]*[A-Za-z])(?=[A-Za-z!]*[0134578@$])[\w@$!]+")
_LETTERS_MEANT = str.maketrans("0134578@$!", "oieastbasi")
_CODED = re.compile(r"(?<![\w+/])[A-Za-z0-9+/_-]{16,}={0,2}")
_HEXADECIMAL = re.compile(r"(?<!\w)(?:[0-9a-fA-F]{2}){12,}(?!\w)")
CYRILLIC = str.maketrans("асеорхуіјѕһАВЕКМНОРСТХУІЈЅ", "aceopxyijshABEKMHOPCTXYIJS")
"""Cyrillic letters to the Latin ones that they look like."""
_LOOKALIKES = CYRILLIC | str.maketrans(
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαικνορτυχɪɢɴᴏʀᴇᴘᴠᴜꜱᴛᴄᴀᴊᴅʟᴍᴋʏʙꜰʜᴡᴢ",
    "ABEZHIKMNOPTYXaiKvoptuxignorepvustcajdlmkybfhwz",
)
"""Letters of other alphabets, and small capitals, to those that they look like."""


def readings(text: str) -> tuple[str, ...]:
    """The text without marks of emphasis, first, and what it comes to otherwise, each once.

    Without tags and escapes, with names in pieces as words, letters that stand apart joined, digits and signs as the
    letters that they pass for, letters of other alphabets as those that they look like, accents taken off, what is
    written in base 64 or 16 decoded, letters shifted by 13, and from its end.
    """
    bare = _MARKUP_SIGNS.sub("", text)
    shown = _HTML_TAG.sub("", html.unescape(unquote(bare)))
    folded = "".join(each for each in unicodedata.normalize("NFKD", bare) if unicodedata.category(each) != "Mn")
    found = [
        bare,
        shown,
        _CAMEL.sub(" ", bare),
        _APART.sub(_joined, bare),
        _APART.sub(_joined, bare.replace("_", " ")),
        _DIGITS_IN_WORDS.sub(lambda word: word[0].translate(_LETTERS_MEANT), bare),
        folded.translate(_LOOKALIKES),
        *_decoded(text),
        codecs.encode(text, "rot13"),
        text[::-1],
    ]
    return tuple(dict.fromkeys(found))


def _joined(apart: re.Match[str]) -> str:
    """The letters as words: what parts most of them parts letters, and another gap parts words."""
    gaps: list[str] = _NON_WORD.findall(apart[0])
    usual = Counter(gaps).most_common(1)[0][0]
    return _NON_WORD.sub(lambda gap: "" if gap[0] == usual else " ", apart[0])


def _decoded(text: str) -> list[str]:
    found: list[str] = []
    for coded in _CODED.findall(text):
        plain = coded.rstrip("=").replace("-", "+").replace("_", "/")
        found += _as_text(lambda plain=plain: base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True))
    for coded in _HEXADECIMAL.findall(text):
        found += _as_text(lambda coded=coded: bytes.fromhex(coded))
    return found


def _as_text(decode: Callable[[], bytes]) -> list[str]:
    try:
        said = decode().decode("utf-8")
    except (binascii.Error, ValueError):
        return []
    return [said] if all(each.isprintable() or each.isspace() for each in said) else []
