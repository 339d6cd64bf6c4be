"""What a search left behind, tilted afterwards."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import ConfigError
from promptopt.optimizers.align_pro.archive import archive_of, largest_deviation


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


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_no_rewards_of_a_mean_deviate_by_more(rewards: list[float]) -> None:
    bound = largest_deviation(math.fsum(rewards) / len(rewards), len(rewards), (0.0, 1.0))
    assert statistics.stdev(rewards) <= bound + 1e-9
