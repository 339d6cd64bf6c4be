"""What a cell of the final choice takes of a cap on tokens or dollars, where the search has not shown it."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.errors import BudgetSpent
from promptopt.run import Run
from promptopt.run.budget import Ledger
from promptopt.run.charging import Account
from promptopt.run.reserve import Reserve
from promptopt.types import Cell, Prompt

DEARER = 2.0
"""What the next cells are taken to take, by those before them. Ours."""


def show_prices(run: Run, account: Account, reserve: Reserve, contenders: Sequence[Prompt], most: int) -> None:
    """Score the contenders on the first dev examples, `most` of them, until what a cell takes is known.

    A search of few cells, or one by a loss, says nothing of it. Then the choice and the test are as small as a guess
    makes them, and where replies are shorter the cap is left unspent. The test that was promised is kept, at the guess,
    and the choice needs those scores.
    """
    before, done, asked, step = account.spent, 0, contenders, 1
    while step and done < most and not reserve.measured:
        examples, last = run.dev[done : min(done + step, most)], account.spent
        try:
            run.evaluate(asked, examples, repetition=run.final_repetition)
        except BudgetSpent:
            # The choice meets it too, and says so.
            return
        reserve.learn([Cell(prompt, example) for prompt in asked for example in examples], last, account.spent)
        done += len(examples)
        left = reserve.beside_test(account.capped, contenders)
        cells = _further_looks(left, account.spent.beyond(before), done * len(contenders))
        asked, step = contenders, min(done, cells // len(contenders))
        if not step and cells >= reserve.missing:
            asked, step = contenders[: reserve.missing], 1


def _further_looks(left: tuple[float | None, float | None], taken: Ledger, scored: int) -> int:
    """How many more cells what is left of tokens and dollars pays for, even if they are dearer than those `scored`."""
    used = taken.tokens, taken.usd
    pays = [rest * scored / (DEARER * by) for rest, by in zip(left, used, strict=True) if rest is not None and by]
    return max(0, int(min(pays, default=scored)))
