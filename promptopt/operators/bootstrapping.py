"""Demonstrations that a teacher wrote: examples that it solved, with its own replies, as in DSPy's BootstrapFewShot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from promptopt.errors import ConfigError
from promptopt.operators.demos import draw, fitting, trimmed_reply, with_target
from promptopt.protocols import Role
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.types import Example, Proposal, Score


@dataclass(frozen=True, slots=True)
class Teaching:
    """How a set of demonstrations is made. Defaults: those of DSPy 3.4.1."""

    bootstrapped: int = 4
    """B, demonstrations of a set that the teacher wrote, at most. Code."""
    labelled: int = 16
    """L, demonstrations of a set in all; what the teacher did not write shows bare answers. Code."""
    tries: int = 1
    """Replies drawn for an example, at most, before it counts as not solved: from the second on at `heat`. Code."""
    heat: float = 1.0
    """The temperature of further tries. Code."""
    threshold: float = 1.0
    """The score from which on an example is solved. Code: any that is not 0."""
    teacher: Literal["task", "proposer", "teacher"] | None = None
    """Whose replies: the task model's own, or those of another model of the run. None: the teacher's where one is named
    (`Models.teacher`), else the task model's. Code: a copy of the student, or a program of its own."""

    def __post_init__(self) -> None:
        within(self, bootstrapped=(0, math.inf), labelled=(0, math.inf), tries=(1, math.inf), heat=(0.0, math.inf))
        # Losses are below 0, so a threshold may be.
        within(self, threshold=(-math.inf, math.inf))


class Teacher:
    """Runs the start on examples, shown others with their answers, and turns what it solves into demonstrations."""

    def __init__(self, run: Run, settings: Teaching, shown: Sequence[Example]) -> None:
        """`shown`: the examples that demonstrations are made of."""
        self._run = run
        self._settings = settings
        self._shown = tuple(shown)
        self._role: Role = teacher_of(run) if settings.teacher is None else settings.teacher
        if not run.names(self._role):
            raise ConfigError("no teacher is named, and `teach.teacher` asks one: name a model as the teacher")
        # The teacher is shown the same examples throughout, whatever set it works for.
        self._own = labelled(run, self._shown, settings.labelled, "teacher")
        # By example and try: sets share them, so what one has paid for costs the next nothing.
        self._known: dict[tuple[Example, int], Score] = {}

    def solved(self, order: Sequence[Example], most: int) -> dict[Example, Example]:
        """The first `most` of `order` that the teacher solves, and the demonstration of each."""
        found: dict[Example, Example] = {}
        place = 0
        while len(found) < most and place < len(order):
            # Whatever these come to, all of them have to be tried: so many are missing.
            batch = order[place : place + most - len(found)]
            place += len(batch)
            written: dict[Example, Example] = {}
            for number in range(self._settings.tries):
                left = [example for example in batch if example not in written]
                for example, score in zip(left, self._scores(left, number), strict=True):
                    if score.value >= self._settings.threshold and score.parsed and trimmed_reply(score):
                        written[example] = Example(example.fields, trimmed_reply(score))
            # In the order of the batch, whichever try solved them: a demonstration's place is that of its example.
            found |= {example: written[example] for example in batch if example in written}
        return found

    def demonstrations(self, order: Sequence[Example], most: int) -> tuple[Example, ...]:
        """Up to `most` that the teacher wrote, of the first of `order` that it solves, then bare ones up to L."""
        found = self.solved(order, most)
        # What was solved is shown with its reply, and not with its bare answer too.
        rest = [example for example in self._shown if example not in found]
        filling = draw(self._run.rng("labelled"), rest, max(0, self._settings.labelled - len(found)))
        # What was solved stands first: where not all fit, `fitting` leaves out the bare ones.
        return tuple(fitting(self._run, self._run.initial, [*found.values(), *map(with_target, filling)]))

    def _scores(self, examples: Sequence[Example], number: int) -> list[Score]:
        """What the teacher's reply to each is worth in that try; no example stands in its own prompt."""
        run, settings = self._run, self._settings
        # By the prompt that they are asked under: a batch for each, instead of one for each example.
        groups: dict[tuple[Example, ...], list[Example]] = {}
        for example in examples:
            if (example, number) not in self._known:
                others = tuple(demo for demo in self._own if demo.fields != example.fields)
                groups.setdefault(others, []).append(example)
        for demos, asked in groups.items():
            prompt = run.initial.with_demos(demos)
            # What the task forbids teaches nothing, and is not asked.
            if not run.admit([Proposal(prompt, (run.initial,), "teacher")]):
                return [Score(-math.inf, parsed=False)] * len(examples)
            # The first try of the task model is an evaluation, free where it is known; others are draws of their own.
            if number == 0 and self._role == "task":
                scores = list(run.evaluate([prompt], asked)[prompt])
            else:
                # The first try is sampled as the task is (code: as the teacher's LM is set).
                scores = run.rescore(prompt, asked, settings.heat if number else None, number, self._role)
            self._known |= {(example, number): score for example, score in zip(asked, scores, strict=False)}
        # A cap may have let only the first of them through; the others are not solved.
        return [self._known.get((example, number), Score(-math.inf, parsed=False)) for example in examples]


def teacher_of(run: Run) -> Role:
    """Whose replies become demonstrations, where no method says: the teacher's where one is named."""
    return "teacher" if run.names("teacher") else "task"


def labelled(run: Run, shown: Sequence[Example], count: int, stream: str) -> tuple[Example, ...]:
    """So many of the examples, drawn at random, with their right answers; as many as fit the model's context."""
    return tuple(fitting(run, run.initial, [*map(with_target, draw(run.rng(stream), shown, count))]))
