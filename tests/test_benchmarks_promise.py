"""The benchmark of the promise runs, and measures what it says."""

from __future__ import annotations

import random

import pytest

from benchmarks import promise_runs, promise_scores, promise_users
from promptopt.types import Request


def test_every_shape_of_scores_has_a_row() -> None:
    rows = promise_scores.verdicts(2, (20,))[2:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [each.name for each in promise_scores.SHAPES]


@pytest.mark.slow
def test_users_look_by_the_ledger() -> None:
    for row in promise_scores.looks(1)[2:]:
        assert row.endswith("| 0.0083 |")


def test_ten_habits_of_looking_overlap() -> None:
    rng = random.Random(0)
    for habit in promise_scores.HABITS:
        tests = [set(habit.test(look, rng)) for look in range(1, promise_scores.LOOKS + 1)]
        assert all(first & second for first in tests for second in tests)


@pytest.mark.parametrize("task", promise_runs.TASKS)
def test_no_prompt_of_a_flat_task_is_better_than_another(task: str) -> None:
    model = promise_runs.flat_model(task)

    def accuracy(prompt: str) -> float:
        asked = [Request(f"{prompt} Q: q{number}\nA:") for number in range(2_000)]
        right = ["yes" if number % 2 else "no" for number in range(2_000)]
        return sum(reply.text == right[place] for place, reply in model.generate(asked)) / 2_000

    assert accuracy("Mind the pebble.") == pytest.approx(promise_runs.FLAT, abs=0.1)
    assert accuracy("Heed the lantern.") == pytest.approx(accuracy("Mind the pebble."), abs=0.1)


@pytest.mark.slow
def test_a_user_is_told_of_each_search_and_of_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promise_users, "CAPS", (150, 300))
    told = promise_users.one("random", "right or wrong", 1)
    assert len(told.verdicts) == 2
    assert told.verdicts[0] is not None
    assert told.check in ("better", "passed", "inconclusive", "regression")
