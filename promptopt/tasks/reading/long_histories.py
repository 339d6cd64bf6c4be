"""What is kept of a history that is longer than most models read: its end, cut where a server takes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

from promptopt.types import Message

LONGEST_HISTORY = 8_000
"""Tokens of a history, as estimated, that are kept at most: whole turns are cut from its beginning."""
Cut = Literal["", "long", "steps", "too long"]
"""How a history was cut: not at all, between turns, within its last turn; or that no cut makes it fit."""


def fitting(history: Sequence[Message], sizes: Sequence[int]) -> tuple[tuple[Message, ...], Cut]:
    """The last turns of a history that fit; a turn begins where the user speaks. `sizes`: of each message, in tokens.

    Where the last turn does not fit by itself, an agent worked through it in steps: a call with its results, or a text.
    Then what the user asked stays, and the last steps do.
    """
    behind = [*accumulate(reversed(sizes), initial=0)][::-1]
    if behind[0] <= LONGEST_HISTORY:
        return tuple(history), ""
    starts = [place for place, message in enumerate(history) if message.role == "user"]
    whole = next((start for start in starts if behind[start] <= LONGEST_HISTORY), None)
    if whole is not None:
        return tuple(history[whole:]), "long"
    if not starts:
        return (), "too long"
    asked = starts[-1]
    # A result stands behind its call, so that a step begins at all else; without any step, nothing says why the reply.
    steps = (place for place in range(asked + 1, len(history)) if history[place].role != "tool")
    step = next((place for place in steps if sizes[asked] + behind[place] <= LONGEST_HISTORY), None)
    return ((history[asked], *history[step:]), "steps") if step is not None else ((), "too long")


def tokens_of(message: Message) -> int:
    """By rule, so that a history is the same on every machine: 1 for 4 ASCII characters, 1 for 3 bytes of others."""
    text = message.written
    ascii_count = len(text.encode("ascii", "ignore"))
    others = len(text.encode("utf-8", "replace")) - ascii_count
    return math.ceil(ascii_count / 4) + math.ceil(others / 3)
