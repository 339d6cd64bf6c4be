"""`promptopt compare --from DIR`: its numbers computed again, and its runs made again from the calls it holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from promptopt.binding.config import config_from
from promptopt.cli.compare import TableDesign
from promptopt.cli.output import say, without_secrets
from promptopt.errors import DataError, PromptoptError

if TYPE_CHECKING:
    from promptopt.comparison.folder import CommandDesign
    from promptopt.comparison.table import Comparison


def rerun(folder: Path, *, quiet: bool) -> Comparison:
    """The comparison in `folder`, once its numbers follow from its rows, and its rows from its calls.

    No model is asked. Raises DataError where something differs; a run that cannot be made here (its engine or its task
    is not there) is told, and stands as it was recorded.
    """
    from promptopt.comparison.folder import load

    design, found = load(folder)
    made, why = _made_again(folder, design, found)
    if not quiet:
        total = len(found.rows)
        say(f"every number follows from the rows; {made} of {total} runs were made again from the calls, all equal")
        if why:
            say(f"the others stand as recorded: {why}")
    return found


def _made_again(folder: Path, design: CommandDesign, found: Comparison) -> tuple[int, str]:
    """How many runs were made again, and why the first of the others was not."""
    from promptopt.comparison.cells import row_of
    from promptopt.comparison.folder import STORE, differences, rerun_cells

    store = folder / STORE
    if not design.config or not store.is_file():
        return 0, "the folder holds no calls" if design.config else "the comparison was made from Python"
    config = {**design.config}
    if "data" in config:
        # The folder names what it holds from its own place.
        config["data"] = str(folder / config["data"])
    tasks = {name: str(folder / task) if task.endswith(".toml") else task for name, task in design.tasks.items()}
    table = TableDesign(tuple(rerun_cells(found)), config_from(config), tasks)
    rows = {row.cell: row for row in found.rows}
    made, why = 0, ""
    for cell in table.cells:
        from promptopt.cli.optimize import run

        try:
            result = run(table.config_of(cell), quiet=True, replay=store)[1]
        except PromptoptError as error:
            why = why or f"{cell}: {without_secrets(str(error))}"
            continue
        # No model is asked here, so a call that is not stored suspends the run.
        if result.status == "suspended":
            why = why or f"{cell}: {STORE} lacks some of its calls"
            continue
        wrong = differences(rows[cell], row_of(cell, result.to_json()))
        if wrong:
            raise DataError(f"{cell} came out otherwise when it was made again from its calls: {wrong[0]}")
        made += 1
    return made, why
