"""Planted scores behind the two methods of a run that selectors use."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from promptopt.errors import BudgetSpent
from promptopt.types import Example, Prompt, Score, ScoreMatrix


@cache
def _prompts(count: int) -> tuple[Prompt, ...]:
    return tuple(Prompt.of(f"arm {arm}") for arm in range(count))


@cache
def _examples(count: int) -> tuple[Example, ...]:
    return tuple(Example.of("yes", text=str(column)) for column in range(count))


class Landscape:
    """`scores[arm, example]`; `log` holds every batch asked, as (arms, examples) by position."""

    def __init__(self, scores: ArrayLike, *, seed: int = 0, limit: float = float("inf")) -> None:
        values = np.atleast_2d(np.asarray(scores, dtype=float))
        known = {value: Score(value) for value in np.unique(values).tolist()}
        self.values = values
        self.prompts, self.examples = _prompts(values.shape[0]), _examples(values.shape[1])
        self.arm = {prompt: arm for arm, prompt in enumerate(self.prompts)}
        self.log: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        self._rows = [[known[value] for value in row] for row in values.tolist()]
        self._column = {example: column for column, example in enumerate(self.examples)}
        self._limit = limit
        self._random = random.Random(f"{seed}/selection")

    @property
    def asked(self) -> int:
        return sum(len(arms) * len(columns) for arms, columns in self.log)

    def columns_of(self, arm: int) -> list[int]:
        """The examples `arm` was scored on, in order."""
        return [column for arms, columns in self.log if arm in arms for column in columns]

    def seen(self, prompt: Prompt, examples: Sequence[Example]) -> list[tuple[Example, Score]]:
        """As `Run.seen`: of examples that were all asked about."""
        return [(example, self._rows[self.arm[prompt]][self._column[example]]) for example in examples]

    def rng(self, stream: str) -> random.Random:
        assert stream == "selection"
        return self._random

    def evaluate(self, prompts: Sequence[Prompt], examples: Sequence[Example]) -> ScoreMatrix:
        columns = tuple(self._column[example] for example in examples)
        if self.asked + len(prompts) * len(columns) > self._limit:
            raise BudgetSpent("the limit of the landscape")
        self.log.append((tuple(self.arm[prompt] for prompt in prompts), columns))
        rows = {prompt: [self._rows[self.arm[prompt]][column] for column in columns] for prompt in prompts}
        return ScoreMatrix(examples, rows)


def plant(
    generator: np.random.Generator, *, arms: int = 36, examples: int = 400, difficulty: float = 0.8
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Accuracies of the arms on unseen data, drawn from N(0.70, 0.05), and which examples each gets right.

    Probit: right where a_i + difficulty·z_j + e_ij > 0 with standard normal z (shared by the arms) and e.
    """
    accuracies = np.clip(generator.normal(0.70, 0.05, arms), 0.02, 0.98)
    scale = (1 + difficulty**2) ** 0.5
    ability = np.array([NormalDist().inv_cdf(accuracy) * scale for accuracy in accuracies])
    latent = ability[:, None] + difficulty * generator.normal(size=examples) + generator.normal(size=(arms, examples))
    return accuracies, latent > 0
