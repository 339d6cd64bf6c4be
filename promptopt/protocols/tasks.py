"""Tasks, and what they may also be able to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from promptopt.protocols.evaluators import Evaluator
from promptopt.types import Content, Example, Prompt, Sampling, Score, Weigh

Metric = Callable[[str, Example], float | tuple[float, str] | Score]
"""(answer, example) to a value in [0, 1], alone or with feedback, or to a whole Score; the answer is what the task's
Reader read."""

Reader = Callable[[str], str | None]
"""Reads the answer out of a reply; None where there is none to be read."""


METRICS = ("bleu", "choice", "contains", "demands", "exact", "f1", "json", "number", "regex", "rouge_l", "set_f1")
"""The metrics that have a name; another is a function, or the `module:function` that is one."""

READERS = ("choice", "label", "line", "number", "text")
"""The readers that have a name; another is a function, or a pattern, as `regex:PATTERN`."""


class Task(Protocol):
    """Examples, the starting prompt, and how a prompt is laid out around an example."""

    @property
    def name(self) -> str:
        """What the task is called."""
        ...

    @property
    def description(self) -> str:
        """One or two sentences on what the task is; shown to proposers."""
        ...

    @property
    def initial(self) -> Prompt:
        """The prompt in use today: what every candidate has to beat."""
        ...

    @property
    def editable(self) -> str:
        """The name of the prompt part that a method edits now: the first, where the run has not turned to another."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The answers there are, for classification; empty otherwise."""
        ...

    @property
    def metric(self) -> str | Metric:
        """What a right answer is: a name (`exact`, `number`, ...) or a function."""
        ...

    @property
    def answer(self) -> str | Reader:
        """How the answer is read out of a reply: a name (`label`, `number`, ...) or a function."""
        ...

    @property
    def sampling(self) -> Sampling:
        """How the task model is asked: greedy unless the task says otherwise."""
        ...

    @property
    def train(self) -> tuple[Example, ...]:
        """What a method may learn from."""
        ...

    @property
    def dev(self) -> tuple[Example, ...]:
        """What the final choice is made on."""
        ...

    @property
    def test(self) -> tuple[Example, ...]:
        """Sealed: start and winner are scored on it once, at the end."""
        ...

    def render(self, prompt: Prompt, example: Example) -> tuple[Content, int]:
        """What the model reads, and how many leading characters of it do not depend on the example."""
        ...

    def broken_by(self, prompt: Prompt, count_tokens: Callable[[str], int]) -> str | None:
        """The clause of the task's contract that `prompt` breaks, in two or three words, or None."""
        ...

    def fingerprint(self) -> Mapping[str, Any]:
        """JSON that changes whenever anything changes that could change a score."""
        ...


@runtime_checkable
class SeveralParts(Protocol):
    """A task that may have several editable parts. Asked by the run, which turns to another part after each round."""

    @property
    def editables(self) -> tuple[str, ...]:
        """The names of all prompt parts that methods may edit, in the order they are turned to; none is there twice."""
        ...


@runtime_checkable
class BringsEvaluator(Protocol):
    """A task that is scored by an evaluator of its own (a program), where the user names none. Asked at binding."""

    @property
    def scored_by(self) -> Evaluator | None:
        """That evaluator; None: by the method's choice, or `generation`."""
        ...


@runtime_checkable
class SeveralTasks(Protocol):
    """A task that is several under one prompt: every example belongs to one of them.

    Asked by methods that draw from every task, and rank prompts by what they are worth over all.
    """

    def member_of(self, example: Example) -> str:
        """The name of the task that an example is of."""
        ...

    def worth(self, means: Mapping[str, float]) -> float:
        """What a prompt is worth whose mean scores on the tasks are these: what a search goes by."""
        ...


@runtime_checkable
class HasObjective(SeveralTasks, Protocol):
    """A task that is several, and says by what: `worst` is made of scores by the run too (`run/lowest.py`).

    Asked by the run, when a phase begins.
    """

    @property
    def objective(self) -> str:
        """`mean`, `weighted`, `worst` or `floors`."""
        ...


class MemberFloor(NamedTuple):
    """What a search bears to lose on one of several tasks: `margin`; `share`: that of the task in the mean of all."""

    margin: float
    share: float


@runtime_checkable
class HoldsFloors(Protocol):
    """A task that is several under one prompt, of which a search gives none up for the others.

    Asked by the run, which scores the start on whatever a candidate is scored on (`run/floors.py`).
    """

    @property
    def floors(self) -> Mapping[str, MemberFloor]:
        """By task; empty where a search goes by something else."""
        ...

    def member_of(self, example: Example) -> str:
        """As of `SeveralTasks`."""
        ...


@runtime_checkable
class JudgedTask(Protocol):
    """A task that is scored by a judge where nobody names another evaluator.

    Asked when the run is bound.
    """

    @property
    def judge(self) -> Mapping[str, Any]:
        """The evaluator's name under `evaluator`, and by its name the settings of each; empty for a metric alone."""
        ...


@runtime_checkable
class WeighedTask(Protocol):
    """A task that says what counts once in its mean scores. Asked by the run and by its verdict."""

    @property
    def weigh(self) -> Weigh:
        """Every turn, or every conversation."""
        ...
