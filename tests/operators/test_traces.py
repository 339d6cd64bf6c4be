"""What a critic is shown of a cell of several calls."""

from __future__ import annotations

from promptopt.operators.traces import CALLS_SHOWN, records_of, show_calls, show_traced
from promptopt.types import Example, Score, TracedCall


def traced(*calls: tuple[str, str, str]) -> Score:
    return Score(0.0, "no", "no", trace=tuple(TracedCall(*call) for call in calls))


def test_examples_count_where_the_text_was_used_or_no_trace_tells_of_it() -> None:
    examples = [Example.of("yes", question=str(number)) for number in range(3)]
    scores = [traced(("plan", "a", "b"), ("answer", "c", "d")), traced(("plan", "a", "b")), Score(0.0, "no")]
    assert [example["question"] for example, _ in records_of("answer", examples, scores)] == ["0", "2"]
    assert [score for _, score in records_of("plan", examples, scores)] == scores


def test_a_text_has_no_part_in_what_a_program_worked_out_by_itself() -> None:
    examples = [Example.of("yes", question=str(number)) for number in range(2)]
    scores = [Score(0.0, "no", asked=False), Score(0.0, "no")]
    assert [example["question"] for example, _ in records_of("answer", examples, scores)] == ["1"]


def test_the_calls_of_one_text_are_shown_by_number_and_no_others() -> None:
    shown = show_calls("answer", traced(("plan", "a", "b"), ("answer", "c", "d"), ("answer", "e", "f")))
    assert shown.splitlines() == [
        "", "   Call 1 of this text was given: c", "   Call 1 gave: d", "   Call 2 of this text was given: e",
        "   Call 2 gave: f",
    ]  # fmt: skip
    assert show_calls("other", traced(("plan", "a", "b"))) == ""


def test_of_calls_that_go_on_from_the_one_before_the_longest_tells_all() -> None:
    goes_on = traced(("act", "turn 1", "x"), ("act", "turn 1 turn 2", "y"), ("act", "turn 1 turn 2", "again"))
    shown = show_calls("act", goes_on)
    # The last two were given the same: neither goes on from the other.
    assert "gave: x" not in shown
    assert ["Call 1 gave: y" in shown, "Call 2 gave: again" in shown] == [True, True]


def test_the_last_three_calls_are_shown() -> None:
    shown = show_calls("act", traced(*(("act", f"<{number}>", f"said {number}") for number in range(5))))
    assert [f"said {number}" in shown for number in range(5)] == [False, False, True, True, True]
    assert CALLS_SHOWN == 3


def test_mistakes_are_numbered_with_their_calls() -> None:
    example = Example.of("yes", question="so?")
    shown = show_traced("answer", [(example, traced(("answer", "c", "d")))] * 2)
    first, second = shown.split("\n\n")
    assert first.startswith("1. question: so?")
    assert second.startswith("2. question: so?")
    assert first.endswith("   Call 1 of this text was given: c\n   Call 1 gave: d")
