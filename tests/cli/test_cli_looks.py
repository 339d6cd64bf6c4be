"""Which look at a test it is, where its rows come in another form: the same inputs count, however they come."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from command_line import BETTER, Invoke

from promptopt.models.scripted import Scripted

Rows = list[dict[str, str]]


def rows(first: int = 0, count: int = 120) -> Rows:
    return [{"text": f"Item {number} is {('good', 'bad')[number % 2]} today", "label": ("good", "bad")[number % 2]}
            for number in range(first, first + count)]  # fmt: skip


def jsonl(data: Rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in data)


def table(data: Rows) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(data[0]))
    writer.writeheader()
    writer.writerows(data)
    return out.getvalue()


def changed(change: Callable[[str], str]) -> str:
    return jsonl([{**row, "text": change(row["text"])} for row in rows()])


@pytest.fixture
def look(invoke: Invoke, workplace: Path, model: Scripted, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The number of the look that scoring a prompt on the test of such data is."""
    monkeypatch.setattr(model, "_answers", lambda _: "good")

    def at(name: str, content: str, *options: str, prompt: str = BETTER) -> int:
        (workplace / name).write_text(content, encoding="utf-8")
        told = f'instruction = "Say it."\nmax_tokens = 8\n[data]\nfile = "{name}"\ninput = "text"\ntarget = "label"\n'
        (workplace / f"{name}.toml").write_text(told, encoding="utf-8")
        done = invoke("evaluate", "--task", f"{name}.toml", "--model", "x", "--split", "test", "--prompt", prompt,
                      "--json", "--quiet", *options)  # fmt: skip
        assert done.exit_code == 0, done.stderr
        (entry,) = json.loads(done.stdout)["layouts"]
        return entry["look"]["number"]

    return at


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("reordered.jsonl", jsonl(rows()[::-1]), ()),
        ("copy.csv", table(rows()), ()),
        ("grown.jsonl", jsonl([*rows(), *rows(500, 1)]), ()),
        ("shrunk.jsonl", jsonl(rows()[:-1]), ()),
        ("spaced.jsonl", changed(lambda text: f"  {text.replace(' ', '   ')}\n"), ()),
        ("capitals.jsonl", changed(str.upper), ()),
        ("stopped.jsonl", changed("{}.".format), ()),
        ("retargeted.jsonl", jsonl([{**row, "label": row["label"][::-1]} for row in rows()]), ()),
        ("columns.jsonl", jsonl([{"note": str(at), **row} for at, row in enumerate(rows())]), ()),
        ("first.jsonl", jsonl(rows()), ("--test", "20")),
        ("first.jsonl", jsonl(rows()), ("--max-evaluations", "10")),
        ("first.jsonl", jsonl(rows()), ("--seed", "3")),
        ("half.jsonl", jsonl([*rows(60), *rows(500, 60)]), ()),
    ],
)
def test_a_look_at_rows_that_were_looked_at_counts(
    look: Callable[..., int], name: str, content: str, options: Sequence[str]
) -> None:
    assert look("first.jsonl", jsonl(rows()), prompt="Say: good or bad?") == 1
    assert look(name, content, *options) == 2


@pytest.mark.slow
def test_rows_that_nobody_looked_at_are_looked_at_for_the_first_time(look: Callable[..., int]) -> None:
    assert look("first.jsonl", jsonl(rows())) == 1
    assert look("others.jsonl", jsonl(rows(500))) == 1
    # A row is its whole input: the same question with another context is another row.
    assert look("longer.jsonl", changed("{} And tomorrow".format)) == 1
