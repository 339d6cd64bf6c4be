"""Cells in the batches that caps let through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

from promptopt.errors import BudgetSpent
from promptopt.protocols import CallsVary, Evaluator
from promptopt.run.charging import Account
from promptopt.run.door import Door
from promptopt.text import counted
from promptopt.types import Cell


def batches(
    cells: Iterable[Cell],
    evaluator: Evaluator,
    door: Door,
    left: Callable[[], int | None],
    follow_budget: Callable[[], None],
) -> Iterator[list[Cell]]:
    """The cells in order, as many at a time as the door takes and `left()` allows.

    `follow_budget` is called before a batch that a cap made smaller, where a larger cap would give another order of
    calls. Raises BudgetSpent where nothing is left.
    """
    waiting = iter(cells)
    # Taken in full and cut after it: what is affordable changes with every batch that is scored.
    several = in_several_calls(evaluator)
    while batch := list(islice(waiting, door.at_once(several))):
        affordable = left()
        if affordable == 0:
            raise exhausted(door.account)
        size = door.account.slice_size() if affordable is None else min(affordable, door.account.slice_size())
        # The calls of a batch go out step by step, so a smaller batch asks the same calls in another order.
        if size < len(batch) and several:
            follow_budget()
        yield batch[:size]
        # What did not fit comes first in the next batch: cells are charged in the order given.
        waiting = chain(batch[size:], waiting)


def in_several_calls(evaluator: Evaluator) -> bool:
    """Whether a cell takes calls one after the other: those of all cells in a batch are then asked step by step."""
    return evaluator.calls_per_cell > 1 or (isinstance(evaluator, CallsVary) and evaluator.calls_vary)


def exhausted(account: Account) -> BudgetSpent:
    """What ends a search that has no evaluation left: in words of the cap that left none."""
    spent, most = account.capped, account.limits.evaluations
    if most is None or spent.evaluations < most:
        # A cell is asked whole or not at all, so a few calls may be left.
        return BudgetSpent(account.calls_spent())
    return BudgetSpent(f"{counted(spent.evaluations, 'evaluation is', 'evaluations are')} spent")
