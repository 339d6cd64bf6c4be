"""Identity is content: equal values have equal texts, and ids are digests of them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

# One encoder for all: `json.dumps` would build one at every call.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values have equal texts in every process."""
    return _ENCODER.encode(value)


def digest(value: Any) -> str:
    """First 16 hex digits of the sha256 of `canonical(value)`."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()[:16]
