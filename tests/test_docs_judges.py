"""What the page on judges shows is run, with models that answer by rule."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptopt.models import specs
from promptopt.models.scripted import Scripted
from promptopt.testing import uniform
from promptopt.types import Request
from tests.documents import command, follow, forget
from tests.test_docs import last_run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that Python imports from, and an empty home."""
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield tmp_path
    forget(tmp_path)


def text_of(request: Request) -> str:
    return request.content if isinstance(request.content, str) else request.content[-1].content


def number_in(text: str) -> str:
    return text.rpartition("order number ")[2].split()[0]


def answer(request: Request) -> str:
    """A shop's reply, the politer the longer the prompt; as a judge, a score by the words of the reply."""
    text = text_of(request)
    if "items" in request.schema:
        return '{"items": ["Does it say sorry?", "Is it short?"]}'
    if request.schema:
        return judged(request, text.rpartition("<<<reply ")[2].partition("\n")[2])
    if "order number" not in text:
        return "<prompt>Answer the customer politely, and say what happens next.</prompt>"
    words = ["please", "sorry", "next"]
    kept = [word for word in words if uniform(text, word) < (0.8 if "politely" in text else 0.3)]
    return f"Order {number_in(text)} is on its way {' '.join(kept)}"


def judged(request: Request, said: str) -> str:
    """Nothing for what is no plain answer to the question that was asked."""
    number = text_of(request).partition("<<<reply ")[0]
    plain = said.startswith(f"Order {number_in(number)} ") and said.count("Order") == 1
    count = sum(word in said for word in ("please", "sorry", "next")) if plain else 0
    asked = json.loads(request.schema)["properties"].get("answers", {"required": ()})["required"]
    answers = dict.fromkeys(asked, "yes" if count else "no")
    return json.dumps({"reason": "counted", "score": count, "answers": answers})


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specs, "open_model", lambda spec, **_: Scripted(answer, name=spec))


def fill_in(path: Path) -> None:
    """As a person does who likes what happens next."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        first, second = ("next" in row[name] for name in ("reply_a", "reply_b"))
        row["better"] = "tie" if first == second else "A" if first else "B"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.slow
@pytest.mark.usefixtures("models")
def test_the_page_on_judges_runs(folder: Path) -> None:
    def edit(text: str) -> str:
        if "promptopt verdict" in text and (folder / "labels.csv").exists():
            fill_in(folder / "labels.csv")
        return last_run(text)

    follow("docs/judges.md", folder, edit)
    # The page goes on with a search that nobody labels.
    runs = json.loads(command("promptopt runs list --json"))["runs"]
    (labelled,) = [
        shown for run in runs if "80 labelled and" in (shown := command(f"promptopt runs show {run['run_id']}"))
    ]
    assert labelled.startswith("Better by ")
