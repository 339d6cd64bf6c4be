"""`compare`: what the command line and Python programs call to hold methods against each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from promptopt.api import optimize
from promptopt.arguments import checked
from promptopt.binding.identity import bind_optimizer, method_name
from promptopt.binding.models import Models
from promptopt.binding.plan import DEFAULT_EVALUATIONS
from promptopt.binding.session import Session, opened
from promptopt.comparison.cells import FLOOR, Row, TableCell, run_cells
from promptopt.comparison.table import Comparison
from promptopt.errors import ConfigError
from promptopt.models.specs import check_spec
from promptopt.outcome.sentence import Report
from promptopt.protocols import Model, Optimizer, Task
from promptopt.run.budget import Budget
from promptopt.store.runs import Store

QUIET = Session()


@checked
def compare(
    tasks: str | Path | Task | Sequence[str | Path | Task],
    methods: str | Optimizer | Sequence[str | Optimizer] | Mapping[str, str | Optimizer],
    *,
    models: str | Model | Models | Sequence[str | Model] | Mapping[str, str | Model | Models] = "embedded",
    seeds: int | Sequence[int] = 3,
    budget: Budget | None = None,
    store: Store | str | Path | None = None,
    session: Session = QUIET,
    tell: Callable[[Row], object] = id,
) -> Comparison:
    """Run every method on every task, model and seed under one budget, and compare them on the sealed tests.

    `methods`: names, objects, or a table of names to objects; `random` is added as the floor where it is not among
    them. `seeds`: how many (0, 1, …), or which. `budget`: of each run; None is 2,000 evaluations. `tell`: is handed
    each row as it is known. All runs share one store, so that what one was answered costs no other anything; each is
    charged what it used all the same. A run that fails is a row that says so. The same call again costs nothing.

    Raises ConfigError for nothing to compare, and names that are no tasks, methods or models.
    """
    by_task = _by_name(tasks, _task_name)
    by_method: dict[str, Any] = {**_by_name(methods, lambda each: method_name(bind_optimizer(each)))}
    by_model = _by_name(models, _model_name)
    cells = cells_of(by_task, with_floor(by_method), by_model, seeds)
    by_method.setdefault(FLOOR, FLOOR)
    # All names first: a misspelt method must not be found out after hours of the others.
    for each in by_method.values():
        bind_optimizer(each)
    for each in by_model.values():
        if isinstance(each, str):
            check_spec(each)
    caps = Budget(evaluations=DEFAULT_EVALUATIONS) if budget is None else budget
    with opened(store) as shared:

        def run(cell: TableCell) -> Report:
            made = optimize(
                by_task[cell.task], by_method[cell.method], model=by_model[cell.model], budget=caps, seed=cell.seed,
                store=shared, session=session,
            )  # fmt: skip
            return made.to_json()

        rows = tuple(run_cells(cells, run, tell=tell))
    return compared(cells, rows)


def compared(cells: Sequence[TableCell], rows: Sequence[Row]) -> Comparison:
    """The comparison of what `cells` came to, in the order of the cells."""

    def names(part: str) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(getattr(cell, part) for cell in cells))

    return Comparison(names("task"), names("method"), names("model"), names("seed"), tuple(rows))


def with_floor(methods: Sequence[str] | Mapping[str, Any]) -> list[str]:
    """The methods' names, and the floor. Raises ConfigError where there is nothing to hold against it."""
    found = list(methods)
    if not [name for name in found if name != FLOOR]:
        raise ConfigError(
            f"a comparison needs a method beside {FLOOR!r}, which is the floor of every table: name one "
            f"(`promptopt methods list`)"
        )
    return found if FLOOR in found else [*found, FLOOR]


def cells_of(
    tasks: Sequence[str] | Mapping[str, Any],
    methods: Sequence[str],
    models: Sequence[str] | Mapping[str, Any],
    seeds: int | Sequence[int],
) -> list[TableCell]:
    """Every cell; methods change fastest, so that a stop leaves whole blocks. Raises ConfigError for no seed."""
    chosen = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ConfigError(f"seeds are {seeds!r}; give how many (1 or more), or a list of different whole numbers")
    for what, given in (("task", tasks), ("method", methods), ("model", models)):
        if not list(given):
            raise ConfigError(f"no {what} is named; name one or more")
    return [TableCell(task, method, model, seed) for task in tasks for model in models for seed in chosen
            for method in methods]  # fmt: skip


def _by_name(given: Any, name: Callable[[Any], str]) -> dict[str, Any]:
    """What was given, by name: a table as it is, a list or one thing by what each is called."""
    if isinstance(given, Mapping):
        return dict(cast("Mapping[str, Any]", given))
    listed = list(cast("Sequence[Any]", given)) if isinstance(given, list | tuple) else [given]
    found: dict[str, Any] = {}
    for each in listed:
        key = name(each)
        if key in found:
            raise ConfigError(f"{key!r} is named twice; give each once, or two names for them, as {{'a': …, 'b': …}}")
        found[key] = each
    return found


def _task_name(task: str | Path | Task) -> str:
    if isinstance(task, str | Path):
        return Path(task).stem if str(task).endswith(".toml") else str(task)
    return task.name


def _model_name(model: str | Model | Models) -> str:
    if isinstance(model, Models):
        model = model.task
    return model if isinstance(model, str) else model.name
