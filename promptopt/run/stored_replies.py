"""Replies as the store holds them: read back as JSON, and forgotten where they are damaged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from promptopt.store.cache import Cache
from promptopt.text import counted
from promptopt.types import Likelihoods, Reply

PAID_USD = "paid_usd"
"""What a stored reply cost when it was paid for; left out where that was nothing, or unknown."""

REFUSED = "refused"
"""What marks a stored reply to a request that was refused: a probe may have been paid for in its place. Its value is
the dollars that a token cost then, read and written; True where that was unknown, or not kept yet."""


def stored_replies(cache: Cache, keys: Sequence[bytes], warn: Callable[[str], None]) -> dict[bytes, Any]:
    """The stored replies. Damaged ones are dropped, which the user is told: whoever lacks them asks again."""
    found = {key: _sound_reply(reply) for key, reply in cache.get(keys).items()}
    damaged = [key for key, value in found.items() if value is None]
    if damaged:
        # The first row of a key stays, so a new reply would never be read while the damaged one is there.
        cache.forget(damaged)
        warn(
            f"{counted(len(damaged), 'stored reply is', 'stored replies are')} damaged and asked for again; what the "
            f"model says now may differ"
        )
    return {key: value for key, value in found.items() if value is not None}


def _sound_reply(text: str) -> Any:
    """A stored reply as JSON, or None where it is damaged."""
    try:
        value: Any = json.loads(text)
        reading, writing = value["usage"]
        sound = isinstance(value["served"], str) and isinstance(value["finish"], str)
        # Not by isinstance, to which True is a whole number.
        sound = sound and 0 <= value.get(PAID_USD, 0) < math.inf
        probed = value.get(REFUSED, True)
        if probed is not True:
            prompt, completion = probed
            sound = sound and 0 <= prompt < math.inf and 0 <= completion < math.inf
        if not sound or type(reading) is not int or type(writing) is not int or min(reading, writing) < 0:
            return None
        if "continuations" in value:
            # Read as the program will read it: what fails there would fail after it was charged.
            Likelihoods.from_json(value)
            return value
        # The other members are read as they are.
        if value["tokens"] != [] or "calls" in value:
            Reply.from_json(value)
        return value if isinstance(value["text"], str) else None
    # RecursionError: what is nested thousands deep, which no reply ever was.
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
