"""What differences between methods are worth: Holm, ranks, the levels of many looks, and what chance alone gives."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.comparison.statistics import chance_of, leads_of, levels, pairs_of, ranks_of
from promptopt.stats import ALPHA, level
from promptopt.stats.families import holm
from tests.comparison.rows import failed, row


def test_holm_is_the_textbook_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms())
def test_holm_keeps_the_order_of_p_values_and_is_between_them_and_bonferroni(
    values: list[float], rng: random.Random
) -> None:
    adjusted = holm(values)
    for one, own in zip(values, adjusted, strict=True):
        assert one <= own <= 1.0
        for other, its in zip(values, adjusted, strict=True):
            assert not one < other or own <= its
    shuffled = list(zip(values, adjusted, strict=True))
    rng.shuffle(shuffled)
    assert holm([value for value, _ in shuffled]) == [own for _, own in shuffled]


def test_verdicts_share_the_levels_of_their_looks_whichever_comes_first() -> None:
    rows = [row("a", [1.0], look=number) for number in (3, 1, 2)]
    assert levels(rows) == levels(rows[::-1]) == {"t": pytest.approx(2 * ALPHA / 4)}
    # One verdict on a new test has what a single run has.
    assert levels([row("a", [1.0])]) == {"t": ALPHA}
    # Thirty earlier looks leave little.
    late = levels([row("a", [1.0], look=number) for number in (31, 32)])["t"]
    assert late == pytest.approx((level(31) + level(32)) / 2)
    assert late < 0.0002
    # Runs that showed the same were one look; what opened no test is none.
    assert levels([row("a", [1.0]), row("b", [1.0]), row("c", [1.0], look=2), failed("d")])["t"] == pytest.approx(
        1 / 30
    )


@given(st.integers(0, 40), st.integers(1, 30))
def test_all_verdicts_together_have_what_the_ledger_grants(earlier: int, count: int) -> None:
    rows = [row("a", [1.0], look=earlier + number + 1) for number in range(count)]
    assert sum(levels(rows).values()) * count == pytest.approx(sum(level(earlier + n + 1) for n in range(count)))
    assert levels(rows)["t"] * count < 2 * ALPHA


def test_pairs_are_compared_on_the_items_they_share_and_no_others() -> None:
    rows = [
        row("a", [1.0] * 20),
        row("b", [0.0] * 20),
        row("c", [1.0] * 20, keys=[f"x{n}" for n in range(20)]),
        failed("d"),
    ]
    pairs = {(each.first, each.second): each for each in pairs_of(rows, ["a", "b", "c", "d"])}
    assert len(pairs) == 6
    one = pairs["a", "b"]
    assert one.gain is not None
    assert (one.gain.mean, one.gain.n, one.adjusted) == (1.0, 20, one.gain.p_value)
    assert all(pairs[each].gain is None for each in pairs if each != ("a", "b"))


def test_an_example_that_several_seeds_saw_counts_once() -> None:
    once = [row("a", [1.0] * 8), row("b", [0.0] * 8)]
    thrice = [row(method, [float(method == "a")] * 8, seed=seed) for method in "ab" for seed in range(3)]
    single, repeated = (pairs_of(rows, ["a", "b"])[0].gain for rows in (once, thrice))
    assert single is not None
    assert repeated is not None
    assert (repeated.n, repeated.units) == (24, 8)
    assert repeated.p_value == pytest.approx(single.p_value)
    # Equal inputs within one test are two items.
    twins = [row("a", [1.0, 1.0], keys=["k", "k"]), row("b", [1.0, 0.0], keys=["k", "k"])]
    found = pairs_of(twins, ["a", "b"])[0].gain
    assert found is not None
    assert (found.n, found.mean) == (2, 0.5)


def test_ranks_are_over_the_blocks_that_all_have() -> None:
    rows = [row(method, [score], seed=seed) for seed in range(5)
            for method, score in (("a", 1.0), ("b", 0.5), ("c", 0.5 if seed else 0.6))]  # fmt: skip
    found = ranks_of([*rows, failed("d")], ["a", "b", "c", "d"])
    assert found is not None
    assert dict(found.ranks) == pytest.approx({"a": 1.0, "b": 2.6, "c": 2.4})
    assert found.blocks == 5
    # q for 3 methods is 2.343 (Demsar 2006, table 5).
    assert found.critical == pytest.approx(2.343 * math.sqrt(3 * 4 / (6 * 5)), rel=1e-3)
    assert found.p_value is not None
    assert found.p_value < 0.05
    assert ranks_of(rows[:1], ["a"]) is None
    alike = ranks_of([row(method, [1.0], seed=seed) for seed in range(3) for method in "abc"], list("abc"))
    assert alike is not None
    assert alike.p_value == 1.0
    lone = ranks_of(rows[:3], ["a", "b", "c"])
    assert lone is not None
    assert (lone.critical, lone.p_value) == (None, None)


def test_chance_is_half_a_level_for_each_verdict_on_another_prompt() -> None:
    rows = [row("a", [1.0], look=1), row("b", [1.0], look=2), row("c", [0.0], look=3, kept=True), failed("d")]
    chance = chance_of(rows, levels(rows))
    assert (chance.verdicts, chance.plain) == (2, 0.05)
    assert chance.corrected == pytest.approx(2 * levels(rows)["t"] / 2)


@pytest.mark.slow
def test_false_betters_of_a_whole_comparison_stay_rare() -> None:
    """Six methods and three seeds whose winners are no better: a *better* anywhere in at most 5 % of comparisons."""
    from promptopt.comparison.statistics import gain_of
    from promptopt.stats import verdict

    rng, wrong, trials = random.Random(3), 0, 150
    for _ in range(trials):
        rows = [row("m", [float(rng.random() < 0.5) for _ in range(60)], [float(rng.random() < 0.5) for _ in range(60)],
                    look=number + 1) for number in range(18)]  # fmt: skip
        alpha = levels(rows)["t"]
        wrong += any(verdict(gain_of([each], alpha)) == "better" for each in rows)
    assert wrong / trials <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / trials)


def test_one_prompt_is_level_with_itself_on_a_test_of_another_size() -> None:
    # The items of a smaller test are among those of a larger one, and easier than the rest of them.
    kept = [row("random", [1.0, 0.0]), row("auto", [1.0, 0.0, 0.0, 0.0]), row("tiny", [0.0])]
    methods = ["random", "auto", "tiny"]
    leads = {lead.method: lead.mean for lead in leads_of(kept, methods)}
    assert leads == {"auto": 0.0, "tiny": -1.0}
    ranked = ranks_of(kept, methods)
    # All three share one item.
    assert ranked is not None
    assert dict(ranked.ranks) == {"random": 1.5, "auto": 1.5, "tiny": 3.0}


def test_methods_that_share_no_item_are_held_against_each_other_by_all_of_theirs() -> None:
    apart = [row("random", [0.0, 0.0], keys=["a", "b"]), row("auto", [1.0, 0.0], keys=["c", "d"])]
    assert [lead.mean for lead in leads_of(apart, ["auto", "random"])] == [0.5]


def test_equal_inputs_of_a_test_are_paired_in_order() -> None:
    twice = [row("random", [1.0, 0.0], keys=["a", "a"]), row("auto", [1.0, 1.0, 0.0], keys=["a", "a", "a"])]
    assert [lead.mean for lead in leads_of(twice, ["auto", "random"])] == [0.5]


def test_a_lead_is_the_mean_over_blocks_and_sure_where_it_is_more_than_two_standard_errors() -> None:
    blocks = [("t", 0), ("t", 1), ("u", 0), ("u", 1)]
    rows = [row("random", [0.5, 0.5], task=task, seed=seed) for task, seed in blocks]
    rows += [row("high", [0.6 + seed * 0.1] * 2, task=task, seed=seed) for task, seed in blocks]
    rows += [row("noisy", [0.5 + 0.4 * seed, 0.3 + 0.4 * seed], task=task, seed=seed) for task, seed in blocks]
    rows += [row("once", [0.9, 0.9], task="t"), failed("gone"), row("elsewhere", [1.0], task="v")]
    once, high, noisy = leads_of(rows, ["noisy", "high", "once", "random", "gone", "elsewhere"])
    assert (once.method, once.blocks, once.error, once.sure) == ("once", 1, None, False)
    assert once.mean == pytest.approx(0.4)
    assert (high.blocks, high.sure) == (4, True)
    # 0.1, 0.2, 0.1, 0.2: their deviation is 0.0577, and half of that the error of their mean.
    assert (high.mean, high.error) == (pytest.approx(0.15), pytest.approx(0.02887, abs=1e-5))
    assert noisy.mean == pytest.approx(0.1)
    assert not noisy.sure
    assert leads_of([], ["a"]) == ()
