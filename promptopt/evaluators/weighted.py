"""A mix: judges, the task's metric and clauses on replies, each with its weight, over one reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

from promptopt.errors import ConfigError, UnknownName
from promptopt.evaluators.checklist import Checklist
from promptopt.evaluators.clauses import Clauses
from promptopt.evaluators.generation import Generation
from promptopt.evaluators.judging import Under, drawn, options_of, unusable
from promptopt.evaluators.rubric import Rubric
from promptopt.protocols import Ask, Role, Task
from promptopt.types import Cell, Example, Reply, Score

PARTS = ("rubric", "checklist", "metric", "clauses")
ALONE = "metric_alone"
"""The member of the judge of one of several tasks that says what its metric is where it stands alone."""


@dataclass(frozen=True, slots=True)
class Weighted:
    """sum(weight * value) / sum(weights) over the parts that have a weight, each value in [0, 1].

    `rubric` and `checklist` ask the judge; `metric` is the task's own; `clauses` are rules that a reply keeps or not.
    Where the judge cannot be read, there is no score. `Score.parts` holds each part's value.
    """

    task: Task
    rubric: Rubric
    checklist: Checklist
    clauses: Clauses
    weights: str | Mapping[str, float] = field(default_factory=lambda: {"rubric": 1.0, "metric": 1.0}, hash=False)
    """What each part counts; as a text "rubric:2,metric:1"."""
    _weights: Mapping[str, float] = field(init=False, repr=False, compare=False)
    _metric: Generation = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_weights", _weights_of(self.weights))
        # In one hand: where the task is exchanged (for one without its test), no part keeps the other.
        object.__setattr__(self, "rubric", replace(self.rubric, task=self.task))
        object.__setattr__(self, "checklist", replace(self.checklist, task=self.task))
        object.__setattr__(self, "_metric", Generation.for_task(self.task))

    @classmethod
    def for_task(cls, task: Task) -> Self:
        """With what the task says of its judge. Raises ConfigError for what does not fit together."""
        parts = (Rubric.for_task(task), Checklist.for_task(task), Clauses(**options_of(task, "clauses")))
        weights = cast("Mapping[str, float]", options_of(task, "weights"))
        # Nobody has said what counts: what the task says, and its metric.
        listed, judged = len(parts[1].items) > 0, parts[0].criteria != ""
        said = [*(["rubric"] if judged or not listed else []), *(["checklist"] if listed else []), "metric"]
        return cls(task, *parts, weights=weights if weights else dict.fromkeys(said, 1.0))

    @property
    def parts(self) -> tuple[str, ...]:
        """Those that count."""
        return tuple(self._weights)

    @property
    def judges(self) -> tuple[Role, ...]:
        """The one judge, where a part asks it."""
        return ("judge",) if self._asked else ()

    @property
    def judge_calls(self) -> int:
        """Those of the parts that ask it."""
        return sum(part.judge_calls for part in self._asked.values())

    @property
    def calls_per_cell(self) -> int:
        """One of the task model, the others of the judge."""
        return 1 + self.judge_calls

    @property
    def questions(self) -> tuple[str, ...]:
        """Those of the parts that ask the judge."""
        return tuple(each for part in self._asked.values() for each in part.questions)

    def fingerprint(self) -> Mapping[str, Any]:
        """The weights, and what each part with one goes by."""
        said: dict[str, Any] = {name: dict(part.fingerprint()) for name, part in self._asked.items()}
        if "metric" in self._weights:
            # Among several tasks it is asked through the metric of all, and is still the one that was calibrated.
            alone = options_of(self.task, ALONE)
            said["metric"] = dict(alone if alone else self._metric.fingerprint())
        if "clauses" in self._weights:
            said["clauses"] = dict(self.clauses.fingerprint())
        return {"evaluator": "weighted", "weights": dict(self._weights), **said}

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order. Raises ConfigError as the parts do, EvaluatorError where the metric fails."""
        replies = drawn(self.task, cells, ask)
        scores = [unusable(reply) for reply in replies]
        shown = [at for at, score in enumerate(scores) if score is None]
        mixed = self._mixed([cells[at] for at in shown], [replies[at] for at in shown], ask, "judge", drawn_here=True)
        found = dict(zip(shown, mixed, strict=True))
        return [found[at] if score is None else score for at, score in enumerate(scores)]

    def grade(self, replies: Sequence[tuple[Example, str]], ask: Ask, role: Role = "judge") -> list[Score]:
        """The score of each reply, whoever wrote it. Raises as `score` does."""
        cells = [Cell(self.task.initial, example) for example, _ in replies]
        return self._mixed(cells, [Reply(reply) for _, reply in replies], ask, role)

    def _mixed(
        self, cells: Sequence[Cell], replies: Sequence[Reply], ask: Ask, role: Role, *, drawn_here: bool = False
    ) -> list[Score]:
        """`drawn_here`: under the prompts of the cells, which a judge may be shown; else whoever wrote them."""
        texts = [(cell.example, reply.written) for cell, reply in zip(cells, replies, strict=True)]

        def under() -> list[tuple[Example, str]]:
            asked = zip(cells, texts, strict=True)
            return [(cell.example, Under.of(self.task, cell, text)) for cell, (_, text) in asked]

        # In the order of `PARTS`, however the weights were written: a replay asks in the same order.
        rows: dict[str, list[Score]] = {}
        for name in self._weights:
            if name in self._asked:
                shows = drawn_here and self._asked[name].show_system
                rows[name] = self._asked[name].grade(under() if shows else texts, ask, role)
            elif name == "metric":
                rows[name] = [self._metric.judge(cell, reply) for cell, reply in zip(cells, replies, strict=True)]
            else:
                rows[name] = [self.clauses.judge(reply.written) for reply in replies]
        return [self._joined(text, {name: row[at] for name, row in rows.items()}) for at, (_, text) in enumerate(texts)]

    def _joined(self, reply: str, scores: Mapping[str, Score]) -> Score:
        total = sum(self._weights.values())
        value = sum(self._weights[name] * score.value for name, score in scores.items()) / total
        # A mix without one of its parts would be a number on another scale.
        failed = next((score for score in scores.values() if not score.judged), None)
        if failed is not None:
            return Score(0.0, reply, parsed=False, feedback=failed.feedback, judged=False)
        feedback = "; ".join(f"{name}: {score.feedback}" for name, score in scores.items() if score.feedback)
        parts = tuple((name, score.value) for name, score in scores.items())
        return Score(value, reply, f"{value:.3g}", feedback=feedback, parts=parts)

    @staticmethod
    def asks_metric(judge: Mapping[str, Any]) -> bool:
        """Whether the judge that a task names is a mix with the task's own metric in it."""
        weights = judge.get("weights", {})
        return judge.get("evaluator") == "weighted" and (not weights or "metric" in _weights_of(weights))

    @property
    def _asked(self) -> Mapping[str, Rubric | Checklist]:
        known: dict[str, Rubric | Checklist] = {"rubric": self.rubric, "checklist": self.checklist}
        return {name: part for name, part in known.items() if name in self._weights}


def _weights_of(given: str | Mapping[str, float]) -> dict[str, float]:
    """The weights above 0, in the order of `PARTS`. Raises UnknownName and ConfigError."""
    table: dict[str, object] = dict(given) if isinstance(given, Mapping) else {}
    for entry in given.split(",") if isinstance(given, str) else ():
        name, _, number = entry.partition(":")
        table[name.strip()] = number.strip()
    for name in table:
        if name not in PARTS:
            raise UnknownName("part of a weighted score", name, PARTS)
    try:
        numbers = {name: float(str(table[name])) for name in PARTS if name in table}
    except ValueError:
        numbers = {}
    # A part of weight 0 is left out, so that no judge is asked for it. NaN is unequal to itself, and is refused below.
    kept = {name: number for name, number in numbers.items() if 0.0 < number < 1e9}
    if not kept or any(number < 0.0 or number != number for number in numbers.values()):
        raise ConfigError(f"the weights of a score are {given!r}; give numbers of 0 or more, such as rubric:2,metric:1")
    return kept
