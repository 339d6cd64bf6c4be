"""What the adviser of SIMBA is shown of a run."""

from __future__ import annotations

from promptopt.optimizers.simba.requests import NONE, show_input, show_run
from promptopt.types import Example, Score, TracedCall


def test_a_run_is_shown_with_what_every_call_was_given_and_gave() -> None:
    trace = (TracedCall("plan", "which river?", "the Rhine"), TracedCall("answer", "the Rhine, how long?", "1,230 km"))
    shown = show_run(Score(0.25, "1,230 km", feedback="too long", trace=trace))
    assert shown.splitlines() == [
        "Call 1, by the text 'plan', was given: which river?",
        "Call 1 gave: the Rhine",
        "Call 2, by the text 'answer', was given: the Rhine, how long?",
        "Call 2 gave: 1,230 km",
        "Output: 1,230 km",
        "Worth: 0.25",
        "Feedback: too long",
    ]
    assert show_run(None) == NONE


def test_an_input_is_shown_with_the_right_answer_where_there_is_one() -> None:
    assert show_input(Example.of("yes", question="Is it?")) == "question: Is it?\nRight answer: yes"
    assert show_input(Example.of("", question="Is it?")) == "question: Is it?"
