"""Equivalence: a judge holds each reply against the one that the example has, shown both ways round.

For a model that takes another's place: the example's target is what the old one answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from promptopt.errors import ConfigError
from promptopt.evaluators.judging import drawn, options_of
from promptopt.evaluators.versus import Versus
from promptopt.protocols import Ask, Role, Task
from promptopt.types import Cell, Reply, Score

CRITERIA = "Which of the two replies serves better whoever wrote the input? If they serve alike, it is a tie."


@dataclass(frozen=True, slots=True)
class Equivalence:
    """1 where the judge prefers the reply to the target, 0.5 where they serve alike, 0 where it prefers the target.

    A reply that is the target ties, and no judge is asked. Costs one call of the task model a cell, and two of the
    judge, four where it cannot be read. Where system prompts are shown, the target's is the task's start.
    """

    task: Task
    versus: Versus

    calls_per_cell = 5
    judge_calls = 4

    @classmethod
    def for_task(cls, task: Task) -> Self:
        """With the criteria of the task's judge, where it has some."""
        made = Versus(task, **options_of(task, "versus"))
        # The target is one of the two replies, and no reference beside them.
        return cls(task, replace(made, criteria=made.criteria if made.criteria else CRITERIA, reference=False))

    def __post_init__(self) -> None:
        # In one hand: where the task is exchanged (for one without its test), no part keeps the other.
        object.__setattr__(self, "versus", replace(self.versus, task=self.task))

    @property
    def judges(self) -> tuple[Role, ...]:
        """The one judge."""
        return ("judge",)

    @property
    def questions(self) -> tuple[str, ...]:
        """The criteria."""
        return self.versus.questions

    def fingerprint(self) -> Mapping[str, Any]:
        """What is asked and how it is read; the targets are the task's."""
        return {**self.versus.fingerprint(), "evaluator": "equivalence"}

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order. Raises ConfigError where an example has no target."""
        bare = next((cell.example for cell in cells if not cell.example.target), None)
        if bare is not None:
            raise ConfigError(
                f"evaluator 'equivalence' holds replies against targets, and example {bare.id} has none; name their "
                f"column as target, or move the prompt with `promptopt migrate`, which takes the old model's replies"
            )
        targets = [Reply(cell.example.target) for cell in cells]
        return self.versus.compare(cells, drawn(self.task, cells, ask), targets, ask)
