"""The `[judge]` table of a task file: which evaluator is meant, and what it asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from promptopt.binding.evaluator import bind_evaluator
from promptopt.errors import ConfigError
from promptopt.evaluators.panel import Panel
from promptopt.protocols import Judging
from promptopt.tasks.task_file import load_task_file

RUBRIC, CHECKLIST = 'criteria = "Is it kind?"', 'items = ["Is it short?", "Is it kind?"]'
NESTED = f"[judge.rubric]\n{RUBRIC}\n[judge.checklist]\n{CHECKLIST}\n"


def bound(folder: Path, judge: str) -> Any:
    (folder / "kind.md").write_text("Is it kind?", encoding="utf-8")
    (folder / "asked.jsonl").write_text("".join(f'{{"q": "number {n} ?"}}\n' for n in range(60)), encoding="utf-8")
    (folder / "t.toml").write_text(
        f'instruction = "Say it."\n[data]\nfile = "asked.jsonl"\ninput = "q"\n{judge}\n', encoding="utf-8"
    )
    return bind_evaluator(None, load_task_file(folder / "t.toml"))


@pytest.mark.parametrize(
    ("judge", "name", "asks"),
    [
        (f"[judge]\n{RUBRIC}", "rubric", "Is it kind?"),
        (f"[judge.rubric]\n{RUBRIC}", "rubric", "Is it kind?"),
        (f"[judge]\n{CHECKLIST}", "checklist", "Is it short?"),
        (f"[judge.checklist]\n{CHECKLIST}", "checklist", "Is it short?"),
        (f"[judge.versus]\n{RUBRIC}", "versus", "Is it kind?"),
        ('[judge.versus]\nfile = "kind.md"', "versus", "Is it kind?"),
        (f'[judge]\nevaluator = "versus"\n{RUBRIC}', "versus", "Is it kind?"),
        (f"[judge]\n{RUBRIC}\n[judge.panel]\nsize = 2", "panel", "Is it kind?"),
        (f'[judge.panel]\nsize = 3\nby = "checklist"\n[judge.checklist]\n{CHECKLIST}', "panel", "Is it short?"),
        (f'[judge]\nevaluator = "checklist"\n{RUBRIC}\n{CHECKLIST}', "checklist", "Is it short?"),
        (f"{NESTED}[judge.weights]\nrubric = 1\nchecklist = 2", "weighted", "Is it kind?"),
    ],
)
def test_what_is_said_is_what_is_asked(tmp_path: Path, judge: str, name: str, asks: str) -> None:
    found = bound(tmp_path, judge)
    assert found.fingerprint()["evaluator"] == name
    assert cast("Judging", found).questions[0] == asks


def test_a_panel_in_a_table_of_its_own_is_as_large_as_it_says(tmp_path: Path) -> None:
    found = bound(tmp_path, f"[judge]\n{RUBRIC}\n[judge.panel]\nsize = 3")
    assert isinstance(found, Panel)
    assert found.size == 3


@pytest.mark.parametrize(
    ("judge", "said"),
    [
        (f"[judge]\n{RUBRIC}\n{CHECKLIST}", 'what rubric and checklist ask, .* add evaluator = "rubric"'),
        (NESTED, "what rubric and checklist ask"),
        (f"[judge]\n{CHECKLIST}\n[judge.versus]\n{RUBRIC}", "what checklist and versus ask"),
        (f'[judge]\n{RUBRIC}\n[judge.clauses]\npattern = "x"', r"count in a mix alone; say with \[judge.weights\]"),
    ],
)
def test_what_would_be_passed_over_is_refused(tmp_path: Path, judge: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        bound(tmp_path, judge)
