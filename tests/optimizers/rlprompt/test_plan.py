"""What a training of RLPrompt plans: the paper's sizes, the shares of small ones, budgets and bounds; by hand."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from promptopt.errors import ConfigError
from promptopt.optimizers.rlprompt.method import RLPrompt, _refuse, evenly
from promptopt.optimizers.rlprompt.plan import RLPlan
from promptopt.optimizers.rlprompt.settings import Exploring, Learning, Sizes
from promptopt.types import Example, Room, UpperBounds


def inside(evaluations: int | None = None, train: int = 40, dev: int = 100) -> Room:
    return Room(evaluations, None, 1, train, dev)


def test_the_paper_preset_is_the_papers() -> None:
    # Five tokens, 12,000 steps of 16 prompts, top 256, a layer of 2048 and a rate of 5e-5; a greedy prompt every ten.
    paper = RLPrompt(preset="paper")
    assert paper.plan(inside()) == RLPlan(5, 12_000, 16, 40, 64, 10, 2048, 5e-5, 256, None, 0)
    assert paper.plan(inside(train=999)).examples == 256
    # 6,000 steps for two tokens, and no fewer for three.
    assert RLPrompt(preset="paper", length=2).plan(inside()).steps == 6_000
    assert RLPrompt(preset="paper", length=3).plan(inside()).steps == 12_000


def test_the_smaller_presets_take_a_share_of_the_examples() -> None:
    small, smoke = RLPrompt().plan(inside()), RLPrompt(preset="smoke").plan(inside())
    assert small == RLPlan(3, 500, 8, 20, 64, 10, 2048, 1e-3, None, 2_000, 0)
    assert smoke == RLPlan(2, 20, 4, 5, 64, 5, 64, 1e-3, None, None, 0)
    assert RLPrompt().plan(inside(train=999)).examples == 32
    assert RLPrompt(preset="smoke").plan(inside(train=999)).examples == 8
    # One example at least, and no more than there are.
    assert RLPrompt(preset="smoke").plan(inside(train=1)).examples == 1
    assert RLPrompt().plan(inside(dev=9)).held == 9
    assert RLPrompt(preset="smoke", length=1).plan(inside()).steps == 20


def test_what_is_set_stays_and_zero_lifts_a_limit() -> None:
    method = RLPrompt(
        preset="paper", length=4, size=Sizes(7, 6, 5, 4, 3), learn=Learning(rate=0.0, hidden=9),
        explore=Exploring(top=11, vocabulary=12),
    )  # fmt: skip
    assert method.plan(inside()) == RLPlan(4, 7, 6, 5, 4, 3, 9, 0.0, 11, 12, 0)
    free = RLPrompt(explore=Exploring(top=0, vocabulary=0)).plan(inside())
    assert (free.top, free.vocabulary) == (None, None)
    assert RLPrompt(size=Sizes(examples=99)).plan(inside()).examples == 40


def test_the_defaults_of_learning_are_those_of_the_papers_code() -> None:
    assert Learning() == Learning(None, None, 5.0, 1e-3, 0.0, "both", 5.0, 0.0, 0.01, 0.0)
    assert (Exploring().fluent, Sizes().finalists) == (0, 10)
    assert (RLPrompt().inputs, RLPrompt().fluency) == (0, 0.0)


def test_where_a_prompt_is_for_single_inputs_all_examples_come_up_in_turn() -> None:
    plan = RLPrompt(inputs=2).plan(inside(train=999))
    assert (plan.examples, plan.inputs) == (999, 2)
    # A prompt is rewarded on its own input alone.
    assert (plan.step, RLPrompt().plan(inside()).step) == (8, 8 * 20)


@pytest.mark.parametrize(("prompts", "inputs", "fits"), [(4, 2, True), (6, 3, True), (5, 2, False), (2, 2, False)])
def test_inputs_share_the_prompts_of_a_step_two_or_more_each(prompts: int, inputs: int, fits: bool) -> None:
    method = RLPrompt(inputs=inputs, size=Sizes(prompts=prompts))
    if fits:
        assert method.plan(inside()).prompts == prompts
    else:
        with pytest.raises(ConfigError, match=rf"set size\.prompts to a multiple, as {4 * inputs}"):
            method.plan(inside())


def test_a_room_pays_for_the_empty_prompt_the_last_greedy_one_and_then_for_steps() -> None:
    plan = RLPlan(2, 99, 4, 8, 6, 3, 1, 0.1, None, None)
    # A step costs 4 * 8 and a third of a look at 6.
    assert [plan.within(inside(cells)).steps for cells in (12, 45, 46, 79, 80, 10**6)] == [0, 0, 1, 1, 2, 99]
    assert plan.within(inside(3)).steps == 0
    assert plan.within(inside()) == plan
    assert plan.rounds == 99


def test_a_search_is_of_use_from_twenty_steps_on() -> None:
    method = RLPrompt(size=Sizes(steps=99, prompts=4, examples=8, held=6, every=3))
    # With the looks of twenty steps, at every third of them, and two more.
    assert method.least(inside()) == 20 * 4 * 8 + (2 + 6) * 6


def test_the_bounds_are_all_steps_all_looks_and_the_given_prompts() -> None:
    sizes = Sizes(steps=10, prompts=4, examples=8, held=6, every=3, finalists=2)
    # 3 looks, one at each of 10 // 3 greedy prompts and 2 finalists, on 6 examples.
    assert RLPrompt(size=sizes).upper_bounds(40) == UpperBounds(10 * 32 + (3 + 3 + 2) * 6, 0, 0)
    seeded = RLPrompt(size=sizes, mode="mix", seeds=("a b c", "d e f"))
    assert seeded.upper_bounds(40) == UpperBounds(10 * 32 + 2 * 8 + (5 + 3 + 2) * 6, 0, 0)
    assert RLPrompt().upper_bounds(40).evaluations == 500 * 8 * 20 + (3 + 50 + 10) * 64


def test_a_plan_in_half_a_sentence() -> None:
    plan = RLPlan(2, 99, 4, 8, 6, 3, 1, 0.1, None, None)
    assert plan.describe() == (
        "99 steps of 4 prompts of 2 tokens on 8 examples, and the greedy prompt on 6 others every 3 steps"
    )
    alone = RLPlan(1, 1, 4, 1, 6, 1, 1, 0.1, None, None, 2)
    assert alone.describe() == (
        "1 step of 4 prompts of 1 token for 2 of 1 example, and the greedy prompts on 6 others every 1 step"
    )


def test_off_the_policy_nothing_is_drawn_and_a_step_costs_nothing() -> None:
    method = RLPrompt(mode="off", seeds=("a b", "c d"), size=Sizes(steps=30, held=6, every=3, examples=8))
    plan = method.plan(inside(80))
    # The looks of 30 steps take 60, beside the empty prompt and the last greedy one.
    assert (plan.step, plan.steps) == (0, 30)
    assert plan.describe().startswith("30 steps of given prompts of 3 tokens on 8 examples, and")
    assert method.upper_bounds(40).evaluations == 2 * 8 + (3 + 2 + 10 + 10) * 6


@pytest.mark.parametrize(("train", "dev"), [([], [1]), ([1], []), ([], [])])
def test_without_examples_of_either_split_nothing_is_begun(train: list[int], dev: list[int]) -> None:
    run: Any = SimpleNamespace(train=train, dev=dev, evaluations_left=lambda: None)
    with pytest.raises(ConfigError, match=rf"there are {len(train)} in train and {len(dev)} in dev"):
        _refuse(run, RLPrompt().plan(inside()))


def test_examples_are_of_each_label_in_turn() -> None:
    rows = [Example.of("good" if number < 12 else "bad", text=str(number)) for number in range(16)]
    run: Any = SimpleNamespace(rng=random.Random, task=SimpleNamespace(labels=("good", "bad")))
    drawn = evenly(run, rows, 6, "examples")
    assert [each.target for each in drawn] == ["good", "bad"] * 3
    # What there are more of fills up, each once.
    assert sorted(each["text"] for each in evenly(run, rows, 99, "examples")) == sorted(each["text"] for each in rows)
    plain: Any = SimpleNamespace(rng=random.Random, task=SimpleNamespace(labels=()))
    assert len(evenly(plain, rows, 5, "examples")) == 5


@pytest.mark.parametrize("settings", [{"algorithm": "rloo"}, {"inputs": 2}, {"mode": "on", "seeds": ("a b c",)}])
def test_what_does_not_go_together_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        RLPrompt(**{"mode": "mix", **settings})
