"""Whole searches where nothing can be better, and where much can: every method, on three planted tasks."""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.search_landscape import LABELS, Landscape, plant, split
from benchmarks.search_planted import Arm
from benchmarks.search_proposer import Proposer
from benchmarks.search_settings import PLANTED
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import PromptoptError
from promptopt.models.scripted import Scripted
from promptopt.run.budget import Budget
from promptopt.stats import mean_interval
from promptopt.tasks.splits import Pool
from promptopt.tasks.task import Task
from promptopt.testing import uniform
from promptopt.types import Example, Request

TASKS = ("right or wrong", "graded", "grouped")
FLAT = 0.6
"""The accuracy of every prompt where nothing is better."""
EVALUATIONS = 1_500
GROUP = 5
TEST = 200


@dataclass(frozen=True, slots=True)
class Ending:
    """How one search ended. `rose`: whether the winner's dev score was above the start's."""

    verdict: str | None
    rose: bool
    problem: str = ""


def partly(answer: str, example: Example) -> float:
    """Credit for a wrong answer too: most of it on most questions, none on some, so differences are skewed."""
    if answer.strip().lower() == example.target:
        return 1.0
    return 0.9 if uniform("credit", example["question"]) < 0.8 else 0.0


def _number(question: str) -> int:
    return int(question[1:])


def _drawn(task: str, question: str) -> str:
    """What a question's difficulty goes by: itself, or the group that it stands in."""
    return f"g{_number(question) // GROUP}" if task == "grouped" else question


def flat_model(task: str, common: float = 0.5) -> Scripted:
    """Answers every prompt with the same accuracy; on half of the questions, or groups, prompts differ all the same."""

    def answer(request: Request) -> str:
        prompt, question = split(request.content)
        drawn = _drawn(task, question)
        shared = uniform("shared", drawn) < common
        hard = uniform("difficulty", drawn) if shared else uniform("difficulty", drawn, prompt)
        right = LABELS[_number(question) % 2]
        return right if hard < FLAT else next(label for label in LABELS if label != right)

    return Scripted(answer, name=f"flat-{task}", scores=lambda content, text: [-1.0 - uniform(str(content), text)])


def planted(task: str, landscape: Landscape) -> Task:
    """The landscape's task with 200 test examples, scored or grouped as the task's name says."""
    if task == "grouped":
        # Some more than the splits take: the rest of a group that a split cuts in two is left out.
        whole = landscape.task(test=TEST + 4 * GROUP)
        rows = (replace(each, group=_drawn(task, each["question"])) for each in (*whole.train, *whole.dev, *whole.test))
        bare = replace(whole, pool=Pool(tuple(rows)), train=(), dev=(), test=())
        return bare.with_splits(len(whole.train), len(whole.dev), TEST)
    whole = landscape.task(test=TEST)
    return replace(whole, metric=partly, pool=None) if task == "graded" else whole


def one(method: str, task: str, seed: int, true_gain: bool) -> Ending:
    """One search in a store of its own."""
    landscape = plant("additive", seed)
    model = landscape.model() if true_gain else flat_model(task)
    made = planted(task, landscape)
    proposer = Scripted(Proposer(landscape.good), name="proposer")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        try:
            result = optimize(
                made,
                Arm(method, method, tuple(PLANTED.get(method, {}).items())).build(),
                model=Models(model, proposer=proposer),
                budget=Budget(evaluations=EVALUATIONS),
                seed=seed,
                store=Path(folder) / "store.db",
            )
        except PromptoptError as why:
            return Ending(None, False, f"{type(why).__name__}: {why}")
    start, best = result.start.dev, result.best.dev
    return Ending(result.verdict, start is not None and best is not None and best.score > start.score)


def table(methods: Sequence[str], runs: int, pool: Executor) -> list[str]:
    """A row a method: false *better* on each task, what dev alone would have claimed, and the power beside."""
    heads = " | ".join(f"{task}: *better* / *worse*" for task in TASKS)
    lines = [f"| method | {heads} | dev rose | {TASKS[0]}, true gain: *better* |", "|" + " --- |" * (len(TASKS) + 3)]
    false = dict.fromkeys(TASKS, 0)
    done = dict.fromkeys(TASKS, 0)
    problems: list[str] = []
    for method in methods:
        cells: list[str] = []
        rose: list[bool] = []
        for task in TASKS:
            ended = _ended(pool, method, task, runs, false_only=True)
            problems += [f"- {method}, {task}: {each.problem}" for each in ended if each.problem][:1]
            usable = [each for each in ended if not each.problem]
            rose += [each.rose for each in usable]
            better, worse = (sum(each.verdict == said for each in usable) for said in ("better", "worse"))
            false[task], done[task] = false[task] + better, done[task] + len(usable)
            cells.append(f"{better} / {worse} of {len(usable)}")
        some = [each for each in _ended(pool, method, TASKS[0], runs, false_only=False) if not each.problem]
        found = f"{sum(each.verdict == 'better' for each in some)} of {len(some)}"
        share = f"{100 * sum(rose) / len(rose):.0f} %" if rose else "-"
        lines.append(f"| {method} | {' | '.join(cells)} | {share} | {found} |")
    totals = [share(false[task], done[task]) for task in TASKS]
    lines.append(f"| all: *better* | {' | '.join(totals)} | | |")
    return [*lines, *(["", "Could not run:", *problems] if problems else [])]


def share(found: int, of: int) -> str:
    """How many of how many, and the share's 95 % interval (Clopper and Pearson's)."""
    low, high = mean_interval([1.0] * found + [0.0] * (of - found))
    return f"{found} of {of}: {100 * low:.1f} to {100 * high:.1f} %"


def _ended(pool: Executor, method: str, task: str, runs: int, *, false_only: bool) -> list[Ending]:
    # Seeds of its own for every method: searches of one seed share their questions, and are no independent evidence.
    # By its name, so that a method which comes later moves no other's.
    first = zlib.crc32(method.encode())
    seeds = range(first, first + runs)
    return list(pool.map(one, [method] * runs, [task] * runs, seeds, [not false_only] * runs, chunksize=5))
