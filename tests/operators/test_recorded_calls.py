"""What a proposer is shown of a demonstration that a program of several calls wrote."""

from __future__ import annotations

import json

import pytest

from promptopt.operators.recorded_calls import recorded_calls, show_solved
from promptopt.operators.reflect import show_example
from promptopt.types import Example

CALLS = {"plan": {"question": "q1", "steps": ["a", "b"]}, "solve": {"steps": "a", "answer": "yes"}}


def test_of_a_programs_own_demonstration_the_call_of_the_text_is_shown() -> None:
    demo = Example.of(json.dumps({"calls": CALLS}), question="q1")
    assert recorded_calls(demo.target) == CALLS
    assert show_solved(demo, "plan") == 'question: q1\nsteps: ["a", "b"]'
    assert show_solved(demo, "solve") == "steps: a\nanswer: yes"
    assert show_solved(demo, "unused") == ""


@pytest.mark.parametrize("target", ["yes", "{}", '{"calls": 3}', '{"calls": {"plan": "x"}}', '{"calls": {}, "a": 1}'])
def test_any_other_is_shown_as_an_example(target: str) -> None:
    demo = Example.of(target, question="q1")
    assert recorded_calls(target) is None
    assert show_solved(demo, "plan") == show_example(demo)
