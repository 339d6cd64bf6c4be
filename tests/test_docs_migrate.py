"""What the page on moving a prompt shows is run, with models that answer by rule."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptopt.models import specs
from promptopt.models.scripted import Scripted
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


def opened(spec: str, **_: object) -> Scripted:
    """The new model needs to be told that there are two wishes; the others know."""

    def answer(request: Request) -> str:
        text = request.content if isinstance(request.content, str) else "\n".join(m.content for m in request.content)
        if request.schema:
            return json.dumps({"better": "tie"})
        if "Parcel" not in text or "prompt>" in text:
            return "<prompt>What does the customer want? Is it delivery or a refund?</prompt>"
        told = spec != "openai/new" or "Is it" in text
        return "refund" if "money" in text.rpartition("Parcel")[2] and told else "delivery"

    return Scripted(answer, name=spec)


@pytest.mark.slow
def test_the_page_on_moving_a_prompt_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specs, "open_model", opened)
    follow("docs/migrate.md", folder)
    assert (folder / "old.jsonl").exists()
