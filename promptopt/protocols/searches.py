"""Methods and selectors: what takes a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from promptopt.protocols.evaluators import Evaluator
from promptopt.protocols.tasks import Task
from promptopt.types import Estimate, Example, Prompt, Room, UpperBounds

if TYPE_CHECKING:
    import random

    # The one arrow that points up: what follows takes a run, and a run is made of everything above.
    from promptopt.run import Run


class Optimizer(Protocol):
    """A search: proposes prompts, has them scored, keeps the best. Straight-line code over a run."""

    def optimize(self, run: Run) -> None:
        """Search until done. Stops (BudgetSpent, Suspended) pass through; the run remembers what was scored.

        Called once, by `promptopt.optimize`.
        """
        ...


@runtime_checkable
class ChoosesEvaluator(Protocol):
    """A method that searches by an evaluator of its own choice where the user names none."""

    def evaluator_for(self, task: Task) -> str | Evaluator:
        """That evaluator, or its registered name. Asked once, when the run is bound."""
        ...


@runtime_checkable
class Demonstrates(Protocol):
    """A method whose candidates show demonstrations, which makes each of their calls dearer than one of the start."""

    def demonstrations(self, task: Task) -> int:
        """How many a candidate shows that dev and test are set aside for, where tokens or dollars are capped."""
        ...


@runtime_checkable
class ChoosesLayout(Protocol):
    """A method whose candidates may be read in any of the task's layouts; they are then part of what is searched."""

    @property
    def layouts(self) -> bool:
        """Whether it does."""
        ...


@runtime_checkable
class RecastsTask(Protocol):
    """A method that needs the task in another form, which renders the start prompt byte for byte as it was."""

    def recast(self, task: Task) -> Task:
        """The task in that form; itself, where it is in it already. Raises ConfigError where it cannot be.

        Asked once, when the run is bound, before the evaluator is.
        """
        ...


@runtime_checkable
class ChecksTask(Protocol):
    """A method that knows before a run is begun that it cannot go on: of a setting that it needs, or of the task."""

    def check_task(self, task: Task) -> None:
        """Raise ConfigError where a search of this task cannot be made. Asks nothing; `--dry-run` asks it too."""
        ...


@runtime_checkable
class ChecksInstalled(Protocol):
    """A method that needs packages which the core installation lacks."""

    def check_installed(self) -> None:
        """Raise ConfigError where one of them is missing; none is imported.

        Asked where the store knows nothing of the run, for a replay may need none of them; `--dry-run` asks it too.
        """
        ...


@runtime_checkable
class BoundsCost(Protocol):
    """A method that knows from its settings alone what a search can take at most."""

    def upper_bounds(self, train: int) -> UpperBounds:
        """Upper bounds for `train` training examples. Asked by `--dry-run`."""
        ...


class SearchPlan(Protocol):
    """What a search will do, in numbers: a frozen dataclass, part of the run's fingerprint by `dataclasses.asdict`."""

    @property
    def rounds(self) -> int:
        """The rounds (steps, generations) that the room affords."""
        ...

    def describe(self) -> str:
        """Half a sentence for the user: "12 generations of 5 children, first looks of 1 to 5 examples"."""
        ...


@runtime_checkable
class EndsByBudget(Protocol):
    """A plan whose rounds may have no end of their own: the budget ends the search."""

    @property
    def open_ended(self) -> bool:
        """Whether nothing but the budget is meant to end it."""
        ...


@runtime_checkable
class Planning(Protocol):
    """An optimizer that plans its search on what it is granted, before anything is spent."""

    def plan(self, room: Room) -> SearchPlan:
        """Concrete numbers out of settings and room alone; without any cap those of the method's paper."""
        ...

    def least(self, room: Room) -> int:
        """Evaluations of the smallest search that is of use: one useful round."""
        ...


@runtime_checkable
class BoundsCostInRoom(Protocol):
    """A method that knows what a search can take in a given room."""

    def upper_bounds_in(self, room: Room) -> UpperBounds:
        """Upper bounds in that room. Asked by `--dry-run`, where the budget has a cap."""
        ...


class Selector(Protocol):
    """Finds the best of many prompts at a bounded cost; a value that any optimizer can hold."""

    def select(self, run: Run, prompts: Sequence[Prompt], examples: Sequence[Example], keep: int) -> list[Estimate]:
        """All prompts, ranked best first; those never evaluated come last, with count 0.

        `keep` is how many of them the caller will go on with. Called by methods, once a round.
        """
        ...


@runtime_checkable
class CapsEvaluations(Protocol):
    """A selector whose evaluations have a cap. Asked by methods that bound their own cost."""

    budget: int


class Chunker(Protocol):
    """Cuts a text into chunks; a parser can stand behind it. Called by the methods that edit phrases."""

    def spans(self, text: str, rng: random.Random) -> Sequence[tuple[int, int]]:
        """The chunks of `text` as (begin, end) offsets in characters: in order, not empty, not overlapping.

        Punctuation is best a chunk of its own.
        """
        ...
