"""Every search on planted tasks: mean gain against evaluations, from runs that no model takes part in."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

from benchmarks.search_landscape import CHECKS, KINDS, Landscape, plant
from benchmarks.search_proposer import Proposer
from benchmarks.search_settings import PLANTED, SELECTOR_BUDGET
from benchmarks.search_tables import CONTROL, mean, with_error
from promptopt import registry
from promptopt.api import optimize
from promptopt.binding.evaluator import recast
from promptopt.binding.models import Models
from promptopt.binding.settings import Setting, build_optimizer
from promptopt.comparison.statistics import ranks_in
from promptopt.errors import PromptoptError
from promptopt.models.scripted import Scripted
from promptopt.protocols import ChoosesEvaluator, Optimizer
from promptopt.run.budget import Budget

BUDGETS = (250, 500, 1000, 2000)


@dataclass(frozen=True, slots=True)
class Arm:
    """A method with settings: a row of the table. `evaluator`: what it searches by; None is its own choice.

    `nuisance`: the model reports its labels' shares, moved by so much a prompt (`Landscape.model`); None: it does not.
    """

    label: str
    method: str
    settings: tuple[tuple[str, Setting], ...] = ()
    evaluator: str | None = None
    nuisance: float | None = None

    def build(self) -> Optimizer:
        """The method itself. Raises ConfigError."""
        return build_optimizer(self.method, dict(self.settings))


@dataclass(frozen=True, slots=True)
class Job:
    """One search, continued from budget to budget."""

    arm: Arm
    kind: str
    seed: int
    budgets: tuple[int, ...]
    skill: float
    informed: float | None


@dataclass(frozen=True, slots=True)
class Trace:
    """What one search returned at each budget: its gain in true accuracy over the start, and what it had spent.

    `most`: the gain of the best prompt there is, `pruned` of the best that leaving out words of the start can give.
    `problem`: why there is nothing else; empty where all is well.
    """

    job: Job
    most: float = math.nan
    pruned: float = math.nan
    gain: tuple[float, ...] = ()
    evaluations: tuple[int, ...] = ()
    calls: tuple[int, ...] = ()
    problem: str = ""


def arms(
    methods: Sequence[str], selectors: Sequence[str] = (), nuisances: Sequence[float] = ()
) -> tuple[list[Arm], dict[str, str]]:
    """The rows, and why others cannot run.

    A method that searches by an evaluator of its own has a row by accuracy too, one that holds a selector one for each
    of `selectors`; and each has one for every one of `nuisances`.
    """
    found: list[Arm] = []
    missing: dict[str, str] = {}
    for method in methods:
        settings = PLANTED.get(method, {})
        try:
            made = Arm(method, method, tuple(settings.items())).build()
        except PromptoptError as why:
            missing[method] = str(why)
            continue
        found.append(Arm(method, method, tuple(settings.items())))
        found += [
            Arm(f"{method}, shares moved by {nuisance:g} nats", method, tuple(settings.items()), "generation", nuisance)
            for nuisance in nuisances
        ]
        if isinstance(made, ChoosesEvaluator):
            found.append(Arm(f"{method}, by accuracy", method, tuple(settings.items()), "generation"))
        if not hasattr(made, "selector"):
            continue
        for selector in selectors:
            own = {name: value for name, value in settings.items() if name.partition(".")[0] != "selector"}
            try:
                chosen = {"selector": selector, **_budget_of(selector)}
                arm = Arm(f"{method}, {selector}", method, (*own.items(), *chosen.items()))
                arm.build()
            except PromptoptError as why:
                missing[f"{method}, {selector}"] = str(why)
            else:
                found.append(arm)
    return found, missing


def _budget_of(selector: str) -> Mapping[str, Setting]:
    """The cap on one selection, where the selector has one."""
    has = any(field.name == "budget" for field in fields(registry.load("selection", selector)))
    return {"selector.budget": SELECTOR_BUDGET} if has else {}


@lru_cache(maxsize=8)
def _planted(kind: str, seed: int) -> tuple[Landscape, float, float]:
    """The landscape, the best accuracy there is, and the best by leaving out words of the start."""
    landscape = plant(kind, seed)
    best, pruned = (landscape.accuracy(landscape.best_text(within)) for within in (None, landscape.start))
    return landscape, best, pruned


def search(job: Job) -> Trace:
    """Run one search in a store of its own; the store makes each larger budget go on from the one before."""
    landscape, best, pruned = _planted(job.kind, job.seed)
    task = landscape.task()
    start = landscape.truth(task, task.initial)
    bounds = (best - start, pruned - start)
    model = landscape.model(job.arm.nuisance)
    own = {**KINDS, **CHECKS}[job.kind].skill
    proposer = Scripted(Proposer(landscape.good, job.skill if own is None else own, job.informed), name="proposer")
    gain: list[float] = []
    evaluations: list[int] = []
    calls: list[int] = []
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        try:
            optimizer = job.arm.build()
            form = recast(task, optimizer)
            for budget in job.budgets:
                result = optimize(
                    task,
                    optimizer,
                    model=Models(model, proposer=proposer),
                    evaluator=job.arm.evaluator,
                    budget=Budget(evaluations=budget),
                    seed=job.seed,
                    store=Path(folder) / "store.db",
                )
                gain.append(landscape.truth(form, result.prompt) - start)
                evaluations.append(result.spent.evaluations)
                calls.append(result.spent.proposer_calls)
        except PromptoptError as why:
            return Trace(job, *bounds, problem=f"{type(why).__name__}: {why}")
    return Trace(job, *bounds, tuple(gain), tuple(evaluations), tuple(calls))


def conduct(jobs: Sequence[Job], processes: int) -> list[Trace]:
    """All searches, in the order given. One that raises what it should not gives a trace that says so."""
    with ProcessPoolExecutor(processes) as pool:
        futures: list[Future[Trace]] = [pool.submit(search, job) for job in jobs]
        return [_settled(job, future) for job, future in zip(jobs, futures, strict=True)]


def _settled(job: Job, future: Future[Trace]) -> Trace:
    error = future.exception()
    if error is None:
        return future.result()
    return Trace(job, problem=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")


def report(traces: Sequence[Trace], budgets: Sequence[int], kinds: Sequence[str]) -> list[str]:
    """The tables: one over all tasks, then one a task."""
    failed = {trace.job.arm.label: trace.problem for trace in traces if trace.problem}
    usable = [trace for trace in traces if trace.job.arm.label not in failed]
    title = "All planted tasks" if len(kinds) > 1 else kinds[0]
    lines = [f"## {title}", "", *table(usable, budgets), ""]
    for kind in kinds if len(kinds) > 1 else ():
        lines += [f"## {kind}", "", _said(kind), ""]
        lines += [*table([trace for trace in usable if trace.job.kind == kind], budgets), ""]
    if failed:
        lines += ["## Could not run", "", *(f"- {label}: {why}" for label, why in failed.items()), ""]
    return lines


def _said(kind: str) -> str:
    made = {**KINDS, **CHECKS}[kind]
    start = "the start holds all that hurts and all that is idle" if made.clutter else "the start is bare"
    return (
        f"{made.helping} words that help alone, {made.allies} pairs that help together only, {made.rivals} that spoil "
        f"each other, {made.ordered} that must stand in order; {start}; {made.common:.0%} of the examples are as hard "
        f"for one prompt as for another."
    )


def table(traces: Sequence[Trace], budgets: Sequence[int]) -> list[str]:
    """A row a method: mean gain with its standard error at each budget, its mean rank, then against the control."""
    last = len(budgets) - 1
    control = {_world(trace): trace for trace in traces if trace.job.arm.label == CONTROL}
    heads = [*(f"at {budget:,}" for budget in budgets), "mean rank", f"over {CONTROL}, at {budgets[-1]:,}"]
    lines = [
        f"| search | {' | '.join(heads)} | wins : losses | evaluations | proposer calls |",
        f"|{' --- |' * (len(heads) + 4)}",
    ]
    groups: dict[str, list[Trace]] = {}
    for trace in traces:
        groups.setdefault(trace.job.arm.label, []).append(trace)
    any_group = next(iter(groups.values()), list[Trace]())
    for said, bounds in (
        ("the most there is", [trace.most for trace in any_group]),
        ("the most by leaving out", [trace.pruned for trace in any_group]),
    ):
        lines.append(f"| ({said}) | {' | '.join([with_error(bounds)] * len(budgets))} | | | | | |")
    ranks = _ranks(traces, len(budgets))
    for label, rows in sorted(groups.items(), key=lambda group: -mean(row.gain[last] for row in group[1])):
        cells = [with_error([row.gain[place] for row in rows]) for place in range(len(budgets))]
        paired = [row.gain[last] - control[_world(row)].gain[last] for row in rows if _world(row) in control]
        better, worse = sum(each > 1e-9 for each in paired), sum(each < -1e-9 for each in paired)
        compared = ["", ""] if not paired or label == CONTROL else [with_error(paired, "+"), f"{better} : {worse}"]
        spent = f"{mean(row.evaluations[last] for row in rows):,.0f} | {mean(row.calls[last] for row in rows):,.0f}"
        lines.append(f"| {label} | {' | '.join([*cells, f'{mean(ranks[label]):.2f}', *compared])} | {spent} |")
    return lines


def _world(trace: Trace) -> tuple[str, int]:
    return trace.job.kind, trace.job.seed


def _ranks(traces: Sequence[Trace], budgets: int) -> dict[str, list[float]]:
    """The rank of every search on each task, seed and budget, 1 for the most; equal ones share the mean of theirs."""
    worlds: dict[tuple[str, int], list[Trace]] = {}
    for trace in traces:
        worlds.setdefault(_world(trace), []).append(trace)
    found: dict[str, list[float]] = {trace.job.arm.label: [] for trace in traces}
    for rows in worlds.values():
        for place in range(budgets):
            # Sums in another order may differ in the last digits, and equal prompts must tie.
            gains = {row.job.arm.label: round(row.gain[place], 9) for row in rows}
            for label, rank in ranks_in(gains).items():
                found[label].append(rank)
    return found
