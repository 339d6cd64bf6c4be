"""`PromptOpt`: every method of promptopt's as a teleprompter of DSPy's."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.dspy.data import cells_of, divided
from promptopt.dspy.lm import MAX_TOKENS, DspyModel, lm_of
from promptopt.dspy.metric import Metric, check_metric
from promptopt.dspy.program import DspyProgram, slots_of
from promptopt.dspy.untyped import LM, Gold, Module, Teleprompter, dspy
from promptopt.errors import ConfigError
from promptopt.outcome.result import Result
from promptopt.programs.evaluator import ProgramEvaluator
from promptopt.programs.task import program_task
from promptopt.protocols import Model, Optimizer
from promptopt.run.budget import Budget
from promptopt.store.runs import Store
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Sampling

_log = logging.getLogger("promptopt.dspy")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What promptopt says of an optimised program, on test examples that the search never saw."""

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
        """The result as a text."""
        return "\n".join([str(self.result), *self.said])


class PromptOpt(Teleprompter):
    """Optimises the instructions of a program's predictors by any method, under a budget, with a verdict.

    `method`: a name or an Optimizer. `metric`: (gold, prediction), with trace or in GEPA's form; gives a number in
    [0, 1], a bool, or a Prediction of score and feedback. `budget`: as of `promptopt.optimize`. `model`: a model of
    promptopt's that answers in place of the LM that DSPy is configured with. `proposer`: what writes instructions, a
    model or an LM; the one that answers, if None. `predictors`: those that are edited, by name; all, if None.
    `calls_per_cell`: LM calls of one run of the program, for what is set aside under a cap on calls.
    """

    def __init__(
        self,
        method: str | Optimizer = "auto",
        *,
        metric: Metric,
        budget: Budget | None = None,
        model: str | Model | None = None,
        proposer: str | Model | LM | None = None,
        predictors: Sequence[str] | None = None,
        calls_per_cell: int | None = None,
        seed: int = 0,
        store: Store | str | Path | None = None,
    ) -> None:
        """Nothing is asked yet. Raises ConfigError for a metric that cannot be called."""
        super().__init__()  # pyright: ignore[reportUnknownMemberType] - DSPy ships no types
        self.method, self.metric, self.budget = method, check_metric(metric), budget
        self.model, self.proposer, self.predictors = model, proposer, predictors
        self.calls_per_cell, self.seed, self.store = calls_per_cell, seed, store

    def compile(  # type: ignore[override]
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
        split off too. `teacher` is not used. Raises ConfigError, DataError and EvaluatorError for mistakes.
        """
        if not isinstance(student, dspy.Module):
            raise ConfigError(f"PromptOpt.compile: student is {student!r:.80}; give a dspy.Module")
        slots, texts, said = slots_of(student, self.predictors)
        data, more = divided(trainset, valset, testset, self.seed)
        said += more
        lm = self._lm(student)
        said += (
            []
            if not getattr(lm, "cache", False)
            else ["DSPy's own cache is switched off for the run: promptopt's store answers what was asked before"]
        )
        found = cells_of(data, taken=texts)
        task = _task(student, texts, found.splits, said)
        program = DspyProgram(student, slots, found.gold, self.metric, lm)
        answers = self._model(lm)
        evaluator = ProgramEvaluator(
            program, calls_per_cell=self._calls(student), sampling=Sampling(max_tokens=MAX_TOKENS)
        )
        result = optimize(
            task,
            self.method,
            model=Models(answers, proposer=self._proposer()),
            evaluator=evaluator,
            budget=self.budget,
            seed=self.seed,
            store=self.store,
        )
        for sentence in said:
            _log.warning(sentence)
        best = program.configured(result.best.prompt)
        best.promptopt = Outcome(result, tuple(said))  # pyright: ignore[reportAttributeAccessIssue]
        return best

    def _lm(self, student: Module) -> LM:
        """What the program asks: the model given, else what DSPy is configured with, else what a predictor has."""
        if self.model is not None:
            return lm_of(self.model)
        own = next((each.lm for _, each in student.named_predictors() if each.lm is not None), None)
        lm = dspy.settings.lm if dspy.settings.lm is not None else own
        if lm is None:
            raise ConfigError("no LM is configured; call dspy.configure(lm=…), or give PromptOpt a model='…'")
        if not isinstance(lm, dspy.BaseLM):
            raise ConfigError(f"the LM that DSPy is configured with is {lm!r:.80}; give it a dspy.LM")
        return lm

    def _model(self, lm: LM) -> str | Model:
        return self.model if self.model is not None else DspyModel(lm, threads=dspy.settings.num_threads or 8)

    def _proposer(self) -> str | Model | None:
        return DspyModel(self.proposer) if isinstance(self.proposer, dspy.BaseLM) else self.proposer

    def _calls(self, student: Module) -> int:
        return len(student.named_predictors()) if self.calls_per_cell is None else self.calls_per_cell


def _task(student: Module, texts: Mapping[str, str], splits: Mapping[str, Any], said: Sequence[str]) -> Task:
    rows = [example for split in splits.values() for example in split]
    task = program_task(
        rows, prompt=dict(texts), metric="exact", name=type(student).__name__, splits=Splits(1, 1, 1),
        max_tokens=MAX_TOKENS,
    )  # fmt: skip
    return replace(task, pool=None, warnings=tuple(said), **cast("Any", splits))
