"""The seams, on one page. Anything that fits a Protocol here can be passed to `promptopt.optimize`.

Laws every implementation keeps (contract suites in `promptopt.testing` check them):
- a model's `name` names the served snapshot and is part of every stored key;
- outcomes (refusal, filter, cut at length, a request that can never fit) are replies; weather (429, 5xx, time-outs) is
  retried inside the model and, beyond its retries, raised as `BackendError` after all other replies were yielded;
- evaluators and tasks never see the run: they are handed an `Ask`.

In order: models and what they may also be able to do; tasks; evaluators; then what takes a run, methods and selectors.
Each optional capability is a Protocol of its own, and says who asks for it, and when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from promptopt.types import (
    Cell,
    Content,
    Estimate,
    Example,
    Likelihoods,
    Prompt,
    Reply,
    Request,
    Room,
    Sampling,
    Score,
    ScoreRequest,
    UpperBounds,
)

if TYPE_CHECKING:
    import random

    # The one arrow that points up: what follows takes a run, and a run is made of everything above.
    from promptopt.run import Run

Role = Literal["task", "proposer", "judge"]
"""The task model answers, the proposer writes prompts, the judge scores."""


Metric = Callable[[str, Example], float | Score]
"""(answer, example) to a value in [0, 1], or to a whole Score. The answer is what the task's Reader read."""

Reader = Callable[[str], str | None]
"""Reads the answer out of a reply; None where there is none to be read."""


@runtime_checkable
class Model(Protocol):
    """A language model: requests in, replies out as they settle."""

    @property
    def name(self) -> str:
        """The served snapshot; part of every key."""
        ...

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """Yield `(index, reply)` for every request, in any order, each as soon as it is known.

        Once `stopping()` is true no further request is begun; those in flight are still yielded, then it ends.
        Raises BackendError, after yielding what could be had, when requests failed beyond their retries.
        """
        ...


@runtime_checkable
class TextScorer(Protocol):
    """A model that can also give the log-likelihood of a given text."""

    @property
    def name(self) -> str:
        """The served snapshot; part of every key."""
        ...

    def can_score(self) -> bool:
        """Whether this engine can; a server may be asked, once."""
        ...

    def score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Likelihoods]]:
        """Yield `(index, likelihoods)`, under the laws of `Model.generate`.

        Raises ConfigError, before anything is asked, where `can_score()` is false.
        """
        ...


@runtime_checkable
class ScoresOnly(Protocol):
    """A model that may be unable to generate (a masked language model)."""

    @property
    def generates(self) -> bool:
        """Whether `generate` works."""
        ...


@runtime_checkable
class Bounded(Protocol):
    """A model whose context is known beforehand."""

    @property
    def context(self) -> int:
        """Tokens that the content and what follows it can have together."""
        ...


@runtime_checkable
class Tokenizer(Protocol):
    """A model that can count its own tokens without a call that costs anything."""

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` has."""
        ...


@runtime_checkable
class Segmenter(Protocol):
    """A model that can cut a text into its own tokens without a call that costs anything."""

    def pieces(self, text: str) -> list[str]:
        """The tokens of `text` as strings, none empty, which joined give the text back.

        Tokens that hold a part of a character are one piece with their neighbours, until they hold all of it.
        """
        ...


@runtime_checkable
class Inexact(Protocol):
    """A model that may trade exactness for speed: its replies can depend on what else it is asked."""

    def exact(self) -> Model:
        """The same model, answering each request alike in any company; itself, where it already does."""
        ...

    def flips(self, requests: Sequence[Request]) -> tuple[int, int]:
        """How many of `requests` it answers otherwise than `exact()` does, and how many were asked."""
        ...


@runtime_checkable
class LocalAware(Protocol):
    """A model that knows whether it runs on this machine, where tokens cost nothing."""

    @property
    def local(self) -> bool:
        """Whether it runs on this machine."""
        ...


class Ask(Protocol):
    """The run's own door to the models: cached, charged, recorded. Order in is order out."""

    def __call__(self, requests: Sequence[Request], *, role: Role = "task", repetition: int = 0) -> list[Reply]:
        """Replies to `requests`. Raises StopRun when a limit is reached or the run is suspended."""
        ...

    def score(self, requests: Sequence[ScoreRequest], *, role: Role = "task") -> list[Likelihoods]:
        """Log-likelihoods of given texts. Raises ConfigError when the model of that role cannot give them."""
        ...

    def can_score(self, role: Role = "task") -> bool:
        """Whether the model of that role can give the log-likelihoods of given texts; recorded, so replay agrees."""
        ...

    def warn(self, message: str) -> None:
        """Tell the user a sentence, once."""
        ...


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
        """The name of the prompt part that methods edit."""
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
class Forcing(Protocol):
    """An evaluator that scores given texts: what it scores must fit into the model's context, and is never cut."""

    def forced(self, example: Example) -> tuple[str, ...]:
        """Every text that may be scored after the example."""
        ...


@runtime_checkable
class Contrasting(Protocol):
    """An evaluator that compares what is right with what is wrong: an example needs both."""

    def rejected(self, example: Example) -> tuple[str, ...]:
        """Every text that what is right is preferred to; empty where the example has none."""
        ...


@runtime_checkable
class Reducing(Protocol):
    """An evaluator of given texts that says how it combines their tokens."""

    @property
    def reduction(self) -> str | None:
        """How: "sum" or "token_mean"; None: what suits the task."""
        ...


@runtime_checkable
class Surrogate(Protocol):
    """An evaluator that guides a search by something else than what its prompts are for (a loss, in nats)."""

    def verdict_by(self) -> Evaluator:
        """What start and winner are compared by in the end: the task's own metric."""
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
class RecastsTask(Protocol):
    """A method that needs the task in another form, which renders the start prompt byte for byte as it was."""

    def recast(self, task: Task) -> Task:
        """The task in that form; itself, where it is in it already. Raises ConfigError where it cannot be.

        Asked once, when the run is bound, before the evaluator is.
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
