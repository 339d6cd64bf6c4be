"""What Align-Pro plans from a budget: examples of the reward, and rewrites for what is left."""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from promptopt.optimizers.align_pro.method import AlignPro
from promptopt.optimizers.align_pro.plan import AlignProPlan
from promptopt.optimizers.align_pro.settings import TrainingSettings
from promptopt.types import Prompt, Room
from tests.optimizers.align_pro.test_align_pro import Untaught


def room(evaluations: int | None, calls: int | None = None, train: int = 200) -> Room:
    return Room(evaluations, calls, 1, train, 100)


@pytest.mark.parametrize(
    ("method", "granted", "plan"),
    [
        (AlignPro(), room(None), AlignProPlan(8, 20, 1)),
        # The root of half of it, and 1 + 8 prompts and the guard's four shares on so many.
        (AlignPro(), room(83), AlignProPlan(8, 6, 1)),
        (AlignPro(), room(273), AlignProPlan(17, 12, 1)),
        (AlignPro(guard=False), room(273), AlignProPlan(21, 12, 1)),
        # Half as many cells a round.
        (AlignPro(rounds=2), room(273), AlignProPlan(14, 8, 2)),
        # A third of the training examples.
        (AlignPro(), room(1_400, train=30), AlignProPlan(135, 10, 1)),
        (AlignPro(), room(10), AlignProPlan(4, 4, 1)),
        # A call of the proposer for each rewrite: 20 of 21 calls are cells, and then, by eleven examples, 11 of 12.
        (AlignPro(), room(None, 273), AlignProPlan(17, 11, 1)),
        (AlignPro(rewrites=3), room(273), AlignProPlan(3, 12, 1)),
        (AlignPro(examples=30), room(273), AlignProPlan(4, 30, 1)),
        (AlignPro(examples=30), room(273, train=12), AlignProPlan(17, 12, 1)),
        (AlignPro(rewrites=6, examples=16), room(1_000), AlignProPlan(6, 16, 1)),
        # A prompter that is trained draws at first and at each of 20 steps; the prompt itself and one more take 40.
        (AlignPro(writer=Untaught()), room(None), AlignProPlan(8, 20, 21)),
        (AlignPro(writer=Untaught()), room(1_000), AlignProPlan(8, 20, 6)),
        (AlignPro(writer=Untaught()), room(100), AlignProPlan(8, 20, 1)),
        (AlignPro(writer=Untaught(), train=TrainingSettings(stages="weights")), room(None), AlignProPlan(8, 20, 1)),
    ],
)
def test_the_plan_is_made_from_the_budget(method: AlignPro, granted: Room, plan: AlignProPlan) -> None:
    assert method.plan(granted) == plan


@pytest.mark.parametrize("evaluations", [36, 60, 100, 273, 550, 1_400, 20_000])
def test_it_asks_for_most_of_what_is_granted_and_for_no_more(evaluations: int) -> None:
    asked = AlignPro().upper_bounds_in(room(evaluations, train=400)).evaluations
    assert 0.85 * evaluations <= asked <= evaluations


@pytest.mark.parametrize("calls", [60, 83, 100, 273, 550, 1_400, 20_000])
def test_a_cap_on_calls_pays_for_the_rewrites_too(calls: int) -> None:
    method = AlignPro()
    bounds = method.upper_bounds_in(room(None, calls, train=400))
    # The bound has each rewrite drawn twice, and asked for twice.
    assert 0.8 * calls <= bounds.evaluations + bounds.proposer_calls // 4 <= calls


@pytest.mark.parametrize(
    ("method", "least"),
    [
        (AlignPro(), 36),
        (AlignPro(guard=False), 20),
        (AlignPro(rewrites=10), 60),
        (AlignPro(examples=20), 180),
        (AlignPro(writer=Untaught()), 260),
    ],
)
def test_the_least_is_a_small_round_and_the_guard(method: AlignPro, least: int) -> None:
    assert method.least(room(500)) == least


@pytest.mark.parametrize(("bound", "before"), [(9.0, [0.0, 0.5, 1.0, 1.5]), (1.0, [0.0, 0.5])])
def test_the_divergence_of_rounds_adds_up(monkeypatch: pytest.MonkeyPatch, bound: float, before: list[float]) -> None:
    told: list[float] = []

    def heard(own: Any, run: Any, counts: Any, source: Prompt, batch: Any, spent: float) -> tuple[Prompt, float]:
        told.append(spent)
        return Prompt.of(f"{source['instruction']}."), 0.5

    monkeypatch.setattr(AlignPro, "_round", heard)
    monkeypatch.setattr(AlignPro, "_pool", lambda *_: Counter[Prompt]())
    method = AlignPro(rounds=4, bound=bound, guard=False)
    run = SimpleNamespace(
        room=room(1_000), rng=lambda _: random.Random(0), train=range(200), initial=Prompt.of("Answer."),
        rank_by=lambda *_: None,
    )  # fmt: skip
    method.optimize(cast(Any, run))
    assert told == before
