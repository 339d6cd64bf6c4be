"""What a cell of the final choice takes of a cap on tokens or dollars, where the search has not shown it."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.errors import BudgetSpent
from promptopt.run import Run
from promptopt.run.budget import Allocation, Ledger
from promptopt.run.charging import Account
from promptopt.run.reserve import Reserve
from promptopt.types import Cell, Prompt

DEARER = 2.0
"""What the next cells are taken to take, by those before them. Ours."""


def show_prices(run: Run, account: Account, reserve: Reserve, allocation: Allocation, contenders: Sequence[Prompt],
                most: int) -> None:  # fmt: skip
    """Score the contenders on the first dev examples, `most` of them, until what a cell takes is known.

    A search of few cells, or one by a loss, says nothing of it. Then the choice and the test are as small as a guess
    makes them, and where replies are shorter the cap is left unspent. More goes to it only than the guess granted the
    choice, and the choice needs those scores.
    """
    granted, before = reserve.of_choice(contenders, allocation.dev), account.spent
    done, step = 0, 1
    while step and done < most and not reserve.measured:
        examples, last = run.dev[done : min(done + step, most)], account.spent
        try:
            run.evaluate(contenders, examples, repetition=run.final_repetition)
        except BudgetSpent:
            # The choice meets it too, and says so.
            return
        reserve.learn([Cell(prompt, example) for prompt in contenders for example in examples], last, account.spent)
        done += len(examples)
        step = min(done, _further_looks(granted, account.spent.beyond(before), done, allocation))


def _further_looks(granted: tuple[float, float], taken: Ledger, done: int, allocation: Allocation) -> int:
    """How many more dev examples what is left of the grant pays for, even if they are dearer."""
    caps = (allocation.total.tokens, taken.tokens), (allocation.total.usd, taken.usd)
    left = [(grant - used) * done / (DEARER * used)
            for grant, (cap, used) in zip(granted, caps, strict=True) if cap is not None and used]  # fmt: skip
    return max(0, int(min(left, default=done)))
