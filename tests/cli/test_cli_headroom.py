"""`promptopt headroom`: the figures as text and as JSON, and a task that is not there."""

from __future__ import annotations

import json
import math

import pytest
from command_line import BETTER, Invoke, answer, text_of

from promptopt.cli.headroom import shown_by_test
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


@pytest.mark.parametrize(
    ("smallest", "needed", "said"),
    [
        (0.102, 207, "200 test examples find a true gain of 10.2 points four times in five; ten points need 207."),
        (0.13, 207, "200 test examples find a true gain of 13 points four times in five; ten points need 207."),
        (0.07, 100, "200 test examples find a true gain of 7 points four times in five; ten points need 100."),
        (math.inf, 207, "200 test examples find no gain four times in five; ten points need 207."),
    ],
)
def test_what_a_test_finds_does_not_round_to_what_it_does_not(smallest: float, needed: int, said: str) -> None:
    assert shown_by_test(200, smallest, needed) == said


def test_it_needs_a_task(invoke: Invoke) -> None:
    done = invoke("headroom", "--model", "scripted")
    assert done.exit_code == 2
    assert "which task?" in done.stderr
