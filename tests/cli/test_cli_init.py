"""`promptopt init` on preference data: it explains itself, and the task file works."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from command_line import Invoke

from promptopt.binding.evaluator import bind_evaluator
from promptopt.tasks import load_task
from promptopt.tasks.guess import guess_task
from promptopt.types import Example


def pairs(number: int) -> dict[str, object]:
    return {
        "prompt": f"Ask {number}?",
        "chosen": f"A kind answer to question number {number}.",
        "rejected": f"No {number}.",
    }


def talks(number: int) -> dict[str, object]:
    asked = {"role": "user", "content": f"Ask {number}?"}
    said = pairs(number)
    return {
        key: [asked, {"role": "assistant", "content": said[key]}] for key in ("chosen", "rejected")
    } | {"score_chosen": 1.5}  # fmt: skip


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("row", [pairs, talks])
def test_preference_data_needs_no_columns(row: object, invoke: Invoke, workplace: Path) -> None:
    assert callable(row)
    write(workplace / "prefs.jsonl", [row(number) for number in range(400)])
    made = invoke("init", "own", "--data", "prefs.jsonl")
    assert made.exit_code == 0, made.stderr
    assert "3. promptopt optimize --task own.toml --method pmpo --evaluator preference" in made.stdout
    assert "2. promptopt evaluate --task own.toml --evaluator preference --layouts" in made.stdout
    task = load_task("own.toml")
    found = {(example["prompt"], example.target, example.rejected) for example in (*task.train, *task.dev, *task.test)}
    assert len(found) == 400
    assert found == {(f"Ask {n}?", f"A kind answer to question number {n}.", (f"No {n}.",)) for n in range(400)}
    assert (task.metric, task.warnings) == ("f1", ())
    content, _ = task.with_layout("text").render(task.initial, Example.of(prompt="Ask 1?"))
    assert str(content).endswith("Prompt: Ask 1?\nAnswer:")


@pytest.mark.parametrize(
    ("row", "fields"),
    [
        ({"system": "s", "question": "q"}, {"system": "s", "question": "q"}),
        ({"id": 1, "instruction": "i", "input": "", "source": "x"}, {"given instruction": "i", "input": ""}),
        ({"prompt": "p", "input": "x", "question": "y"}, {"prompt": "p"}),
    ],
)
def test_the_prompt_of_published_pairs_is_found(
    row: dict[str, object], fields: dict[str, str], workplace: Path
) -> None:
    rows: list[dict[str, object]] = [{**row, "chosen": "yes, surely", "rejected": ["no", "maybe"]}]
    write(workplace / "prefs.jsonl", rows)
    (workplace / "own.toml").write_text(guess_task("prefs.jsonl", None, None, "own"), encoding="utf-8")
    task = load_task("own.toml")
    assert task.pool is not None
    assert task.pool.rows == (Example(tuple(fields.items()), "yes, surely", (), ("no", "maybe")),)


@pytest.mark.slow
def test_named_columns_are_taken_and_rejected_comes_along(invoke: Invoke, workplace: Path) -> None:
    write(workplace / "prefs.jsonl", [{"ask": f"a{number}", **pairs(number)} for number in range(400)])
    assert invoke("init", "own", "--data", "prefs.jsonl", "--input", "ask", "--target", "chosen").exit_code == 0
    task = load_task("own.toml")
    assert task.fields == ("ask",)
    assert all(example.rejected for example in task.train)
    assert invoke("init", "other", "--data", "prefs.jsonl", "--input", "ask", "--target", "rejected").exit_code == 0
    assert not any(example.rejected for example in load_task("other.toml").train)


@pytest.mark.parametrize(
    ("row", "arguments", "expected"),
    [
        ({"text": "t", "label": "l"}, [], "which columns of own.jsonl are input and target? it has the columns 'text'"),
        ({"text": "t", "label": "l"}, ["--input", "text"], "which columns of own.jsonl are input and target?"),
        ({"text": "t", "label": "l"}, ["--target", "label"], "which columns of own.jsonl are input and target?"),
        ({"chosen": "c", "rejected": "r"}, [], "says which replies are chosen and rejected, and not what they answer"),
        ({"prompt": "p", "chosen": "c", "rejected": ""}, [], "own.jsonl, row 1: there is nothing in 'rejected'"),
        (
            {"prompt": "p", "chosen": "c", "rejected": "c"},
            [],
            "own.jsonl, row 1: what 'rejected' rejects is the target",
        ),
    ],
)
def test_what_does_not_explain_itself_is_asked_about(
    row: dict[str, object], arguments: list[str], expected: str, invoke: Invoke, workplace: Path
) -> None:
    write(workplace / "own.jsonl", [row])
    result = invoke("init", "own", "--data", "own.jsonl", *arguments)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert not list(workplace.glob("own.toml*"))


def test_a_task_with_pairs_shows_them(invoke: Invoke) -> None:
    shown = invoke("tasks", "show", "support-replies").stdout
    assert "\n    target: " in shown
    assert "\n    rejected: " in shown


def written_of(workplace: Path, targets: list[str], rows: int = 60) -> None:
    lines = [{"text": f"row {number}", "label": targets[number % len(targets)]} for number in range(rows)]
    (workplace / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


@pytest.mark.parametrize(
    ("targets", "labels", "answer"),
    [
        (["👍", "👎"], ("👍", "👎"), "line"),
        (["+", "-", "="], ("+", "-", "="), "line"),
        (["Yes", "yes", "no"], ("Yes", "no"), "label"),
        (["caf\u00e9", "cafe\u0301", "bar"], ("bar", "cafe\u0301"), "label"),
        (["very good", "Very  good.", "bad"], ("bad", "very good"), "label"),
        (["spam", "SPAM"], ("SPAM", "spam"), "line"),
    ],
)
def test_what_init_writes_can_be_used_whatever_the_labels(
    targets: list[str], labels: tuple[str, ...], answer: str, invoke: Invoke, workplace: Path
) -> None:
    written_of(workplace, targets)
    result = invoke("init", "my mails", "--data", "rows.jsonl", "--input", "text", "--target", "label")
    assert result.exit_code == 0, result.stderr
    assert "--task 'my mails.toml'" in result.stdout
    task = load_task("my mails.toml")
    assert (task.labels, task.answer) == (labels, answer)
    assert bind_evaluator(None, task).calls_per_cell == 1


@pytest.mark.parametrize("rows", [3, 4, 5])
def test_few_rows_leave_no_split_empty(rows: int, invoke: Invoke, workplace: Path) -> None:
    written_of(workplace, ["a", "b"], rows)
    assert invoke("init", "few", "--data", "rows.jsonl", "--input", "text", "--target", "label").exit_code == 0
    task = load_task("few.toml")
    assert min(map(len, (task.train, task.dev, task.test))) > 0


def test_two_rows_are_too_few_and_leave_no_file(invoke: Invoke, workplace: Path) -> None:
    written_of(workplace, ["a", "b"], 2)
    result = invoke("init", "few", "--data", "rows.jsonl", "--input", "text", "--target", "label")
    assert (result.exit_code, "more data" in result.stderr) == (2, True)
    assert not list(workplace.glob("few*"))


def test_worked_solutions_are_scored_by_the_number_they_end_with(invoke: Invoke, workplace: Path) -> None:
    written_of(workplace, ["Two and two <<2+2=4>>4.\n#### 4", "Half of ten.\n#### 5"])
    assert invoke("init", "sums", "--data", "rows.jsonl", "--input", "text", "--target", "label").exit_code == 0
    task = load_task("sums.toml")
    assert (task.metric, task.answer) == ("number", "number")
    assert {example.target for example in task.train} == {"4", "5"}
    assert {example.solution for example in task.train} == {
        "Two and two 4.\nThe answer is 4.", "Half of ten.\nThe answer is 5."
    }  # fmt: skip


def test_several_columns_of_right_answers_are_refused_with_the_form_that_is_read(
    invoke: Invoke, workplace: Path
) -> None:
    write(Path("a.jsonl"), [{"text": str(number), "a": "x", "b": "y"} for number in range(9)])
    run = invoke("init", "mine", "--data", "a.jsonl", "--input", "text", "--target", "a", "--target", "b")
    assert run.exit_code != 0
    assert "'a' and 'b'" in run.output
    assert not Path("mine.toml").exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("system", [[], ["--system", "system.txt"]], ids=["rows", "chats"])
def test_a_disk_that_takes_no_file_is_told_with_the_file(
    code: int, system: list[str], invoke: Invoke, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "system.txt").write_text("Be kind.", encoding="utf-8")
    write(workplace / "rows.jsonl", [{"prompt": f"Ask {n}?", "answer": f"Answer {n}."} for n in range(200)])
    said = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    write(workplace / "chats.jsonl", [{"messages": [*said, {"role": "user", "content": str(n)}]} for n in range(200)])

    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "write_text", refuse)
    # Such a disk refuses to drop a file, too.
    monkeypatch.setattr(Path, "unlink", refuse)
    data = ["chats.jsonl", *system] if system else ["rows.jsonl", "--input", "prompt", "--target", "answer"]
    done = invoke("init", "own", "--data", *data)
    assert done.exit_code == 2
    assert f"' cannot be written ({os.strerror(code)}); " in done.stderr
    assert "'own." in done.stderr
