"""What a contract asks that cannot be held is told before a check costs anything, by its dry run too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Invoke

NEW = "You are the front desk."


def task_file(contract: str) -> str:
    turns = [
        ({"role": "user", "content": f"where is number {n} ?"}, {"role": "assistant", "content": f"It is {n}"})
        for n in range(100)
    ]
    rows = [{"messages": each, "kind": "a" if at % 10 else "few"} for at, each in enumerate(turns)]
    Path("bot.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    Path("bot.toml").write_text(
        'instruction = "You are the desk."\nmax_tokens = 32\nmetric = "exact"\n[data]\nfile = "bot.jsonl"\n'
        f'turns = "last"\nslice = "kind"\n[contract]\n{contract}\n',
        encoding="utf-8",
    )
    return "bot.toml"


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_schema_that_is_none_is_told_before_anything_is_asked(invoke: Invoke, dry: tuple[str, ...]) -> None:
    pytest.importorskip("jsonschema")
    task = task_file('output_schema = { type = "nope" }')
    done = invoke("check", "--task", task, "--model", "scripted/none", "--prompt", NEW, *dry)
    assert done.exit_code == 2
    assert "output_schema is no JSON Schema" in done.stderr


@pytest.mark.parametrize(
    ("contract", "told"),
    [
        ("largest_loss = { zebra = 0.5 }", ["slice zebra has 0 test examples"]),
        ("largest_loss = 0.5", ["slice few has "]),
        ("largest_loss = { a = 0.5 }", []),
    ],
)
def test_a_slice_that_stays_open_is_told_by_the_dry_run(invoke: Invoke, contract: str, told: list[str]) -> None:
    done = invoke(
        "check", "--task", task_file(contract), "--model", "embedded/smollm2-135m", "--prompt", NEW, "--dry-run"
    )
    assert done.exit_code == 0, done.stderr
    said = [line for line in (done.stdout + done.stderr).splitlines() if "stays open" in line]
    assert len(said) == len(told)
    assert all(each in " ".join(said) for each in told)
