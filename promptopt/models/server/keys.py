"""Keys: read from the environment, and taken out of what servers say, however they are written there.

Plain, encoded for a URL, in JSON or in base64.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, cast

from promptopt.errors import ConfigError

SHORTEST_KEY = 8
"""Characters of a key that cannot be a word: a server may be given the key `none`."""
MASK = "[key]"


def key_in(variable: str) -> str:
    """The key that an environment variable holds, without the line break that a file of secrets often ends in.

    Empty where it is not set. Raises ConfigError for what can be no key.
    """
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"the environment variable {variable} holds a line break or another character that no key has; set it anew"
        )
    return key


def masked(text: str, keys: Iterable[str]) -> str:
    """`text` without `keys`, the longest first, or a key that holds another would be taken out in part.

    Keys shorter than `SHORTEST_KEY` are left.
    """
    for key in sorted({each for each in keys if len(each) >= SHORTEST_KEY}, key=len, reverse=True):
        text = text.replace(key, MASK)
        # An escape of any kind holds one of these; most texts hold none, and are not looked through letter by letter.
        if any(sign in text for sign in ("%", "\\", "&")):
            text = _escaped(key).sub(MASK, text)
        for coded in _coded(key):
            text = text.replace(coded, MASK)
    return text


def masked_bytes(body: bytes, keys: Iterable[str]) -> bytes:
    """The same for a body that is yet to be read as JSON: its escapes are for the text that is read from it."""
    for key in keys:
        if len(key) >= SHORTEST_KEY:
            for written in (key, *_coded(key)):
                body = body.replace(written.encode(), MASK.encode())
    return body


def masked_json(value: object, keys: Sequence[str]) -> Any:
    """A JSON value without `keys`, in the names of its fields too. Raises RecursionError for one that is too deep."""
    if isinstance(value, str):
        return masked(value, keys)
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value).items()
        return {masked(name, keys): masked_json(each, keys) for name, each in fields}
    if isinstance(value, list):
        return [masked_json(each, keys) for each in cast("list[object]", value)]
    return value


def may_escape(body: bytes) -> bool:
    """Whether what is read from `body` may hold a key that `masked_bytes` has not seen; most answers cannot."""
    return any(sign in body for sign in _ESCAPE_SIGNS)


_ESCAPE_SIGNS = (b"\\u00", b"\\\\", b"\\/", b'\\"', b"%", b"&")


@lru_cache(maxsize=64)
def _escaped(key: str) -> re.Pattern[str]:
    """Every letter as itself or as an escape of it: URL, JSON, Python, HTML; also escaped twice."""
    letters: list[str] = []
    for letter in key:
        code = ord(letter)
        forms = [
            re.escape(letter),
            rf"%(?:25)*(?i:{code:02x})",
            rf"\\+(?:u00|x)(?i:{code:02x})",
            rf"&#(?:0*{code}|[xX]0*(?i:{code:x}));",
        ]
        if not letter.isalnum():
            forms.append(rf"\\+{re.escape(letter)}")
        if letter in _HTML:
            forms.append(_HTML[letter])
        letters.append(f"(?:{'|'.join(forms)})")
    return re.compile("".join(letters))


_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


@lru_cache(maxsize=64)
def _coded(key: str) -> tuple[str, ...]:
    """The key in base64 and in hexadecimal, as it stands inside of a longer text that was encoded as a whole."""
    raw = key.encode()
    found: dict[str, None] = {}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        # The letters at its ends also depend on what stands around it: those that do not are taken, for each of the
        # three ways in which its bytes can fall into groups of three.
        for before in range(3):
            coded = encode(bytes(before) + raw).decode().rstrip("=")
            first = -(-before * 8 // 6)
            found[coded[first : (before + len(raw)) * 8 // 6]] = None
    found[raw.hex()] = None
    found[raw.hex().upper()] = None
    return tuple(sorted(found, key=len, reverse=True))
