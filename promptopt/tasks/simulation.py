"""The `[simulation]` table of a task file: scenarios whose users a model plays, in the place of logged chats.

scenarios     their file, beside the task file (`tasks.reading.scenarios` says what a row holds)
turns         messages of the user at most
model         who plays, where --user-model names nobody
variables     members of the rows that fill slots of the prompt
tools         schemas of the tools on offer; results: what they give (`tasks.tool_results`); of all scenarios
calls         replies of a turn that call tools at most
draws         how often each scenario is played; passes: the score from which on a conversation has passed
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptopt.errors import ConfigError
from promptopt.tasks.reading.scenarios import check_variables

CRITERIA = (
    "Does the assistant get the user to their goal, or say plainly what it cannot do and what else will help? Is what "
    "it says right, by its own words and by what the user told it, and does it ask for nothing twice?"
)
"""What a conversation is graded by where the task file names neither a judge nor a metric."""
_SETTINGS = (("turns", "turns"), ("user_model", "model"), ("calls", "calls"), ("draws", "draws"), ("passes", "passes"))
"""What the evaluator calls its settings, and the table."""


def one_of_both(path: Path, table: Mapping[str, Any]) -> None:
    """Raise ConfigError where a table has logged data and simulated users, or neither."""
    if "simulation" not in table and "data" not in table:
        raise ConfigError(
            f"{path}: data is missing, expected a table of file, home or generator; write it, or [simulation] with the "
            f"scenarios of simulated users"
        )
    if "simulation" not in table:
        return
    if "data" in table:
        raise ConfigError(
            f"{path}: there are [data] and [simulation]; a task replays logged users or has users simulated, so give "
            f"[simulation] a task file of its own"
        )
    if table.get("labels"):
        raise ConfigError(f"{path}: a simulated conversation has no label; leave labels out, and give it a [judge]")
    check_variables(path, table["simulation"].get("variables", ()))


def judged_simulation(table: Mapping[str, Any], judge: dict[str, Any]) -> dict[str, Any]:
    """The settings of evaluators with those of the simulation, where the table has one."""
    if "simulation" not in table:
        return judge
    played = table["simulation"]
    unnamed = not judge and "metric" not in table
    chosen = {"evaluator": "rubric", "rubric": {"criteria": CRITERIA}} if unnamed else judge
    said: dict[str, Any] = {"by": chosen.get("evaluator", "metric")}
    said |= {setting: played[key] for setting, key in _SETTINGS if key in played}
    return {"evaluator": "simulated", **{name: each for name, each in chosen.items() if name != "evaluator"},
            "simulated": said}  # fmt: skip
