"""The smallest gain over several tasks: better where all gain for sure, worse where any loses for sure."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.outcome.decisions import Bars, Decision, ScoredPair, gain_of
from promptopt.outcome.smallest import SmallestGain, smallest_gain, worst_decision
from promptopt.stats import ALPHA
from promptopt.stats.design import Design
from promptopt.stats.families import holm
from promptopt.types import Example, Score


def pairs(before: Sequence[float], after: Sequence[float]) -> list[ScoredPair]:
    scores = enumerate(zip(before, after, strict=True))
    return [ScoredPair(Example.of("t", text=str(at)), Score(old), Score(new)) for at, (old, new) in scores]


def outcomes(wins: int, losses: int, ties: int = 0) -> list[ScoredPair]:
    return pairs([0.0] * wins + [1.0] * losses + [1.0] * ties, [1.0] * wins + [0.0] * losses + [1.0] * ties)


def drawn(rng: random.Random, count: int, gain: float) -> list[ScoredPair]:
    """Three in ten items differ, and the new prompt wins so many more of all items as `gain` says."""
    won = [rng.random() < 0.5 + gain / 0.6 for _ in range(sum(rng.random() < 0.3 for _ in range(count)))]
    return outcomes(sum(won), len(won) - sum(won), count - len(won))


def test_a_clear_gain_on_all_tasks_is_better() -> None:
    found = smallest_gain({"a": outcomes(30, 4, 66), "b": outcomes(20, 3, 77), "c": outcomes(40, 0, 60)}, ALPHA)

    assert (found.verdict, found.task, found.tasks, found.n) == ("better", "b", 3, 100)
    assert found.mean == pytest.approx(0.17)
    assert 0.0 < found.interval[0] < 0.17 < found.interval[1]
    assert found.p_value < ALPHA


def test_one_task_of_which_nothing_is_known_is_enough_for_no_evidence() -> None:
    clear = {"a": outcomes(40, 0, 60), "b": outcomes(40, 0, 60)}
    assert smallest_gain({**clear, "c": outcomes(5, 5, 90)}, ALPHA).verdict == "no_evidence"

    cut = smallest_gain({**clear, "c": []}, ALPHA)
    assert (cut.verdict, cut.task, cut.n, cut.interval[0]) == ("no_evidence", "c", 0, -1.0)


def test_one_task_that_loses_is_worse_whatever_the_mean_says() -> None:
    found = smallest_gain({"a": outcomes(90, 0, 10), "b": outcomes(2, 20, 78)}, ALPHA)

    assert (found.verdict, found.task) == ("worse", "b")
    assert found.interval[1] <= 0.0
    assert found.p_value < ALPHA


def test_chances_are_counted_for_as_many_tasks_as_there_are() -> None:
    # 0.035 by itself: of two such tasks one may look so by chance, and beside a clear one it is sure.
    gains, loses, clear = outcomes(12, 3, 85), outcomes(3, 12, 85), outcomes(30, 0, 70)

    assert [smallest_gain({"a": each}, ALPHA).verdict for each in (gains, loses)] == ["better", "worse"]
    assert smallest_gain({"a": gains, "b": gains}, ALPHA).verdict == "no_evidence"
    assert smallest_gain({"a": gains, "b": clear}, ALPHA).verdict == "better"
    assert smallest_gain({"a": loses, "b": outcomes(5, 5, 90)}, ALPHA).verdict == "no_evidence"
    worse = smallest_gain({"a": loses, "b": clear}, ALPHA)
    # At half of the level its interval reaches beyond 0, and the verdict is by more than that.
    assert (worse.verdict, worse.interval[1]) == ("worse", 0.0)
    assert gain_of(loses, alpha=ALPHA / 2).interval[1] > 0.0
    # A later look at the same items asks for more.
    assert smallest_gain({"a": gains, "b": clear}, ALPHA / 3).verdict == "no_evidence"


TASKS = st.lists(st.tuples(*[st.integers(0, 25)] * 3).filter(any), min_size=1, max_size=4)


@settings(max_examples=40)
@given(TASKS)
def test_the_verdict_is_what_is_claimed_of_the_tasks_and_the_interval_says_the_same(
    counts: list[tuple[int, int, int]],
) -> None:
    tasks = {str(at): outcomes(*each) for at, each in enumerate(counts)}
    found = smallest_gain(tasks, ALPHA)
    gains = {name: gain_of(each) for name, each in tasks.items()}
    adjusted = holm([gain.p_value for gain in gains.values()])
    sure = [(p < ALPHA) * (1 if gain.mean > 0 else -1) for gain, p in zip(gains.values(), adjusted, strict=True)]

    assert found.verdict == ("better" if min(sure) > 0 else "worse" if min(sure) < 0 else "no_evidence")
    assert (found.interval[0] > 0.0) == (found.verdict == "better")
    assert found.interval[0] <= found.mean <= found.interval[1] or found.verdict == "worse"
    assert found.mean == min(gain.mean for gain in gains.values())
    if found.verdict == "worse":
        assert found.interval[1] <= 0.0
    assert (found.p_value < ALPHA) == (found.verdict != "no_evidence")
    assert SmallestGain.from_json(found.to_json()) == found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gains", "false"),
    [
        # Nothing changed, one task of three did not, and one is worse though the mean gains.
        ((0.0, 0.0, 0.0), ("better", "worse")),
        ((0.0, 0.25, 0.25), ("better", "worse")),
        ((-0.05, 0.25, 0.25), ("better",)),
    ],
)
def test_chance_seldom_makes_a_verdict_and_the_interval_covers(
    gains: tuple[float, ...], false: tuple[str, ...]
) -> None:
    rng, trials = random.Random(7), 300
    found = [
        smallest_gain({str(at): drawn(rng, 80, gain) for at, gain in enumerate(gains)}, ALPHA) for _ in range(trials)
    ]
    for said in false:
        # At most 2.5 %: of 300 more than 15 would be so once in a hundred times.
        assert sum(each.verdict == said for each in found) <= 15
    low = sum(each.interval[0] > min(gains) for each in found)
    high = sum(each.interval[1] < min(gains) for each in found)
    assert low <= 15
    assert high <= 15


def held(tasks: dict[str, list[ScoredPair]], *, better: bool = False, judged: tuple[str, ...] = ()) -> Decision:
    return worst_decision(tasks, Bars(0.05, better=better, accept_judge=False), judged=judged)


def test_a_gate_asks_of_the_worst_task_what_it_asks_of_the_mean_else() -> None:
    gains, loses, few = outcomes(40, 0, 160), outcomes(2, 30, 168), outcomes(1, 2, 17)

    passed = held({"a": gains, "b": outcomes(2, 2, 196)})
    assert (passed.name, passed.outcome) == ("score", "passed")
    assert passed.message.startswith("b, the worst of 2 tasks: +0.0 points")
    red = held({"a": gains, "b": loses, "c": few})
    assert (red.outcome, red.message[:29]) == ("regression", "b, the worst of 3 tasks: -14.")
    assert held({"a": gains, "b": few}).outcome == "inconclusive"
    # A judge's word decides nothing, and beside it a metric's does.
    assert held({"a": gains, "b": loses}, judged=("b",)).outcome == "inconclusive"
    assert held({"a": gains, "b": loses}, judged=("a",)).outcome == "regression"
    # A task that a cap left without an example holds nothing.
    assert held({"a": gains, "b": []}).outcome == "inconclusive"


def test_a_gate_that_wants_a_gain_wants_it_on_each_task() -> None:
    gains, alone = outcomes(40, 0, 160), outcomes(12, 3, 85)

    assert held({"a": gains, "b": outcomes(30, 2, 68)}, better=True).outcome == "passed"
    assert held({"a": gains, "b": outcomes(2, 2, 196)}, better=True).outcome == "inconclusive"
    assert held({"a": gains, "b": alone}, better=True).outcome == "passed"
    chance = held({"a": alone, "b": alone}, better=True)
    assert chance.outcome == "inconclusive"
    assert "one of several may look so by chance" in chance.message


def chats(won: int) -> list[ScoredPair]:
    """So many conversations of one turn are won, and one of thirty is lost."""
    groups = [*(f"short {at}" for at in range(won)), *["long"] * 30]
    return [
        ScoredPair(Example.of("t", (), (), "", group, text=str(at)), Score(float(at >= won)), Score(float(at < won)))
        for at, group in enumerate(groups)
    ]


def test_by_conversation_each_counts_once_in_the_smallest_gain_and_in_its_gate() -> None:
    tasks, bars = {"a": chats(10), "b": chats(12)}, Bars(0.05, better=True, accept_judge=False)
    turns, once = (smallest_gain(tasks, ALPHA, Design(weigh)) for weigh in ("turn", "conversation"))

    assert (turns.mean, turns.verdict) == (pytest.approx(-0.5), "no_evidence")
    assert (once.mean, once.verdict) == (pytest.approx(9 / 11), "better")
    assert worst_decision(tasks, bars).outcome != "passed"
    gate = worst_decision(tasks, bars, design=Design("conversation"))
    assert gate.outcome == "passed"
    assert gate.gain is not None
    assert gate.gain.mean == pytest.approx(9 / 11)


def test_a_gate_that_may_stop_at_any_look_asks_of_several_tasks_what_holds_at_all_of_them() -> None:
    tasks, bars = {"a": outcomes(16, 2, 82), "b": outcomes(16, 2, 82)}, Bars(0.05, better=True, accept_judge=False)
    # At a fixed size both gain for sure; while examples come in either one does by itself, and not the two together.
    assert worst_decision(tasks, bars).outcome == "passed"
    running = Design(sequential=True)
    assert worst_decision({"a": tasks["a"]}, bars, design=running).outcome == "passed"
    assert worst_decision(tasks, bars, design=running).outcome == "inconclusive"
