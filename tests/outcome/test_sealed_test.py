"""What is said of a sealed test beside its verdict."""

from __future__ import annotations

import re

import pytest

from promptopt.outcome.sealed_test import shown_by


@pytest.mark.parametrize("differ", [0, 1, 5, 20, 40])
@pytest.mark.parametrize("test", [1, 4, 12, 40, 400])
def test_no_gain_is_promised_on_more_examples_than_the_prompts_differ_on(differ: int, test: int) -> None:
    said = shown_by(differ, 40, test, 0.05)
    gain = re.search(r"gain of (\d+) points is found", said)

    assert f"differ on {100 * differ // 40} %" in said
    assert gain is None or int(gain[1]) <= 100 * max(differ, 0.5) / 40
    assert (gain is None) == ("too few to find any gain four times in five" in said)


def test_enough_examples_are_promised_a_gain() -> None:
    assert "a true gain of 10 points is found" in shown_by(25, 100, 200, 0.05)
    assert "12 test examples are too few to find any gain" in shown_by(0, 40, 12, 0.05)
