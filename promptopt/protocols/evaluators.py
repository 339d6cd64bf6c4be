"""Evaluators, and what they may also be able to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from promptopt.protocols.asking import Ask
from promptopt.protocols.models import Model, Role
from promptopt.types import Cell, Content, Example, ProgramText, Score


@runtime_checkable
class CallsVary(Protocol):
    """An evaluator whose cells take more calls or fewer: its `calls_per_cell` is an estimate, and no bound."""

    @property
    def calls_vary(self) -> bool:
        """Whether it is. Asked where a cap on calls might end a test in the middle."""
        ...


@runtime_checkable
class LooksFirst(Protocol):
    """An evaluator that has a few cells of a run scored before all others: a mistake in a user's code costs no more."""

    @property
    def first_look(self) -> int:
        """How many; 0: it needs none. Asked once a run."""
        ...


@runtime_checkable
class BeginsCells(Protocol):
    """An evaluator whose cells ask something else first than the prompt, laid out around the example."""

    def begun(self, cells: Sequence[Cell]) -> Sequence[Content]:
        """What cells ask first, without asking it; nothing of one that asks nothing.

        Asked where a model refuses the first request of a run, to see whether it takes others.
        """
        ...


@runtime_checkable
class RunsProgram(Protocol):
    """An evaluator that runs a program in every cell. Asked for `Run.abilities`: proposers may be shown it."""

    def program_text(self) -> ProgramText:
        """The program as people read it."""
        ...


@runtime_checkable
class Forcing(Protocol):
    """An evaluator that scores given texts: what it scores must fit into the model's context, and is never cut.

    Asked when the run is bound, which leaves out the examples that do not fit, and by `--dry-run`.
    """

    def forced(self, example: Example) -> tuple[str, ...]:
        """Every text that may be scored after the example."""
        ...


@runtime_checkable
class Contrasting(Protocol):
    """An evaluator that compares what is right with what is wrong: an example needs both.

    Methods learn of it by `Run.abilities`.
    """

    def rejected(self, example: Example) -> tuple[str, ...]:
        """Every text that what is right is preferred to; empty where the example has none."""
        ...


@runtime_checkable
class Reducing(Protocol):
    """An evaluator of given texts that says how it combines their tokens.

    Asked for `Run.abilities`: a sum is longer by itself where a text is.
    """

    @property
    def reduction(self) -> str | None:
        """How: "sum" or "token_mean"; None: what suits the task."""
        ...


@runtime_checkable
class SuitsModel(Protocol):
    """An evaluator that learns more of a cell where the model can tell it."""

    def suited(self, model: Model) -> Evaluator:
        """The evaluator for that model; itself, where there is nothing more. Asked once, when the run is bound."""
        ...


@runtime_checkable
class Surrogate(Protocol):
    """An evaluator that guides a search by something else than what its prompts are for (a loss, in nats).

    Asked when the run is bound, where nobody names the verdict's evaluator.
    """

    def verdict_by(self) -> Evaluator:
        """What start and winner are compared by in the end: the task's own metric."""
        ...


@runtime_checkable
class Judging(Protocol):
    """An evaluator whose score is the word of a judge, a model too: no verdict without the word of people.

    Asked when the run is bound, which opens the judges' models, and for what the verdict may say.
    """

    @property
    def judges(self) -> tuple[Role, ...]:
        """The judges that it asks."""
        ...

    @property
    def judge_calls(self) -> int:
        """The most calls of judges that one cell can take, within `calls_per_cell`."""
        ...

    @property
    def questions(self) -> tuple[str, ...]:
        """What the judge is asked to go by, in the user's words: criteria, levels, items."""
        ...


@runtime_checkable
class Grading(Protocol):
    """A judging evaluator that can say what a reply is worth, whoever wrote it.

    Asked by `promptopt.judges`, to calibrate a judge and to probe it.
    """

    def grade(self, replies: Sequence[tuple[Example, str]], ask: Ask, role: Role = "judge") -> list[Score]:
        """One score a reply, in order, by the judge of that role. Raises ConfigError where it lacks a setting."""
        ...


@runtime_checkable
class Simulating(Protocol):
    """An evaluator that has a model play the users of chats. Asked at binding, which adds a model of that role."""

    @property
    def user_model(self) -> str:
        """Who plays, where the user of the run names nobody; empty: the proposer."""
        ...


@runtime_checkable
class Evaluator(Protocol):
    """Gives every (prompt, example) cell a score, asking a model."""

    @property
    def calls_per_cell(self) -> int:
        """The most calls one cell can take; lets the run cut a batch exactly at a call limit."""
        ...

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order. Raises EvaluatorError naming the cell when a metric fails."""
        ...

    def fingerprint(self) -> Mapping[str, Any]:
        """JSON that changes whenever the evaluator could score a cell differently."""
        ...
