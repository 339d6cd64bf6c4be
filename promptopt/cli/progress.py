"""How much of a run is done, and how long the rest takes: the same words in the live table and in plain lines."""

from __future__ import annotations

from promptopt.reports import words
from promptopt.run.budget import Ledger, Limits
from promptopt.run.events import Snapshot
from promptopt.text import counted

TOLD_FROM = 20
"""Evaluations paid for, before they say how fast a run is: a search begins with requests for new prompts, and next to
nothing is scored until these are answered."""


def done(snapshot: Snapshot, minutes: float | None, caps: Limits | None = None) -> str:
    """`420 of at most 1,500 evaluations, about 6 minutes left`; of what is not known, nothing.

    `minutes`: the cap on wall clock. `caps`: those of the whole run; None: the snapshot's own, as in `time_left`. The
    total is that of the cap that comes first: a search may end before it is reached.
    """
    left = time_left(snapshot, minutes, caps)
    said = _of_the_first(snapshot.spent, snapshot.limits if caps is None else caps)
    return said if left is None else f"{said}, {words.roughly(left)} left"


def _of_the_first(spent: Ledger, caps: Limits) -> str:
    """What was used of the cap that is nearest, or the evaluations where there is none."""
    used = [
        (used / cap, f"{used:,} of at most {counted(cap, noun)}")
        for cap, used, noun in (
            (caps.evaluations, spent.evaluations, "evaluation"),
            (caps.calls, spent.calls, "call"),
            (caps.tokens, spent.tokens, "token"),
        )
        if cap
    ]
    if caps.usd and spent.usd is not None:
        used.append((spent.usd / caps.usd, f"{words.dollars(spent.usd)} of at most {words.dollars(caps.usd)}"))
    # Of two caps that are as near the first one stands: evaluations say most.
    return max(used, key=lambda each: each[0])[1] if used else counted(spent.evaluations, "evaluation")


def time_left(snapshot: Snapshot, minutes: float | None, caps: Limits | None = None) -> float | None:
    """Seconds until the first cap is reached at the speed of this session, or None where nothing says.

    Speed is measured on what was paid for: what the store already held takes no time, and says nothing about it. Nor
    do fewer than `TOLD_FROM` evaluations.
    """
    spent, paid, limits = snapshot.spent, snapshot.paid, snapshot.limits if caps is None else caps
    left: list[float] = []
    if minutes is not None:
        left.append(max(0.0, minutes * 60 - snapshot.seconds))
    for cap, used, bought in (
        (limits.evaluations, spent.evaluations, paid.evaluations),
        (limits.calls, spent.calls, paid.calls),
        (limits.tokens, spent.tokens, paid.tokens),
        (limits.usd, spent.usd, paid.usd),
    ):
        # Nothing paid so far says nothing of the speed.
        if cap is not None and used is not None and bought and paid.evaluations >= TOLD_FROM:
            left.append(max(0.0, cap - used) * snapshot.seconds / bought)
    return min(left) if left else None
