"""`PromptOpt`: every method of promptopt's as a teleprompter of DSPy's."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptopt.api import optimize
from promptopt.arguments import checked
from promptopt.binding.identity import bind_optimizer
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.dspy.lm import DspyModel, ModelEngine
from promptopt.dspy.metric import Metric, check_metric
from promptopt.dspy.program import predictors_as_json
from promptopt.dspy.task import Data, bind
from promptopt.dspy.untyped import LM, Gold, Module, Teleprompter, dspy
from promptopt.errors import ConfigError
from promptopt.optimizers.rlprompt.method import RLPrompt
from promptopt.outcome.result import Result
from promptopt.protocols import Model, Optimizer
from promptopt.reports.progress import progress
from promptopt.run.budget import Budget
from promptopt.run.events import Event, Warned
from promptopt.store.runs import Store
from promptopt.tasks.task import Task
from promptopt.text import counted

AS_SET = ("max_tokens", "temperature")
"""What a teacher answers by as it is set; a proposer by the first, as it may have to think before it writes."""
CACHE_OFF = "DSPy's own cache is switched off for the run: promptopt's store answers what was asked before"


SUSPENDED = "the run is suspended, without a verdict; the same compile again goes on and pays for nothing twice"
WORSE = "the test says that the program which comes back is worse than the student: keep the student"


class PromptOptWarning(UserWarning):
    """What a user should know of a compiled program: said once for each `compile`, and kept in its report."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What promptopt says of an optimised program, on test examples that the search never saw.

    It stays where it is made: a program that is saved whole (`save_program=True`) is loaded without it, and without
    promptopt.
    """

    result: Result
    """The whole result, with its lineage and its ledgers."""
    said: tuple[str, ...]
    """What a user should know: how the data were divided, what was switched off, what was left alone."""

    @property
    def verdict(self) -> str | None:
        """*better*, *no evidence* or *worse*; None where no test was made."""
        return self.result.verdict

    @property
    def gain(self) -> Any:
        """The winner's gain on the start, paired, with its interval; None where no test was made."""
        return self.result.gain

    def report(self) -> str:
        """All of the result as a text, and what the result itself does not say."""
        more = [f"Warning: {each}" for each in self.said if each not in self.result.warnings]
        return "\n".join([self.result.report(), *more])

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        """None, to whoever loads it."""
        return type(None), ()

    def __deepcopy__(self, memo: object) -> Outcome:
        """Itself: a copy of the program is the same program."""
        return self

    def __copy__(self) -> Outcome:
        """As `__deepcopy__`."""
        return self

    def __str__(self) -> str:
        """The verdict, the winner and the run, in three lines."""
        return str(self.result)


class PromptOpt(Teleprompter):
    """Optimises the instructions of a program's predictors by any method, under a budget, with a verdict.

    `method`: a name or an Optimizer. `metric`: (gold, prediction), with trace or in GEPA's form; gives a number in
    [0, 1], a bool, or a Prediction of score and feedback. `budget`: as of `promptopt.optimize`. `model`: what answers
    in place of the LMs that the program has, a model of promptopt's or an LM. `proposer`: what writes instructions, a
    model or an LM; the one that answers, if None. `teacher`: whose right answers become demonstrations, where the
    method makes any (bootstrap, mipro, simba); the one that answers, if None. `predictors`: those that are edited, by
    name; all, if None.
    `calls_per_cell`: LM calls of one run of the program, for what is set aside under a cap on calls; as many as it has
    predictors, if None.
    """

    @checked
    def __init__(
        self,
        method: str | Optimizer = "auto",
        *,
        # Anything: `check_metric` says what a metric takes.
        metric: Metric | Any,
        budget: Budget | None = None,
        model: str | Model | LM | None = None,
        proposer: str | Model | LM | None = None,
        teacher: str | Model | LM | None = None,
        predictors: Sequence[str] | None = None,
        calls_per_cell: int | None = None,
        seed: int = 0,
        store: Store | str | Path | None = None,
    ) -> None:
        """Nothing is asked yet. Raises ConfigError for what no search could be made with, such as an unknown method."""
        bind_optimizer(method)
        if isinstance(method, RLPrompt) and method.inputs:
            raise ConfigError(
                f"rlprompt with inputs={method.inputs} ends in a policy, which writes a prompt for each input, and a "
                f"DSPy program keeps one text for each predictor; set inputs=0, or search a task of promptopt's"
            )
        super().__init__()  # pyright: ignore[reportUnknownMemberType] - DSPy ships no types
        self.method = method
        self.metric = check_metric(metric)
        self.budget = budget
        self.model = model
        self.proposer = proposer
        self.teacher = teacher
        self.predictors = predictors
        self.calls_per_cell = calls_per_cell
        self.seed = seed
        self.store = store

    def compile(
        self,
        student: Module,
        *,
        trainset: list[Gold],
        teacher: Module | None = None,
        valset: list[Gold] | None = None,
        testset: list[Gold] | None = None,
    ) -> Module:
        """An optimised copy of `student`, whose `promptopt` is the `Outcome`; the student stays as it is.

        `valset`: what the final choice is made on, else split off `trainset`; `testset`: what the verdict is on, else
        split off too. `teacher`: a program whose LM teaches, where `PromptOpt` names no teacher. Raises ConfigError,
        DataError and EvaluatorError for mistakes.
        """
        if not isinstance(student, dspy.Module):
            raise ConfigError(f"PromptOpt.compile: student is {student!r:.80}; give a dspy.Module")
        bare = self.model is not None and not isinstance(self.model, dspy.BaseLM)
        lm = None if bare else self._lm(student)
        bound = bind(
            student,
            Data(trainset, valset, testset),
            self.metric,
            lm=lm,
            predictors=self.predictors,
            calls_per_cell=self.calls_per_cell,
            seed=self.seed,
        )
        teaching, about = _teacher(self.teacher, teacher, student)
        others: list[LM] = [] if lm is None else [each.lm for _, each in student.named_predictors() if each.lm]
        cached = any(getattr(each, "cache", False) for each in [lm, *others])
        said = [*bound.said, *about, *([CACHE_OFF] if cached else [])]
        # Before anything is asked: how the data are divided is what a user may want otherwise.
        _warn_at_caller(said)
        told = list(said)
        models = Models(
            _model(self.model if lm is None else lm, others, bound.program.strays.lms),
            proposer=_model(self.proposer, own=AS_SET[:1]),
            teacher=_model(teaching, own=AS_SET),
        )
        result = self._searched(bound.task, models, told)
        after = [*_unscored(result, len(bound.task.test)), *bound.program.unscored.total()]
        # What was said of the task before the search stands in the result too.
        _warn_at_caller([*(each for each in result.warnings if each not in told), *after, *_doubts(result)])
        best = bound.configured(result.best.prompt)
        best.promptopt = Outcome(result, (*said, *after))
        return best

    def _searched(self, task: Task, models: Models, told: list[str]) -> Result:
        """What the search ends in; `told` grows by what it says meanwhile."""
        with _told_session(told) as session:
            return optimize(
                task,
                self.method,
                model=models,
                budget=self.budget,
                seed=self.seed,
                store=self.store,
                session=session,
            )

    def _lm(self, student: Module) -> LM:
        """What the program asks: the LM given, else what DSPy is configured with, else what a predictor has."""
        own = next((each.lm for _, each in student.named_predictors() if each.lm is not None), None)
        given = self.model if self.model is not None else dspy.settings.lm
        lm = given if given is not None else own
        if lm is None:
            raise ConfigError("no LM is configured; call dspy.configure(lm=…), or give PromptOpt a model='…'")
        if not isinstance(lm, dspy.BaseLM):
            raise ConfigError(f"the LM that DSPy is configured with is {lm!r:.80}; give it a dspy.LM")
        return lm


@contextmanager
def _told_session(told: list[str]) -> Generator[Session]:
    """One that warns as soon as there is something to warn of, what is in `told` apart, and shows how far a run is."""
    shown = progress()

    def warn(event: Event) -> None:
        if isinstance(event, Warned) and event.message not in told:
            told.append(event.message)
            _warn_at_caller([event.message])

    try:
        yield Session([warn] if shown is None else [shown, warn])
    finally:
        if shown is not None:
            shown.close()


def _warn_at_caller(sentences: Sequence[str]) -> None:
    """Warn of each, at the line of the user's that called: a logger's lines are not shown where none is set up."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in ("promptopt", "dspy"):
        frame, level = frame.f_back, level + 1
    for sentence in sentences:
        warnings.warn(sentence, PromptOptWarning, stacklevel=level)


def _doubts(result: Result) -> list[str]:
    """That the program which comes back has no verdict, or a bad one: it looks like any other."""
    if result.verdict == "worse":
        return [WORSE]
    return [f"{SUSPENDED}: {result.reason}"] if result.status == "suspended" else []


def _unscored(result: Result, held: int) -> list[str]:
    """What becomes of test examples that were set aside, and are more than the budget pays for."""
    scored = 0 if result.best.test is None else result.best.test.n
    if not 0 < scored < held:
        return []
    return [
        f"the verdict is on {scored:,} of the {counted(held, 'example')} that stood ready for it: the budget pays for "
        f"no more, and a larger one scores them all; the others stay unseen"
    ]


def _teacher(named: Any, program: Module | None, student: Module) -> tuple[Any, list[str]]:
    """The model that teaches, of a program the LM that all its predictors have; and what is to be said of that one."""
    if program is None:
        return named, []
    if not isinstance(program, dspy.Module):
        raise ConfigError(
            f"PromptOpt.compile: teacher is {program!r:.80}; give a dspy.Module, or PromptOpt a teacher=…"
        )
    lms = list({id(each.lm): each.lm for _, each in program.named_predictors() if each.lm is not None}.values())
    alike = predictors_as_json(program) == predictors_as_json(student)
    said = [] if alike else ["of the teacher program its LM alone is used, under the student's own prompt"]
    if named is None and len(lms) != 1:
        raise ConfigError(
            f"the teacher program has {counted(len(lms), 'LM')} of its own, and one teaches; set one, as "
            f"teacher.set_lm(…), or give PromptOpt a teacher=…"
        )
    return (lms[0] if named is None else named), said


def _model(
    given: Any, others: Sequence[LM] = (), more: Mapping[str, LM] | None = None, *, own: Collection[str] = ()
) -> Any:
    """LMs of DSPy's as one model of ours; one of ours, alone, as the model that it is. `own`: as of `DspyModel`."""
    if not isinstance(given, dspy.BaseLM):
        return given
    engine = getattr(given, "engine", None)
    if isinstance(engine, ModelEngine) and not others:
        return engine.model
    return DspyModel(given, others, more, threads=dspy.settings.num_threads or 8, own=own)
