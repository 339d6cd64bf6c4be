"""Gains that are looked at again and again: by hand, and by seeded simulation of many looks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy
import pytest

from promptopt.errors import ConfigError
from promptopt.stats import Gain, paired_gain, verdict
from promptopt.stats.design import Design
from promptopt.stats.sequences import BET, IMAGINED, SEQUENCE, TUNED, running_gain, share_sequence
from promptopt.types import Weigh

LOOKS = range(20, 401, 20)


def of(differences: Sequence[float], alpha: float = 0.05, **more: object) -> Gain:
    """The gain of these differences: of right and wrong where all are 1, 0 or -1, else of graded scores."""
    whole = all(each in (-1.0, 0.0, 1.0) for each in differences)
    before = [max(0.0, -each) if whole else 0.5 - each / 2 for each in differences]
    after = [max(0.0, each) if whole else 0.5 + each / 2 for each in differences]
    return running_gain(before, after, alpha=alpha, **more)  # type: ignore[arg-type]


def test_the_bet_by_hand() -> None:
    # B(5 + 9, 5 + 1) / B(5, 5) * 2**10, with B(a, b) = (a - 1)! (b - 1)! / (a + b - 1)!
    beta = math.factorial(13) * math.factorial(5) / math.factorial(19)
    start = math.factorial(4) * math.factorial(4) / math.factorial(9)
    wealth = beta / start * 2**10
    found = of([1.0] * 9 + [-1.0] + [0.0] * 30)
    assert found.test == BET
    assert found.p_value == pytest.approx(1 / wealth)
    assert (found.mean, found.n, found.units) == (0.2, 40, 40)
    # One win more and no loss: the other way round it is the same.
    assert of([-1.0] * 9 + [1.0] + [0.0] * 30).p_value == pytest.approx(1 / wealth)


@pytest.mark.parametrize("alpha", [0.1, 0.05, 0.005])
def test_the_interval_leaves_out_zero_exactly_where_the_bet_has_won(alpha: float) -> None:
    for wins in range(26):
        for losses in (0, 1, 4):
            found = of([1.0] * wins + [-1.0] * losses + [0.0] * 20, alpha)
            low, high = found.interval
            assert (low > 0.0 or high < 0.0) == (found.p_value < alpha)
            assert low <= found.mean <= high


def test_a_share_that_was_never_seen_is_not_ruled_out_at_once() -> None:
    assert share_sequence(0, 0, 0.05, 0.5) == (0.0, 1.0)
    low, high = share_sequence(0, 20, 0.05, 0.5)
    assert low == 0.0
    assert 0.15 < high < 0.35
    # Items on which nothing differs say as much as they can, and no more.
    assert of([0.0] * 20, 0.1).interval[0] < -0.05 < of([0.0] * 120, 0.1).interval[0]


def _width(items: int) -> float:
    """Half the 95 % interval, in spreads."""
    q = (-2 * math.log(0.05) + math.log(1 - 2 * math.log(0.05))) / TUNED
    return math.sqrt(2 * (items * q + 1) / (items**2 * q) * math.log(math.sqrt(items * q + 1) / 0.05))


def test_the_sequence_by_hand() -> None:
    differences = [0.3, -0.1, 0.2, 0.0] * 25
    mean = 0.1
    spread = math.sqrt((25 * (0.04 + 0.04 + 0.01 + 0.01) + IMAGINED) / (100 + IMAGINED))
    width = _width(100)
    found = of(differences)
    assert found.test == SEQUENCE
    assert found.interval == pytest.approx((mean - spread * width, mean + spread * width))
    # p is below 0.05 just where zero is left out. All items are alike: the imagined ones alone spread.
    edge = math.sqrt(IMAGINED / (100 + IMAGINED)) * width
    for factor, out in ((1.001, True), (0.999, False)):
        gain = of([edge * factor] * 100)
        assert (gain.p_value < 0.05, gain.interval[0] > 0.0) == (out, out)


@pytest.mark.parametrize("differences", [[1.0] * 9 + [-1.0] * 2 + [0.0] * 20, [0.3, -0.1, 0.2, 0.0] * 25])
def test_the_interval_that_is_shown_is_the_95_percent_one_whatever_the_level(differences: list[float]) -> None:
    strict, plain = of(differences, 0.01), of(differences)
    assert strict.ci95 == plain.ci95 == plain.interval
    assert strict.interval[0] < strict.ci95[0] < strict.ci95[1] < strict.interval[1]


def test_groups_are_the_items() -> None:
    differences, groups = [1.0] * 40, [f"{at // 10}" for at in range(40)]
    chats = of(differences, groups=groups)
    assert (chats.n, chats.units) == (40, 4)
    assert chats.p_value == of([1.0] * 4).p_value > 0.05
    # Of two turns each, beside as many of one: what they count is four thirds.
    sizes = [f"two {at // 2}" for at in range(40)] + [f"one {at}" for at in range(20)]
    uneven = of([1.0] * 40 + [0.0] * 20, groups=sizes)
    alike = of([1.0] * 20 + [0.0] * 20)
    assert (uneven.test, uneven.p_value, uneven.units) == (BET, alike.p_value, 40)
    assert uneven.interval[0] == pytest.approx(alike.interval[0] * 4 / 3)
    # An imagined one, too, is as bad as the largest can be.
    graded = of([0.5] * 40 + [0.0] * 20, groups=sizes)
    apart = math.sqrt((40 * (1 / 3) ** 2 + IMAGINED * (4 / 3) ** 2) / (40 + IMAGINED))
    assert graded.interval[1] - graded.mean == pytest.approx(apart * _width(40))
    mixed = of([1.0] * 10 + [-1.0], groups=["a"] * 10 + ["b"], weigh="conversation")
    assert (mixed.mean, mixed.units) == (0.0, 2)
    with pytest.raises(ConfigError):
        running_gain([], [])
    assert Design(sequential=True).gain([], [], [], 0.1) == paired_gain([], [], alpha=0.1)


def called(
    draw: Callable[[numpy.random.Generator], Sequence[float]], rule: Callable[[Gain], bool], trials: int = 120,
    alpha: float = 0.05, groups: Sequence[str] | None = None, weigh: Weigh = "turn",
) -> tuple[float, float]:  # fmt: skip
    """The share of trials in which `rule` holds at any look, and the mean number of items by then."""
    ends: list[int] = []
    for seed in range(trials):
        drawn = [float(each) for each in draw(numpy.random.default_rng(seed))]
        for look in LOOKS:
            names = None if groups is None else groups[:look]
            if rule(of(drawn[:look], alpha, groups=names, weigh=weigh)):
                ends.append(look)
                break
    return len(ends) / trials, sum(ends) / max(1, len(ends))


def binary(gain: float, differing: float = 0.25) -> Callable[[numpy.random.Generator], Sequence[float]]:
    shares = [(differing + gain) / 2, (differing - gain) / 2, 1 - differing]
    return lambda drawn: drawn.choice([1.0, -1.0, 0.0], size=400, p=shares).tolist()


def graded(gain: float) -> Callable[[numpy.random.Generator], Sequence[float]]:
    return lambda drawn: numpy.clip(drawn.normal(gain, 0.3, 400), -1.0, 1.0).tolist()


def rare(loss: float) -> Callable[[numpy.random.Generator], Sequence[float]]:
    """Graded: one item in 1 / `loss` is lost altogether, and the others differ by next to nothing."""
    return lambda drawn: [-1.0 if each < loss else 1e-9 for each in drawn.random(400)]


def told(gain: Gain) -> bool:
    return verdict(gain) != "no_evidence"


@pytest.mark.slow
@pytest.mark.parametrize("draw", [binary(0.0), binary(0.0, 0.06), graded(0.0)])
def test_at_no_gain_twenty_looks_call_one_in_twenty_at_most(
    draw: Callable[[numpy.random.Generator], Sequence[float]],
) -> None:
    share, _ = called(draw, told)
    assert share <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("draw", [binary(-0.05), binary(-0.05, 0.05), graded(-0.05), rare(0.05)])
def test_a_loss_of_just_the_margin_is_held_in_one_trial_of_twenty_at_most(
    draw: Callable[[numpy.random.Generator], Sequence[float]],
) -> None:
    share, _ = called(draw, lambda gain: gain.interval[0] > -0.05, alpha=0.1)
    assert share <= 0.05


@pytest.mark.slow
def test_conversations_whose_turns_go_together_call_one_in_twenty_at_most() -> None:
    names = [f"{at // 10}" for at in range(400)]
    share, _ = called(
        lambda drawn: numpy.repeat(drawn.choice([1.0, -1.0, 0.0], size=40, p=[0.2, 0.2, 0.6]), 10).tolist(),
        told, groups=names,
    )  # fmt: skip
    assert share <= 0.05


@pytest.mark.slow
def test_a_large_gain_ends_it_early() -> None:
    for draw in (binary(0.15), graded(0.15)):
        share, items = called(draw, told)
        assert share > 0.97
        assert items < 200
    held, items = called(binary(0.1), lambda gain: gain.interval[0] > -0.05, alpha=0.1)
    assert held > 0.97
    assert items < 120
