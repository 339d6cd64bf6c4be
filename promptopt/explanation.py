"""What each piece of a prompt does to its loss, without a search (`explain`)."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from promptopt.arguments import check_fields, checked
from promptopt.binding.evaluator import bind_evaluator
from promptopt.binding.models import Models, names_user, open_models
from promptopt.binding.session import no_search, opened, stopping
from promptopt.binding.task import bind_task, prompt_or_start
from promptopt.evaluation import looking
from promptopt.operators.losses import paired, scorable, unit_scores
from promptopt.operators.masks import SEGMENTER, Ablation, Effect, analyse
from promptopt.operators.policy_marks import refuse_unfilled
from promptopt.outcome.criterion import Criterion
from promptopt.protocols import Evaluator, Model, Task
from promptopt.ranges import within
from promptopt.run import Run
from promptopt.run.budget import Budget, Ledger
from promptopt.store.runs import Store
from promptopt.types import Example, Prompt


@dataclass(frozen=True, slots=True)
class Explanation:
    """What each piece of a prompt does to its loss. `effects`: what helps most first.

    `loss`: the mean over `n` examples, with its standard error, in which a group of them counts as one; in nats where
    the evaluator is a loss, else minus the mean score.
    """

    task: str
    model: str
    evaluator: str
    prompt: Prompt
    loss: float
    error: float
    n: int
    effects: tuple[Effect, ...]
    spent: Ledger
    paid: Ledger
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Analysis:
    """How a prompt is taken to pieces."""

    examples: int = 50
    """Training examples that the loss is taken on."""
    pieces: int = 5
    """The most pieces that a proposer marks."""
    mode: Ablation = "remove"
    """What becomes of a piece that is left out (`operators.masks`)."""

    def __post_init__(self) -> None:
        check_fields(self)
        within(self, examples=(1, math.inf), pieces=(1, math.inf))


ANALYSIS = Analysis()


@checked
def explain(
    task: str | Path | Task,
    prompt: Prompt | None = None,
    *,
    model: str | Model | Models = "embedded",
    evaluator: str | Evaluator | None = "loss",
    analysis: Analysis = ANALYSIS,
    budget: Budget | None = None,
    seed: int = 0,
    store: Store | str | Path | None = None,
    interrupt: threading.Event | None = None,
    watch: Callable[[Run], None] | None = None,
) -> Explanation:
    """Leave each piece of a prompt (the task's start, if None) out in turn, and say what that does to its loss.

    The mask analysis of PMPO (arXiv:2505.16307, `operators.masks`). The proposer marks the pieces where `model` names
    one; else they are cut by rule: list items, else paragraphs, else sentences. Raises
    ConfigError when the model gives no log-probabilities, BackendError when the engine fails or the budget ends it.
    """
    begun = time.monotonic()
    budget = Budget() if budget is None else budget
    task = bind_task(task, seed, own_user=names_user(model))
    with opened(store) as store:
        search = bind_evaluator(evaluator, task)
        models = open_models(model, search).by_role
        run, door = looking(task, search, models, store, budget, seed, stopping(budget, begun, interrupt))
        if watch is not None:
            watch(run)
        chosen = prompt_or_start(task, prompt)
        refuse_unfilled((text for _, text in chosen.texts), models["task"].name)
        with no_search():
            marked = isinstance(model, Models) and model.proposer is not None
            kept, effects = _effects_of_pieces(run, chosen, analysis, marked=marked)
            mean, error = paired([-value for value in unit_scores(run.evaluate([chosen], kept), chosen)])
        door.lost.tell(run.warn)
    return Explanation(
        task=task.name,
        model=models["task"].name,
        evaluator=Criterion(search, models["task"], None).name,
        prompt=chosen,
        loss=mean,
        error=error,
        n=len(kept),
        effects=tuple(effects),
        spent=door.account.spent,
        paid=door.account.paid,
        warnings=run.warnings,
    )


def _effects_of_pieces(
    run: Run, prompt: Prompt, analysis: Analysis, *, marked: bool
) -> tuple[list[Example], list[Effect]]:
    """The examples that can be scored, and what each piece does on them; `marked`: whether a model marks the pieces."""
    drawn = run.rng("examples").sample(run.train, min(analysis.examples, len(run.train)))
    kept = scorable(run, prompt, drawn)
    # Before the pieces: where a cap ends the analysis, the whole prompt was scored.
    run.evaluate([prompt], kept)
    sampling = SEGMENTER if marked else None
    return kept, analyse(run, prompt, kept, most=analysis.pieces, mode=analysis.mode, sampling=sampling)
