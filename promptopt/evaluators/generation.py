"""Generation: the task model answers, the answer is read out of the reply, and a metric says what it is worth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache
from numbers import Real
from typing import Any, Self, cast

from promptopt.digits import decimal_comma, largest, proportions
from promptopt.errors import DataError, Endless, EvaluatorError
from promptopt.evaluators import metrics, readers
from promptopt.evaluators.calls import with_calls
from promptopt.evaluators.first_token import ALTERNATIVES
from promptopt.evaluators.repetitions import ask_each
from promptopt.evaluators.shares import share_of_right
from promptopt.protocols import Ask, Metric, Model, Reader, ReportsAlternatives, Role, Task
from promptopt.scalars import as_float, unboxed
from promptopt.text import REGEX_LIMIT_S, counted, normalise, shorten
from promptopt.thoughts import spoken
from promptopt.type_words import callable_name
from promptopt.types import Cell, Demand, Example, Reply, Request, Score

ANSWER_CHARACTERS = 200
"""Characters of an answer, or of an expected answer, in a feedback sentence."""

TOO_LONG = "the prompt is too long for the model's context"
CUT = "the reply was cut off at"
UNANSWERED = "the model did not answer"
THINKING = "the thinking in the reply never ended"
NO_ANSWER_READ = "no answer could be read"
"""How the feedback on an unreadable reply begins, by its cause."""
ENDLESS = "a regular expression did not end on the reply"
_Key = tuple[str, str, str, tuple[str, ...], tuple[Demand, ...]]
"""What a judgement that is shared depends on: reply, finish, target, accepted, demands."""
REMEMBERED = 8_192
"""Judgements kept to be shared by cells that got the same reply: a million cells of eight labels need few scores."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One reply a cell, worth what `metric` says of the answer that `answer` reads out of it.

    An answer that cannot be read is worth 0 whatever the right answer is, and `Score.parsed` is False.
    Costs one call of the task model a cell.

    shares: how many alternatives the model is asked for with each token. By them a cell whose answer is a label knows
    the right label's probability too, by which a search tells prompts apart on fewer examples. 0: it is not asked.
    """

    task: Task
    metric: str | Metric = "exact"
    answer: str | Reader = "text"
    shares: int = 0
    _metric: Metric = field(init=False, repr=False, compare=False)
    _read: Reader = field(init=False, repr=False, compare=False)
    _expected: str = field(init=False, repr=False, compare=False)
    _known: dict[_Key, Score] | None = field(init=False, repr=False, compare=False)

    calls_per_cell = 1

    def __post_init__(self) -> None:
        # By the whole data set: "1,234" in one answer alone could be either.
        comma = "number" in (self.metric, self.answer) and writes_decimal_commas(self.task)
        metric = metrics.resolve(self.metric, comma)
        object.__setattr__(self, "_metric", metric)
        object.__setattr__(self, "_read", reader_of(self.task, self.answer, comma))
        object.__setattr__(self, "_expected", _expected_words(self.answer, self.task.labels))
        # A user's function sees every cell: only ours are known to depend on nothing but reply and right answers.
        shared = metrics.is_builtin(metric) and isinstance(self.answer, str)
        object.__setattr__(self, "_known", {} if shared else None)

    def suited(self, model: Model) -> Generation:
        """The same, with the labels' shares where the model reports alternatives for nothing and the draw is greedy."""
        reports = isinstance(model, ReportsAlternatives) and model.reports_alternatives()
        labels = self.task.labels and self.answer == "label" and self.metric == "exact"
        if self.shares or not reports or not labels or self.task.sampling.temperature > 0:
            return self
        return replace(self, shares=ALTERNATIVES)

    @classmethod
    def for_task(cls, task: Task) -> Self:
        """The evaluator with the task's own metric and answer.

        Raises ConfigError where either cannot be resolved, and DataError for a target that a metric of ours cannot use:
        one in the test would else end a run that has been paid for.
        """
        made = cls(task, task.metric, task.answer)
        if task.metric in metrics.OF_TARGETS:
            for split in ("train", "dev", "test"):
                for example in getattr(task, split):
                    try:
                        # An answer that all of them look at, and that is the target of none.
                        made._metric("{}", example)
                    except DataError as cause:
                        raise DataError(f"task {task.name!r}, {split} example {example.id}: {cause}") from cause
        return made

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order. Raises EvaluatorError naming the cell when metric or reader fails on it.

        A regular expression that does not end on a reply costs that cell: it is unreadable, and the user is told.
        """
        replies = self._replies(cells, ask)
        scores = [self.judge(cell, reply) for cell, reply in zip(cells, replies, strict=True)]
        if any(score.feedback == ENDLESS for score in scores):
            # One sentence whatever the reply, so that it is said once.
            ask.warn(
                f"a regular expression of this task did not end on a reply within {REGEX_LIMIT_S:g} s, and such "
                f"replies count as unreadable; write it without a repeat inside a repeat, as (a+)+ is"
            )
        if not self.shares:
            return scores
        return [
            replace(score, probability=share_of_right(reply, score.answer, cell.example, self.task.labels))
            for cell, reply, score in zip(cells, replies, scores, strict=True)
        ]

    def fingerprint(self) -> Mapping[str, Any]:
        """Metric and answer by name, own functions with a digest of their source; the rendering is the task's."""
        shares = {"shares": self.shares} if self.shares else {}
        return {
            "evaluator": "generation",
            "metric": metrics.function_identity(self.metric),
            "answer": metrics.function_identity(self.answer),
            **shares,
        }

    def _replies(self, cells: Sequence[Cell], ask: Ask) -> list[Reply]:
        sampling, render = self.task.sampling, self.task.render
        requests: list[Request] = []
        for cell in cells:
            content, shared = render(cell.prompt, cell.example)
            requests.append(Request(content, sampling, self.shares, shared))
        return ask_each(requests, [cell.repetition for cell in cells], ask)

    def judge(self, cell: Cell, reply: Reply) -> Score:
        """What a reply is worth. Raises EvaluatorError as `score` does."""
        reply = with_calls(cell.example, reply)
        if self._known is None:
            return self._in_time(cell, reply)
        # All that a metric of ours looks at; of a user's nothing is remembered (`_known` is None).
        key = (reply.text, reply.finish, cell.example.target, cell.example.accepted, cell.example.demands)
        score = self._known.get(key)
        if score is None:
            # All at once: judging is cheap, and counting uses would cost more than it saves.
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            score = self._known[key] = self._in_time(cell, reply)
        return score

    def grade(self, replies: Sequence[tuple[Example, str]], ask: Ask, role: Role = "judge") -> list[Score]:
        """What each reply is worth, whoever wrote it; nobody is asked. Raises EvaluatorError as `score` does."""
        return [self.judge(Cell(self.task.initial, example), Reply(text)) for example, text in replies]

    def _in_time(self, cell: Cell, reply: Reply) -> Score:
        try:
            return self._judged(cell, reply)
        except Endless:
            return Score(0.0, reply.text, parsed=False, feedback=ENDLESS)

    def _judged(self, cell: Cell, reply: Reply) -> Score:
        if reply.finish == "rejected":
            return Score(0.0, reply.text, parsed=False, feedback=TOO_LONG)
        answer = self._answer(cell, reply)
        if answer is None:
            return Score(0.0, reply.text, parsed=False, feedback=self._unreadable(reply, self._expected))
        value, own = self._measured(cell, answer)
        feedback = "" if own is None else own.feedback
        if own is not None and not own.parsed and feedback == NO_ANSWER_READ:
            # The metric of several tasks, each with a reader of its own, sees the text alone and not how it ended.
            feedback = self._unreadable(reply, "")
        if not feedback and value < 1.0:
            limit = self.task.sampling.max_tokens if reply.finish == "length" else 0
            feedback = _wrong(answer, cell.example.target, cell.example.accepted, limit)
        parts = () if own is None else own.parts
        return Score(value, reply.text, answer, own is None or bool(own.parsed), feedback, parts=parts)

    def _answer(self, cell: Cell, reply: Reply) -> str | None:
        if isinstance(self.answer, str):
            return self._read(reply.text)
        try:
            answer = cast("object", self._read(reply.text))
        except (Exception, SystemExit) as cause:
            raise _failed("answer reader", self.answer, cell, f"failed: {type(cause).__name__}: {cause}") from cause
        if answer is not None and not isinstance(answer, str):
            problem = f"gave {answer!r}: expected a text, or None for no answer"
            raise _failed("answer reader", self.answer, cell, problem)
        return answer

    def _measured(self, cell: Cell, answer: str) -> tuple[float, Score | None]:
        """The value, and the whole Score where the metric gave one."""
        try:
            result = cast("object", self._metric(answer, cell.example))
        except Endless:
            raise
        # What ends a script would end the run, without a word.
        except (Exception, SystemExit) as cause:
            raise _failed("metric", self.metric, cell, f"failed: {type(cause).__name__}: {cause}") from cause
        score = result if isinstance(result, Score) else None
        value: object = result if score is None else score.value
        if isinstance(result, tuple):
            pair = cast("tuple[object, ...]", result)
            if len(pair) != 2 or not isinstance(pair[1], str):
                raise _failed("metric", self.metric, cell, f"gave {pair!r}: expected a pair of a number and a feedback")
            value, score = pair[0], Score(0.0, feedback=pair[1])
        if type(value) is not float:
            value = unboxed(value)
            if not isinstance(value, Real | Decimal):
                raise _failed(
                    "metric",
                    self.metric,
                    cell,
                    f"gave {value!r}: expected a number in [0, 1], with feedback or without, or a Score",
                )
            # Decimals and fractions are none of Python's floats.
            value = as_float(value)
        if math.isnan(value) or not 0.0 <= value <= 1.0:
            raise _failed("metric", self.metric, cell, f"gave {value!r}: expected a number in [0, 1]")
        return value, score

    def _unreadable(self, reply: Reply, expected: str) -> str:
        if spoken(reply.text) is None:
            cut = f" and was cut off at {self.task.sampling.max_tokens} tokens" if reply.finish == "length" else ""
            return f"{THINKING}{cut}, so there is no answer"
        if reply.finish == "length":
            return f"{CUT} {counted(self.task.sampling.max_tokens, 'token')} before an answer could be read"
        if reply.finish in ("filter", "refusal"):
            return ": ".join(filter(None, (f"{UNANSWERED} ({reply.finish})", expected)))
        return ": ".join(filter(None, (NO_ANSWER_READ, expected)))


def reader_of(task: Task, answer: str | Reader, comma: bool) -> Reader:
    """The reader of that name, told what the task's right answers show. `comma`: as in `readers.resolve`."""
    if answer != "number":
        return readers.resolve(answer, task.labels, comma)
    right = [*_right_answers(task)]
    return readers.resolve(answer, task.labels, comma, largest(right), proportions(right))


def writes_decimal_commas(task: Task) -> bool:
    """Whether a task's right answers write decimals with a comma: those that a search sees, else those of the test."""
    return decimal_comma(_right_answers(task))


def _right_answers(task: Task) -> Iterator[str]:
    seen = (*task.train, *task.dev)
    return (example.target for example in (seen if seen else task.test))


@lru_cache(maxsize=REMEMBERED)
def _wrong(answer: str, target: str, accepted: tuple[str, ...], limit: int) -> str:
    expected = " or ".join(shorten(right, ANSWER_CHARACTERS) for right in (target, *accepted)[:3])
    cut = f" (the reply was cut off at {counted(limit, 'token')})" if limit else ""
    return f"answered {shorten(answer, ANSWER_CHARACTERS)}, expected {expected}{cut}"


def _expected_words(answer: str | Reader, labels: Sequence[str]) -> str:
    if not isinstance(answer, str):
        return f"{callable_name(answer)} found none"
    if answer == "label":
        return shorten(f"expected one of {', '.join(labels)}", 2 * ANSWER_CHARACTERS)
    if answer.startswith("regex:"):
        return f"expected a match of {answer.removeprefix('regex:')}"
    wanted = {"number": "a number", "choice": "the letter of one option, such as (B)"}
    return f"expected {wanted[answer]}" if answer in wanted else "the reply is empty"


def _failed(noun: str, function: str | Metric | Reader, cell: Cell, what: str) -> EvaluatorError:
    # By its id nobody finds an example in his data.
    shown = shorten(normalise(next((value for _, value in cell.example.fields), "")), 60)
    # Of several tasks each has a metric of its own, which the function of all of them calls.
    several = cell.example.source is not None
    whose = f"of task {cell.example.slice!r}" if several else repr(callable_name(function))
    message = f"{noun} {whose} {what}, on {shown!r}"
    return EvaluatorError(message, prompt_id=cell.prompt.id, example_id=cell.example.id)
