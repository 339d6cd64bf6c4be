"""What the sealed test measured: which pairs count, in which groups, and what is said where some do not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest

from promptopt.errors import BudgetSpent
from promptopt.evaluators.generation import CUT
from promptopt.outcome.sealed_test import PAIRS_AT_A_TIME, compared, expected, measured, sealed_test, shown_by
from promptopt.run import Run
from promptopt.run.budget import Allocation
from promptopt.stats import ALPHA, mean_interval, paired_gain
from promptopt.types import Example, Prompt, Score, Weigh

START, WINNER = Prompt.of("start"), Prompt.of("winner")
UNJUDGED = Score(0.0, judged=False, feedback="prose")
WEIGHS: tuple[Weigh, ...] = ("turn", "conversation")


def examples_of(count: int, groups: int = 0) -> list[Example]:
    return [Example.of("t", (), (), "", f"g{at % groups}" if groups else "", text=f"{at}") for at in range(count)]


@dataclass
class Given:
    """What the test asks of a run, whose scores are given; `left`: examples before the budget ends."""

    scores: Mapping[Prompt, Sequence[Score]]
    left: int = 1_000
    initial: Prompt = START
    seed: int = 0
    weigh: Weigh = "turn"
    final_repetition: int = 3
    asked: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    said: list[str] = field(default_factory=list[str])

    def begin_phase(self, name: str, expectation: str) -> None:
        self.said.append(f"{name}: {expectation}")

    def evaluate(
        self, prompts: Sequence[Prompt], examples: Sequence[Example], repetition: int
    ) -> dict[Prompt, list[Score]]:
        self.asked.append((len(prompts), len(examples), repetition))
        self.left -= len(examples)
        if self.left < 0:
            raise BudgetSpent("all is spent")
        return {prompt: [self.scores[prompt][int(each.fields[0][1])] for each in examples] for prompt in prompts}

    def warn(self, message: str) -> None:
        self.said.append(message)


def test_start_and_winner_are_scored_side_by_side_at_once_or_a_few_at_a_time() -> None:
    scores = {START: [Score(0.0)] * 40, WINNER: [Score(1.0)] * 40}
    for metered, sizes in ((False, [40]), (True, [PAIRS_AT_A_TIME, PAIRS_AT_A_TIME, 8])):
        given = Given(scores)
        before, after = sealed_test(
            cast("Run", given), examples_of(40), WINNER, metered=metered, expectation="ten points"
        )
        assert ([each.value for each in before], [each.value for each in after]) == ([0.0] * 40, [1.0] * 40)
        assert given.asked == [(2, size, 3) for size in sizes]
        assert given.said == ["test: ten points"]


def test_what_a_cap_cut_is_told_and_keeps_whole_pairs() -> None:
    given = Given({START: [Score(0.0)] * 40, WINNER: [Score(1.0)] * 40}, left=35)
    before, after = sealed_test(cast("Run", given), examples_of(40), WINNER, metered=True)
    assert len(before) == len(after) == 2 * PAIRS_AT_A_TIME
    assert given.said[1:] == [f"the sealed test was cut to {2 * PAIRS_AT_A_TIME} examples: all is spent"]


def test_of_a_small_test_a_cap_cuts_little() -> None:
    given = Given({START: [Score(0.0)] * 20, WINNER: [Score(1.0)] * 20}, left=14)
    before, after = sealed_test(cast("Run", given), examples_of(20), WINNER, metered=True)
    # In batches of sixteen nothing was left of it.
    assert len(before) == len(after) == 12


def test_a_start_that_won_is_scored_once_and_no_examples_are_no_test() -> None:
    given = Given({START: [Score(1.0)] * 4})
    before, after = sealed_test(cast("Run", given), examples_of(4), START, metered=False)
    assert (before, given.asked) == (after, [(1, 4, 3)])
    assert sealed_test(cast("Run", given), [], WINNER, metered=False) == ([], [])


@pytest.mark.parametrize(("read", "told"), [(0, True), (1, False)])
def test_a_judge_that_was_read_on_no_pair_is_told(read: int, told: bool) -> None:
    # On one side alone is on no pair.
    scores = {START: [Score(1.0)] * 3, WINNER: [Score(1.0)] * read + [UNJUDGED] * (3 - read)}
    given = Given(scores)
    sealed_test(cast("Run", given), examples_of(3), WINNER, metered=False)
    assert any("no item of the sealed test was judged (prose)" in each for each in given.said) is told


@pytest.mark.parametrize("groups", [0, 4])
@pytest.mark.parametrize("alpha", [ALPHA, ALPHA / 3])
def test_pairs_that_were_read_on_both_sides_count_in_their_own_groups(groups: int, alpha: float) -> None:
    examples, given = examples_of(30, groups), Given({})
    before = [UNJUDGED if at == 3 else Score(0.0) for at in range(30)]
    after = [UNJUDGED if at == 11 else Score(float(at % 7 != 2)) for at in range(30)]
    gain = compared(cast("Run", given), examples, (before, after), alpha=alpha, bounded=None)
    kept = [at for at in range(30) if at not in (3, 11)]
    assert gain == paired_gain(
        [0.0] * 28, [after[at].value for at in kept], alpha=alpha, groups=[examples[at].group for at in kept]
    )
    assert (gain.n, gain.units, gain.alpha, given.said) == (28, groups if groups else 28, alpha, [])


def test_impossible_items_stay_in_and_are_told_of_each_side() -> None:
    given = Given({})
    before = [Score(-math.inf)] * 1 + [Score(-1.0)] * 39
    after = [Score(-1.0)] * 30 + [Score(-math.inf)] * 10
    gain = compared(cast("Run", given), examples_of(40), (before, after), alpha=ALPHA, bounded=False)
    assert gain.mean == pytest.approx((1 - 10) / 40)
    assert len(given.said) == 1
    assert "of 40 test items 1 are impossible under the start and 10 under the winner" in given.said[0]


def test_graded_scores_that_are_said_to_have_no_bounds_have_a_wider_interval() -> None:
    before, after = ([Score(value + at % 5 / 50) for at in range(60)] for value in (0.4, 0.5))
    known, unknown = (
        compared(cast("Run", Given({})), examples_of(60), (before, after), alpha=ALPHA, bounded=bounded)
        for bounded in (None, False)
    )
    assert known.interval != unknown.interval


def test_a_side_is_measured_by_what_is_a_number_and_its_rest_is_counted() -> None:
    scores = [
        Score(1.0), Score(0.0), Score(1.0), Score(-math.inf), UNJUDGED, UNJUDGED,
        Score(0.0, parsed=False), Score(1.0, feedback=f"{CUT}, so"), Score(1.0, parsed=False, feedback=CUT),
    ]  # fmt: skip
    found = measured(scores)
    assert found is not None
    assert (found.score, found.n) == (pytest.approx(4 / 6), 6)
    assert (found.unreadable, found.cut, found.unjudged) == (2, 1, 2)
    assert measured([UNJUDGED, Score(-math.inf)]) is None
    grouped = measured(
        [Score(float(at % 3 > 0)) for at in range(30)],
        [Example.of("", (), (), "", f"g{at // 3}", text=str(at)) for at in range(40)],
    )
    alone = measured([Score(float(at % 3 > 0)) for at in range(30)])
    assert grouped is not None
    assert alone is not None
    assert grouped.ci95 != alone.ci95


@pytest.mark.parametrize(
    ("differ", "test", "said"),
    [
        (0, 1, "on dev the two differ on 0 % of the examples: 1 test example is too few"),
        (10, 12, "on dev the two differ on 25 % of the examples: 12 test examples are too few"),
        (10, 400, "on dev the two differ on 25 % of the examples: a true gain of 7 points is found four times in five"),
    ],
)
def test_what_a_test_can_show_is_said_by_how_often_they_differ(differ: int, test: int, said: str) -> None:
    assert shown_by(differ, 40, test, ALPHA).startswith(said)


def expected_of(before: Sequence[float], after: Sequence[float], groups: int = 0, winner: Prompt = WINNER) -> str:
    """What is said before a test of 60 examples, by these scores on the first twenty of dev."""
    dev, rows = examples_of(40), {START: before, WINNER: after}

    def evaluate(prompts: Sequence[Prompt], examples: Sequence[Example], repetition: int) -> dict[Prompt, list[Score]]:
        # Nothing is asked for it.
        assert (len(examples), repetition) == (20, 3)
        assert all(len(rows[prompt]) == 20 for prompt in prompts)
        return {prompt: [Score(value) for value in rows[prompt]] for prompt in prompts}

    def estimate(prompt: Prompt, examples: Sequence[Example], repetition: int) -> SimpleNamespace:
        return SimpleNamespace(count=min(len(rows[prompt]), len(examples)))

    run = SimpleNamespace(
        initial=START, dev=dev, task=None, final_repetition=3, evaluate=evaluate, estimate=estimate
    )  # fmt: skip
    allocation = cast("Allocation", SimpleNamespace(dev=20))
    return expected(cast("Run", run), winner, allocation, ALPHA, examples_of(60, groups))


def test_what_the_test_can_show_goes_by_gains_and_losses_on_dev_and_by_what_was_drawn_apart() -> None:
    before, after = [0.0] * 15 + [1.0] * 5, [1.0] * 5 + [0.0] * 10 + [1.0] * 3 + [0.0] * 2
    assert expected_of(before, after) == shown_by(5 + 2, 20, 60, ALPHA)
    assert expected_of(after, before) == shown_by(5 + 2, 20, 60, ALPHA)
    assert expected_of(before, after, 15) == shown_by(5 + 2, 20, 15, ALPHA, grouped=True)
    # One that was not scored on all of dev, a start that won, and graded scores.
    assert expected_of(before, after[:19]) == expected_of([], after) == expected_of(before, after, 0, START) == ""
    assert expected_of(before, [0.5, *after[1:]]) == ""


def test_a_side_counts_each_conversation_once_in_its_mean_and_in_its_interval() -> None:
    # Ten conversations of one turn are right, and one of thirty is wrong.
    groups = [*(f"short {at}" for at in range(10)), *["long"] * 30]
    values = [float(at < 10) for at in range(40)]
    examples = [Example.of("t", (), (), "", group, text=str(at)) for at, group in enumerate(groups)]
    turns, once = (measured([Score(value) for value in values], examples, weigh=weigh) for weigh in WEIGHS)
    assert turns is not None
    assert once is not None
    assert (turns.score, once.score) == (pytest.approx(10 / 40), pytest.approx(10 / 11))
    assert (turns.ci95, once.ci95) == tuple(mean_interval(values, groups=groups, weigh=weigh) for weigh in WEIGHS)
    assert once.ci95[0] < 10 / 11 < once.ci95[1]


def test_an_answer_that_is_worth_something_is_not_the_right_label() -> None:
    found = [
        measured([Score(1.0, "a", "a"), Score(value, "b", "b")], [Example.of("a", text=f"{at}") for at in range(2)],
                 ("a", "b"))
        for value in (0.5, 1.0)
    ]  # fmt: skip
    # Of two that are `a` one is told, and `b` is answered where it is not asked for; or both are right.
    assert [each and each.macro_f1 for each in found] == [pytest.approx((2 / 3 + 0) / 2), 1.0]
