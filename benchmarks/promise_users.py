"""Users who search, open the run again with a larger cap, and check an edit, where no prompt is better than another."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.promise_runs import TASKS, flat_model, planted, share
from benchmarks.search_landscape import plant
from benchmarks.search_planted import Arm
from benchmarks.search_proposer import Proposer
from benchmarks.search_settings import PLANTED
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.evaluation import Asked, evaluate_together
from promptopt.models.scripted import Scripted
from promptopt.outcome.decisions import ScoredPair, non_inferior, shown_better
from promptopt.outcome.result import Verdict
from promptopt.run.budget import Budget

METHODS = ("auto", "apo", "opro", "gepa", "capo", "evoprompt-ga", "mipro", "ape", "random", "plum-sa")
CAPS = (400, 800, 1_600)
"""Evaluations of the search, and of the same search as it is opened again."""
SEED = 70_000
"""Of the first user: seeds that no other part of the promise has."""
MARGIN = 0.02
"""The loss that the check bears."""
EDIT = "Weigh the two sides before you answer."


@dataclass(frozen=True, slots=True)
class Told:
    """What one user was told. `verdicts`: of the search, each time it was opened. `check`: of the edit."""

    verdicts: tuple[Verdict | None, ...]
    check: str


def one(method: str, task: str, seed: int) -> Told:
    """One user, with a store of its own."""
    landscape = plant("additive", seed)
    made = planted(task, landscape)
    models = Models(flat_model(task), proposer=Scripted(Proposer(landscape.good), name="proposer"))
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        store, arm = Path(folder) / "store.db", Arm(method, method, tuple(PLANTED.get(method, {}).items()))
        found = [
            optimize(
                made, arm.build(), model=models, budget=Budget(evaluations=cap), seed=seed, store=store
            ).verdict
            for cap in CAPS
        ]  # fmt: skip
        edit = made.initial.replace(made.editable, f"{made.initial[made.editable]} {EDIT}")
        before, after = evaluate_together(
            [Asked(made, each, models) for each in (made.initial, edit)], split="test", seed=seed, store=store
        )
    pairs = [ScoredPair(*each) for each in zip(before.examples, before.scores, after.scores, strict=True)]
    score = non_inferior("score", pairs, MARGIN)
    better = shown_better(score).outcome == "passed"
    return Told(tuple(found), "better" if better else score.outcome)


def table(users: int, pool: Executor) -> list[str]:
    """A row a method: what its users were told, and the shares of all of them with their intervals.

    Task shapes take turns, and every user has a seed of their own.
    """
    lines = [
        "| method | users | first verdict: *better* / *worse* | any of three: *better* / *worse* "
        "| check: *better* / *regression* |",
        "| --- | --- | --- | --- | --- |",
    ]
    everyone: list[Told] = []
    for number, method in enumerate(METHODS):
        first = SEED + number * users
        shapes = [TASKS[user % len(TASKS)] for user in range(users)]
        told = list(pool.map(one, [method] * users, shapes, range(first, first + users)))
        everyone += told
        cells = (f"{better} / {worse}" for better, worse in _counts(told))
        lines.append(f"| {method} | {users} | {' | '.join(cells)} |")
    total = len(everyone)
    shares = (f"{share(better, total)} / {share(worse, total)}" for better, worse in _counts(everyone))
    return [*lines, f"| all | {total} | {' | '.join(shares)} |"]


def _counts(told: Sequence[Told]) -> list[tuple[int, int]]:
    """How many were told *better*, and how many *worse*: at first, at any time, and by the check."""
    return [
        (sum(each.verdicts[0] == "better" for each in told), sum(each.verdicts[0] == "worse" for each in told)),
        (sum("better" in each.verdicts for each in told), sum("worse" in each.verdicts for each in told)),
        (sum(each.check == "better" for each in told), sum(each.check == "regression" for each in told)),
    ]
