"""Searches with small local models on public tasks: the rows of `promptopt.comparison`, one JSON line a finished run.

A run that is interrupted goes on from the store when the same command is given again; one that is in the file is not
run a second time. All runs share one store, so answers that several methods need are computed once: the ledgers count
what each search used, `paid` what was computed for it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from benchmarks.search_settings import REAL, VARIANTS
from promptopt.api import optimize
from promptopt.binding.evaluator import recast
from promptopt.binding.identity import identity_of
from promptopt.binding.models import Models
from promptopt.binding.settings import build_optimizer
from promptopt.comparison import cells
from promptopt.comparison.cells import Row, TableCell
from promptopt.comparison.compare import compared
from promptopt.comparison.table import Comparison
from promptopt.comparison.text import cell_outcome
from promptopt.evaluation import evaluate
from promptopt.models.specs import open_model
from promptopt.outcome.result import Result
from promptopt.outcome.sentence import Report
from promptopt.protocols import ChoosesEvaluator, Model, Optimizer, Tokenizer
from promptopt.run.budget import Budget
from promptopt.store.runs import Store
from promptopt.tasks.catalogue import load_task
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Prompt, digest

TASKS = ("sst-2", "agnews", "cr", "mr", "sst-5", "support-intent")
"""Short inputs, labels, and a start that a better prompt beats even on a model of 135M parameters."""
MODEL = "embedded/qwen2.5-coder-0.5b"
PROPOSER = "embedded/qwen2.5-coder-0.5b"
BUDGET = 1000
TEST = 300
TRAIN, DEV = 60, 30
"""What is drawn of tasks whose data has no splits of its own."""
CHECK = "labels"
"""What every verdict is by, and every search that has no evaluator of its own: the label of highest probability. A
reply of a model this small is often no label at all, and would measure its manners."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """The best pruned prompt beside the one it was pruned from: test scores, tokens, and whether the pruned one won."""

    unpruned: float
    pruned: float
    unpruned_tokens: int
    pruned_tokens: int
    won: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A finished run as the file has it. `key`: all that could change its numbers, and a run has one line for each."""

    key: str
    budget: int
    proposer: str
    row: Row
    pruned: Pruned | None = None

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        pruned = None if self.pruned is None else asdict(self.pruned)
        return {"key": self.key, "budget": self.budget, "proposer": self.proposer, "pruned": pruned,
                "row": self.row.to_json()}  # fmt: skip


def line_from(data: Mapping[str, Any]) -> Line:
    """What `Line.to_json` wrote. Raises KeyError, TypeError and ValueError for anything else."""
    pruned = None if data["pruned"] is None else Pruned(**data["pruned"])
    return Line(data["key"], data["budget"], data["proposer"], cells.row_from(data["row"]), pruned)


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

    def cells(self) -> list[TableCell]:
        """Seeds outermost: a table of some seeds compares all methods."""
        return [TableCell(task, method, self.model, seed) for seed in self.seeds for task in self.tasks
                for method in self.methods]  # fmt: skip


def load(task: str, seed: int, test: int) -> Task:
    """The task with a test split of `test` examples at most. Raises ConfigError and DataError."""
    own = task.partition("/")[0] != "bbh"
    splits = Splits(test=test, seed=seed) if own else Splits(TRAIN, DEV, test, seed)
    return load_task(task, splits=splits)


def method(name: str) -> Optimizer:
    """A method of the arena with its settings. Raises ConfigError."""
    return build_optimizer(VARIANTS.get(name, name), REAL.get(name, {}))


def key_of(plan: Plan, cell: TableCell, optimizer: Optimizer) -> str:
    """What a line is known by: everything that could change its numbers."""
    return digest([cell.method, cell.task, cell.seed, plan.budget, plan.test, cell.model, plan.proposer, CHECK,
                   identity_of(optimizer)])  # fmt: skip


def conduct(plan: Plan, path: Path, store: Path, say: Callable[[str], None]) -> bool:
    """Run what is not in the file yet, adding a line a run. False where it was stopped; run again to go on."""
    known = {line.key for line in read(path)}
    model = open_model(plan.model)
    models = Models(model, proposer=model if plan.proposer == plan.model else open_model(plan.proposer))
    keys: dict[TableCell, str] = {}
    extras: dict[TableCell, Pruned | None] = {}
    with Store(store) as opened:

        def run(cell: TableCell) -> Report:
            optimizer, task = method(cell.method), load(cell.task, cell.seed, plan.test)
            keys[cell] = key_of(plan, cell, optimizer)
            result = one(plan, task, optimizer, models, cell.seed, opened)
            extras[cell] = pruning(result, cast("Task", recast(task, optimizer)), model, opened)
            return result.to_json()

        def keep(row: Row) -> None:
            if row.measured:
                append(path, Line(keys[row.cell], plan.budget, plan.proposer, row, extras[row.cell]))
            say(f"{row.cell}: {cell_outcome(row)}, {row.seconds / 60:.1f} min")

        wanted = [cell for cell in plan.cells() if not _known(plan, cell, known)]
        done = list(cells.run_cells(wanted, run, tell=keep))
    return not any(row.status == "suspended" for row in done)


def _known(plan: Plan, cell: TableCell, keys: set[str]) -> bool:
    try:
        return key_of(plan, cell, method(cell.method)) in keys
    except ValueError:
        # Run, and thereby shown as what fails.
        return False


def one(plan: Plan, task: Task, optimizer: Optimizer, models: Models, seed: int, store: Store) -> Result:
    """One run."""
    return optimize(
        task,
        optimizer,
        model=models,
        evaluator=None if isinstance(optimizer, ChoosesEvaluator) else CHECK,
        check_evaluator=CHECK,
        budget=Budget(evaluations=plan.budget),
        seed=seed,
        store=store,
    )


def pruning(result: Result, task: Task, model: Model, store: Store) -> Pruned | None:
    """What pruning did, where the method prunes a prompt with demonstrations. `task`: in the form it worked on."""
    shown = in_context_prompt(result)
    if shown is None or result.best.test is None:
        return None
    pruned, count = best_pruned(result), result.best.test.n
    return Pruned(
        _tested(task, shown, model, store, count),
        _tested(task, pruned, model, store, count),
        prompt_tokens(task, shown, model),
        prompt_tokens(task, pruned, model),
        result.best.prompt == pruned,
    )


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


def append(path: Path, line: Line) -> None:
    """Add a line at once, so that nothing is lost where the next run dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line.to_json(), ensure_ascii=False) + "\n")


def read(path: Path) -> list[Line]:
    """The lines of a file; a last one that was cut short is left out, and its run is run again."""
    if not path.exists():
        return []
    found: list[Line] = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(line_from(json.loads(text)))
        except ValueError:
            continue
    return found


def selected(plan: Plan, lines: Sequence[Line]) -> list[Line]:
    """The lines that belong to the plan, the newest of each cell, in the plan's order."""
    found = {
        line.row.cell: line for line in lines if (line.budget, line.proposer) == (plan.budget, plan.proposer)
    }  # fmt: skip
    return [found[cell] for cell in plan.cells() if cell in found]


def comparison(lines: Sequence[Line]) -> Comparison:
    """The lines as what `promptopt compare` makes of them."""
    return compared([line.row.cell for line in lines], [line.row for line in lines])
