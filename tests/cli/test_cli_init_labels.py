"""`promptopt init` on labels: those of several spellings are one, and doubtful ones are told."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from command_line import Invoke

from promptopt.tasks import load_task

SPELLINGS = {
    "white space": (["very urgent", "very  urgent"], "very urgent"),
    "case": (["urgent", "Urgent"], "urgent"),
    "full stop": (["urgent", "urgent."], "urgent"),
    "quotes": (["urgent", '""urgent""'], "urgent"),
    "decimals": (["1", "1.0"], "1"),
    "decimal comma": (["1", "1,0"], "1"),
    "sign": (["1", "+1"], "1"),
}


def write(path: Path, labels: list[str]) -> None:
    rows = "".join(f'message {number} of many,"{label}"\n' for number, label in enumerate(labels))
    path.write_text(f"text,label\n{rows}", encoding="utf-8")


@pytest.mark.parametrize("kind", SPELLINGS)
def test_labels_that_differ_in_spelling_only_are_one(kind: str, invoke: Invoke, workplace: Path) -> None:
    (first, second), label = SPELLINGS[kind]
    write(workplace / "rows.csv", [first] * 21 + [second] * 9 + ["2"] * 30)
    made = invoke("init", "own", "--data", "rows.csv", "--input", "text", "--target", "label")
    assert made.exit_code == 0, made.stderr
    plain = second.replace('""', '"')
    assert f"note: spellings of one label are taken for it: {plain!r} for {label!r}" in made.stdout
    task = load_task("own.toml")
    assert set(task.labels) == {label, "2"}
    assert task.pool is not None
    assert sum(example.target == label for example in task.pool.rows) == 30


def test_numbers_of_other_worth_and_identifiers_stay_apart(invoke: Invoke, workplace: Path) -> None:
    write(workplace / "rows.csv", ["1", "-1", "1.5"] * 10)
    write(workplace / "ids.csv", ["01", "1", "2"] * 10)
    for name in ("rows", "ids"):
        made = invoke("init", name, "--data", f"{name}.csv", "--input", "text", "--target", "label")
        assert made.exit_code == 0, made.stderr
        assert "note:" not in made.stdout
    assert [set(load_task(f"{name}.toml").labels) for name in ("rows", "ids")] == [{"1", "-1", "1.5"}, {"01", "1", "2"}]


def test_a_label_that_occurs_once_is_told_and_kept(invoke: Invoke, workplace: Path) -> None:
    write(workplace / "rows.csv", ["urgent"] * 40 + ["normal"] * 40 + ["urgant", "legal"])
    made = invoke("init", "own", "--data", "rows.csv", "--input", "text", "--target", "label")
    assert made.exit_code == 0, made.stderr
    told = [line for line in made.stdout.splitlines() if line.startswith("warning: ")]
    assert "warning: a label that is likely another spelling: 'urgant' (1) of 'urgent' (40)" in told[0]
    assert told[1].startswith("warning: 1 label has fewer than 5 rows")
    assert tomllib.loads(Path("own.toml").read_text())["labels"] == ["legal", "normal", "urgant", "urgent"]


def test_of_rows_with_several_right_labels_each_one_counts(invoke: Invoke, workplace: Path) -> None:
    rows = [{"text": f"message {number}", "label": ["good", "fine"]} for number in range(15)]
    rows += [{"text": f"news {number}", "label": ["bad", "poor"]} for number in range(15)]
    (workplace / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    made = invoke("init", "own", "--data", "rows.jsonl", "--input", "text", "--target", "label")
    assert made.exit_code == 0, made.stderr
    assert "label has" not in made.stdout
    assert "labels have" not in made.stdout


def test_what_is_advised_for_a_slip_works(invoke: Invoke, workplace: Path) -> None:
    write(workplace / "rows.csv", ["urgent"] * 40 + ["normal"] * 40 + ["urgant"])
    invoke("init", "own", "--data", "rows.csv", "--input", "text", "--target", "label")
    text = Path("own.toml").read_text().replace('"urgant", ', "")
    classes = 'classes = { "urgant" = "urgent", "urgent" = "urgent", "normal" = "normal" }'
    Path("own.toml").write_text(text.replace('target = "label"', f'target = "label"\n{classes}'))
    task = load_task("own.toml")
    assert task.pool is not None
    assert {example.target for example in task.pool.rows} == {"normal", "urgent"}
