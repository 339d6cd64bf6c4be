"""A cap on minutes over a search: it ends in time for the final choice and the sealed test, as other caps end it.

How long these take is told by the calls of this session. So where the search ends is no function of the program. It is
stored with the result: the same run within as many minutes ends there again, and within more of them it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from promptopt.run.budget import Allocation
from promptopt.run.reserve import MEASURED, RESERVE_FACTOR
from promptopt.run.slices import SLICE
from promptopt.text import counted

AT_ONCE = 64
"""Cells of a search that are asked for at once where a clock may end it: a batch that it cuts is stored, not scored. As
many at all times, or a replay would be cut elsewhere. Ours."""


@dataclass(frozen=True, slots=True)
class TimeCut:
    """Where a cap of so many minutes ended a search: what the choice and the test had then."""

    minutes: float
    finalists: int
    dev: int
    test: int

    def within(self, allocation: Allocation) -> Allocation:
        """The allocation with no more than that."""
        return replace(
            allocation,
            finalists=min(self.finalists, allocation.finalists),
            dev=min(self.dev, allocation.dev),
            test=min(self.test, allocation.test),
        )

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None, minutes: float | None) -> TimeCut | None:
        """Where an earlier execution, whose result is `stored`, was ended that had as many minutes or more."""
        found = None if stored is None else stored.get("time_cut")
        if found is None or minutes is None or minutes > found["minutes"]:
            return None
        return cls(**found)

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        return asdict(self)


class SearchClock:
    """Says when a search has to end, so that what follows comes within the minutes allowed."""

    def __init__(
        self,
        minutes: float | None,
        elapsed: Callable[[], float],
        paid: Callable[[], int],
        allocation: Allocation,
        calls_per_cell: int,
        earlier: TimeCut | None = None,
    ) -> None:
        """`elapsed`: seconds of this session; `paid`: its calls so far. `earlier`: where the run was ended before."""
        self._minutes, self._elapsed, self._paid = minutes, elapsed, paid
        self._allocation, self._per_cell = allocation, calls_per_cell
        self._earlier, self._due, self._searching = earlier, earlier, True
        # Seconds and calls when the choice began.
        self._chosen_from = (0.0, 0)
        # Until the first call goes out: a wait for another process, and what the store holds, say nothing of calls.
        self._idle_s = 0.0
        self.cut: TimeCut | None = None
        """Where the search was ended; None where it was not."""

    def reason(self) -> str | None:
        """Why the search has to end now, or None; asked before calls go out, and never for what the store holds."""
        if not self._searching or self._minutes is None:
            return None
        if not self._paid():
            self._idle_s = self._elapsed()
        if self._due is None:
            self._due = self._now_due(self._minutes)
        return None if self._due is None else self._sentence()

    def beside(self, stop: Callable[[], str | None]) -> Callable[[], str | None]:
        """The reason of `stop`, which suspends the run; else that of this clock."""
        return lambda: stop() or self.reason()

    def at_once(self, several_calls: bool) -> int:
        """Cells that are asked for at once. `several_calls`: a cell takes some, whose order goes by the batch."""
        return AT_ONCE if self._searching and self._minutes is not None and not several_calls else SLICE

    def end_search(self, said: str = "") -> bool:
        """The search is over. Whether it was this clock that ended it: `said` is what stopped it."""
        self._searching = False
        if said and self._due is not None and said == self._sentence():
            self.cut, self._chosen_from = self._due, (self._elapsed(), self._paid())
        return self.cut is not None

    def within(self, allocation: Allocation) -> Allocation:
        """The allocation that there is time for."""
        return allocation if self.cut is None else self.cut.within(allocation)

    def fit(self, allocation: Allocation, promised: int, warn: Callable[[str], None]) -> Allocation:
        """The allocation, after the choice, with as much of the test that was `promised` as there is time for.

        What the calls of the choice took says it anew. The user is told where it is less.
        """
        if self.cut is None:
            return allocation
        # Of tokens and dollars no more is left than it was fitted to.
        most = allocation.test if allocation.total.metered else promised
        if self._earlier is None and self._minutes is not None:
            (begun, asked), now, calls = self._chosen_from, self._elapsed(), self._paid()
            # Few calls say less than all of the session do.
            few = calls - asked < MEASURED
            seconds, count = (now - self._idle_s, calls) if few else (now - begun, calls - asked)
            pair = max(1e-9, 2 * RESERVE_FACTOR * self._per_cell * seconds / count)
            self.cut = replace(self.cut, test=max(1, int(min(most, (60 * self._minutes - now) / pair))))
        fitted = replace(allocation, test=min(most, self.cut.test))
        if fitted.test < promised:
            warn(
                f"the minutes leave time for {fitted.test:,} of the {counted(promised, 'test example')} that were set "
                f"aside, by how long calls took"
            )
        return fitted

    def _now_due(self, minutes: float) -> TimeCut | None:
        calls, elapsed, allowed = self._paid(), self._elapsed(), 60 * minutes
        if calls < MEASURED:
            return None
        # By all calls: those of a proposer, which take longer, make it too much rather than too little.
        cell = self._per_cell * (elapsed - self._idle_s) / calls
        fitted = self._allocation.within_cells((allowed - self._idle_s) / cell if cell else float(calls))
        if elapsed + RESERVE_FACTOR * cell * fitted.set_aside < allowed:
            return None
        return TimeCut(minutes, fitted.finalists, fitted.dev, fitted.test)

    def _sentence(self) -> str:
        return f"of {self._minutes:g} {'minute' if self._minutes == 1 else 'minutes'} the rest is for the verdict"
