"""What to do first, in a sentence, by what a look at a task has shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.outcome.contender import Measured

UNREADABLE = 0.10
"""Share of unreadable answers from which on these come first. Ours."""
LAYOUT_GAIN = 0.05
"""What another layout must be ahead by to come first. Ours."""
FULL = 0.97
"""Score from which on a start is right on nearly all examples. Ours."""
ENOUGH_DEV = 20
"""Dev examples from which on a start that is right on them leaves nothing to find. Ours."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How far up something reaches, on the same examples: the start there, what it reaches, with its interval."""

    start: float
    score: float
    ci95: tuple[float, float]
    n: int


def advice_on(
    start: Measured,
    layouts: Sequence[tuple[str, Measured]],
    voted: Ceiling | None,
    picked: Ceiling | None,
    smallest: float,
    needed: int,
) -> str:
    """One sentence: what to do first."""
    lost = (start.unreadable + start.cut) / start.n
    if lost >= UNREADABLE:
        return (
            f"First mend how answers are read: {100 * lost:.0f} % of the start's could not be (max_tokens, the answer "
            f"reader, or a layout), which a search would only learn to work around."
        )
    # By the lower end: the best of several layouts is ahead by luck alone, too.
    if layouts and layouts[0][1].ci95[0] > start.score + LAYOUT_GAIN:
        return f"Try the layout {layouts[0][0]!r} first: it is worth more than the one in use, and costs no search."
    if start.score >= FULL and start.n < ENOUGH_DEV:
        return (
            f"Gather dev examples first: the start is right on nearly all of the {start.n}, which are too few to say "
            f"whether there is something left to find."
        )
    if start.score >= FULL:
        return "Keep your prompt: the start is right on nearly all examples, and a search has nothing left to find."
    # Both are within reach of the model as it is, so a search may hope for the larger one.
    rooms = [each.score - each.start for each in (voted, picked) if each is not None]
    room = max([*rooms, 0.0])
    # A gain that the test cannot show would end as no evidence, however real.
    if math.isinf(smallest) or room < smallest:
        least = "no gain at all" if math.isinf(smallest) else f"no gain below {100 * smallest:.0f} points"
        return (
            f"Gather test examples before a search: these can show {least}, and {100 * room:.0f} points are in sight; "
            f"{needed:,} examples find ten points four times in five."
        )
    return (
        f"A search can pay: some {100 * room:.0f} points are in sight, and the test finds {100 * smallest:.0f} four "
        f"times in five."
    )
