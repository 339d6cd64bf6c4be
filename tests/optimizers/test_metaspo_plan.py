"""What MetaSPO plans in a room and expects to cost at most, by numbers worked out by hand; how it shows a failure."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from promptopt.errors import BudgetSpent
from promptopt.optimizers.metaspo.method import MetaSPO
from promptopt.optimizers.metaspo.requests import show_failures
from promptopt.optimizers.metaspo.search import SystemPromptSearch
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Prompt, Room, Score, UpperBounds

CHAT = Layout("chat", messages=(("system", "{system}"), ("user", "{instruction} {text}")))
FOUR = Room(None, None, 1, 400, 100, tasks=4, parts=5)
"""Four tasks with a user prompt each, and the system prompt."""
SMALL = MetaSPO("paper", rounds=2, users=2, systems=3, kept=2, examples=10)


def test_bounds_count_each_task_s_user_prompts_alone_and_a_system_prompt_with_all_that_stay() -> None:
    # Of 40 examples: the start; a round's two user prompts of every task, three system prompts with the best user
    # prompt and one other each, and the best ones together.
    evaluations = 40 * (1 + 2 * (2 + 3 * 2 + 1))
    # Analysis and rewrite for two user prompts of four tasks and for three system prompts, each asked for twice.
    calls = 2 * 2 * 2 * (2 * 4 + 3)
    assert SMALL.upper_bounds_in(FOUR) == UpperBounds(evaluations, calls, calls * 1024)
    # As many user prompts stay as there are, not as may.
    assert replace(SMALL, kept=9).upper_bounds_in(FOUR).evaluations == 40 * (1 + 2 * (2 + 3 * 3 + 1))


def test_of_one_task_nothing_is_scored_together_and_by_settings_alone_there_is_one_user_prompt() -> None:
    calls = 2 * 2 * 2 * (2 + 3)
    assert SMALL.upper_bounds(60) == UpperBounds(10 * (1 + 2 * (2 + 3 * 2)), calls, calls * 1024)


def test_without_user_prompts_a_round_is_of_system_prompts_and_adaptation_goes_on_from_all_that_stay() -> None:
    alone = SMALL.upper_bounds_in(Room(None, None, 1, 60, 0))
    assert (alone.evaluations, alone.proposer_calls) == (10 * (1 + 2 * 3), 2 * 2 * 2 * 3)
    # Two rewrites of each of two parents a round.
    adapting = replace(SMALL, frozen_system=True)
    for room in (Room(None, None, 1, 60, 0, parts=2), Room(None, None, 1, 60, 0, parts=1)):
        bound = adapting.upper_bounds_in(room)
        assert (bound.evaluations, bound.proposer_calls) == (10 * (1 + 2 * 2 * 2), 2 * 2 * 2 * 2 * 2)


def test_a_budget_pays_for_rounds_after_the_start() -> None:
    # 40 examples; a round of a user prompt's three rewrites and four system prompts with three user prompts each.
    one = Room(40 * (1 + 2 * 15), None, 1, 200, 0, parts=2)
    assert (MetaSPO().plan(one).examples, MetaSPO().plan(one).rounds) == (40, 2)
    # For one evaluation less than two rounds they are halved, once, and pay for four; but none that are set.
    less = replace(one, evaluations=40 * 31 - 1)
    assert (MetaSPO().plan(less).examples, MetaSPO().plan(less).rounds) == (20, 4)
    kept = MetaSPO(examples=40).plan(less)
    assert (kept.examples, kept.rounds) == (40, 1)
    assert MetaSPO(rounds=7).plan(one).rounds == 7


@pytest.mark.parametrize(("tasks", "fewest"), [(1, 8), (2, 8), (3, 12), (5, 20)])
def test_however_small_a_budget_each_of_several_tasks_has_four_examples(tasks: int, fewest: int) -> None:
    plan = MetaSPO().plan(Room(30, None, 1, 200, 0, tasks=tasks, parts=1 + tasks))
    assert (plan.examples, plan.rounds) == (fewest, 1)


def test_the_least_is_the_start_and_an_outer_round_or_where_the_system_prompt_stays_an_inner_one() -> None:
    assert SMALL.least(FOUR) == 40 * (1 + 3)
    assert replace(SMALL, frozen_system=True).least(Room(None, None, 1, 60, 0, parts=2)) == 10 * (1 + 2)


def test_a_plan_says_what_a_round_is_of() -> None:
    one = Room(None, None, 1, 60, 0, parts=2)
    assert SMALL.plan(one).describe() == "2 rounds of 2 user prompts of each part and 3 system prompts, on 10 examples"
    assert SMALL.plan(Room(None, None, 1, 60, 0)).describe() == "2 rounds of 3 system prompts, on 10 examples"
    adapting = replace(SMALL, frozen_system=True, users=1)
    assert adapting.plan(one).describe() == "2 rounds of 1 user prompt of each part, on 10 examples"


def shown(example: Example, *scores: Score) -> str:
    task = Task.from_examples(
        [Example.of("yes", text=f"item {n}") for n in range(9)], prompt=Prompt.of("Do", system="Be kind."), layout=CHAT,
        splits=Splits(3, 3, 3),
    )  # fmt: skip
    return show_failures(task, task.initial, [(example, score) for score in scores])


def test_a_failure_shows_what_the_user_said_the_reply_and_what_was_right() -> None:
    example = replace(Example.of("yes", text="it"), accepted=("aye",))
    read, unread = Score(0.0, "No, never.", "no"), Score(0.0, "Hm.", parsed=False)
    assert shown(example, read, unread) == (
        "1. User: Do it\n   Reply: No, never.\n   Answer given: no\n   Right answer: yes, aye\n\n"
        "2. User: Do it\n   Reply: Hm.\n   Answer given: unreadable\n   Right answer: yes, aye"
    )


def test_an_answer_that_is_the_whole_reply_is_not_repeated_nor_is_feedback_that_says_no_more() -> None:
    example = Example.of("yes", text="it")
    same = Score(0.0, " no\n", "no", feedback="answered no, expected yes")
    assert shown(example, same) == "1. User: Do it\n   Reply: no\n   Right answer: yes"
    more = replace(same, feedback="answered no, expected yes (too curt)")
    assert shown(example, more).endswith("Right answer: yes\n   Feedback: too curt")
    assert "Right answer" not in shown(Example.of("", text="it"), Score(0.2, "no", "no"))


def test_what_is_long_in_a_failure_gives_way_in_its_middle() -> None:
    text = shown(Example.of("yes", text="it"), Score(0.0, "#" * 1_500 + "@" * 1_500, "no"))
    assert text.count("#") + text.count("@") == 2_000
    assert min(text.count("#"), text.count("@")) > 500


@pytest.mark.parametrize(("left", "paid", "followed"), [(None, 9, 0), (90, 9, 0), (89, 8, 1), (9, 1, 1)])
def test_a_further_round_writes_no_more_system_prompts_than_can_be_scored(
    left: int | None, paid: int, followed: int
) -> None:
    told: list[bool] = []
    run = SimpleNamespace(evaluations_left=lambda: left, follow_budget=lambda: told.append(True))
    search = SimpleNamespace(_plan=SimpleNamespace(systems=9), _run=run, _sample=range(10))

    assert SystemPromptSearch._paid_for(cast(Any, search)) == paid  # pyright: ignore[reportPrivateUsage]
    assert len(told) == followed


@pytest.mark.parametrize(
    ("worth", "best"),
    [
        # The last is cut short; of equals the incumbent stays, and of two better ones the first.
        ({"old": 0.5, "one": 0.7, "two": 0.6}, "one"),
        ({"old": 0.5, "one": 0.5, "two": 0.4}, "old"),
        ({"old": 0.5, "one": 0.7, "two": 0.7}, "one"),
        ({"old": 0.5, "one": 0.6, "two": 0.7}, "two"),
    ],
)
def test_what_was_finished_before_a_budget_ends_is_compared(worth: dict[str, float], best: str) -> None:
    def score(prompt: str) -> float:
        if prompt not in worth:
            raise BudgetSpent("it is spent")
        return worth[prompt]

    search = SimpleNamespace(_best="none", _meta_score=score)
    with pytest.raises(BudgetSpent):
        SystemPromptSearch._compare(cast(Any, search), cast(Any, "old"), cast(Any, ["one", "two", "three"]))  # pyright: ignore[reportPrivateUsage]
    assert search._best == best
