"""Tasks and evaluators, and the door that evaluators are handed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from promptopt.protocols.models import Model, Role
from promptopt.types import Cell, Content, Example, Likelihoods, Prompt, Reply, Request, Sampling, Score, ScoreRequest

Metric = Callable[[str, Example], float | tuple[float, str] | Score]
"""(answer, example) to a value in [0, 1], alone or with feedback, or to a whole Score; the answer is what the task's
Reader read."""

Reader = Callable[[str], str | None]
"""Reads the answer out of a reply; None where there is none to be read."""


METRICS = ("bleu", "choice", "contains", "demands", "exact", "f1", "json", "number", "regex", "rouge_l", "set_f1")
"""The metrics that have a name; another is a function, or the `module:function` that is one."""

READERS = ("choice", "label", "line", "number", "text")
"""The readers that have a name; another is a function, or a pattern, as `regex:PATTERN`."""


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


@runtime_checkable
class AskEach(Protocol):
    """A door that can tell the draws of equal requests apart. Asked by evaluators whose cells take several calls."""

    def each(
        self, requests: Sequence[Request], draws: Sequence[str], *, role: Role = "task", repetition: int = 0
    ) -> Iterator[Reply]:
        """The replies in order, as far as a limit lets them through, then BudgetSpent where it cut the others.

        `draws`: what names each draw where a reply is sampled; two requests that are equal in it share their reply.
        """
        ...


class Batch(Protocol):
    """Requests that are asked together, on their way: first `ask`, then `replies`, each once."""

    @property
    def whole(self) -> bool:
        """Whether no limit keeps any of it back, as far as is known."""
        ...

    def ask(self) -> None:
        """Ask the model for what is not known yet, in the thread of the run. Raises Suspended."""
        ...

    def replies(self) -> Iterable[Reply]:
        """The replies in order, as far as a limit lets them through, then BudgetSpent where it cut the others."""
        ...


class Pipeline(Protocol):
    """Batches, one behind the other, from one thread."""

    def begin(self, requests: Sequence[Request], draws: Sequence[str]) -> Batch:
        """The next batch, keyed, recorded and looked up while those before it may still be out; `draws`: as `each`.

        Batches are asked, and their replies taken, in the order in which they were begun.
        """
        ...


@runtime_checkable
class AskAhead(Protocol):
    """A door that can begin a batch while another is out, so that a model need not wait between them.

    Asked by programs of several calls.
    """

    def ahead(self, *, role: Role = "task", repetition: int = 0) -> AbstractContextManager[Pipeline | None]:
        """A pipeline of batches; None where a limit depends on what is answered, so that nothing can be begun ahead."""
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
        """That evaluator; None: by the method's choice, or by generation."""
        ...


@runtime_checkable
class CallsVary(Protocol):
    """An evaluator whose cells take more calls or fewer: its `calls_per_cell` is an estimate, and no bound."""

    @property
    def calls_vary(self) -> bool:
        """Whether it is. Asked where a cap on calls might end a test in the middle."""
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
class JudgedTask(Protocol):
    """A task that is scored by a judge where nobody names another evaluator.

    Asked when the run is bound.
    """

    @property
    def judge(self) -> Mapping[str, Any]:
        """The evaluator's name under `evaluator`, and by its name the settings of each; empty for a metric alone."""
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
