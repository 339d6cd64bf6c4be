"""Plum's score of a prompt, in points: balanced accuracy, and a bonus for answers spread over the labels.

Source   Prasad et al. 2023, GrIPS, arXiv:2203.07281, equation 1.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.errors import ConfigError
from promptopt.evaluators.first_token import fold
from promptopt.optimizers.plum.neighbours import Neighbour
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.types import Estimate, Example, Prompt, Score


@dataclass(frozen=True, slots=True)
class Scoring:
    """What a prompt is worth."""

    examples: int = 100
    """n, training examples that every prompt is scored on. Paper, code."""
    entropy_weight: float = 10.0
    """Points for each nat of entropy in the answers, where the task has labels. Code."""

    def __post_init__(self) -> None:
        within(self, examples=(1, math.inf), entropy_weight=(0.0, math.inf))


SCORING = Scoring()


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with its score in points, and the mean score that the run will choose by."""

    candidate: Neighbour
    points: float
    estimate: Estimate

    @property
    def prompt(self) -> Prompt:
        """The prompt itself."""
        return self.candidate.prompt


class ScoreSet:
    """The examples that all candidates of a run share, so that their scores are paired."""

    def __init__(self, run: Run, settings: Scoring) -> None:
        """Draws the examples; the run will rank by them. Raises ConfigError where they have one label in common."""
        self._run, self._weight = run, settings.entropy_weight
        self._examples = run.rng("score set").sample(run.train, min(settings.examples, len(run.train)))
        run.rank_by(self._examples)
        truths = dict.fromkeys(label_of(example.target, run.task.labels) for example in self._examples)
        if run.task.labels and self._weight and len(truths) < 2:
            raise ConfigError(
                f"all {len(self._examples)} training examples that prompts are scored on have the answer "
                f"{self._examples[0].target!r}, so a bonus for other answers would mislead: add examples of other "
                f"labels, or set score.entropy_weight=0"
            )

    def start(self) -> Scored:
        """The start prompt, scored."""
        return self.score([Neighbour(self._run.initial)])[0]

    def score(self, candidates: Sequence[Neighbour]) -> list[Scored]:
        """The candidates, scored, in order. A stop raised by the run passes through."""
        matrix = self._run.evaluate([each.prompt for each in candidates], self._examples)
        means = matrix.means()
        return [
            Scored(
                each,
                points(self._examples, matrix[each.prompt], self._run.task.labels, self._weight),
                Estimate(each.prompt, means[each.prompt], len(self._examples)),
            )
            for each in candidates
        ]

    def record(self, pool: Sequence[Scored], kept: Sequence[Scored]) -> None:
        """Record an iteration; each prompt counts once."""
        estimates = {each.prompt: each.estimate for each in pool}
        self._run.record(list(estimates.values()), list(dict.fromkeys(each.prompt for each in kept)))


def points(examples: Sequence[Example], scores: Sequence[Score], labels: Sequence[str], entropy_weight: float) -> float:
    """100 times the balanced accuracy, rounded to two digits, plus `entropy_weight` times the entropy of the answers.

    The entropy is in nats, over the shares of the labels among the answers that are labels. Where there are no labels,
    or the evaluator reads no answers (a loss), it is 100 times the mean score: for a loss in nats, at most 0.
    """
    if not labels or not any(score.answer for score in scores):
        return 100 * math.fsum(score.value for score in scores) / len(scores)
    recalled: dict[str, list[bool]] = {}
    given: Counter[str] = Counter()
    for example, score in zip(examples, scores, strict=True):
        answer = label_of(score.answer, labels)
        if answer in labels:
            given[answer] += 1
            right = answer in [label_of(text, labels) for text in (example.target, *example.accepted)]
        else:
            # Nothing readable, which is wrong; or free text, of which the task's metric knows whether it is right.
            right = score.parsed and score.value >= 1.0
        recalled.setdefault(label_of(example.target, labels), []).append(right)
    balanced = math.fsum(sum(each) / len(each) for each in recalled.values()) / len(recalled)
    return round(100 * balanced, 2) + entropy_weight * entropy(given)


def entropy(counts: Counter[str]) -> float:
    """The entropy of the shares, in nats; 0 where nothing was counted."""
    total = counts.total()
    return -math.fsum(count / total * math.log(count / total) for count in counts.values()) if total else 0.0


def label_of(text: str, labels: Sequence[str]) -> str:
    """The label that a text is, up to case, spaces and markup where it is not spelled as one; else the text."""
    if text in labels:
        return text
    return next((label for label in labels if text and fold(label) == fold(text)), text)
