"""What a call is stored under: the same request to the same model, drawn alike, is the same call for every run."""

from __future__ import annotations

import hashlib


def call_key(model: str, request: str, draw: str) -> bytes:
    """sha256 over (served model, canonical request JSON, draw)."""
    # Neither a name nor a draw has a line break in it, so two calls never make one text. What is no valid UTF-8 (a lone
    # surrogate in a user's data) still has a key.
    text = f"{model}\n{draw}\n{request}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
