"""In what ways a model may read words that are spelt so that a search for them fails: letters apart, digits, codes."""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import sys
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
_DIGITS_IN_WORDS = re.compile(r"(?<![\w@$])(?=[\d@$!]{0,40}[A-Za-z])(?=[A-Za-z!]{0,40}[0134578@$])[\w@$!]+")
_LETTERS_MEANT = str.maketrans("0134578@$!", "oieastbasi")
_CODED = re.compile(r"(?<![\w+/])[A-Za-z0-9+/_-]{16,}={0,2}")
_CODED_LINES = re.compile(r"(?<=[A-Za-z0-9+/]{4})[^\S\n]*\n[^\S\n]*(?=[A-Za-z0-9+/]{4})")
_BASE_32 = re.compile(r"(?<!\w)[A-Z2-7]{24,}={0,6}(?!\w)")
_HEXADECIMAL = re.compile(r"(?<!\w)(?:[0-9a-fA-F]{2}){12,}(?!\w)")
_CODES_IN_A_ROW = re.compile(r"(?<!\w)(?:(?:0x)?[0-9a-fA-F]{2,8}[ ,;:]{1,2}){11,}(?:0x)?[0-9a-fA-F]{2,8}(?!\w)")
"""Twelve characters or more, each as a number."""
_ESCAPED_CHARACTER = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|([0-3][0-7]{2})|[nrt])"
)
_WITHIN_WORDS = re.compile(r"(?<=[^\W\d_])[_\-\u2010\u2011]+(?=[^\W\d_])|(?<=\w)_+(?!\w)")
_QUOTED_PIECES = re.compile(r"([\"'])\s{0,3}\+\s{0,3}\1")
CYRILLIC = str.maketrans("асеорхуіјѕһАВЕКМНОРСТХУІЈЅ", "aceopxyijshABEKMHOPCTXYIJS")
"""Cyrillic letters to the Latin ones that they look like."""
_BLACK_LETTERS = {
    begin + place: chr(65 + place) for begin in (0x1F150, 0x1F170, 0x1F1E6) for place in range(26)
}  # fmt: skip
"""Letters in black circles and squares, and those that flags are spelt by, which no form of Unicode makes plain."""
_TURNED_SIGNS = "ɐɔǝɟƃɓɥıɾʞɯɹʇʌʍʎ"
_TURNED = str.maketrans(f"{_TURNED_SIGNS}bdnpqu", "acefgghijkmrtvwyqpudbn")
_LOOKALIKES = CYRILLIC | str.maketrans(
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαικνορτυχɪɢɴᴏʀᴇᴘᴠᴜꜱᴛᴄᴀᴊᴅʟᴍᴋʏʙꜰʜᴡᴢ",
    "ABEZHIKMNOPTYXaiKvoptuxignorepvustcajdlmkybfhwz",
)
"""Letters of other alphabets, and small capitals, to those that they look like."""


def readings(text: str) -> tuple[str, ...]:
    """The text without marks of emphasis, first, and what it comes to otherwise, each once.

    Without tags and escapes, with names in pieces as words and words in pieces as one, letters that stand apart joined,
    digits and signs as the letters that they pass for, letters of other alphabets as those that they look like, accents
    taken off, what is written in base 64, 32 or 16 or as numbers decoded, letters shifted by 13, from its end, and
    upside down.
    """
    bare = _MARKUP_SIGNS.sub("", text)
    # An entity may be a character that nobody sees.
    shown = "".join(
        each for each in _HTML_TAG.sub("", html.unescape(unquote(bare))) if unicodedata.category(each) != "Cf"
    )
    folded = "".join(each for each in unicodedata.normalize("NFKD", bare) if unicodedata.category(each) != "Mn")
    found = [
        bare,
        shown,
        _ESCAPED_CHARACTER.sub(_unescaped, bare),
        _CAMEL.sub(" ", bare),
        _WITHIN_WORDS.sub("", bare),
        _QUOTED_PIECES.sub("", bare),
        bare.translate(_BLACK_LETTERS),
        _APART.sub(_joined, bare),
        _APART.sub(_joined, bare.replace("_", " ")),
        _DIGITS_IN_WORDS.sub(lambda word: word[0].translate(_LETTERS_MEANT), bare),
        folded.translate(_LOOKALIKES),
        *_decoded(text),
        codecs.encode(text, "rot13"),
        text[::-1],
        # The letters that have a turned form of their own say that it is turned.
        *([text.translate(_TURNED)[::-1]] if sum(map(text.count, _TURNED_SIGNS)) > 2 else []),
    ]
    return tuple(dict.fromkeys(found))


def _joined(apart: re.Match[str]) -> str:
    """The letters as words: what parts most of them parts letters, and another gap parts words."""
    gaps: list[str] = _NON_WORD.findall(apart[0])
    usual = Counter(gaps).most_common(1)[0][0]
    return _NON_WORD.sub(lambda gap: "" if gap[0] == usual else " ", apart[0])


def _unescaped(escape: re.Match[str]) -> str:
    """The character; a space for a line's end."""
    *hexadecimal, octal = escape.groups()
    code = next((int(each, 16) for each in hexadecimal if each), int(octal, 8) if octal else 32)
    return chr(code) if code <= sys.maxunicode else escape[0]


def _decoded(text: str) -> list[str]:
    found: list[str] = []
    for coded in dict.fromkeys((*_CODED.findall(text), *_CODED.findall(_CODED_LINES.sub("", text)))):
        plain = coded.rstrip("=").replace("-", "+").replace("_", "/")
        found += _as_text(lambda plain=plain: base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True))
    for coded in _BASE_32.findall(text):
        plain = coded.rstrip("=")
        found += _as_text(lambda plain=plain: base64.b32decode(plain + "=" * (-len(plain) % 8)))
    for coded in _HEXADECIMAL.findall(text):
        found += _as_text(lambda coded=coded: bytes.fromhex(coded))
    for coded in _CODES_IN_A_ROW.findall(text):
        numbers: list[str] = re.findall(r"\w+", coded)
        # Eight bits, two digits to base 16, or tens.
        base = (
            2
            if all(len(each) == 8 for each in numbers)
            else 16
            if all(len(each.removeprefix("0x")) == 2 for each in numbers)
            else 10
        )
        for each in {base, 10}:
            found += _as_text(lambda numbers=numbers, each=each: bytes(int(number, each) for number in numbers))
    return found


def _as_text(decode: Callable[[], bytes]) -> list[str]:
    try:
        said = decode().decode("utf-8")
    except (binascii.Error, ValueError):
        return []
    return [said] if all(each.isprintable() or each.isspace() for each in said) else []
