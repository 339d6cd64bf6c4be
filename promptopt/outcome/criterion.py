"""What the verdict is by: an evaluator, and the model that it asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptopt.evaluators.equivalence import Equivalence
from promptopt.evaluators.generation import Generation
from promptopt.evaluators.metrics import MetricsByTask, called
from promptopt.evaluators.own_judges import OWN_JUDGES, OwnJudges
from promptopt.evaluators.versus import TIE, Versus
from promptopt.models.prices import Price
from promptopt.outcome.decisions import RIGHT
from promptopt.protocols import Evaluator, Judging, Model
from promptopt.types import Example


@dataclass(frozen=True, slots=True)
class Criterion:
    """An evaluator, the model it asks, and what its tokens cost (None: unknown).

    `judge`: asked in place of the run's judge; None: that one. `others`: the models that answer beside it, by name.
    """

    evaluator: Evaluator
    model: Model
    price: Price | None
    judge: Model | None = None
    others: tuple[str, ...] = ()

    def scores_as(self, other: Criterion) -> bool:
        """Whether scores by both can be held against each other."""
        asked = (self.evaluator is other.evaluator, self.model is other.model, self.judge is other.judge)
        return all(asked)

    @property
    def answered_by(self) -> str:
        """The models that answer, by name."""
        return ", ".join((self.model.name, *self.others))

    @property
    def name(self) -> str:
        """What the evaluator is called."""
        return name_of(self.evaluator)

    @property
    def called(self) -> str:
        """What a person calls the evaluator."""
        return as_called(self.evaluator)


def by_judge(evaluator: Evaluator) -> bool:
    """Whether a score is a judge's word, in whole or in part: without labels on the very replies it decides nothing."""
    return isinstance(evaluator, Judging) and bool(evaluator.judges)


def by_task(evaluator: Evaluator) -> Mapping[str, str]:
    """What scores the examples of each of several tasks, by the tasks' names; empty where it is the same for all."""
    if isinstance(evaluator, OwnJudges):
        return {name: as_called(each, name) for name, each in evaluator.of.items()}
    if not isinstance(evaluator, Generation) or not isinstance(evaluator.metric, MetricsByTask):
        return {}
    own = {name: called(evaluator.metric, name) for name in evaluator.metric.scoring}
    return own if len(set(own.values())) > 1 else {}


def as_called(evaluator: Evaluator, task: str = "") -> str:
    """What a person calls an evaluator: of what reads an answer and measures it, the metric, which a person chose.

    task: the one of several whose metric is meant; where they all have the same, any.
    """
    if not isinstance(evaluator, Generation):
        return in_words(name_of(evaluator))
    if isinstance(evaluator.metric, MetricsByTask):
        own = {called(evaluator.metric, name) for name in evaluator.metric.scoring if task in ("", name)}
        return own.pop() if len(own) == 1 else "each task's own metric"
    return called(evaluator.metric)


def unjudged_tasks(evaluator: Evaluator) -> frozenset[str]:
    """Those of several tasks whose scores are no judge's word, though others' are."""
    if not isinstance(evaluator, OwnJudges):
        return frozenset()
    return frozenset(name for name, each in evaluator.of.items() if not by_judge(each))


def passing(evaluator: Evaluator) -> Callable[[Example], float]:
    """The score from which on an example passes: all that there is, or a tie where replies are held against others."""

    def needed(example: Example) -> float:
        own = evaluator.of[example.slice] if isinstance(evaluator, OwnJudges) else evaluator
        return TIE if isinstance(own, Versus | Equivalence) else RIGHT

    return needed


def judged_of(members: Sequence[str], evaluator: Evaluator) -> frozenset[str]:
    """Those of several tasks whose scores are a judge's word."""
    return frozenset(members) - unjudged_tasks(evaluator) if by_judge(evaluator) else frozenset()


def scored_by(evaluator: str, own: Mapping[str, str], marked: Callable[[str], str] = str) -> str:
    """What scored the replies, in words: `evaluator`, or what scores each of several tasks, by its name."""
    return ", ".join(f"{marked(task)} by {marked(name)}" for task, name in own.items()) if own else marked(evaluator)


def told_scorer(stored: Mapping[str, Any]) -> str:
    """What a person calls that which scored, of the JSON of a result or of its search."""
    # Older results have the evaluator's name alone.
    return stored.get("scored_by") or in_words(stored.get("evaluator", "-"))


def in_words(evaluator: str) -> str:
    """An evaluator's name as a person reads it."""
    return "each task's own judge or metric" if evaluator == OWN_JUDGES else evaluator


def name_of(evaluator: Evaluator) -> str:
    """What an evaluator is called."""
    return str(evaluator.fingerprint().get("evaluator", type(evaluator).__name__.lower()))
