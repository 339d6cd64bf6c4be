"""What each judge of a panel says by itself: where they contradict each other, their mean is nobody's word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from promptopt.protocols import JUDGES, Role
from promptopt.stats import ALPHA, ROUNDING, Gain
from promptopt.stats.design import PLAIN, Design
from promptopt.types import Score

_SEEN_ALIKE = "people decide on the replies of a search (`promptopt label`)"


def gains_by_judge(
    before: Sequence[Score], after: Sequence[Score], groups: Sequence[str] = (), design: Design = PLAIN
) -> dict[str, Gain]:
    """What each judge of a panel says the new prompt gains, on what it could read; nothing for one judge."""
    names = groups if groups else [""] * len(before)
    rows: dict[str, list[tuple[float, float, str]]] = {}
    for one, other, group in zip(before, after, names, strict=True):
        parts = dict(one.parts)
        for name, value in other.parts:
            if name in JUDGES and name in parts:
                rows.setdefault(name, []).append((parts[name], value, group))
    columns = {name: list(zip(*each, strict=True)) for name, each in rows.items()}
    found = {name: design.gain(old, new, of, ALPHA) for name, (old, new, of) in columns.items()}
    return found if len(found) > 1 else {}


def dissent(gains: dict[str, Gain], margin: float, *, worse: bool) -> str:
    """A sentence where a judge contradicts what the mean of all comes to; else nothing.

    `worse`: the mean is a loss, which a judge that sees a gain contradicts. Else one does that sees a loss of more than
    `margin`, or one that is sure, where another sees a gain: less may be chance.
    """
    gaining = any(gain.mean > ROUNDING for gain in gains.values())
    losing = any(gain.mean < -margin - ROUNDING or gain.ci95[1] < 0 for gain in gains.values())
    if not gaining or not (worse or losing):
        return ""
    return f"the judges of the panel disagree ({said_by(gains)} points), so {_SEEN_ALIKE}"


def unseen_gain(gains: dict[str, Gain]) -> str:
    """A sentence where a judge sees no gain that the mean of all has; else nothing."""
    if all(gain.mean > ROUNDING for gain in gains.values()):
        return ""
    return f"only some judges of the panel see a gain ({said_by(gains)} points), so {_SEEN_ALIKE}"


def said_by(gains: dict[str, Gain]) -> str:
    """Each judge by its place, with its gain in points."""
    return ", ".join(f"{place_of(name)}: {100 * gain.mean:+.1f}" for name, gain in gains.items())


def place_of(name: str) -> str:
    """A judge by where it is named, which is how a user knows it."""
    return f"judge {JUDGES.index(cast('Role', name)) + 1}"
