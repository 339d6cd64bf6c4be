"""What a run is said to do, in a live table as in plain lines: its opening, its phases, what its test can show."""

from __future__ import annotations

import math
from collections.abc import Mapping

from promptopt.outcome.looks import looked_at
from promptopt.run.events import Planned
from promptopt.stats import DISAGREEMENT
from promptopt.tasks.splits import FEW
from promptopt.text import counted

PHASES = {
    "search": "searching",
    "dev": "final choice: the finalists and the start on dev",
    "test": "sealed test: start and winner on examples that the search has not seen",
}


def opening_lines(event: Planned) -> list[str]:
    """The run's name, what is set aside and planned, what the test can show, and what is already paid for."""
    lines = [
        f"run {event.run_id}",
        event.allocation.describe(),
        *([event.search] if event.search else []),
        smallest_gain_line(event.allocation.test, event.smallest_gain, event.held, event.of),
        *([least_floors_line(event.floors)] if event.floors else []),
    ]
    # A run that goes on repeats no look: its own was entered before.
    if event.look > 1 and not event.again:
        lines.append(looked_at(event.look, event.alpha))
    if event.recorded and event.finished:
        calls = counted(event.recorded, "call")
        lines.append(
            f"finished before: {calls} and the end are shown again, free of charge, unless a cap is larger now"
        )
    elif event.recorded:
        lines.append(f"going on after {counted(event.recorded, 'call')} of an earlier execution, free of charge")
    return lines


def least_floors_line(floors: Mapping[str, float]) -> str:
    """The smallest floor of each of several tasks that its test can hold."""
    least = ", ".join(f"{100 * floor:.1f} points on {name}" for name, floor in floors.items())
    return f"the smallest floors that the test can hold, where nothing changes: {least}"


def smallest_gain_line(test: int, gain: float, held: int = 0, of: str = "") -> str:
    """What the sealed test can show, and what would let it show more. `held`, `of`: as in `Planned`."""
    fewer = test < held
    examples = f"{test:,} of the {held:,} test examples" if fewer else counted(test, "test example")
    if not math.isfinite(gain):
        paid, wanted = ("the budget pays for ", "a larger one") if fewer else ("", "more data or a larger budget")
        return f"{paid}{examples}{', which' if fewer else ''} can hardly show any gain{of}; give {wanted}"
    if gain > DISAGREEMENT:
        # Nobody gains on more examples than the two prompts differ on.
        wanted = "a larger budget" if fewer else "more data"
        return (
            f"{'the budget pays for ' if fewer else ''}{examples}{', which' if fewer else ''} are too few to find any "
            f"gain{of} four times in five, if start and winner differ on {100 * DISAGREEMENT:.0f} % of them; give "
            f"{wanted}"
        )
    more = "; a larger budget pays for more" if fewer else "; give more data for smaller ones" if test < FEW else ""
    return (
        f"on {examples} a true gain of {100 * gain:.0f} points or more{of} is found four times in five, if start and "
        f"winner differ on {100 * DISAGREEMENT:.0f} % of them{more}"
    )
