"""Texts as TOML writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

_NOT_LITERAL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


def quoted(text: str) -> str:
    """A TOML basic string. JSON's escapes are TOML's too, but for DEL, which JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def quoted_lines(text: str) -> str:
    """A text of several lines as TOML writes it, so that a person can edit it; else in one line."""
    # A literal text of TOML knows no escapes, so it holds neither its own mark nor control characters.
    if "\n" not in text or "'''" in text or _NOT_LITERAL.search(text):
        return quoted(text)
    return f"'''\n{text}'''"


def quoted_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """An array of arrays of two texts."""
    return f"[{', '.join(f'[{quoted(first)}, {quoted(second)}]' for first, second in pairs)}]"
