"""`promptopt headroom`: the figures as text and as JSON, and a task that is not there."""

from __future__ import annotations

import json

import pytest
from command_line import BETTER, Invoke, answer, text_of

from promptopt.models.scripted import Scripted


@pytest.mark.slow
def test_it_shows_figures_and_ends_in_a_sentence(
    invoke: Invoke, task_file: str, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = "Write a variation"
    monkeypatch.setattr(
        model, "_answers", lambda each: f"<prompt>{BETTER}</prompt>" if asked in text_of(each) else answer(each)
    )
    done = invoke("headroom", "--task", task_file, "--model", "scripted", "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    text = invoke("headroom", "--task", task_file, "--model", "scripted").stdout
    assert "0 paid now" in text
    assert "ten points need" in text
    assert text.splitlines()[-1] == found["advice"]


def test_it_needs_a_task(invoke: Invoke) -> None:
    done = invoke("headroom", "--model", "scripted")
    assert done.exit_code == 2
    assert "which task?" in done.stderr
