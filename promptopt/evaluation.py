"""Prompts looked at without a search: what one scores (`evaluate`), and several that are compared."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from promptopt.arguments import check_fields, checked
from promptopt.binding.evaluator import bind_evaluator, suited, without_misfits
from promptopt.binding.judging import remarks_on_judge
from promptopt.binding.models import Models, names_user, open_models, prices
from promptopt.binding.session import no_search, opened, stopping
from promptopt.binding.task import bind_task, prompt_or_start
from promptopt.errors import BackendError, BudgetSpent, ConfigError
from promptopt.evaluators.judging import left_out_of
from promptopt.evaluators.simulated import remedy
from promptopt.operators.policy_marks import refuse_unfilled
from promptopt.outcome.contender import Measured
from promptopt.outcome.criterion import Criterion, as_called, by_judge, by_task, passing, scored_by, unjudged_tasks
from promptopt.outcome.decisions import RIGHT, ScoredPair
from promptopt.outcome.looks import Look, level_of, look_ahead, look_at, look_in_parts
from promptopt.outcome.members import means_by_task, told_by_task
from promptopt.outcome.prompt_comparison import PromptComparison, prompts_compared
from promptopt.outcome.sealed_test import measured
from promptopt.protocols import JUDGES, Evaluator, HasObjective, Model, Role, Task, TimesReplies
from promptopt.run import Run
from promptopt.run.budget import Budget, Ledger, Limits
from promptopt.run.door import Door
from promptopt.run.first_replies import FirstReplies
from promptopt.store.runs import Store
from promptopt.tasks.crowding import crowded
from promptopt.text import counted, normalise
from promptopt.types import Cell, Example, Prompt, Score, ScoreMatrix, Weigh


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one prompt scores on one split. `scores` are in the order of `examples`.

    `look`: which look at the sealed examples this was, where the split is the test; `next_look`: the one that shows
    something new after it. `judged`: the scores are a judge's word, in whole or in part; of several tasks not those of
    `unjudged_tasks`. `by_task`: what scores each of them, where each has its own. `by_role`: `spent` by the role of the
    model that was asked. `tries_lost`: those that the server may have counted beside `spent`; a warning says so.
    `capped`: the examples of the split that a cap left out. `called`: what a person calls `evaluator`. `bound`: the
    task, which of several says by what prompts are compared. `seconds`: how long each reply took that was asked for
    here, where the model times them; what the store knew took none. `passing`: the score from which on an example
    passes.
    """

    task: str
    model: str
    evaluator: str
    split: str
    prompt: Prompt
    measured: Measured
    examples: tuple[Example, ...]
    scores: tuple[Score, ...]
    spent: Ledger
    paid: Ledger
    warnings: tuple[str, ...] = ()
    look: Look | None = None
    judged: bool = False
    unjudged_tasks: frozenset[str] = frozenset()
    by_task: Mapping[str, str] = field(default_factory=dict[str, str])
    by_role: Mapping[Role, Ledger] = field(default_factory=dict[Role, Ledger])
    next_look: Look | None = None
    tries_lost: int = 0
    weigh: Weigh = "turn"
    capped: tuple[Example, ...] = ()
    called: str = ""
    bound: Task | None = field(default=None, repr=False, compare=False)
    seconds: tuple[float, ...] = field(default=(), repr=False, compare=False)
    passing: Callable[[Example], float] = field(default=lambda _: RIGHT, repr=False, compare=False)

    def scored_by(self) -> str:
        """What scored the replies, in a person's words; of several tasks that of each, where they differ."""
        return scored_by(self.called or self.evaluator, self.by_task)

    @property
    def by_member(self) -> dict[str, float]:
        """The mean score on each of several tasks; empty for one task."""
        return means_by_task(self.bound, self.examples, self.scores)

    @property
    def worth(self) -> float:
        """What prompts and layouts are ranked by: the score, or what the worst of several tasks has where that counts.

        The mean over all examples is the mean over all tasks, weighted where they are: splits are cut so.
        """
        bound = self.bound
        if isinstance(bound, HasObjective) and bound.objective == "worst" and (means := self.by_member):
            return bound.worth(means)
        return self.measured.score

    def __str__(self) -> str:
        """The score in a line, and below it what is to be known."""
        low, high = self.measured.ci95
        unreadable = f", {self.measured.unreadable} unreadable" if self.measured.unreadable else ""
        by = self.scored_by() if self.by_task else f"by {self.scored_by()}"
        first = (
            f"{self.measured.score:.3f} on {counted(self.measured.n, f'{self.split} example')} of {self.task} (95 % "
            f"interval {low:.3f} to {high:.3f}{unreadable}), {by} on {self.model}"
        )
        warnings = (f"Warning: {normalise(warning)}" for warning in self.warnings)
        tasks = [told_by_task(self.by_member)] if self.by_member else []
        return "\n".join([first, *tasks, *self.measured.told(), *warnings])

    def figures(self) -> dict[str, Any]:
        """What was measured and what it took, as JSON."""
        measured = self.measured
        return {"score": measured.score, "ci95": list(measured.ci95), "n": measured.n,
                "unreadable": measured.unreadable, **measured.further(),
                **({"by_member": self.by_member} if self.by_member else {}),
                "spent": asdict(self.spent), "paid": asdict(self.paid)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """One prompt (the task's start, if None) that is to be scored on a task: as in `evaluate`."""

    task: str | Path | Task
    prompt: Prompt | None = None
    model: str | Model | Models = "embedded"
    evaluator: str | Evaluator | None = None

    def __post_init__(self) -> None:
        check_fields(self)


@checked
def evaluate(
    task: str | Path | Task,
    prompt: Prompt | None = None,
    *,
    model: str | Model | Models = "embedded",
    evaluator: str | Evaluator | None = None,
    split: str = "dev",
    budget: Budget | None = None,
    seed: int = 0,
    store: Store | str | Path | None = None,
    interrupt: threading.Event | None = None,
) -> Evaluation:
    """Score one prompt (the task's start, if None) on a whole split, or on as much of it as the budget allows.

    Scoring it on the test opens that: it counts as a look (`outcome.looks`), and a later verdict has to pay for it.
    Prompts that are to be compared belong into one look: `evaluate_together`.

    Raises ConfigError for an unknown split and when the budget scores nothing; BackendError when the engine fails.
    """
    asked = Asked(task, prompt, model, evaluator)
    return evaluate_together([asked], split=split, budget=budget, seed=seed, store=store, interrupt=interrupt)[0]


def evaluate_together(
    asked: Iterable[Asked],
    *,
    split: str = "dev",
    budget: Budget | None = None,
    seed: int = 0,
    store: Store | str | Path | None = None,
    interrupt: threading.Event | None = None,
    leave_out: Callable[[int, BackendError | ConfigError], None] | None = None,
    later: Sequence[str] = (),
) -> list[Evaluation]:
    """Score what is `asked` for on one split, each within the budget; all of one comparison on the test is one look.

    That look is entered before anything is returned. `leave_out`: is told the place of one that a server or the task
    refuses, which is then missing from the list, and raises what ends all of it; without it everything does, and so it
    is where nothing else was asked. `later`: the names of all that is asked, for a comparison that goes on with what
    was left out at the level of the look that it began with (`outcome.looks.look_in_parts`). Raises as `evaluate` does.
    """
    if split not in ("train", "dev", "test"):
        raise ConfigError(f"no split is named {split!r}; it is one of train, dev, test")
    found: list[Evaluation] = []
    refused: BackendError | ConfigError | None = None
    with opened(store) as store:
        for place, each in enumerate(asked):
            try:
                caps = Budget() if budget is None else budget
                stop = stopping(caps, time.monotonic(), interrupt)
                found.append(evaluate_alone(each, split, caps, seed, store, stop))
            except (BackendError, ConfigError) as error:
                if leave_out is None:
                    raise
                # The last one: where nothing at all could be scored, one of them has to be told.
                refused = error
                leave_out(place, error)
        if refused is not None and not found:
            raise refused
        return entered(found, store, later, lacking=refused is not None) if split == "test" and found else found


def entered(
    evaluations: Sequence[Evaluation], store: Store, later: Sequence[str] = (), *, lacking: bool = False
) -> list[Evaluation]:
    """Evaluations of one comparison on the test, entered as the one look that it is, on all examples any has scored."""
    rows = [dict(zip(each.examples, each.scores, strict=True)) for each in evaluations]
    examples = list(dict.fromkeys(example for row in rows for example in row))
    shown = [(each.prompt, [row.get(key) for key in examples]) for each, row in zip(evaluations, rows, strict=True)]
    by = dict.fromkeys([*(each.model for each in evaluations), *(each.evaluator for each in evaluations)])
    look = (
        look_in_parts(store.looks, (tuple(by), (evaluations[0].evaluator, *later)), examples, shown, lacking=lacking)
        if later
        else look_at(store.looks, tuple(by), examples, shown)
    )
    ahead = look_ahead(store.looks, examples)
    return [replace(each, look=look, next_look=ahead) for each in evaluations]


def evaluate_alone(
    asked: Asked, split: str, budget: Budget, seed: int, store: Store, stop: Callable[[], str | None]
) -> Evaluation:
    """Score one prompt on a split. What it finds on the test is shown to nobody before its look is `entered`.

    `stop`: gives the reason to suspend now, or None.
    """
    task = bind_task(asked.task, seed, own_user=names_user(asked.model))
    guide = bind_evaluator(asked.evaluator, task)
    models = open_models(asked.model, guide).by_role
    search = suited(guide, models["task"])
    run, door = looking(task, search, models, store, budget, seed, stop)
    # Of the run's own task, which lacks the examples that cannot be scored.
    examples: tuple[Example, ...] = getattr(run.task, split)
    chosen = prompt_or_start(task, asked.prompt)
    refuse_unfilled((text for _, text in chosen.texts), models["task"].name)
    if (refused := crowded(run.task, chosen, models["task"])) is not None:
        raise ConfigError(refused)
    # Where the same model judges or plays the user too, nobody can tell which replies took how long.
    alone = all(models[role] is not models["task"] for role in (*JUDGES, "user") if role in models)
    timed = models["task"] if alone and isinstance(models["task"], TimesReplies) else None
    known = 0 if timed is None else len(timed.seconds)
    matrix = _as_far_as_allowed(run, chosen, examples)
    door.lost.tell(run.warn)
    return Evaluation(
        task=task.name,
        model=models["task"].name,
        evaluator=Criterion(search, models["task"], None).name,
        split=split,
        prompt=chosen,
        measured=_measured_prompt(matrix, chosen, task.labels),
        examples=matrix.examples,
        scores=tuple(matrix[chosen]),
        spent=door.account.spent,
        paid=door.account.paid,
        warnings=(*run.warnings, *_unread(run, chosen, matrix), *left_out_of(matrix[chosen])),
        look=None,
        judged=by_judge(search),
        unjudged_tasks=unjudged_tasks(search),
        by_task=by_task(search),
        by_role=dict(door.account.by_role),
        tries_lost=door.lost.count,
        weigh=matrix.weigh,
        # Cells are scored in order.
        capped=examples[len(matrix.examples) :],
        called=as_called(search),
        bound=run.task,
        seconds=() if timed is None else tuple(timed.seconds[known:]),
        passing=passing(search),
    )


def _unread(run: Run, prompt: Prompt, matrix: ScoreMatrix) -> Iterable[str]:
    """What a run says of first replies to its start, of those to another prompt."""
    if prompt == run.initial:
        return ()
    first = FirstReplies(prompt, run.task.sampling.max_tokens, "this prompt")
    cells = [Cell(prompt, example) for example in matrix.examples]
    return filter(None, [first.unread(cells, matrix[prompt])])


def _measured_prompt(matrix: ScoreMatrix, prompt: Prompt, labels: Sequence[str]) -> Measured:
    result = measured(matrix[prompt], matrix.examples, labels, matrix.weigh)
    if result is None:
        first = matrix[prompt][0]
        raise ConfigError(f"no example has a finite score under this prompt ({first.feedback}); {remedy(first)}")
    return result


def paired(first: Evaluation, second: Evaluation) -> list[ScoredPair]:
    """What both scored, in the second's order: a cap, or a model's context, may have left either of them fewer."""
    known = dict(zip(first.examples, first.scores, strict=True))
    both = zip(second.examples, second.scores, strict=True)
    return [ScoredPair(example, known[example], score) for example, score in both if example in known]


def compare(first: Evaluation, second: Evaluation, *, rivals: int = 1) -> PromptComparison:
    """The paired test of two evaluations, on the examples that both scored, at its share of the level.

    `rivals`: the verdicts that are given at once, among which the level is shared (`outcome.looks.level_of`): 0.05, and
    that of the look where the split is the test. Raises ConfigError where no example is shared.
    """
    pairs = paired(first, second)
    # Scores by two evaluators have no difference.
    if first.evaluator != second.evaluator or not any(each.before.judged and each.after.judged for each in pairs):
        raise ConfigError("the two evaluations share no scored example; score both prompts on one split by one metric")
    return prompts_compared(
        second.bound,
        pairs,
        weigh=second.weigh,
        alpha=level_of((first.look, second.look), rivals),
        rivals=rivals,
        by_judge=first.judged or second.judged,
        unjudged=first.unjudged_tasks | second.unjudged_tasks,
    )


def looking(
    task: Task,
    evaluator: Evaluator,
    models: Mapping[Role, Model],
    store: Store,
    budget: Budget,
    seed: int,
    stop: Callable[[], str | None],
) -> tuple[Run, Door]:
    """A run that is no search: nothing is journaled, and examples that cannot be scored are left out and told."""
    task, misfits = without_misfits(task, [evaluator], models["task"])
    door = Door(
        models=models,
        prices=prices(models),
        cache=store.cache,
        # Nothing is journaled: whoever looks again asks the same, and reads it from the store.
        journal=None,
        limits=Limits.of(budget),
        seed=seed,
        stopping=stop,
        warn=lambda message: run.warn(message),
    )
    run = Run(task=task, evaluator=evaluator, door=door, seed=seed)
    names: dict[Role, str] = {role: model.name for role, model in models.items()}
    for said in (*filter(None, [misfits]), *remarks_on_judge([evaluator], task, names, names["task"])):
        run.warn(said)
    return run, door


def _as_far_as_allowed(run: Run, prompt: Prompt, examples: Sequence[Example]) -> ScoreMatrix:
    with no_search():
        try:
            return run.evaluate([prompt], examples)
        except BudgetSpent:
            # Cells are scored in order, so what is known is a prefix, and reading it asks nothing.
            scored = run.estimate(prompt, examples).count
            if scored == 0:
                raise ConfigError("the budget does not allow a single evaluation; raise it") from None
            return run.evaluate([prompt], examples[:scored])
