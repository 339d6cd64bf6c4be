"""GEPA's loop: what an iteration asks, who is accepted, who is drawn, when it ends."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from promptopt.binding.settings import build_optimizer
from promptopt.errors import ConfigError
from promptopt.optimizers.gepa.method import GEPA, PATIENCE, Acceptance, Parallel, Reflecting
from promptopt.optimizers.gepa.pareto import Parents
from promptopt.optimizers.gepa.split import split
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.testing import OptimizerContract, planted_task, uniform
from promptopt.types import Example, Prompt, Request, Room, Sampling, Score, UpperBounds
from tests.optimizers.gepa.gepa_searches import START, author, never, numbered, search

SMALL = GEPA(rounds=3, pareto=10)


class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test and a planted gain, where the budget plans."""

    optimizer = GEPA()
    budget = Budget(evaluations=500)

    def propose(self, request: Request) -> str:
        return author(request)


def test_the_start_is_scored_on_all_of_the_fronts_before_the_reflector_is_asked(tmp_path: Path) -> None:
    searched = search(tmp_path, SMALL, never)
    before = searched.between(-1, 0)
    # The fronts' examples, and the first minibatch of the parent.
    assert [instruction for instruction, _ in before] == [START] * 13
    assert len({question for _, question in before}) == 13


def test_an_iteration_whose_child_is_rejected_costs_two_minibatches_and_one_call(tmp_path: Path) -> None:
    searched = search(tmp_path, SMALL, never, numbered(lambda number, text: f"{text} take {number}"))
    fronts = {question for _, question in searched.between(-1, 0)[:10]}
    spent = [step.spent for step in searched.result.steps]
    assert [each.evaluations for each in spent] == [16, 22, 28]
    assert [each.proposer_calls for each in spent] == [1, 2, 3]
    assert not fronts & {question for _, question in searched.scored()[10:]}
    assert all(step.kept == (Prompt.of(START),) for step in searched.result.steps)


def test_a_parent_whose_minibatch_is_known_costs_nothing_again(tmp_path: Path) -> None:
    # Two slices of three are an epoch: from the third iteration on the start has seen them.
    task = planted_task(train=16)
    method = GEPA(rounds=4, pareto=10)
    searched = search(tmp_path, method, never, numbered(lambda number, text: f"{text} take {number}"), task=task)
    assert [step.spent.evaluations for step in searched.result.steps] == [16, 22, 25, 28]


def test_a_target_that_samples_is_asked_again_for_parent_and_child(tmp_path: Path) -> None:
    task = replace(planted_task(train=16), sampling=Sampling(temperature=0.7))
    method = GEPA(rounds=4, pareto=10)
    searched = search(tmp_path, method, never, numbered(lambda number, text: f"{text} take {number}"), task=task)
    assert [step.spent.evaluations for step in searched.result.steps] == [16, 22, 28, 34]


@pytest.mark.parametrize("rule", ["better", "as-good"])
def test_an_equal_child_joins_only_where_as_good_is_enough(tmp_path: Path, rule: str) -> None:
    method = replace(SMALL, rounds=1, accept=Acceptance(rule=rule))  # type: ignore[arg-type]
    searched = search(tmp_path, method, never)
    assert searched.result.steps[0].spent.evaluations == (16 if rule == "better" else 26)
    assert len(searched.result.steps[0].pool) == 2
    assert searched.result.steps[0].pool[1].count == (3 if rule == "better" else 10)


def test_a_better_child_joins_with_all_its_scores_though_its_mean_is_lower(tmp_path: Path) -> None:
    fronts: list[str] = []

    def right(instruction: str, question: str) -> bool:
        # The first ten questions are those of the fronts: there the start is right, and the child elsewhere.
        if len(fronts) < 10:
            fronts.append(question)
        return (question in fronts) == (instruction == START)

    searched = search(tmp_path, replace(SMALL, rounds=2), right)
    pool = searched.result.steps[0].pool
    assert [(each.prompt == Prompt.of(START), each.mean, each.count) for each in pool] == [
        (True, 1.0, 10),
        (False, 0.0, 10),
    ]
    assert len([each for each in searched.result.steps[1].pool if each.count == 10]) >= 2


@pytest.mark.parametrize(("margin", "joined"), [(1.0, True), (2.0, False)])
def test_a_margin_is_the_least_gain_in_the_sum(tmp_path: Path, margin: float, joined: bool) -> None:
    seen: list[str] = []

    def right(instruction: str, question: str) -> bool:
        seen.append(question)
        # Of the minibatch the child gets one question right that the start does not.
        return instruction != START and question == seen[10]

    method = replace(SMALL, rounds=1, accept=Acceptance(margin=margin))
    assert (search(tmp_path, method, right).result.steps[0].spent.evaluations == 26) is joined


def test_a_parent_with_full_marks_is_not_reflected_upon_unless_told(tmp_path: Path) -> None:
    searched = search(tmp_path / "skip", SMALL, lambda *_: True)
    assert [step.spent.evaluations for step in searched.result.steps] == [13, 16, 19]
    assert searched.requests == []
    told = replace(SMALL, reflect=Reflecting(skip_perfect=False))
    assert len(search(tmp_path / "told", told, lambda *_: True).requests) == 3
    low = replace(SMALL, reflect=Reflecting(perfect=0.0))
    assert search(tmp_path / "low", low, never).requests == []


def test_the_lineage_and_the_survivors_are_recorded(tmp_path: Path) -> None:
    words = count()
    better = lambda instruction, question: uniform(question) < 0.1 + 0.3 * (len(instruction.split()) - 3)  # noqa: E731
    searched = search(
        tmp_path, replace(SMALL, rounds=15), better, numbered(lambda _, text: f"{text} word{next(words)}")
    )
    made = {each.prompt: each.proposal for each in searched.result.lineage}
    last = searched.result.steps[-1]
    assert len(last.kept) >= 1
    assert last.pool[0].prompt == last.kept[0]
    assert any(made[prompt].parents and made[prompt].parents[0] != Prompt.of(START) for prompt in last.kept)
    assert all(made[prompt].operator in ("start", "reflector") for prompt in last.kept)


def test_a_search_that_is_perfect_on_every_minibatch_ends_and_says_so(tmp_path: Path) -> None:
    searched = search(tmp_path, GEPA(pareto=10), lambda *_: True, budget=Budget(evaluations=2_000))
    assert len(searched.result.steps) == PATIENCE
    assert any("full marks" in warning for warning in searched.result.warnings)


@pytest.mark.slow
def test_full_marks_end_a_search_for_what_they_are_though_a_reply_was_lost_before(tmp_path: Path) -> None:
    asked: dict[str, None] = {}

    def right(_: str, question: str) -> bool:
        asked.setdefault(question)
        # The first example that the reflector is to read, after the ten of the fronts.
        return list(asked).index(question) != 10

    method, mute = GEPA(pareto=10), lambda _: "?"
    searched = search(tmp_path, method, right, mute, budget=Budget(evaluations=2_000))
    assert len(searched.requests) == 2  # once more, as it came without tags
    assert [warning for warning in searched.result.warnings if "full marks" in warning]
    assert not [warning for warning in searched.result.warnings if "no new text of use" in warning]


def test_the_winner_is_one_of_the_pool(tmp_path: Path) -> None:
    # Only on dev are rejected children better: they were never in the pool, and may not win.
    dev = {example["question"] for example in planted_task().dev}
    searched = search(tmp_path, SMALL, lambda instruction, question: question in dev and instruction != START)
    assert searched.result.best.prompt == Prompt.of(START)


@pytest.mark.parametrize("cap", [34, 45, 60, 85, 130])
def test_a_cap_is_kept_at_every_place_and_what_stopped_the_search_is_said(tmp_path: Path, cap: int) -> None:
    better = lambda instruction, question: uniform(question) < 0.2 + 0.1 * len(instruction.split())  # noqa: E731
    searched = search(tmp_path, GEPA(pareto=10), better, budget=Budget(evaluations=cap))
    result = searched.result
    assert result.spent.evaluations <= cap
    assert result.status == "budget"
    assert "evaluation" in result.reason
    joined = [each.prompt for step in result.steps for each in step.pool if each.count == 10]
    assert result.best.prompt in [Prompt.of(START), *joined]


def test_no_iteration_begins_without_room_for_both_minibatches(tmp_path: Path) -> None:
    searched = search(tmp_path, GEPA(pareto=10), never, budget=Budget(evaluations=60))
    granted = searched.runs[0].room.evaluations
    assert granted is not None
    assert searched.result.steps[-1].spent.evaluations == 10 + 6 * ((granted - 10) // 6)
    assert "another iteration" in searched.result.reason


@pytest.mark.slow
def test_a_parent_is_not_run_where_its_child_could_not_be(tmp_path: Path) -> None:
    left: set[int] = set()
    for cap in range(60, 70):
        reason = search(tmp_path / str(cap), GEPA(pareto=10), never, budget=Budget(evaluations=cap)).result.reason
        told = re.fullmatch(
            r"(\d+) evaluations are spent, and (?:the (\d+) left (?:is|are) too few for another iteration, which takes"
            r"|another iteration takes) up to 6", reason)  # fmt: skip
        assert told is not None
        assert int(told[1]) % 6 == 10 % 6
        left.add(int(told[2] or 0))
    # Room for one minibatch, and for no second one, is among them.
    assert {3, 4, 5} & left


@pytest.mark.slow
def test_a_child_is_accepted_only_with_room_for_all_its_scores(tmp_path: Path) -> None:
    better = lambda instruction, question: uniform(question) < 0.2 + 0.1 * len(instruction.split())  # noqa: E731
    found = [search(tmp_path / str(cap), GEPA(pareto=10), better, budget=Budget(evaluations=cap)).result.reason
             for cap in range(30, 70, 3)]  # fmt: skip
    assert any("too few for a child that was accepted, which takes up to 10" in reason for reason in found)


def test_parallel_parents_see_different_minibatches_and_equal_children_join_once(tmp_path: Path) -> None:
    better = lambda instruction, question: instruction != START  # noqa: E731
    method = GEPA(rounds=1, pareto=10, parallel=Parallel(parents=2, minibatches=2))
    searched = search(tmp_path, method, better, lambda _: "<prompt>Say it.</prompt>")
    assert len(searched.requests) == 4
    assert len(set(searched.requests)) == 4
    shown = [question for _, question in searched.between(-1, 0)[10:]]
    assert len(shown) == len(set(shown)) == 12
    # One child, on the minibatch of the first, then on the fronts.
    assert searched.result.steps[0].spent.evaluations == 10 + 12 + 3 + 10


def test_the_best_of_parallel_children_joins_alone_where_told(tmp_path: Path) -> None:
    better = lambda instruction, question: instruction != START  # noqa: E731
    write = numbered(lambda number, _: f"Say it, take {number}.")
    for join, pool in (("all", 4), ("best", 2)):
        method = GEPA(
            rounds=1,
            pareto=10,
            parallel=Parallel(minibatches=3),
            accept=Acceptance(join=join),  # type: ignore[arg-type]
        )
        searched = search(tmp_path / join, method, better, write)
        assert len([each for each in searched.result.steps[0].pool if each.count == 10]) == pool


def test_one_reflection_that_fails_loses_its_own_child_alone(tmp_path: Path) -> None:
    better = lambda instruction, question: instruction != START  # noqa: E731
    calls = count()
    method = GEPA(rounds=1, pareto=10, parallel=Parallel(minibatches=3))
    write = lambda _: "no idea" if (number := next(calls)) in (1, 3) else f"<prompt>Take {number}.</prompt>"  # noqa: E731
    searched = search(tmp_path, method, better, write)
    assert len([each for each in searched.result.steps[0].pool if each.count == 10]) == 3
    assert searched.result.rejected["reflector: no tags"] == 2


@pytest.mark.slow
def test_only_examples_of_the_feedback_set_are_shown_to_the_reflector(tmp_path: Path) -> None:
    searched = search(tmp_path, replace(SMALL, rounds=30), never)
    fronts = [question for _, question in searched.between(-1, 0)[:10]]
    task = planted_task()
    hidden = [*fronts, *(example["question"] for example in (*task.dev, *task.test))]
    text = "\n".join(searched.requests) + "\n"
    assert all(fronts)
    assert not [question for question in hidden if f"{question}\n" in text]
    assert sum(f"{example['question']}\n" in text for example in task.train) > 40


@pytest.mark.slow
def test_examples_with_equal_inputs_or_of_one_group_stand_on_one_side(tmp_path: Path) -> None:
    twins = [Example.of("yes", (str(number),), question=f"question {number % 20}") for number in range(40)]
    kin = [Example.of("yes", (), (), "", f"group {number % 8}", question=f"other {number}") for number in range(40)]
    for name, examples in (("twins", twins), ("kin", kin)):
        task = replace(planted_task(), train=tuple(examples))
        searched = search(tmp_path / name, GEPA(rounds=12, pareto=20), never, task=task)
        group = {example["question"]: example.group or example["question"] for example in examples}
        fronts = {group[question] for _, question in searched.between(-1, 0)[: 10 if name == "twins" else 20]}
        shown = {group[q] for q in group if any(f"{q}\n" in f"{each}\n" for each in searched.requests)}
        assert shown
        assert not fronts & shown


@pytest.mark.parametrize(
    ("train", "pareto", "sides"), [(2, 1, (1, 1)), (2, 9, (1, 1)), (10, 3, (7, 3)), (4, 9, (1, 3))]
)
def test_one_example_at_least_stays_to_be_read_and_one_for_the_fronts(
    train: int, pareto: int, sides: tuple[int, int]
) -> None:
    examples = [Example.of("yes", question=f"question {number}") for number in range(train)]
    run = SimpleNamespace(train=[*examples, examples[0]], rng=lambda name: random.Random(name))
    feedback, fronts = split(cast(Run, run), pareto)
    assert (len(feedback), len(fronts)) == sides
    assert {*feedback, *fronts} == set(examples)


def test_too_few_examples_to_be_split_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="shared=true"):
        search(tmp_path, SMALL, never, task=planted_task(train=1))


@pytest.mark.slow
def test_shared_examples_are_read_and_scored_on_and_that_is_said(tmp_path: Path) -> None:
    searched = search(tmp_path, GEPA(rounds=30, shared=True), never, numbered(lambda number, _: f"Take {number}."))
    assert any("fitted" in warning for warning in searched.result.warnings)
    assert len(searched.between(-1, 0)) == 60
    assert all(any(f"{q['question']}\n" in each for each in searched.requests) for q in planted_task().train[:5])


def test_a_budget_plans_the_fronts_and_the_iterations() -> None:
    plans = [GEPA().plan(Room(cells, None, 1, 300, 100)) for cells in (100, 400, 1_200, 12_000)]
    assert [plan.pareto for plan in plans] == sorted(plan.pareto for plan in plans)
    assert plans[0].pareto == 8
    assert plans[3].pareto == 100
    assert [plan.rounds for plan in plans] == sorted(plan.rounds for plan in plans)
    assert GEPA(preset="paper").plan(Room(400, None, 1, 300, 100)).pareto == 100
    assert GEPA().plan(Room(400, None, 1, 10, 100)).pareto == 5
    assert GEPA().plan(Room(None, None, 1, 300, 100)).pareto == 100
    assert GEPA(pareto=7, minibatch=5).plan(Room(400, None, 1, 300, 100)).minibatch == 5
    assert "iteration" in plans[1].describe()


def test_bounds_hold_what_a_search_asks(tmp_path: Path) -> None:
    searched = search(tmp_path, SMALL, lambda instruction, question: len(instruction) % 2 == 1)
    bounds, spent = SMALL.upper_bounds(60), searched.result.steps[-1].spent
    assert spent.evaluations <= bounds.evaluations == 10 + 3 * 16
    assert spent.proposer_calls <= bounds.proposer_calls == 6
    assert GEPA().upper_bounds_in(Room(400, None, 1, 60, 40)).evaluations == 400


def test_bounds_follow_the_children_of_an_iteration_and_what_a_budget_can_be_spent_on() -> None:
    # V for the start; for each of 2 * 3 children its parent and itself on b, itself on V, and two requests.
    assert GEPA(pareto=10, minibatch=4).least(Room(400, None, 1, 60, 40)) == 10 + 3 * (2 * 4 + 10)
    several = GEPA(rounds=4, pareto=10, parallel=Parallel(parents=2, minibatches=3))
    calls = 2 * 4 * 2 * 3
    assert several.upper_bounds(60) == UpperBounds(10 + 4 * 6 * (2 * 3 + 10), calls, calls * 2048)
    # Iterations without an accepted child, or whose parents are known already, cost b: as many as those may come.
    room = Room(400, None, 1, 60, 40)
    assert GEPA(pareto=10).upper_bounds_in(room).proposer_calls == 2 * (PATIENCE + (400 - 10) // 3)
    assert GEPA(pareto=10).upper_bounds_in(replace(room, evaluations=5)).proposer_calls == 2 * PATIENCE
    assert replace(several, rounds=2).upper_bounds_in(room).evaluations == 10 + 2 * 6 * 16
    assert several.upper_bounds_in(room).evaluations == 10 + 4 * 6 * 16 == 394
    assert several.upper_bounds_in(replace(room, evaluations=390)).evaluations == 390


def test_half_of_the_examples_are_left_to_be_read_or_one_where_the_fronts_are_set_or_none_where_all_are_shared() -> (
    None
):
    for train, half in ((1, 1), (2, 1), (3, 1), (9, 4), (300, 100)):
        assert GEPA().plan(Room(None, None, 1, train, 0)).pareto == half
    assert GEPA(pareto=50).plan(Room(None, None, 1, 20, 0)).pareto == 19
    assert GEPA(pareto=50).plan(Room(None, None, 1, 1, 0)).pareto == 1
    for room in (Room(None, None, 1, 20, 0), Room(400, None, 1, 20, 0)):
        assert GEPA(shared=True).plan(room).pareto == 20
    # V is a hundredth of the evaluations, 8 at least: an iteration costs 2 b + V / 3.
    plan = GEPA().plan(Room(1_200, None, 1, 300, 0))
    assert (plan.pareto, plan.rounds) == (12, round((1_200 - 12) / (6 + 12 / 3)))
    # Of a cap on calls an iteration takes one for the reflector too: 1,000 / (1 + 1 / 10) cells.
    called = GEPA(pareto=12).plan(Room(None, 1_000, 1, 300, 0))
    assert called.rounds == round((int(1_000 / 1.1) - 12) / 10)
    assert GEPA().plan(Room(9, None, 1, 300, 0)).rounds == 1


@pytest.mark.parametrize(
    "setting", [{"minibatch": 0}, {"pareto": 0}, {"rounds": -1}, {"draw.epsilon": 2.0}, {"parallel.parents": 0}]
)
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        build_optimizer("gepa", setting)


def test_settings_reach_the_parts_of_the_method() -> None:
    made = build_optimizer("gepa", {"draw.rule": "best", "merge.most": 2, "accept.rule": "as-good"})
    assert made.draw == Parents(rule="best")
    assert made.merge.most == 2


def in_parts(answer: str, example: Example) -> Score:
    return Score(float(answer == "yes"), parts=(("right", float(answer == "yes")), ("short", float(len(answer) < 3))))


def test_fronts_of_parts_go_by_the_parts_of_the_scores(tmp_path: Path) -> None:
    task = replace(planted_task(), metric=in_parts)
    searched = search(tmp_path, replace(SMALL, frontier="hybrid"), never, task=task)
    assert searched.result.steps[0].spent.evaluations == 16
    # One is never right, and best at being short: nobody else stands on that front.
    assert all(step.kept for step in searched.result.steps)


@pytest.mark.parametrize("frontier", ["objective", "hybrid", "cartesian"])
@pytest.mark.parametrize("metric", ["exact", lambda answer, example: 1.0, lambda answer, example: Score(1.0)])
def test_fronts_of_parts_are_refused_before_the_first_call_where_there_are_none(
    tmp_path: Path, frontier: str, metric: Any
) -> None:
    asked: list[str] = []
    method = replace(SMALL, frontier=frontier)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="what they are made of"):
        search(tmp_path, method, lambda *cell: bool(asked.append(cell[0])), task=replace(planted_task(), metric=metric))
    assert asked == []
