"""A panel: several judges, best of different families, score each reply; their mean counts.

Source   Verga et al. 2024 (arXiv:2404.18796): three small judges of different families agree with people better than
         one large one.
Cost     one call of the task model a cell, and for each judge what a rubric or a checklist costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from promptopt.errors import ConfigError
from promptopt.evaluators.checklist import Checklist
from promptopt.evaluators.judging import UNREAD, graded, options_of, unjudged
from promptopt.evaluators.rubric import Rubric
from promptopt.protocols import JUDGES, Ask, Role, Task
from promptopt.types import Cell, Example, Score


@dataclass(frozen=True, slots=True)
class Panel:
    """The mean of the judges that could be read, in [0, 1]; no score where that is not more than half of them.

    `Score.parts` holds each judge's value: a gain that only one of them sees is no gain to trust.
    """

    task: Task
    rubric: Rubric
    checklist: Checklist
    by: Literal["rubric", "checklist"] = "rubric"
    """What each judge is asked."""
    size: int = 3
    """How many judges there are: those of --judge A,B,C."""

    def __post_init__(self) -> None:
        if not 2 <= self.size <= len(JUDGES):
            raise ConfigError(f"a panel of {self.size}: give it 2 to {len(JUDGES)} judges, as --judge A,B,C names them")
        # In one hand: where the task is exchanged (for one without its test), no part keeps the other.
        object.__setattr__(self, "rubric", replace(self.rubric, task=self.task))
        object.__setattr__(self, "checklist", replace(self.checklist, task=self.task))
        for each in (self.rubric, self.checklist):
            each.watches.panel = True

    @classmethod
    def for_task(cls, task: Task) -> Self:
        """With what the task says of its judge. Raises ConfigError for what does not fit together."""
        rubric, checklist = Rubric.for_task(task), Checklist.for_task(task)
        # Where the task says one thing alone, its judges are asked that.
        by = "checklist" if checklist.items and not rubric.criteria else "rubric"
        options: dict[str, Any] = {"by": by, **options_of(task, "panel")}
        return cls(task, rubric, checklist, **options)

    @property
    def judges(self) -> tuple[Role, ...]:
        """As many as there are."""
        return JUDGES[: self.size]

    @property
    def judge_calls(self) -> int:
        """Those of all judges."""
        return self.size * self._asked.judge_calls

    @property
    def calls_per_cell(self) -> int:
        """One of the task model, the others of the judges."""
        return 1 + self.judge_calls

    @property
    def questions(self) -> tuple[str, ...]:
        """Those of one judge."""
        return self._asked.questions

    def fingerprint(self) -> Mapping[str, Any]:
        """What each is asked, and how many there are."""
        return {"evaluator": "panel", "size": self.size, "asked": dict(self._asked.fingerprint())}

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order. Raises ConfigError as one judge's evaluator does."""
        return graded(self.task, cells, ask, self.grade, show_system=self._asked.show_system)

    def grade(self, replies: Sequence[tuple[Example, str]], ask: Ask, role: Role = "judge") -> list[Score]:
        """The score of each reply, whoever wrote it; `role` says nothing here, as all judges are asked."""
        rows = [self._asked.grade(replies, ask, each) for each in self.judges]
        return [
            self._joined(reply, scores) for (_, reply), scores in zip(replies, zip(*rows, strict=True), strict=True)
        ]

    def _joined(self, reply: str, scores: Sequence[Score]) -> Score:
        named = [(role, score) for role, score in zip(self.judges, scores, strict=True) if score.judged]
        # Half is not enough: which half answers may say more than how.
        if 2 * len(named) <= len(scores):
            all_of = zip(self.judges, scores, strict=True)
            whys = [
                f"{role}: {score.feedback.removeprefix(f'{UNREAD}: ')}" for role, score in all_of if not score.judged
            ]
            return unjudged(reply, f"only {len(named)} of {len(scores)} judges could be read; {'; '.join(whys)}")
        value = sum(score.value for _, score in named) / len(named)
        feedback = "; ".join(f"{role}: {score.feedback}" for role, score in named if score.feedback)
        parts = tuple((str(role), score.value) for role, score in named)
        said = f"{value:.3g}, {len(named)} of {len(scores)} judges"
        return Score(value, reply, said, feedback=feedback, parts=parts)

    @property
    def _asked(self) -> Rubric | Checklist:
        return self.rubric if self.by == "rubric" else self.checklist
