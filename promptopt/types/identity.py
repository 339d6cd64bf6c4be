"""Identity is content: equal values have equal texts, and ids are digests of them."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, cast

# One encoder for all: `json.dumps` would build one at every call.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


_SURROGATE = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    r"""`text` with lone surrogates (half an emoji) as `\ud83d`: no file, terminal or database takes them as they are.

    In JSON that is the same text: it is read back as it was.
    """
    # Nearly every text is ASCII, and says so at once.
    return text if text.isascii() else _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def surrogates_replaced(text: str) -> str:
    """`text` with lone surrogates, which no tokenizer takes and no request in JSON can carry, as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values have equal texts in every process, which any store takes."""
    return without_surrogates(_ENCODER.encode(value))


def object_in(text: str) -> dict[str, object] | None:
    """The JSON object that a text is; None for any other text, and for one nested deeper than Python reads."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def digest(value: Any) -> str:
    """First 16 hex digits of the sha256 of `canonical(value)`."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()[:16]
