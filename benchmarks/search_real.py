"""Searches with small local models on public tasks: one JSON line a finished run, and the tables that are made of them.

A run that is interrupted goes on from the store when the same command is given again; one that is in the file is not
run a second time. All runs share one store, so answers that several methods need are computed once: the ledgers count
what each search used, `paid` what was computed for it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from benchmarks.search_settings import REAL, VARIANTS
from promptopt.api import optimize
from promptopt.binding.config import build_optimizer
from promptopt.binding.evaluator import recast
from promptopt.binding.identity import identity_of
from promptopt.binding.models import Models
from promptopt.evaluation import evaluate
from promptopt.models.specs import open_model
from promptopt.outcome.result import Result
from promptopt.protocols import ChoosesEvaluator, Model, Optimizer, Tokenizer
from promptopt.run.budget import Budget
from promptopt.stats import ALPHA, verdict
from promptopt.store.runs import Store
from promptopt.tasks.catalogue import load_task
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Prompt, digest

TASKS = ("sst-2", "agnews", "cr", "bbh/boolean_expressions", "bbh/navigate", "bbh/sports_understanding")
"""Short inputs and answers of one word: an evaluation takes a quarter of a second or less on two cores."""
MODEL = "embedded/qwen2.5-coder-0.5b"
PROPOSER = "embedded/qwen2.5-coder-0.5b"
BUDGET = 1000
TEST = 100
TRAIN, DEV = 60, 30
"""What is drawn of tasks whose data has no splits of its own."""
CHECK = "labels"
"""What every verdict is by, and every search that has no evaluator of its own: the label of highest probability. A
reply of a model this small is often no label at all, and would measure its manners."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: every method (or variant of one) on every task with every seed, under one budget."""

    methods: tuple[str, ...]
    tasks: tuple[str, ...] = TASKS
    seeds: tuple[int, ...] = (0, 1, 2)
    budget: int = BUDGET
    test: int = TEST
    model: str = MODEL
    proposer: str = PROPOSER


def load(task: str, seed: int, test: int) -> Task:
    """The task with a test split of `test` examples at most. Raises ConfigError and DataError."""
    own = task.partition("/")[0] != "bbh"
    splits = Splits(test=test, seed=seed) if own else Splits(TRAIN, DEV, test, seed)
    return load_task(task, splits=splits)


def conduct(plan: Plan, rows: Path, store: Path, say: Callable[[str], None]) -> bool:
    """Run what is not in `rows` yet, adding a line a run. False where it was stopped; run again to go on."""
    known = {row["key"] for row in read(rows)}
    model = open_model(plan.model)
    proposer = model if plan.proposer == plan.model else open_model(plan.proposer)
    with Store(store) as opened:
        # Seeds outermost: a table of some seeds compares all methods.
        for seed in plan.seeds:
            for name in plan.tasks:
                for method in plan.methods:
                    try:
                        optimizer = build_optimizer(VARIANTS.get(method, method), REAL.get(method, {}))
                        key = key_of(plan, method, name, seed, optimizer)
                        if key in known:
                            continue
                        row = one(plan, load(name, seed, plan.test), optimizer, model, proposer, seed, opened)
                    # One method's defect must not end a night of runs.
                    except Exception as why:  # noqa: BLE001
                        say(f"skipped: {method} on {name}, seed {seed}: {type(why).__name__}: {why}")
                        continue
                    if row is None:
                        say(f"stopped during {method} on {name}, seed {seed}; run the same command again to go on")
                        return False
                    bound = {"budget": plan.budget, "model": plan.model, "proposer": plan.proposer}
                    append(rows, {"key": key, "method": method, "task": name, "seed": seed, **bound, **row})
                    say(f"{method}, {name}, seed {seed}: {row['start']:.3f} to {row['best']:.3f}, {row['minutes']} min")
    return True


def key_of(plan: Plan, method: str, task: str, seed: int, optimizer: Optimizer) -> str:
    """What a row is known by: everything that could change its numbers."""
    return digest(
        [method, task, seed, plan.budget, plan.test, plan.model, plan.proposer, CHECK, identity_of(optimizer)]
    )  # fmt: skip


def one(
    plan: Plan, task: Task, optimizer: Optimizer, model: Model, proposer: Model, seed: int, store: Store
) -> dict[str, Any] | None:
    """One run as a row, or None where it was suspended."""
    begun = time.perf_counter()
    result = optimize(
        task,
        optimizer,
        model=Models(model, proposer=proposer),
        evaluator=None if isinstance(optimizer, ChoosesEvaluator) else CHECK,
        check_evaluator=CHECK,
        budget=Budget(evaluations=plan.budget),
        seed=seed,
        store=store,
    )
    if result.status == "suspended" or result.start.test is None or result.best.test is None:
        return None
    form = recast(task, optimizer)
    assert isinstance(form, Task)
    row = as_row(result, form, model)
    shown = in_context_prompt(result)
    if shown is not None:
        pruned = best_pruned(result)
        row["pruned_won"] = result.best.prompt == pruned
        for name, prompt in (("unpruned", shown), ("pruned", pruned)):
            row[name] = _tested(form, prompt, model, store, result.best.test.n)
            row[f"{name}_tokens"] = prompt_tokens(form, prompt, model)
    row["minutes"] = round((time.perf_counter() - begun) / 60, 2)
    return row


def as_row(result: Result, task: Task, model: Model) -> dict[str, Any]:
    """What of a result goes into the file. `task`: in the form the method worked on."""
    assert result.start.test is not None
    assert result.best.test is not None
    spent, gain = result.spent, result.gain
    # All runs share one store and its ledger of looks; here each is judged as if it were alone, or the later methods
    # of the table would stand before a higher bar than the first.
    alone = None if gain is None else replace(gain, alpha=ALPHA, interval=gain.ci95)
    return {
        "run": result.run_id,
        "start": result.start.test.score,
        "best": result.best.test.score,
        "test": result.best.test.n,
        "gain": None if gain is None else [gain.mean, *gain.ci95, gain.p_value],
        "verdict": None if alone is None else verdict(alone),
        "evaluations": spent.evaluations,
        "proposer_calls": spent.proposer_calls,
        "read": spent.prompt_tokens,
        "written": spent.completion_tokens,
        "paid": result.paid.evaluations,
        "start_tokens": prompt_tokens(task, result.start.prompt, model),
        "best_tokens": prompt_tokens(task, result.best.prompt, model),
        "demos": len(result.best.prompt.demos),
        "winner": result.best.text,
        "rejected": sum(result.rejected.values()),
        "warnings": list(result.warnings),
    }


def in_context_prompt(result: Result) -> Prompt | None:
    """The prompt with its demonstrations before anything was pruned, where the method prunes such a prompt."""
    pruned = any(candidate.proposal.operator == "pruned" for candidate in result.lineage)
    written = (each.prompt for each in result.lineage if each.proposal.operator == "demonstrations")
    return next(written, None) if pruned else None


def best_pruned(result: Result) -> Prompt:
    """The winner where it was pruned; else the pruned prompt that came nearest to winning.

    That is by dev where it came that far, else by the search's own scores on most examples.
    """
    pruned = [candidate for candidate in result.lineage if candidate.proposal.operator == "pruned"]
    if any(candidate.prompt == result.best.prompt for candidate in pruned):
        return result.best.prompt
    return max(
        pruned,
        key=lambda each: (
            each.dev.mean if each.dev is not None and each.dev.count else -math.inf,
            each.search.count,
            each.search.mean if each.search.count else -math.inf,
        ),
    ).prompt


def _tested(task: Task, prompt: Prompt, model: Model, store: Store, count: int) -> float:
    """The score of a prompt on the test examples that the winner was scored on."""
    found = evaluate(
        task, prompt, model=model, evaluator=CHECK, split="test", budget=Budget(evaluations=count), store=store
    )
    return found.measured.score


def prompt_tokens(task: Task, prompt: Prompt, model: Model) -> int:
    """Tokens of what does not depend on the example: instruction, answer format, demonstrations."""
    content, _ = task.render(prompt, type(task.test[0])(tuple((name, "") for name, _ in task.test[0].fields)))
    text = content if isinstance(content, str) else "\n".join(message.content for message in content)
    return cast("Tokenizer", model).count_tokens(text) if isinstance(model, Tokenizer) else len(text.split())


def append(path: Path, row: Row) -> None:
    """Add a line at once, so that nothing is lost where the next run dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file; a last line that was cut short is left out, and its run is run again."""
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def selected(plan: Plan, rows: Sequence[Row]) -> list[Row]:
    """The rows that belong to the plan, the newest of each method, task and seed, in the plan's order."""
    bound = {"budget": plan.budget, "model": plan.model, "proposer": plan.proposer}
    found = {
        (row["method"], row["task"], row["seed"]): row
        for row in rows
        if all(row[name] == value for name, value in bound.items())
    }
    wanted = [(method, task, seed) for method in plan.methods for task in plan.tasks for seed in plan.seeds]
    return [found[each] for each in wanted if each in found]
