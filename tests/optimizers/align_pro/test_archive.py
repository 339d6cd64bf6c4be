"""What a search left behind, tilted afterwards."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import ConfigError
from promptopt.optimizers.align_pro.archive import archive_of, largest_deviation, weighed_lines


def stored(*candidates: tuple[str, float | None, int]) -> dict[str, Any]:
    return {
        "run_id": "abc",
        "start": {"parts": {"system": "Be kind.", "instruction": candidates[0][0]}},
        "candidates": [
            {
                "parts": {"system": "Be kind.", "instruction": text},
                "search": {"score": score, "n": count} if count else None,
            }
            for text, score, count in candidates
        ],
    }


def test_only_prompts_that_were_scored_on_as_many_examples_are_compared() -> None:
    archive = archive_of(stored(("start", 0.5, 40), ("lucky", 1.0, 3), ("good", 0.8, 40), ("unseen", None, 0)))
    assert [each.text for each in archive.rewards] == ["start", "good"]
    assert archive.source == "start"
    assert archive.tilt(strength=0.1).weights[1] == pytest.approx(1 / (1 + math.exp(-3)))


def test_a_bound_does_not_tell_apart_what_noise_can_have_made() -> None:
    archive = archive_of(stored(("start", 0.50, 10), ("a", 0.51, 10), ("b", 0.52, 10)))
    found = archive.tilt(bound=1.0)
    assert found.strength == archive.noise
    assert found.effective > 2.9
    assert archive.pairs(found.strength) == []


def test_scores_that_are_losses_need_their_scale() -> None:
    result = stored(("start", -3.0, 10), ("a", -1.0, 10))
    with pytest.raises(ConfigError, match="a score of run abc is -3, and the scale is from 0 to 1; give"):
        archive_of(result)
    assert archive_of(result, (-4.0, 0.0)).tilt(strength=1.0).weights[1] > 0.8


@pytest.mark.parametrize(
    "candidates", [(("start", 0.5, 10),), (("start", 0.5, 10), ("a", 0.9, 5)), (("start", None, 0), ("a", None, 0))]
)
def test_an_archive_without_two_comparable_prompts_is_refused(candidates: Any) -> None:
    with pytest.raises(ConfigError, match="left no two prompts that were scored on the same number"):
        archive_of(stored(*candidates))


def test_the_noise_is_that_of_rewards_at_the_ends_of_the_scale() -> None:
    # Ten of mean 1/2 are at most five of 0 and five of 1: of variance 10/36, and a mean's error of 1/6.
    archive = archive_of(stored(("start", 0.5, 10), ("a", 0.5, 10)))
    assert archive.noise == pytest.approx(1 / 6)
    # A mean at an end of the scale has no spread.
    sure = archive_of(stored(("start", 0.0, 10), ("a", 1.0, 10)))
    assert sure.noise == 0.0
    assert len(sure.pairs(0.1)) == 1
    assert largest_deviation(0.5, 1, (0.0, 1.0)) == pytest.approx(0.5)
    assert largest_deviation(-1.0, 2, (-4.0, 0.0)) == pytest.approx((3 * 1 * 2 / 1) ** 0.5)


def test_a_bound_that_asks_for_a_lambda_above_the_noise_is_met_and_one_of_bound_and_lambda_is_given() -> None:
    archive = archive_of(stored(("start", 0.1, 4_000), ("a", 0.9, 4_000)))
    found = archive.tilt(bound=0.3)
    assert found.kl == pytest.approx(0.3, abs=1e-6)
    assert found.strength > archive.noise
    for both in ({}, {"bound": 1.0, "strength": 0.1}):
        with pytest.raises(ConfigError, match="one of the two"):
            archive.tilt(**both)


def test_the_heaviest_is_listed_first_and_of_two_prompts_with_one_text_the_first_stands_for_it() -> None:
    archive = archive_of(stored(("start", 0.5, 10), ("a", 0.9, 10), ("b", 0.7, 10), ("a", 0.1, 10)))
    assert [(each.text, each.reward) for each in archive.rewards] == [("start", 0.5), ("a", 0.9), ("b", 0.7)]
    lines = weighed_lines(archive, archive.tilt(strength=0.2))
    assert [(text, reward) for _, reward, text in lines] == [("a", 0.9), ("b", 0.7), ("start", 0.5)]
    assert lines[0][0] == pytest.approx(lines[1][0] * math.e)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_no_rewards_of_a_mean_deviate_by_more(rewards: list[float]) -> None:
    bound = largest_deviation(math.fsum(rewards) / len(rewards), len(rewards), (0.0, 1.0))
    assert statistics.stdev(rewards) <= bound + 1e-9
