"""Racing: the test that takes prompts out, the race around it, and what it saves against scoring everything.

What every selector keeps to is in test_selectors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from landscape import Landscape, plant
from scipy.stats import t, ttest_rel

from promptopt.api import optimize
from promptopt.binding.settings import build_optimizer
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.capo.track import Race
from promptopt.protocols import Selector
from promptopt.run import Run
from promptopt.selection.racing import LengthPrice, PairedTest, RaceStage, Racing, affordable, eliminated, p_values
from promptopt.testing import planted_task
from promptopt.types import Estimate

PAPER = PairedTest(alpha=0.2, correction="none", population="infinite")
SCIPY = replace(PAPER, constant="scipy")
THIRD = RaceStage(3, 10, 100)

# Sums of the smallest floats overflow inside of scipy, where one is divided by another.
values = st.one_of(
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([-math.inf, -2.5, -0.5]),
    st.floats(-5, 5).map(lambda value: round(value, 9)),
)


@st.composite
def races(draw):
    prompts, examples = draw(st.integers(1, 14)), draw(st.integers(1, 12))
    kind = draw(st.sampled_from([st.sampled_from([0.0, 1.0]), values]))
    rows = [draw(st.lists(kind, min_size=examples, max_size=examples)) for _ in range(prompts)]
    prices = draw(st.lists(st.floats(0, 0.2).map(lambda price: round(price, 9)), min_size=prompts, max_size=prompts))
    test = PairedTest(
        alpha=draw(st.sampled_from([0.0, 0.05, 0.2, 0.5])),
        correction=draw(st.sampled_from(["looks", "looks-and-rivals", "none"])),
        population=draw(st.sampled_from(["finite", "infinite"])),
        constant=draw(st.sampled_from(["epsilon", "scipy"])),
    )
    return rows, prices, test, RaceStage(draw(st.integers(1, 5)), 5, draw(st.integers(examples, 3 * examples)))


@pytest.mark.slow
@given(races(), st.integers(1, 14))
def test_never_fewer_than_keep_remain_and_nobody_goes_who_is_among_the_best(race, keep):
    rows, prices, test, look = race
    out = eliminated(rows, prices, keep, test, look)
    assert len(rows) - len(out) >= min(keep, len(rows))
    means = [sum(row) / len(row) - price for row, price in zip(rows, prices, strict=True)]
    for place in out:
        assert sum(mean > means[place] for mean in means) >= keep


@pytest.mark.slow
@given(races(), st.integers(1, 5))
def test_without_a_price_identical_vectors_are_never_separated(race, keep):
    rows, _, test, look = race
    twins = [rows[0], *rows, rows[0]]
    out = eliminated(twins, [0.0] * len(twins), keep, test, look)
    assert len({0 in out, 1 in out, len(twins) - 1 in out}) == 1
    p = p_values(twins, [0.0] * len(twins), test, look)
    assert p[0, 1] == p[1, 0] == p[0, -1] == 1.0


@pytest.mark.slow
@given(races())
def test_the_p_values_are_those_of_scipy(race):
    rows, prices, _, look = race
    finite = [[value if math.isfinite(value) else 0.25 for value in row] for row in rows]
    penalised = [[value - price for value in row] for row, price in zip(finite, prices, strict=True)]
    found = p_values(finite, prices, PAPER, look)
    scores, penalised = np.array(finite), np.array(penalised)
    better, worse = np.nonzero(np.std(scores[:, None] - scores, axis=-1) > 1e-6)
    if len(better) and scores.shape[1] > 1:
        expected = ttest_rel(penalised[better], penalised[worse], axis=-1, alternative="greater").pvalue
        assert found[better, worse] == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_the_spec_s_examples_of_binary_scores():
    # One extra right answer among 30 is "significant" at 0.2, p = 0.163; two give p = 0.080.
    base = [1.0] * 10 + [0.0] * 20
    p = p_values([base, [1.0, *base[:-1]], [1.0, 1.0, *base[:-2]]], [0.0] * 3, PAPER, THIRD)
    assert p[1, 0] == pytest.approx(0.163, abs=5e-4)
    assert p[2, 0] == pytest.approx(0.080, abs=5e-4)


def test_the_finite_correction_shrinks_the_standard_error_to_nothing_as_the_examples_are_used_up():
    rows = np.random.default_rng(0).random((2, 20)).tolist()
    plain, quarter, whole = (
        p_values(rows, [0.0, 0.0], replace(PAPER, population=kind), RaceStage(2, 4, total))
        for kind, total in (("infinite", 80), ("finite", 80), ("finite", 20))
    )
    difference = np.subtract(rows[0], rows[1])
    statistic = difference.mean() / (difference.std(ddof=1) / math.sqrt(20) * math.sqrt(1 - 20 / 80))
    assert quarter[0, 1] == pytest.approx(t.sf(statistic, 19))
    winner = int(difference.mean() < 0)
    assert whole[winner, 1 - winner] == 0.0 < quarter[winner, 1 - winner] < plain[winner, 1 - winner]


@pytest.mark.parametrize("looks", [1, 2, 5])
def test_a_token_more_separates_nobody_but_in_plain_scipy(looks):
    rows, prices = [[1.0] * 30, [1.0] * 30], [0.0300, 0.0305]
    assert eliminated(rows, prices, 1, PAPER, RaceStage(looks, 5, 300)) == []
    assert eliminated(rows, prices, 1, SCIPY, RaceStage(looks, 5, 300)) == [1]


@pytest.mark.parametrize(("number", "extra", "out"), [(2, 0.0021, [1]), (1, 0.0021, []), (2, 0.0019, [])])
def test_the_longer_of_equals_is_worse_from_epsilon_and_two_blocks_on(number, extra, out):
    rows = [[0.0, 1.0] * 30] * 2
    assert eliminated(rows, [0.03, 0.03 + extra], 1, PAPER, RaceStage(number, 10, 300)) == out


def test_four_that_are_clearly_worse_leave_after_the_first_admissible_block():
    rows = [[1.0] * 30] * 10 + [[0.0] * 30] * 4
    assert eliminated(rows, [0.0] * 14, 10, PAPER, RaceStage(1, 10, 300)) == []
    assert eliminated(rows, [0.0] * 14, 10, PAPER, RaceStage(2, 10, 300)) == [10, 11, 12, 13]


def test_nine_better_ones_do_not_take_out_one():
    rows = [[1.0] * 29 + [0.0]] * 9 + [[0.0] * 29 + [1.0]] * 2
    assert eliminated(rows, [0.0] * 11, 10, PAPER, THIRD) == []
    assert eliminated(rows, [0.0] * 11, 9, PAPER, THIRD) == [9, 10]


def test_an_invalid_score_is_worse_than_any_other_and_equal_to_itself():
    inf = -math.inf
    rows = [[-1.0, -2.0, -3.0], [-1.0, inf, -3.0], [inf, -1.0, -1.0], [-1.0, inf, inf]]
    p = p_values(rows, [0.0] * 4, PAPER, THIRD)
    assert p[0].tolist() == [1.0, 0.0, 0.0, 0.0]
    # Two that are invalid in different places decide nothing; of the same, the one with more is worse.
    assert p[1, 2] == p[2, 1] == 1.0
    assert p[1, 3] == 0.0
    assert eliminated(rows, [0.0] * 4, 1, PAPER, THIRD) == [1, 2, 3]
    assert eliminated([[inf, inf]] * 3, [0.0] * 3, 1, PAPER, THIRD) == []


def test_equal_means_over_all_the_examples_there_are_are_equal():
    found = p_values(
        [[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]], [0.0, 0.0], replace(PAPER, population="finite"), RaceStage(1, 1, 3)
    )
    assert found.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    # And the larger of two means over all of them is larger without a doubt.
    found = p_values(
        [[1.0, 0.0, 1.0], [0.0, 1.0, 0.5]], [0.0, 0.0], replace(PAPER, population="finite"), RaceStage(1, 1, 3)
    )
    assert found.tolist() == [[1.0, 0.0], [1.0, 1.0]]


def test_one_example_decides_nothing():
    assert eliminated([[1.0], [0.0]], [0.0, 0.0], 1, SCIPY, THIRD) == []


@pytest.mark.parametrize(("correction", "level"), [("none", 0.2), ("looks", 0.02), ("looks-and-rivals", 0.02 / 7)])
def test_repeated_looks_and_many_rivals_divide_the_level(correction, level):
    assert PairedTest(alpha=0.2, correction=correction).level(10, 7) == pytest.approx(level)


def test_a_lone_prompt_has_no_rivals():
    assert PairedTest(correction="looks-and-rivals").level(1, 0) == 0.1
    assert eliminated([[1.0, 0.0]], [0.0], 1, PAPER, THIRD) == []


def race(racing: Selector, scores, keep=1, seed=0) -> tuple[Landscape, list[Estimate]]:
    landscape = Landscape(scores, seed=seed)
    return landscape, racing.select(landscape, landscape.prompts, landscape.examples, keep)


@pytest.mark.slow
@pytest.mark.parametrize("difficulty", [0.8, 2.0])
def test_the_winner_of_exhaustive_scoring_for_at_most_a_third_of_the_evaluations(difficulty):
    """32 prompts, accuracies from N(0.70, 0.05) as drawn, 400 examples; probit difficulty shared by all prompts."""
    found, spent = 0, 0
    # Block and level were chosen on other trials.
    for trial in range(10_000, 10_100):
        _, right = plant(np.random.default_rng(trial), arms=32, difficulty=difficulty)
        landscape, ranked = race(Racing(budget=right.size // 3), right, seed=trial)
        exhaustive = right.mean(axis=1)
        found += exhaustive[landscape.arm[ranked[0].prompt]] == exhaustive.max()
        spent += landscape.asked
        assert landscape.asked <= right.size // 3
    assert found >= 95
    assert spent < 0.3 * 100 * right.size


def test_it_stops_as_soon_as_no_more_are_left_than_are_kept():
    scores = np.repeat([[1.0], [0.0], [0.0], [0.0]], 200, axis=1)
    landscape, ranked = race(Racing(block=10), scores)
    assert [len(arms) for arms, _ in landscape.log] == [4, 4]
    assert [estimate.count for estimate in ranked] == [20] * 4
    assert landscape.arm[ranked[0].prompt] == 0


def test_a_last_block_that_is_smaller_is_used():
    landscape, ranked = race(Racing(block=20), np.ones((3, 50)))
    assert [len(columns) for _, columns in landscape.log] == [20, 20, 10]
    assert [estimate.count for estimate in ranked] == [50] * 3


def test_a_budget_that_ends_in_a_block_ends_the_race_with_the_blocks_all_share():
    landscape, ranked = race(Racing(budget=130, block=10, short="stop"), np.ones((4, 100)), keep=2)
    assert landscape.asked == 120
    assert {estimate.count for estimate in ranked} == {30}


def test_a_budget_too_small_for_all_goes_to_the_best():
    scores = np.random.default_rng(1).permuted(np.repeat([[1.0] * 6 + [0.0] * 4, [1.0] * 5 + [0.0] * 5], 20, 1), axis=1)
    rows = np.concatenate([scores, scores[::-1], scores, scores[::-1]])
    landscape, ranked = race(Racing(budget=400, block=10), rows)
    counts = [len(landscape.columns_of(arm)) for arm in range(8)]
    assert landscape.asked <= 400
    assert max(counts) >= 80
    assert ranked[0].count == max(counts)
    stopped, _ = race(Racing(budget=400, block=10, short="stop"), rows)
    assert max(len(stopped.columns_of(arm)) for arm in range(8)) <= 60


@pytest.mark.parametrize(
    ("alive", "left", "going"),
    # From 10 to 20 examples of 100: m cost the sum of min(100, 20 m / rank) - 10.
    [(4, 126, 3), (4, 127, 4), (2, 40, 2), (2, 39, 1), (2, 10, 1), (2, 9, 0), (3, 1000, 3)],
)
def test_how_many_may_go_on(alive, left, going):
    assert affordable(alive, 1, 10, 20, 100, left) == going


def test_who_left_stands_behind_who_stayed_the_latest_first():
    accuracies = np.linspace(0.95, 0.2, 9)[:, None]
    scores = (np.random.default_rng(4).random((9, 300)) < accuracies).astype(float)
    landscape, ranked = race(Racing(budget=100_000, block=10), scores, keep=2)
    counts = [estimate.count for estimate in ranked]
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) > 2
    assert {landscape.arm[estimate.prompt] for estimate in ranked[:2]} <= {0, 1, 2}


@pytest.mark.parametrize("value", [0.0, 1.0, -7.25])
def test_all_equal_is_no_reason_to_drop_anybody(value):
    landscape, ranked = race(Racing(block=10), np.full((5, 60), value))
    assert {len(arms) for arms, _ in landscape.log} == {5}
    assert [landscape.arm[estimate.prompt] for estimate in ranked] == [0, 1, 2, 3, 4]


def test_nats_are_raced_as_they_are():
    noise = np.random.default_rng(2).normal(size=(6, 200))
    scores = -3.0 + np.array([0.5, 0.0, 0.0, -0.5, -0.5, 0.0])[:, None] + 0.4 * noise
    landscape, ranked = race(Racing(), scores)
    assert landscape.arm[ranked[0].prompt] == 0
    assert landscape.asked < scores.size / 3


def test_a_prompt_that_is_invalid_on_an_example_leaves_and_ranks_below_all_who_were_seen():
    scores = np.full((4, 60), -1.0) - np.arange(4)[:, None] / 10
    scores[0] = -math.inf
    landscape, ranked = race(Racing(budget=200, block=10), scores, keep=2)
    assert landscape.arm[ranked[-1].prompt] == 0
    assert ranked[-1].count == 10


@dataclass(frozen=True, slots=True)
class Choose:
    selector: Selector
    texts: tuple[str, ...]

    def optimize(self, run: Run) -> None:
        pool = [run.initial.replace("instruction", text) for text in self.texts]
        run.record(ranked := self.selector.select(run, pool, run.train, 1), [ranked[0].prompt])


def chosen(tmp_path, price: LengthPrice) -> tuple[str, int]:
    """Which of two prompts that are always right is chosen, and for how many evaluations."""
    method = Choose(Racing(block=10, price=price), ("Answer, and take all the time that you need for it.", "Answer."))
    result = optimize(planted_task(), method, model=Scripted(lambda _: "yes"), store=tmp_path / f"{price}.db")
    return result.steps[0].kept[0]["instruction"], result.steps[0].spent.evaluations


@pytest.mark.slow
def test_length_has_a_price_relative_to_the_longest_or_to_what_is_given(tmp_path):
    assert chosen(tmp_path, LengthPrice())[0].startswith("Answer, and")
    assert chosen(tmp_path, LengthPrice(0.05)) == ("Answer.", 2 * 20)
    # Below epsilon the difference decides no race, but it still ranks.
    assert chosen(tmp_path, LengthPrice(0.05, reference=100_000)) == ("Answer.", 2 * 60)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Racing(block=0), "block"),
        (lambda: Racing(budget=-1), "budget"),
        (lambda: PairedTest(alpha=0.6), "alpha"),
        (lambda: PairedTest(alpha=math.nan), "alpha"),
        (lambda: PairedTest(epsilon=-0.1), "epsilon"),
        (lambda: LengthPrice(gamma=-1.0), "gamma"),
        (lambda: LengthPrice(reference=0), "reference"),
        (lambda: Race(block=0), "block"),
        (lambda: Race(blocks=0), "blocks"),
        (lambda: Race(gamma=-0.1), "gamma"),
    ],
)
def test_unusable_settings_are_refused(make, name):
    with pytest.raises(ConfigError, match=name):
        make()


def test_settings_from_the_command_line():
    settings = {
        "selector": "racing",
        "selector.budget": "900",
        "selector.test.alpha": "0.2",
        "selector.test.correction": "none",
        "selector.price.gamma": "0.05",
        "selector.short": "stop",
    }
    made = build_optimizer("apo", settings).selector
    assert made == Racing(900, test=PairedTest(0.2, "none"), price=LengthPrice(0.05), short="stop")
