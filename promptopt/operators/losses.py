"""Losses: what prompts score on one fixed set of examples, with the sign turned, and which of them is better."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from promptopt.errors import ConfigError
from promptopt.run import Run
from promptopt.text import counted, shorten
from promptopt.types import Estimate, Example, Prompt


@dataclass(frozen=True, slots=True)
class Losses:
    """A prompt and its finite loss on every example: minus its score, in nats where the evaluator is a loss."""

    prompt: Prompt
    losses: Mapping[Example, float]

    @property
    def loss(self) -> float:
        """The mean."""
        return math.fsum(self.losses.values()) / len(self.losses)

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
            found.append(Losses(prompt, {each: -value for each, value in zip(examples, values, strict=True)}))
        else:
            run.reject("no finite loss")
    return found


def known_losses(run: Run, prompt: Prompt, examples: Sequence[Example]) -> Losses:
    """The finite losses of a prompt on those of `examples` that it was scored on, which costs nothing."""
    known = run.seen(prompt, examples)
    return Losses(prompt, {example: -score.value for example, score in known if math.isfinite(score.value)})


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


def paired(differences: Sequence[float]) -> tuple[float, float]:
    """(mean, standard error of the mean); the error of one difference is infinite."""
    count = len(differences)
    mean = math.fsum(differences) / count
    if count == 1:
        return mean, math.inf
    return mean, math.sqrt(math.fsum((each - mean) ** 2 for each in differences) / (count - 1) / count)
