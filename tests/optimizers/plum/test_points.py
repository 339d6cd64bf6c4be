"""Plum's score, for labels, for other answers, and for losses."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.optimizers.plum.points import accuracy_points, entropy, label_of
from promptopt.types import Example, Score


def scored(
    truths: Sequence[str], answers: Sequence[str], labels: Sequence[str] = ("A", "B"), weight: float = 10
) -> float:
    examples = [Example.of(truth, text=str(number)) for number, truth in enumerate(truths)]
    scores = [
        Score(float(truth == answer), answer, "" if answer == "?" else answer, answer != "?")
        for truth, answer in zip(truths, answers, strict=True)
    ]
    return accuracy_points(examples, scores, labels, weight)


@pytest.mark.parametrize(("answers", "value"), [("AAAA", 50.0), ("ABAB", 56.931), ("AABB", 106.931)])
def test_balanced_accuracy_and_entropy(answers: str, value: float) -> None:
    assert scored("AABB", answers) == pytest.approx(value, abs=5e-4)


def test_classes_weigh_alike_whatever_their_number() -> None:
    assert scored("AAAAAB", "AAAAAA", weight=0) == 50.0
    assert scored("AAB", "ABB", weight=0) == 75.0
    assert scored("AAAB", "ABBB", weight=0) == pytest.approx(66.67)
    assert scored("AAAA", "AAAA", weight=0) == 100.0


def test_unreadable_answers_are_wrong_and_do_not_spread() -> None:
    assert scored("AABB", "AA??") == 50.0
    assert scored("AABB", "AB??") == pytest.approx(25 + 10 * math.log(2))
    assert scored("AABB", "????") == 0.0


def test_four_labels_give_at_most_13_863() -> None:
    assert scored("ABCD", "ABCD", "ABCD") == pytest.approx(113.863, abs=5e-4)


def test_spelling_and_aliases_make_no_difference() -> None:
    examples = [Example.of("Very Good", ("fine",), text="1"), Example.of("bad", text="2")]
    labels = ("very good", "bad", "fine")
    assert accuracy_points(examples, [Score(1.0, "", "very_good"), Score(1.0, "", "bad")], labels, 0) == 100.0
    assert accuracy_points(examples, [Score(1.0, "", "fine"), Score(1.0, "", "bad")], labels, 0) == 100.0
    assert accuracy_points(examples, [Score(0.0, "", "bad"), Score(1.0, "", "bad")], labels, 0) == 50.0


def test_labels_that_differ_in_case_only_are_two() -> None:
    assert label_of("a", ("A", "a")) == "a"
    assert label_of("A", ("A", "a")) == "A"
    assert label_of("", ("A",)) == label_of("", ("?",)) == ""
    assert label_of("neither", ("A", "B")) == "neither"
    assert label_of("**b**", ("A", "B")) == "B"


def test_of_free_text_the_metric_knows_whether_it_is_right() -> None:
    examples = [Example.of("A", text="1"), Example.of("B", text="2")]
    assert accuracy_points(examples, [Score(1.0, "", "it is A"), Score(0.0, "", "it is A")], ("A", "B"), 10) == 50.0


@given(st.lists(st.floats(-50, 0), min_size=1, max_size=8), st.booleans())
def test_a_loss_is_100_times_its_mean_with_labels_or_without(values: list[float], labelled: bool) -> None:
    examples = [Example.of("A", text=str(number)) for number in range(len(values))]
    found = accuracy_points(examples, [Score(value) for value in values], ("A", "B") if labelled else (), 10)
    assert found == pytest.approx(100 * sum(values) / len(values))
    assert found <= 0


def test_one_example_of_no_probability_puts_a_prompt_last() -> None:
    examples = [Example.of("A", text="1"), Example.of("B", text="2")]
    lost = [Score(-1.0), Score(-math.inf, parsed=False)]
    assert accuracy_points(examples, lost, ("A", "B"), 10) == accuracy_points(examples, lost[::-1], (), 10) == -math.inf
    assert accuracy_points(examples, [Score(-math.inf, parsed=False)] * 2, ("A", "B"), 10) == -math.inf


@given(st.dictionaries(st.sampled_from("ABCD"), st.integers(1, 50)))
def test_entropy_is_between_none_and_all_alike(counts: dict[str, int]) -> None:
    assert -1e-12 <= entropy(Counter(counts)) <= math.log(max(1, len(counts))) + 1e-12
