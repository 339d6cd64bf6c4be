"""What a search goes by, and what the verdict is by: the same evaluator and model, or two of each.

A loss guides a search well, and says nothing that a user can hold against a target. So an evaluator that is a
`Surrogate` gives way to the task's own metric for the final choice and the sealed test. The model may change there too:
a prompt is searched on an open model that has log-probabilities, and judged on the one it is meant for.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import is_dataclass, replace
from numbers import Integral
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from promptopt.errors import ConfigError, DataError
from promptopt.evaluators.judging import options_of
from promptopt.evaluators.own_judges import OWN_JUDGES, OwnJudges
from promptopt.evaluators.simulated import Simulated
from promptopt.protocols import (
    Bounded,
    BringsEvaluator,
    ChecksTask,
    ChoosesEvaluator,
    Evaluator,
    Forcing,
    JudgedTask,
    Model,
    Optimizer,
    RecastsTask,
    ScoresOnly,
    Simulating,
    SuitsModel,
    Surrogate,
    Task,
    Tokenizer,
)
from promptopt.text import counted
from promptopt.types import Example, texts_sent

AnyTask = TypeVar("AnyTask", bound=Task)
_READS_JUDGE = ("rubric", "checklist", "versus", "equivalence", "panel", "weighted")
"""Evaluators that a `[judge]` table says something of."""
ROOM = 512
"""Tokens left free beside the start prompt and its example, for what a search adds and a chat template writes."""


@runtime_checkable
class _OfTask(Protocol):
    """An evaluator that renders prompts as its task lays them out."""

    task: Task


def recast(task: AnyTask, optimizer: Optimizer) -> AnyTask:
    """The task in the form that the method works on: as it is, for most. Raises ConfigError where it cannot be."""
    if isinstance(optimizer, ChecksTask):
        optimizer.check_task(task)
    return cast("AnyTask", optimizer.recast(task)) if isinstance(optimizer, RecastsTask) else task


def rebound(evaluator: str | Evaluator | None, before: Task, after: Task) -> str | Evaluator | None:
    """An evaluator that was made for the task `before`, for `after`; any other as it is."""
    if before is after or not isinstance(evaluator, _OfTask) or evaluator.task is not before:
        return evaluator
    # A metric or reader that is a method of the task would keep the other task with it.
    # By `==`: of a bound method each look-up makes another object.
    taken = [name for name in ("metric", "answer") if getattr(evaluator, name, None) == getattr(before, name)]
    changes: dict[str, Any] = {"task": after, **{name: getattr(after, name) for name in taken}}
    if is_dataclass(evaluator):
        return cast("Evaluator", replace(cast("Any", evaluator), **changes))
    twin = copy(evaluator)
    try:
        for name, value in changes.items():
            setattr(twin, name, value)
    except AttributeError:  # a property, which cannot be set
        return evaluator
    return cast("Evaluator", twin)


def bind_evaluator(evaluator: str | Evaluator | None, task: Task, optimizer: Optimizer | None = None) -> Evaluator:
    """An evaluator by name, or the one given; else the task's own, the method's choice, a judge, or `generation`.

    Raises UnknownName, and ConfigError for what is no evaluator or does not suit the task.
    """
    # A program is run by its own evaluator alone: a method's choice could not score it.
    if evaluator is None and isinstance(task, BringsEvaluator) and task.scored_by is not None:
        return _checked_evaluator(task.scored_by)
    if options_of(task, "simulated") and not isinstance(evaluator, Simulating):
        if evaluator is not None:
            raise ConfigError(
                f"the examples of task {task.name!r} are scenarios of simulated users, and whole conversations are "
                f"scored by its [judge] or its metric; name no other evaluator"
            )
        return Simulated.for_task(task)
    if evaluator is None and isinstance(optimizer, ChoosesEvaluator):
        evaluator = optimizer.evaluator_for(task)
    if options_of(task, OWN_JUDGES) and (evaluator is None or evaluator in _READS_JUDGE):
        # Each by what its own task says: one evaluator for all would find nothing said.
        return OwnJudges(task) if evaluator is None else OwnJudges(task, str(evaluator))
    if evaluator is None and isinstance(task, JudgedTask) and task.judge:
        evaluator = str(task.judge["evaluator"])
    if evaluator is None:
        from promptopt.evaluators.generation import Generation

        return Generation.for_task(task)
    return one_evaluator(evaluator, task) if isinstance(evaluator, str) else _checked_evaluator(evaluator)


def one_evaluator(name: str, task: Task) -> Evaluator:
    """The evaluator of this name, one for all examples of the task. Raises UnknownName and ConfigError."""
    from promptopt.registry import load

    made: Any = load("evaluators", name)
    if not callable(getattr(made, "for_task", None)):
        raise ConfigError(
            f"the evaluator {name!r} is registered as {made!r}, which cannot be made for a task; register a "
            f"class with a classmethod for_task(task)"
        )
    return _checked_evaluator(cast("Evaluator", made.for_task(task)))


def _checked_evaluator(evaluator: Evaluator) -> Evaluator:
    """The evaluator. Raises ConfigError for an object that lacks what every evaluator has."""
    # A class has that method as well, and would fail at the first cell.
    if isinstance(evaluator, type) or not callable(getattr(evaluator, "score", None)):
        raise ConfigError(
            f"{evaluator!r} is not an evaluator: pass a name, or an object with a method score(cells, ask)"
        )
    name = type(evaluator).__name__
    calls: object = getattr(evaluator, "calls_per_cell", None)
    if isinstance(calls, bool) or not isinstance(calls, Integral):
        what = "has no calls_per_cell" if calls is None else f"has {calls!r:.80} as its calls_per_cell"
        raise ConfigError(f"the evaluator {name} {what}; set it to the most calls that a cell can take, as 1")
    if not callable(getattr(evaluator, "fingerprint", None)):
        raise ConfigError(
            f"the evaluator {name} has no method fingerprint(); give it one that says, as a table, what its scores "
            f"depend on"
        )
    return evaluator


def suited(evaluator: Evaluator, model: Model) -> Evaluator:
    """An evaluator as it fits the model that will be asked: it may learn the right label's probability too."""
    return evaluator.suited(model) if isinstance(evaluator, SuitsModel) else evaluator


def verdict_evaluator(
    search: Evaluator, given: str | Evaluator | None, task: Task, model: Model | None = None
) -> Evaluator:
    """What the verdict is by: the evaluator given, else the search's own or what it says stands behind it.

    `model`: the one that will be asked, once it is open. Raises ConfigError where it cannot generate and the task has
    no labels.
    """
    if given is not None:
        return bind_evaluator(given, task)
    if not isinstance(search, Surrogate):
        return search
    if isinstance(task, JudgedTask) and task.judge:
        return bind_evaluator(None, task)
    chosen = search.verdict_by()
    # The object of the search itself, so that its scores count in the final choice (`Criterion.scores_as`).
    if chosen.fingerprint() == search.fingerprint():
        return search
    if isinstance(model, ScoresOnly) and not model.generates:
        if task.labels:
            return bind_evaluator("labels", task)
        raise ConfigError(
            f"the model {model.name!r} cannot generate, and the verdict on task {task.name!r} needs replies: name a "
            f"model that can with --check-model, or take the verdict by the loss with --check-evaluator loss"
        )
    return chosen


def without_misfits(task: Task, evaluators: Sequence[Evaluator], model: Model) -> tuple[Task, str | None]:
    """The task without the examples whose scored texts cannot fit into the model's context, and a sentence on them.

    Decided once, on the start prompt with room to grow, so that every prompt is scored on the same examples.
    Raises DataError where a split is left with nothing.
    """
    forcing = [evaluator for evaluator in evaluators if isinstance(evaluator, Forcing)]
    # A foreign task cannot be copied with fewer examples, so it stays whole.
    if not forcing or not is_dataclass(task) or not isinstance(model, Bounded) or not isinstance(model, Tokenizer):
        return task, None
    # At most a quarter: of a short context, more would leave no room for the examples.
    most = model.context - min(ROOM, model.context // 4)

    def fits(example: Example) -> bool:
        content = "\n".join(texts_sent(task.render(task.initial, example)[0]))
        longest = max((text for each in forcing for text in each.forced(example)), key=len, default="")
        # A token has at least one octet, so most examples are let through without being tokenized.
        return (
            len((content + longest).encode("utf-8", "replace")) <= most or model.count_tokens(content + longest) <= most
        )

    splits = {"train": task.train, "dev": task.dev, "test": task.test}
    kept = {split: tuple(filter(fits, examples)) for split, examples in splits.items()}
    dropped = {split: len(examples) - len(kept[split]) for split, examples in splits.items()}
    if not any(dropped.values()):
        return task, None
    for split, examples in kept.items():
        if not examples:
            raise DataError(
                f"no {split} example of task {task.name!r} fits into the {counted(model.context, 'token')} of "
                f"{model.name!r} together with its target; use a model with a longer context, or shorter examples"
            )
    counts = ", ".join(f"{count} of {split}" for split, count in dropped.items() if count)
    return cast("Task", replace(cast("Any", task), **kept)), (
        f"examples left out because they do not fit into the {counted(model.context, 'token')} of the model together "
        f"with their targets: {counts}"
    )
