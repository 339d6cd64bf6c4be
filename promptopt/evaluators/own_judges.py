"""Several tasks under one prompt, each scored by what its own `[judge]` says: a judge, or its metric.

Cost     for each cell what its own task's evaluator costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar, cast

from promptopt.protocols import JUDGES, Ask, Evaluator, Grading, Judging, Role, Task
from promptopt.registry import load
from promptopt.types import Cell, Example, Score

Given = TypeVar("Given")

OWN_JUDGES = "own_judges"
"""What it is called, and the member of a composed task's judge that holds the tables by the names of the tasks."""


@dataclass(frozen=True, slots=True)
class OwnJudges:
    """Each example's score is what the evaluator of its own task says, asked of the same judge."""

    task: Task
    named: str = ""
    """The evaluator that asks for all of them, each by what its own task says of it; empty: the one each says."""
    size: int | None = None
    """Of a panel that is named, as many judges as are named too; None: what each task says."""
    of: Mapping[str, Evaluator] = field(init=False, repr=False, compare=False)
    """The evaluator of each task, by its name."""

    def __post_init__(self) -> None:
        # Made here, so that where the task is exchanged (for one without its test), no part keeps the other.
        tables = cast("Any", self.task).judge[OWN_JUDGES]
        object.__setattr__(self, "of", {name: _made(self.task, self._told(table)) for name, table in tables.items()})

    def _told(self, table: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a task says of its judge, with what is named over it."""
        named = {"evaluator": self.named} if self.named else {}
        sized = {} if self.size is None else {"panel": {**table.get("panel", {}), "size": self.size}}
        return {**table, **named, **sized}

    @classmethod
    def for_task(cls, task: Task) -> Self:
        """With what each task says of its judge. Raises ConfigError for what does not fit together."""
        return cls(task)

    @property
    def asked(self) -> Mapping[str, Evaluator]:
        """Those that ask a judge."""
        return {name: each for name, each in self.of.items() if isinstance(each, Judging) and each.judges}

    @property
    def judges(self) -> tuple[Role, ...]:
        """Every judge that one of them asks."""
        roles = {role for each in self._judging for role in each.judges}
        return tuple(role for role in JUDGES if role in roles)

    @property
    def judge_calls(self) -> int:
        """Those of the task that asks most."""
        return max((each.judge_calls for each in self._judging), default=0)

    @property
    def calls_per_cell(self) -> int:
        """Those of the task whose cells take most."""
        return max(each.calls_per_cell for each in self.of.values())

    @property
    def questions(self) -> tuple[str, ...]:
        """Those of all."""
        return tuple(dict.fromkeys(said for each in self._judging for said in each.questions))

    def fingerprint(self) -> Mapping[str, Any]:
        """What each task goes by."""
        return {"evaluator": OWN_JUDGES, "tasks": {name: dict(each.fingerprint()) for name, each in self.of.items()}}

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order. Raises as the evaluators of the tasks do."""
        return self._by_task(
            cells, [cell.example for cell in cells], lambda evaluator, those: evaluator.score(those, ask)
        )

    def grade(self, replies: Sequence[tuple[Example, str]], ask: Ask, role: Role = "judge") -> list[Score]:
        """The score of each reply to an example that `grades`."""
        return self._by_task(
            replies,
            [example for example, _ in replies],
            lambda evaluator, those: cast("Grading", evaluator).grade(those, ask, role),
        )

    def grades(self, example: Example) -> bool:
        """Whether a judge can be asked what a single reply to this example is worth."""
        return isinstance(self.asked.get(example.slice), Grading)

    def _by_task(
        self,
        given: Sequence[Given],
        examples: Sequence[Example],
        scored: Callable[[Evaluator, Sequence[Given]], list[Score]],
    ) -> list[Score]:
        found: dict[int, Score] = {}
        for name, evaluator in self.of.items():
            places = [at for at, example in enumerate(examples) if example.slice == name]
            if places:
                found.update(zip(places, scored(evaluator, [given[at] for at in places]), strict=True))
        return [found[at] for at in range(len(given))]

    @property
    def _judging(self) -> Sequence[Judging]:
        return [cast("Judging", each) for each in self.asked.values()]


def _made(task: Task, table: Mapping[str, Any]) -> Evaluator:
    name = str(table.get("evaluator", "generation"))
    return load("evaluators", name).for_task(replace(cast("Any", task), judge=table))
