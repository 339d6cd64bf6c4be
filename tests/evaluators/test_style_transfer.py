"""The joint score of style transfer."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import ConfigError, DataError
from promptopt.evaluators import metrics
from promptopt.evaluators.style_transfer import Joint, Parts, first_sentence, geometric_mean
from promptopt.types import Example

EXAMPLE = Example.of("positive", text="the food was bad")


def overlap(answer: str, source: str) -> float:
    found, wanted = set(answer.split()), set(source.split())
    return len(found & wanted) / len(wanted)


def styled(answer: str, style: str) -> bool:
    return ("good" in answer) == (style == "positive")


def grammatical(answer: str) -> bool:
    return "was" in answer


JOINT = Joint(overlap, styled, grammatical)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ('the food was good." and so on', "the food was good."),
        ("the food was good! the staff too.", "the food was good!"),
        ("the food was good", "the food was good"),
        ('  the food? "', "the food?"),
        ('" the food was good', None),
        ("", None),
        ("  \n", None),
    ],
)
def test_a_reply_is_cut_at_the_quote_and_after_the_first_sentence(reply: str, answer: str | None) -> None:
    assert first_sentence(reply) == answer


@pytest.mark.parametrize(
    ("answer", "value", "feedback"),
    [
        ("the food was good", 0.75, "it keeps 75% of the content"),
        ("the food was bad", 0.0, "the style is not positive; it keeps 100% of the content"),
        ("the food good", 0.0, "it is not grammatical; it keeps 50% of the content"),
        ("the food was bad but good", 1.0, ""),
    ],
)
def test_one_wrong_part_is_worth_nothing(answer: str, value: float, feedback: str) -> None:
    got = JOINT(answer, EXAMPLE)
    assert (got.value, got.feedback) == (pytest.approx(value), feedback)


def test_content_below_zero_is_none_and_above_one_is_no_content() -> None:
    below = Joint(lambda *_: -0.4, lambda *_: True, lambda _: True)
    assert below("x", EXAMPLE).value == 0.0
    for wrong in (1.5, math.nan):
        with pytest.raises(ConfigError, match="content scorer"):
            Joint(lambda *_, wrong=wrong: wrong, lambda *_: True, lambda _: True)("x", EXAMPLE)
    with pytest.raises(DataError, match=r"no field 'sentence'.* fields are text"):
        Joint(overlap, styled, grammatical, source="sentence")("x", EXAMPLE)


def test_the_geometric_mean_of_the_three_averages() -> None:
    parts = [Parts(0.8, True, True), Parts(0.4, False, True)]
    assert geometric_mean(parts) == pytest.approx((0.6 * 0.5 * 1.0) ** (1 / 3))
    assert geometric_mean([Parts(0.8, False, True)]) == 0.0
    assert geometric_mean([]) == 0.0


@given(st.lists(st.builds(Parts, st.floats(0, 1), st.booleans(), st.booleans()), min_size=1))
def test_the_joint_score_is_at_most_the_geometric_mean(parts: list[Parts]) -> None:
    # Every joint score is at most each of its parts, so its mean is at most each of their means.
    joint = math.fsum(each.joint for each in parts) / len(parts)
    assert joint <= geometric_mean(parts) + 1e-9


def test_it_is_described_by_its_scorers_and_not_by_where_they_lie() -> None:
    described = metrics.function_identity(JOINT)
    assert " at 0x" not in str(described)
    assert described == metrics.function_identity(Joint(overlap, styled, grammatical))
    assert described != metrics.function_identity(Joint(overlap, styled, lambda answer: True))
    assert described != metrics.function_identity(Joint(overlap, styled, grammatical, source="other"))
