"""What a run tells whoever watches: typed, frozen, in order. The library records; the command line shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from promptopt.run.budget import Allocation, Ledger, Limits
from promptopt.types import Estimate, Prompt


@dataclass(frozen=True, slots=True)
class Planned:
    """Before anything is spent: the reserve, and the smallest true gain the sealed test finds four times in five.

    `recorded`: calls of an earlier execution of the same run, which cost nothing again. `look`: which look at its test
    examples a verdict on anything new will be, at the two-sided level `alpha`. `again`: an earlier execution has shown
    a verdict, which is shown again unless the caps have changed. `held`: test examples that there are, of which the
    allocation may pay for fewer; 0: as many as it pays for. `finished`: an earlier execution reached the end.
    `search`: what the method plans, in a sentence; empty where it does not plan. `of`: what the gain is of, where there
    are several tasks; `floors`: the least floor that the test of each of them can hold, where one is asked for.
    """

    run_id: str
    allocation: Allocation
    smallest_gain: float
    recorded: int
    look: int = 1
    alpha: float = 0.05
    again: bool = False
    held: int = 0
    finished: bool = False
    search: str = ""
    of: str = ""
    floors: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class StepDone:
    """One round of a search: everything that was compared, and what goes on to the next round.

    `note`: half a sentence of the method's own ("reward 31.2, entropy 4.1").
    """

    number: int
    pool: tuple[Estimate, ...]
    kept: tuple[Prompt, ...]
    spent: Ledger
    note: str = ""


@dataclass(frozen=True, slots=True)
class PhaseBegun:
    """`search`, then `dev` (the final choice), then `test` (start and winner, sealed until now)."""

    name: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Warned:
    """A sentence that the user should read."""

    message: str


Event = Planned | StepDone | PhaseBegun | Warned


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a run stands right now; safe to take from another thread.

    `spent` and `paid` hold what was answered of the batch that is under way, too: what is charged for it is known at
    its end.
    """

    phase: str
    step: int
    best: Estimate | None
    start: Estimate | None
    spent: Ledger
    paid: Ledger
    limits: Limits
    seconds: float
