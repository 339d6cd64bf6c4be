"""Calibrate, then select: the best of a search on few examples are ranked on many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.evaluators.first_token import fold
from promptopt.evaluators.targets import right_answers
from promptopt.optimizers.promptquine.history import History, PrunedPrompt
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.types import Estimate, Example, Prompt, Score

TIES = 1.5
"""What ties may make of the share of elites: with few examples and accuracy, most of the history can be tied. Ours."""


@dataclass(frozen=True, slots=True)
class Reranking:
    """The best of the whole history, on more examples."""

    examples: int | None = None
    """Training examples, other than those of the search; None: by the budget, or the preset. Paper: 200."""
    share: float = 0.1
    """The share of the history that is ranked again, ties included. Code."""
    most: int | None = None
    """The most elites; None: no cap. The code: 20 for style transfer."""

    def __post_init__(self) -> None:
        within(self, share=(0.0, 1.0))
        within(self, examples=(1, math.inf), most=(0, math.inf))

    def bound(self, scored: int) -> int:
        """The most elites of so many individuals, ties included."""
        count = int(TIES * math.ceil(self.share * scored))
        return count if self.most is None else min(count, self.most)


def rerank(
    run: Run, history: History, firsts: Sequence[PrunedPrompt], held: Sequence[Example], settings: Reranking
) -> None:
    """The elites, the start and the in-context prompts by the task's metric on the examples held out."""
    best = elites(history.individuals(), len(history.examples), settings)
    ranked = list(dict.fromkeys([run.initial, *(each.prompt for each in [*firsts, *best])]))
    run.rank_by(held)
    scores = run.evaluate(ranked, held)
    means = scores.means()
    # By accuracy, though the search went by the reward (paper): its values are no share of right answers.
    labelled = bool(run.task.labels) and run.abilities.stands_in

    def metric(prompt: Prompt) -> float:
        return accuracy(held, scores[prompt]) if labelled else means[prompt]

    def worth(prompt: Prompt) -> tuple[float, float, float, int]:
        fitness = run.estimate(prompt, history.examples).mean
        # Ties by the reward, by the search, by length; the code takes the first of an order that is not fixed.
        return metric(prompt), means[prompt], fitness, -run.count_tokens(prompt[run.task.editable])

    order = sorted(ranked, key=worth, reverse=True)
    run.rank_by(held, order)
    run.record([Estimate(prompt, means[prompt], len(held)) for prompt in order], order[:1])


def elites(individuals: Sequence[PrunedPrompt], examples: int, settings: Reranking) -> list[PrunedPrompt]:
    """The best share of those scored on all `examples`, best first, ties at its end included as far as `TIES` allows.

    Among equals the shorter, then the earlier come first.
    """
    whole = sorted(
        (each for each in individuals if each.count == examples), key=lambda each: (-each.fitness, each.length)
    )
    count = min(len(whole), math.ceil(settings.share * len(individuals)))
    tied = [each for each in whole if count and each.fitness >= whole[count - 1].fitness]
    # The code takes all ties: by accuracy on 16 examples, that can be most of the history.
    return tied[: settings.bound(len(individuals))]


def accuracy(examples: Sequence[Example], scores: Sequence[Score]) -> float:
    """The share of examples whose likeliest label is right, whatever value the labels' evaluator gives."""
    right = [
        score.parsed and fold(score.answer) in map(fold, right_answers(example))
        for example, score in zip(examples, scores, strict=True)
    ]
    return sum(right) / len(right)
