"""Tables of words as the policy of RLPrompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.operators.training import Sample, Tokens
from promptopt.optimizers.rlprompt.plan import RLPlan
from tests.optimizers.policies import Table

WORDS = ("carefully", "exactly", "twice", "soon", "snow", "please", "slowly", "maybe")

MADE: list[Table] = []
"""Every table that was opened: no setting, so that a run that is watched is the same run."""


def table(
    words: Sequence[str],
    length: int,
    rate: float = 0.5,
    fails_at: tuple[int, ...] = (),
    heeds: str = "",
    forgets_at: int = 0,
) -> Table:
    """Words get less likely by their place."""

    def joined(known: Sequence[str], tokens: Tokens, shares: Sequence[float]) -> Sample:
        del shares
        return Sample(tokens, "".join(f" {known[token]}" for token in tokens), -1.0 - sum(tokens) / 10)

    return Table(
        f"a table of {len(words)} words", tuple(words), length, rate, joined, fails_at, heeds, False, forgets_at
    )


@dataclass(frozen=True, slots=True)
class Tables:
    """A `PolicyMaker` of tables; `MADE` collects them."""

    words: tuple[str, ...] = WORDS
    rate: float = 0.5
    fails_at: tuple[int, ...] = ()
    heeds: str = ""
    forgets_at: int = 0

    def open(self, plan: RLPlan, seed: int) -> Table:
        MADE.append(table(self.words, plan.length, self.rate, self.fails_at, self.heeds, self.forgets_at))
        return MADE[-1]
