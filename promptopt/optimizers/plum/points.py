"""Plum's score of a prompt, in points: balanced accuracy, and a bonus for answers spread over the labels.

Source   Pan et al. 2024, Plum, arXiv:2311.08364; Prasad et al. 2023, GrIPS, arXiv:2203.07281, equation 1. What goes by
         fresh examples instead is ours.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from promptopt.errors import ConfigError
from promptopt.evaluators.first_token import fold
from promptopt.optimizers.plum.neighbours import Neighbour
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.selection.generations import Fixed, Fresh, GenerationalSelection
from promptopt.selection.lineage import by_means, most_hopeful
from promptopt.text import counted
from promptopt.types import Estimate, Example, Prompt, Score


@dataclass(frozen=True, slots=True)
class Scoring:
    """What a prompt is worth."""

    examples: int | None = None
    """n, examples that every prompt is scored on; None: by the budget, few and drawn anew. Paper, code: 100."""
    entropy_weight: float = 10.0
    """Points for each nat of entropy in the answers to n examples, where the task has labels. Code."""

    def __post_init__(self) -> None:
        within(self, entropy_weight=(0.0, math.inf))
        within(self, examples=(1, math.inf))


SCORING = Scoring()
HOPEFUL = 500
"""Evaluations of a search by the lineage from which on those of the highest upper bounds live on. By their means what
is known best would stay, and newcomers would have no time to be known as well. Ours."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with its score in points, and the mean score behind it.

    `place`: its rank among those it was scored with, 0 for the best.
    """

    candidate: Neighbour
    points: float
    estimate: Estimate
    place: int = 0

    @property
    def prompt(self) -> Prompt:
        """The prompt itself."""
        return self.candidate.prompt


class Scores(Protocol):
    """How the candidates of a run are held against each other."""

    def start(self) -> Scored:
        """The start prompt."""
        ...

    def iterations(self) -> Iterator[int]:
        """The numbers of the iterations, from 1 on, for as long as the plan has more."""
        ...

    def score(self, candidates: Sequence[Neighbour]) -> list[Scored]:
        """The candidates in the order given, each with its place among all.

        Of equals the earlier is placed first. A stop raised by the run passes through.
        """
        ...

    def record(self, pool: Sequence[Scored], kept: Sequence[Scored]) -> None:
        """Record an iteration; each prompt counts once."""
        ...


def scores_by(run: Run, settings: Scoring, way: Fixed | Fresh) -> Scores:
    """On one set for all candidates, or on fresh examples, as the plan has it."""
    return ScoreSet(run, settings, way) if isinstance(way, Fixed) else FreshScores(run, way)


class ScoreSet:
    """The examples that all candidates of a run share, so that their scores are paired, and go by points."""

    def __init__(self, run: Run, settings: Scoring, way: Fixed) -> None:
        """Draws the examples; the run will rank by them. Raises ConfigError where they have one label in common."""
        self._run, self._weight, self._rounds = run, settings.entropy_weight, way.rounds
        self._examples = run.rng("score set").sample(run.train, min(way.examples, len(run.train)))
        self._known: dict[Prompt, float] = {}
        run.rank_by(self._examples)
        truths = dict.fromkeys(label_of(example.target, run.task.labels) for example in self._examples)
        # One label is right throughout: every other answer would be wrong, and win by its entropy.
        if run.task.labels and self._weight and len(truths) < 2:
            raise ConfigError(
                f"all {counted(len(self._examples), 'training example')} that prompts are scored on have the answer "
                f"{self._examples[0].target!r}, so a bonus for other answers would mislead: add examples of other "
                f"labels, or set score.entropy_weight=0"
            )

    def start(self) -> Scored:
        """See `Scores.start`; scored."""
        return self.score([Neighbour(self._run.initial)])[0]

    def iterations(self) -> Iterator[int]:
        """See `Scores.iterations`."""
        yield from range(1, self._rounds + 1)

    def score(self, candidates: Sequence[Neighbour]) -> list[Scored]:
        """See `Scores.score`; by points."""
        prompts = [each.prompt for each in candidates]
        try:
            self._run.evaluate(prompts, self._examples)
        finally:
            # Also where a cap cut the batch: what was scored in full takes part in the final choice, by its points.
            self._rank(prompts)
        found = [self._known[prompt] for prompt in prompts]
        order = sorted(range(len(found)), key=lambda index: -found[index])
        place = {index: rank for rank, index in enumerate(order)}
        return [
            Scored(each, found[index], self._run.estimate(each.prompt, self._examples), place[index])
            for index, each in enumerate(candidates)
        ]

    def record(self, pool: Sequence[Scored], kept: Sequence[Scored]) -> None:
        """See `Scores.record`."""
        _record_pool(self._run, pool, kept)

    def _rank(self, prompts: Sequence[Prompt]) -> None:
        """Make the order of the points the run's: means alone may think otherwise, and would choose the finalists."""
        run, examples = self._run, self._examples
        for prompt in prompts:
            if prompt not in self._known and run.estimate(prompt, examples).count == len(examples):
                # All of them are known here, so nothing is asked.
                scores = run.evaluate([prompt], examples)[prompt]
                self._known[prompt] = accuracy_points(examples, scores, run.task.labels, self._weight)
        # Of equals the earlier: the sort is stable.
        run.rank_by(examples, sorted(self._known, key=self._known.__getitem__, reverse=True))


class FreshScores:
    """Candidates held against each other on a few examples that are drawn anew each time, by their mean scores.

    Points are 100 times the mean over what a candidate was seen on; a handful of answers has no entropy to speak of.
    """

    def __init__(self, run: Run, way: Fresh) -> None:
        self._run, self._generations = run, GenerationalSelection(run, run.train, way)
        self._by_hope = way.lineage and way.evaluations >= HOPEFUL and not run.abilities.stands_in

    def start(self) -> Scored:
        """See `Scores.start`; not scored yet."""
        return Scored(Neighbour(self._run.initial), -math.inf, Estimate(self._run.initial, math.nan, 0))

    def iterations(self) -> Iterator[int]:
        """See `Scores.iterations`."""
        number = 0
        while self._generations.open:
            number += 1
            yield number

    def score(self, candidates: Sequence[Neighbour]) -> list[Scored]:
        """See `Scores.score`; the first are the survivors, or after a dry spell the best of all."""
        # The old ones are among the candidates, and first, so that of equals they go on.
        spent = self._run.spent.evaluations
        ranked, _ = self._generations.select([], [each.prompt for each in candidates])
        # Where nobody was looked at nobody is new, and the generations say who goes on.
        if self._by_hope and self._run.spent.evaluations > spent:
            ranked = self._by_bounds(ranked)
        known = {estimate.prompt: (place, estimate) for place, estimate in enumerate(ranked)}
        found: list[Scored] = []
        for each in candidates:
            place, estimate = known[each.prompt]
            found.append(Scored(each, 100 * estimate.mean, estimate, place))
        return found

    def _by_bounds(self, ranked: Sequence[Estimate]) -> list[Estimate]:
        belief = self._run.posterior([estimate.prompt for estimate in ranked])
        self._run.rank_by(self._run.train, by_means(belief))
        place = {prompt: number for number, prompt in enumerate(most_hopeful(belief, len(belief.mean)))}
        return sorted(ranked, key=lambda estimate: place[estimate.prompt])

    def record(self, pool: Sequence[Scored], kept: Sequence[Scored]) -> None:
        """See `Scores.record`."""
        _record_pool(self._run, pool, kept)


def best(pool: Sequence[Scored]) -> Scored:
    """The best placed."""
    return min(pool, key=lambda each: each.place)


def best_first(pool: Sequence[Scored]) -> list[Scored]:
    """Each prompt once, by place."""
    return list({each.prompt: each for each in sorted(pool, key=lambda each: each.place)}.values())


def _record_pool(run: Run, pool: Sequence[Scored], kept: Sequence[Scored]) -> None:
    estimates = {each.prompt: each.estimate for each in pool}
    run.record(list(estimates.values()), list(dict.fromkeys(each.prompt for each in kept)))


def accuracy_points(
    examples: Sequence[Example], scores: Sequence[Score], labels: Sequence[str], entropy_weight: float
) -> float:
    """100 times the balanced accuracy, rounded to two digits, plus `entropy_weight` times the entropy of the answers.

    The entropy is in nats, over the shares of the labels among the answers that are labels. Where there are no labels,
    or the evaluator reads no answers (a loss), it is 100 times the mean score. For a loss in nats that is at most 0.
    """
    if not labels or not any(score.answer for score in scores):
        # No bonus: entropy is of labels, and a loss reads no answer.
        return 100 * math.fsum(score.value for score in scores) / len(scores)
    recalled: dict[str, list[bool]] = {}
    given: Counter[str] = Counter()
    for example, score in zip(examples, scores, strict=True):
        # Counted by labels alone: garbage would else pass for variety and be rewarded.
        answer = label_of(score.answer, labels)
        if answer in labels:
            given[answer] += 1
            right = answer in [label_of(text, labels) for text in (example.target, *example.accepted)]
        else:
            # Nothing readable, which is wrong; or free text, of which the task's metric knows whether it is right.
            right = score.parsed and score.value >= 1.0
        recalled.setdefault(label_of(example.target, labels), []).append(right)
    balanced = math.fsum(sum(each) / len(each) for each in recalled.values()) / len(recalled)
    # Two digits, as in the code: below that, points tie.
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
