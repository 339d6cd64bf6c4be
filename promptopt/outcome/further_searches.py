"""Further searches from the best prompt so far, by what the first left of its share of a cap on tokens or dollars."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

from promptopt.protocols import Optimizer, Planning
from promptopt.run import Run
from promptopt.run.budget import LARGEST_CAP
from promptopt.run.charging import Account
from promptopt.text import counted
from promptopt.types import Room

PLANNED = 0.8
"""Share of what is left that a further search plans for: its prompts are longer than those of the first. Ours."""


def search_on(run: Run, account: Account, optimizer: Optimizer) -> None:
    """Search again from the best, while what is left suffices for a round that is of use, or for the first search.

    A method plans by what replies were taken to be before the first was read. Where they are shorter, its plan ends
    with much of the cap unspent. A method whose settings say how much it searches ends where they say, and one that
    said why there is nothing more to search for ends there.
    """
    start, first = run.initial, run.room.cells()
    try:
        while isinstance(optimizer, Planning) and _by_budget(optimizer) and not run.ended:
            room = _room_left(run, account)
            cells = None if room is None else room.cells()
            if room is None or cells is None:
                return
            # Where the first search had less than such a round, it was searched all the same.
            if cells < min(optimizer.least(room), LARGEST_CAP if first is None else max(1, first)):
                return
            # How much is left depends on the cap, which another execution may raise.
            run.follow_budget()
            run.warn(
                f"the search took less than its share of the cap: {counted(cells, 'evaluation is', 'evaluations are')} "
                f"left, and it goes on from its best prompt so far ({optimizer.plan(room).describe()})"
            )
            spent, known = run.spent.evaluations, len(run.candidates())
            run.begin_again(next((each.prompt for each in run.ranked()), start), room)
            optimizer.optimize(run)
            if run.spent.evaluations == spent or len(run.candidates()) == known:
                return
    finally:
        run.initial = start


def _by_budget(optimizer: Optimizer) -> bool:
    """Whether no setting says how much is searched: those that a plan fills in are None as they are given."""
    if not is_dataclass(optimizer):
        return False
    settings = {each.name: (each.default, getattr(optimizer, each.name)) for each in fields(optimizer)}
    planned = all(default is not None or given is None for default, given in settings.values())
    default, preset = settings.get("preset", ("", ""))
    return planned and preset == default


def _room_left(run: Run, account: Account) -> Room | None:
    """What is left to the search; None where neither tokens nor dollars are capped or the first cells are missing."""
    limits, used, raised = account.limits, account.capped, account.raised
    if raised is None or not run.spent.evaluations:
        return None
    cells: list[float] = []
    # Before the dearest call of the proposer may no longer go out; up to what the search has for sure any may.
    tokens, usd = account.dearest("proposer")
    # By all that the search took: a cell brings calls of the proposer with it.
    if limits.tokens is not None and raised.most.tokens is not None:
        left = max(raised.sure.tokens or 0, min(limits.tokens, raised.most.tokens - tokens)) - used.tokens
        cells.append(PLANNED * run.spent.evaluations * left / max(1, used.tokens))
    if limits.usd is not None and raised.most.usd is not None and used.usd:
        left = max(raised.sure.usd or 0.0, min(limits.usd, raised.most.usd - usd)) - used.usd
        cells.append(PLANNED * run.spent.evaluations * left / used.usd)
    if limits.evaluations is not None:
        cells.append(limits.evaluations - used.evaluations)
    calls = None if limits.calls is None else max(0, limits.calls - used.calls)
    # What a cell takes is measured with the calls of the proposer that it brought.
    return replace(run.room, evaluations=max(0, int(min(cells))), calls=calls, metered=()) if cells else None
