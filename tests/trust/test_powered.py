"""Gains by labels and judge together, and how far raters agree: by hand, and by simulation."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from promptopt.errors import ConfigError
from promptopt.stats import paired_gain, verdict
from promptopt.trust.agreement import agreement, alpha, kappa
from promptopt.trust.powered import Item, powered_gain
from promptopt.types import Weigh

PEOPLE = (1, 0, 0, -1, 0, 0, 1, 0)
JUDGE = (1, 0, 0, -1, 1, -1, 0, 0)
REST = (1, 0, 0, 0, 1, 0, 0, -1, 0, 1, 0, 0)


def item(people: int, judge: float, group: str = "") -> Item:
    return Item(float(people < 0), float(people > 0), judge, group)


def rest(values: tuple[float, ...], groups: tuple[str, ...] = ()) -> list[tuple[float, str]]:
    return list(zip(values, groups if groups else ("",) * len(values), strict=True))


def test_the_gain_by_hand() -> None:
    items = [item(people, judge) for people, judge in zip(PEOPLE, JUDGE, strict=True)]
    found = powered_gain(items, rest(REST), least=0, differing=0)
    low, high = found.gain.ci95
    assert found.weight == pytest.approx(0.41758, abs=1e-5)
    assert found.gain.mean == pytest.approx(0.19460, abs=1e-5)
    assert (high - low) / 2 == pytest.approx(0.46584, abs=1e-5)
    assert (found.basis, found.labelled, found.judged) == ("labels + judge", 8, 12)
    # Groups of one item each change nothing.
    named = [item(people, judge, f"{place}") for place, (people, judge) in enumerate(zip(PEOPLE, JUDGE, strict=True))]
    grouped = powered_gain(named, rest(REST, tuple(f"r{place}" for place in range(12))), least=0, differing=0)
    assert grouped.gain == found.gain


def test_the_worth_of_a_label_by_hand() -> None:
    items = [item(people, judge) for people, judge in zip(PEOPLE, JUDGE, strict=True)]
    # Sums of squares about the means: D 3 - 1/8, F 4, and 2 of their products, so that r**2 is 4 / 11.5.
    assert powered_gain(items, rest(REST), least=0, differing=0).worth == pytest.approx(1 / (1 - 4 / 11.5 * 12 / 20))


@pytest.mark.parametrize(
    ("weigh", "weight", "gain", "half"),
    [("turn", 15 / 22, 19 / 88, 0.86035), ("conversation", 0.28481, 0.21097, 0.88272)],
)
def test_conversations_of_several_sizes_by_hand(weigh: Weigh, weight: float, gain: float, half: float) -> None:
    """Ratios of the sums over conversations of 2, 1, 3 and 2 labelled items, and of 2, 1, 3, 2 and 2 others."""
    people = ((1, 1), (0,), (-1, 0, 0), (1, 0))
    judge = ((1, 0), (1,), (-1, 0, 0), (1, 0))
    others = ((1, 0), (0,), (1, 1, 0), (-1, 0), (0, 0))
    items = [
        item(one, other, f"talk {place}")
        for place, talk in enumerate(zip(people, judge, strict=True))
        for one, other in zip(*talk, strict=True)
    ]
    unlabelled = [(float(value), f"other {place}") for place, talk in enumerate(others) for value in talk]
    found = powered_gain(items, unlabelled, least=0, differing=0, weigh=weigh)
    low, high = found.gain.ci95
    assert (found.gain.n, found.gain.units, found.judged) == (8, 4, 10)
    assert found.weight == pytest.approx(weight, abs=1e-5)
    assert found.gain.mean == pytest.approx(gain, abs=1e-5)
    assert (high - low) / 2 == pytest.approx(half, abs=1e-5)


@pytest.mark.parametrize(
    ("count", "differing", "basis"), [(49, 12, "labels"), (50, 9, "labels"), (50, 10, "labels + judge")]
)
def test_few_labels_are_people_alone_by_the_exact_test(count: int, differing: int, basis: str) -> None:
    people = [1] * (differing - 2) + [-1] * 2 + [0] * (count - differing)
    items = [item(each, each) for each in people]
    found = powered_gain(items, rest((1.0, 0.0) * 100))
    assert found.basis == basis
    if basis == "labels":
        alone = paired_gain([each.start for each in items], [each.winner for each in items])
        assert (found.gain, found.gain.test, found.judged) == (alone, "McNemar exact", 0)


def test_preferences_are_counted_as_wins_beyond_a_half() -> None:
    items = [Item(0.5, winner, 0.0) for winner in (1.0,) * 12 + (0.0,) * 2 + (0.5,) * 6]
    found = powered_gain(items, [])
    assert found.gain.test == "McNemar exact"
    assert found.gain.mean == pytest.approx(0.25)
    assert verdict(found.gain) == "better"


def test_a_judge_that_says_the_same_of_all_counts_for_nothing() -> None:
    items = [item((1, 0, -1, 1)[place % 4], 0.5) for place in range(60)]
    found = powered_gain(items, rest((0.5,) * 100))
    assert (found.weight, found.worth) == (0.0, 1.0)
    assert found.gain.mean == pytest.approx(0.25)


def test_items_of_a_labelled_group_are_not_counted_as_judged_alone() -> None:
    items = [item((1, 0, -1)[place % 3], 1.0 * (place % 2), f"talk {place % 20}") for place in range(60)]
    found = powered_gain(items, rest((1.0, 0.0, 0.0, 1.0), ("talk 1", "talk 2", "other", "third")))
    assert (found.judged, found.gain.units) == (2, 20)


def test_turns_of_one_conversation_are_not_evidence_each() -> None:
    def gain(grouped: bool) -> float:
        items = [item(1 if talk % 3 else -1, 0.1 * (talk % 5), f"talk {talk}" if grouped else "")
                 for talk in range(12) for _ in range(6)]  # fmt: skip
        found = powered_gain(items, rest((0.3, 0.1, 0.2, 0.0)))
        return found.gain.ci95[1] - found.gain.ci95[0]

    assert gain(True) > 2 * gain(False)


@given(some.integers(0, 2**32), some.integers(50, 80), some.integers(2, 60))
def test_the_weight_is_a_share_and_the_interval_holds_the_mean(seed: int, count: int, more: int) -> None:
    rng = random.Random(seed)
    items = [item(rng.choice((1, 0, -1)), rng.random()) for _ in range(count)]
    found = powered_gain(items, [(rng.random(), "") for _ in range(more)])
    assert 0.0 <= found.weight <= 1.0
    assert found.gain.ci95[0] <= found.gain.mean <= found.gain.ci95[1]
    assert found.worth >= 1.0


def test_no_labels_is_an_error() -> None:
    with pytest.raises(ConfigError, match="there are no labels"):
        powered_gain([], rest(REST))


def test_agreement_by_hand() -> None:
    pairs = [(1.0, 1.0)] * 40 + [(1.0, 0.0)] * 10 + [(0.0, 1.0)] * 5 + [(0.0, 0.0)] * 45
    assert agreement(pairs) == pytest.approx(0.85)
    assert kappa(pairs) == pytest.approx(0.70)
    assert alpha(pairs) == pytest.approx(0.7008, abs=5e-5)


def test_agreement_on_levels_by_hand() -> None:
    pairs = [(0.0, 0.0), (0.0, 0.0), (1.0, 1.0), (2.0, 1.0), (0.0, 2.0)]
    # Squared distances: 1 and 4 seen of five; by the shares 3, 1, 1 and 2, 2, 1 they would be 31 of 25.
    assert kappa(pairs, weighted=True) == pytest.approx(1 - (5 / 5) / (31 / 25))
    assert kappa(pairs) == pytest.approx(1 - (2 / 5) / (16 / 25))
    # Of 1, 1, 2 and of 4, 4: within them 4 / 2 over five values, and over all pairs of values 92 / 20.
    assert alpha([(1.0, 1.0, 2.0), (4.0, 4.0), (0.0,)], "interval") == pytest.approx(1 - (2 / 5) / (92 / 20))


def test_where_all_say_the_same_agreement_beyond_chance_is_undefined() -> None:
    pairs = [(1.0, 1.0)] * 10
    assert (kappa(pairs), kappa(pairs, weighted=True), alpha(pairs), kappa([])) == (None,) * 4


def test_a_step_counts_less_than_a_leap_where_kappa_is_weighted() -> None:
    near = [(float(n % 5), float(min(4, n % 5 + 1))) for n in range(50)]
    far = [(float(n % 5), float(4 - n % 5)) for n in range(50)]
    assert kappa(near, weighted=True) > 0.7 > kappa(near)  # type: ignore[operator]
    assert kappa(far, weighted=True) == pytest.approx(-1.0)
    assert alpha([(1.0, 1.0, 2.0), (4.0, 4.0), (0.0,)], "interval") > alpha([(1.0, 1.0, 2.0), (4.0, 4.0)])  # type: ignore[operator]
