"""The examples that must pass are read as the task's own, but need neither slice nor group."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from promptopt.errors import DataError
from promptopt.tasks import load_task
from promptopt.tasks.task import Task

LABELLED = """
instruction = "Say what the text is."
labels = ["good", "bad"]
[data]
file = "data.jsonl"
input = "text"
target = "label"
slice = "language"
group = "shop"
[contract]
must_pass = "vital.jsonl"
"""


def written(folder: Path, task: str, *vital: Mapping[str, object]) -> Task:
    rows = [
        {"text": f"item {n}", "label": ("good", "bad")[n % 2], "language": "de", "shop": n, "asks": ["x"]}
        for n in range(60)
    ]
    for name, held in (("data", rows), ("vital", vital)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in held), encoding="utf-8")
    (folder / "task.toml").write_text(task, encoding="utf-8")
    return load_task(str(folder / "task.toml"))


def test_they_need_no_column_of_slice_and_group(tmp_path: Path) -> None:
    (example,) = written(tmp_path, LABELLED, {"text": "vital", "label": "good"}).gate.must_pass
    assert (example.target, example.slice, example.group) == ("good", "", "")


def test_they_have_both_where_the_file_says_so(tmp_path: Path) -> None:
    row = {"text": "vital", "label": "good", "language": "fr", "shop": 9}
    (example,) = written(tmp_path, LABELLED, row).gate.must_pass
    assert (example.slice, example.group) == ("fr", "9")


@pytest.mark.parametrize("lacks", ["text", "label"])
def test_they_need_inputs_and_targets(lacks: str, tmp_path: Path) -> None:
    row = {"text": "vital", "label": "good"}
    del row[lacks]
    with pytest.raises(DataError, match=f"no column is named '{lacks}'"):
        written(tmp_path, LABELLED, row)


def test_a_target_that_is_none_of_the_labels_could_never_pass(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 example that must pass has the target .god.,.*the nearest is .good."):
        written(tmp_path, LABELLED, {"text": "vital", "label": "god"})


def test_several_right_answers_and_demands_of_every_reply_are_theirs_too(tmp_path: Path) -> None:
    free = LABELLED.replace('labels = ["good", "bad"]\n', "")
    (example,) = written(tmp_path, free, {"text": "vital", "label": '["good", "fine"]'}).gate.must_pass
    assert (example.target, example.accepted) == ("good", ("fine",))
    asked = free.replace('slice = "language"', 'demands = "asks"').replace("[data]", 'metric = "demands"\n[data]')
    common = f"{asked}\n[[demands]]\nwords_at_most = 5\n"
    (example,) = written(tmp_path, common, {"text": "vital", "label": "good", "asks": ["y"]}).gate.must_pass
    assert [demand.kind for demand in example.demands] == ["says", "words_at_most"]


CHATS = """
instruction = "Help."
metric = "exact"
[data]
file = "data.jsonl"
turns = "last"
slice = "language"
[contract]
must_pass = "vital.jsonl"
"""


def chat(said: str, **more: str) -> dict[str, object]:
    turns = [{"role": "user", "content": said}, {"role": "assistant", "content": f"Of {said}."}]
    return {"messages": turns, **more}


@pytest.mark.parametrize(
    ("rows", "slices"),
    [([chat("a")], [""]), ([chat("a"), chat("b", language="fr")], ["", "fr"]), ([chat("a", language="fr")], ["fr"])],
)
def test_conversations_need_no_slice_either(tmp_path: Path, rows: list[dict[str, object]], slices: list[str]) -> None:
    for name, held in (("data", [chat(f"item {n}", language="de") for n in range(60)]), ("vital", rows)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in held), encoding="utf-8")
    (tmp_path / "chats.toml").write_text(CHATS, encoding="utf-8")
    assert [example.slice for example in load_task(str(tmp_path / "chats.toml")).gate.must_pass] == slices
