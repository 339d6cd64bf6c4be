"""A table of whole texts as the prompter of Align-Pro: a text is one token."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.operators.training import Policy, Sample, Tokens
from promptopt.optimizers.align_pro.settings import TrainingSettings
from tests.optimizers.policies import Table

TEXTS = (
    "Answer the question soon.",
    "Answer the question carefully.",
    "Answer the question exactly.",
    "Answer the question carefully, exactly, twice.",
    "",
)
"""The last is of no use."""
MADE: list[Table] = []


def _joined(known: Sequence[str], tokens: Tokens, shares: Sequence[float]) -> Sample:
    even = math.log(1 / len(known))
    return Sample(tokens, known[tokens[0]], even, math.log(shares[0]) - even)


@dataclass(frozen=True, slots=True)
class Books:
    """A `PrompterMaker` of phrases; `MADE` collects them."""

    texts: tuple[str, ...] = TEXTS
    rate: float = 4.0
    fails_at: tuple[int, ...] = ()

    def open(self, settings: TrainingSettings, seed: int) -> Policy:
        MADE.append(
            Table(f"{len(self.texts)} phrases", self.texts, 1, self.rate, _joined, self.fails_at, weighted=True)
        )
        return MADE[-1]
