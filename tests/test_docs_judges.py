"""What the page on judges shows is run, with models that answer by rule."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptopt.models import specs
from promptopt.models.scripted import Scripted
from promptopt.testing import uniform
from promptopt.types import Request
from tests.documents import follow, forget


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


def answer(request: Request) -> str:
    """A shop's reply, the politer the longer the prompt; as a judge, a score by the words of the reply."""
    text = text_of(request)
    if request.schema:
        said = text.rpartition("<<<reply ")[2]
        score = sum(word in said for word in ("please", "sorry", "next"))
        return json.dumps({"reason": "counted", "score": score})
    if "order number" not in text:
        return "<prompt>Answer the customer politely, and say what happens next.</prompt>"
    words = ["please", "sorry", "next"]
    kept = [word for word in words if uniform(text, word) < (0.8 if "politely" in text else 0.3)]
    return f"Your order is on its way {' '.join(kept)}"


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specs, "open_model", lambda spec, **_: Scripted(answer, name=spec))


@pytest.mark.usefixtures("models")
def test_the_page_on_judges_runs(folder: Path) -> None:
    follow("docs/judges.md", folder)
