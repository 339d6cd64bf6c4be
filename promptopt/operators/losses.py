"""Losses: what prompts score on one fixed set of examples, with the sign turned, and which of them is better."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from promptopt.errors import ConfigError
from promptopt.run import Run
from promptopt.stats import units_in
from promptopt.text import counted, shorten
from promptopt.types import Estimate, Example, Prompt, ScoreMatrix, Weigh, group_means


@dataclass(frozen=True, slots=True)
class Losses:
    """A prompt and its finite loss on every example: minus its score, in nats where the evaluator is a loss."""

    prompt: Prompt
    losses: Mapping[Example, float]
    weigh: Weigh = "turn"
    """What counts once in the mean."""

    @property
    def loss(self) -> float:
        """The mean."""
        values = list(self.losses.values())
        if self.weigh == "conversation":
            values = group_means(values, [example.group for example in self.losses])
        return math.fsum(values) / len(values)

    @property
    def estimate(self) -> Estimate:
        """The same as a mean score."""
        return Estimate(self.prompt, -self.loss, len(self.losses))


def losses_of(run: Run, prompts: Sequence[Prompt], examples: Sequence[Example]) -> list[Losses]:
    """The losses of the prompts; one that makes some output impossible is out."""
    scores = run.evaluate(prompts, examples)
    found: list[Losses] = []
    for prompt in scores:
        values = scores.values(prompt)
        # One infinite loss is the end of the mean, and of no other candidate.
        if all(map(math.isfinite, values)):
            losses = {example: -value for example, value in zip(examples, values, strict=True)}
            found.append(Losses(prompt, losses, scores.weigh))
        else:
            run.reject("no finite loss")
    return found


def known_losses(run: Run, prompt: Prompt, examples: Sequence[Example]) -> Losses:
    """The finite losses of a prompt on those of `examples` that it was scored on, which costs nothing."""
    known = run.seen(prompt, examples)
    losses = {example: -score.value for example, score in known if math.isfinite(score.value)}
    return Losses(prompt, losses, run.weigh)


def scorable(run: Run, prompt: Prompt, examples: Sequence[Example]) -> list[Example]:
    """Those of `examples` that have a finite score under `prompt`; the user is told of the others.

    The set a search works on is fixed by its start, so that all prompts are compared on the same examples.
    Raises ConfigError where none is left.
    """
    values = run.evaluate([prompt], examples).values(prompt)
    kept = [example for example, value in zip(examples, values, strict=True) if math.isfinite(value)]
    if not kept:
        raise ConfigError(
            f"not one of {counted(len(examples), 'training example')} of task {run.task.name!r} has a finite score "
            "under the prompt; look at a few with `promptopt evaluate --split train`, and correct the targets or "
            "the model"
        )
    if len(kept) < len(examples):
        lost = [example.id for example in examples if example not in kept]
        run.warn(
            f"{len(lost)} of {counted(len(examples), 'training example')} left out, without a finite score under the "
            f"start prompt: {shorten(', '.join(lost), 200)}"
        )
    return kept


def hardest(losses: Mapping[Example, float], resting: Iterable[Iterable[Example]], count: int) -> list[Example]:
    """The `count` examples of the largest loss, ties by id; those that rest come last, if they are needed at all."""
    rested = {example.id for batch in resting for example in batch}
    # Equal losses by id: in one order, whatever order they were scored in.
    return sorted(losses, key=lambda example: (example.id in rested, -losses[example], example.id))[:count]


def better_than(run: Run, pool: Sequence[Losses], gain: float) -> Losses | None:
    """The best of those that gain more than `gain` on the first of the pool; the shortest, where it is a draw."""
    better = [each for each in pool if each.loss < pool[0].loss - gain]
    least = min((each.loss for each in better), default=math.inf)
    # The paper takes the lowest loss; nothing in it keeps prompts from growing.
    drawn = [each for each in better if each.loss <= least + gain]
    return min(drawn, key=lambda each: run.count_tokens(each.prompt[run.task.editable]), default=None)


def unit_scores(scores: ScoreMatrix, prompt: Prompt) -> list[float]:
    """A score of `prompt` for each unit that was drawn by itself, a group of examples or a single one; at least one.

    Their mean is that of `scores.means()`. Examples of a group are alike, so they say less of its error than as many
    others would.
    """
    return units_in(scores.values(prompt), [example.group for example in scores.examples], scores.weigh)[0]


def paired(differences: Sequence[float]) -> tuple[float, float]:
    """(mean, standard error of the mean); the error of one difference is infinite."""
    count = len(differences)
    mean = math.fsum(differences) / count
    if count == 1:
        return mean, math.inf
    return mean, math.sqrt(math.fsum((each - mean) ** 2 for each in differences) / (count - 1) / count)
