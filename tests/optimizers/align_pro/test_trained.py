"""Align-Pro with a prompter that is trained: its two stages, its KL, budgets, what goes wrong, replay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.settings import build_optimizer
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.align_pro.method import AlignPro
from promptopt.optimizers.align_pro.settings import TrainingSettings
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.testing.processes import outcome
from tests.optimizers.align_pro.phrases import MADE, TEXTS, Books

WORDS = ("carefully", "exactly", "twice")
SMALL = AlignPro(
    rewrites=8, examples=16, bound=None, strength=0.05, writer=Books(), train=TrainingSettings(fit=3, steps=30, every=3)
)


def answering() -> Scripted:
    return planted_model(feature_accuracy(WORDS, base=0.2, each=0.25))


def search(
    home: Path, method: AlignPro = SMALL, *, model: Scripted | None = None, budget: Budget | None = None
) -> Result:
    return optimize(
        planted_task(), method,
        model=Models(answering() if model is None else model),
        budget=Budget() if budget is None else budget, store=home / "store.db",
    )  # fmt: skip


def kls(result: Result) -> list[float]:
    return [float(step.note.split("KL ")[1].split()[0]) for step in result.steps if step.note.startswith("step ")]


@pytest.mark.slow
def test_the_prompter_learns_to_write_what_earns_most(tmp_path: Path) -> None:
    result = search(tmp_path)
    assert result.best.text == TEXTS[3]
    assert MADE[-1].shares()[0][3] > 0.8
    # A text of no use earned the least there is, and is unlearned.
    assert MADE[-1].shares()[0][4] < 0.05
    assert kls(result)[-1] > kls(result)[0] > 0
    assert result.rejected["prompter: empty"] > 0


@pytest.mark.slow
def test_a_large_lambda_keeps_the_prompter_at_its_reference(tmp_path: Path) -> None:
    gradient = replace(SMALL, train=replace(SMALL.train, stages="gradient"))
    free, held = search(tmp_path / "free", gradient), search(tmp_path / "held", replace(gradient, strength=2.0))
    assert kls(free)[-1] > 5 * kls(held)[-1]


def test_the_first_stage_fits_the_draws_by_their_weights(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, train=replace(SMALL.train, stages="weights")))
    assert any(step.note.startswith("3 steps of fitting") for step in result.steps)
    batches = MADE[-1].batches
    assert len(batches) == 3
    assert all(not batch.samples and sum(batch.other_targets) == pytest.approx(1) for batch in batches)
    weights = dict(zip(batches[0].others, batches[0].other_targets, strict=True))
    earned = {each.prompt["instruction"]: each.mean for each in result.steps[0].pool}
    assert max(weights, key=weights.__getitem__) == max(weights, key=lambda tokens: earned[TEXTS[tokens[0]]])
    assert len(weights) > 1
    # The start is not among them, nor what is of no use.
    assert (4,) not in weights


def test_what_is_drawn_more_often_weighs_as_often_and_not_its_square(tmp_path: Path) -> None:
    # By so large a lambda rewards hardly count, so that a weight is how often its text was drawn.
    search(tmp_path, replace(SMALL, rewrites=16, strength=50.0, train=replace(SMALL.train, stages="weights")))
    weights = MADE[-1].batches[0].other_targets
    least = min(weights)
    assert max(weights) > 1.9 * least, "no text was drawn twice as often as another, so the seed shows nothing"
    # Each of the 16 draws weighs as much.
    assert all(round(each / least * 2) / 2 == pytest.approx(each / least, abs=0.05) for each in weights)
    assert sum(round(each / least) for each in weights) <= 16


def test_the_baseline_of_a_draw_is_the_mean_of_the_others(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, train=replace(SMALL.train, stages="gradient")))
    for batch in MADE[-1].batches:
        assert sum(target for target in batch.targets if target is not None) == pytest.approx(0, abs=1e-9)
        assert len(set(batch.contexts)) == 1
    # At first nothing has drifted, so equal texts have equal targets.
    first = MADE[-1].batches[0]
    targets = dict(zip(first.samples, first.targets, strict=True))
    assert all(targets[row] == target for row, target in zip(first.samples, first.targets, strict=True))
    # Less the mean of the other seven is 8/7 of less the mean of all.
    drawn = next(step for step in result.steps if step.note == "the best of all that was drawn")
    known = {each.prompt["instruction"]: each.mean for each in drawn.pool}
    earned = [known.get(text, 0.0) for text in TEXTS]
    mean = sum(earned[row[0]] for row in first.samples) / 8
    for row, target in targets.items():
        assert target == pytest.approx(8 / 7 * (earned[row[0]] - mean))


def test_a_bound_on_kl_ends_the_training_that_crosses_it(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, strength=None, bound=0.3, train=replace(SMALL.train, every=1)))
    *before, last = kls(result)
    assert all(each <= 0.3 for each in before)
    assert last > 0.3
    assert any("above the bound of 0.3, so training ended" in warning for warning in result.warnings)
    assert MADE[-1].log.count("learn") < 33


def test_whole_steps_are_taken_while_the_budget_pays_for_them(tmp_path: Path) -> None:
    method = replace(SMALL, writer=Books(tuple(f"Answer {n} carefully." for n in range(200))), guard=False)
    result = search(tmp_path, method, budget=Budget(evaluations=600))
    assert result.status == "budget"
    assert "no further whole step" in result.reason
    assert result.spent.evaluations <= 600
    assert result.steps[-1].note == "the best of all that was drawn"
    assert result.best.test is not None


@pytest.mark.slow
def test_upper_bounds_hold(tmp_path: Path) -> None:
    result = search(tmp_path)
    assert result.steps[-1].spent.evaluations <= SMALL.upper_bounds(60).evaluations
    assert result.spent.proposer_calls == 0


def test_rewards_that_all_tie_end_the_training_and_it_is_said(tmp_path: Path) -> None:
    alike = replace(SMALL, strength=0.1, writer=Books(TEXTS[:4]))
    result = search(tmp_path, alike, model=planted_model(feature_accuracy([], base=1.0)))
    assert any("last 5 steps earned the same (1)" in warning for warning in result.warnings)
    assert MADE[-1].log.count("learn") == 3 + 5
    bounded = replace(SMALL, strength=None, bound=1.0, writer=Books(TEXTS[:4]))
    result = search(tmp_path / "bound", bounded, model=planted_model(feature_accuracy([], base=1.0)))
    assert any("nothing to train by" in warning for warning in result.warnings)
    assert result.best.text == "Answer the question."


def test_a_prompter_that_writes_nothing_of_use_leaves_the_prompt_as_it_is(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, writer=Books(("I can't help with that.", "As an AI I won't.", ""))))
    assert any("no rewrite of the untrained prompter" in warning for warning in result.warnings)
    assert result.best.text == "Answer the question."
    assert result.rejected["prompter: refusal"] > 0
    assert sum(result.rejected.values()) == 8


@pytest.mark.slow
def test_a_loss_that_is_no_number_goes_back_at_half_the_rate_once(tmp_path: Path) -> None:
    once = search(tmp_path / "once", replace(SMALL, writer=Books(fails_at=(6,))))
    assert any("went back to the last kept weights" in warning for warning in once.warnings)
    assert MADE[-1].rate == 2.0
    twice = search(tmp_path / "twice", replace(SMALL, writer=Books(fails_at=(6, 7, 8, 9))))
    assert any("so training ended" in warning for warning in twice.warnings)
    assert twice.best.test is not None
    # It ends with the weights that it went back to, which were good.
    assert MADE[-1].log[-2:] == ["restore", "greedy"]


def test_a_fit_whose_loss_is_no_number_twice_ends_the_training_and_tells_the_steps_it_took(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, writer=Books(fails_at=(1, 2))))
    assert any("so training ended" in warning for warning in result.warnings)
    assert MADE[-1].log.count("learn") == 2
    assert any(step.note.startswith("2 steps of fitting") for step in result.steps)
    assert not any("nan" in step.note for step in result.steps)
    assert any("the loss was no number" in step.note for step in result.steps)
    assert not any(step.note.startswith("step ") for step in result.steps)


@pytest.mark.slow
def test_a_replay_opens_no_prompter_and_pays_nothing(tmp_path: Path) -> None:
    first = search(tmp_path)
    opened = len(MADE)
    again = search(tmp_path)
    assert len(MADE) == opened
    assert again.paid.calls == 0
    assert outcome(again) == outcome(first)


@pytest.mark.slow
def test_a_killed_training_goes_on_from_its_last_weights_and_ends_the_same(tmp_path: Path) -> None:
    whole = search(tmp_path / "whole")
    model = answering()
    model.fail_at = int(0.8 * whole.steps[-2].spent.calls)
    stopped = search(tmp_path / "cut", model=model)
    assert stopped.status == "suspended"
    resumed = search(tmp_path / "cut")
    assert outcome(resumed) == outcome(whole)
    assert stopped.paid.calls + resumed.paid.calls == whole.paid.calls


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"prompter": "hf/x", "rounds": "2"}, "one round and gives its best"),
        ({"prompter": "hf/x", "mode": "tilt"}, "one round and gives its best"),
        ({"prompter": "hf/x", "rewrites": "1"}, "set rewrites=2 or more"),
        ({"train.stages": "ppo"}, "'both' or 'weights' or 'gradient'"),
        ({"train.clip": "0"}, "nothing would be learned"),
        ({"train.rate": "2"}, "'train.rate' is 2.*from 0.0 to 1.0"),
        ({"train.steps": "0"}, "'train.steps' is 0; set it to 1 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build_optimizer("align-pro", settings)


@pytest.mark.parametrize("named", ["openai/gpt", "SmolLM2", "hf-masked/x"])
def test_a_prompter_that_is_no_local_model_is_refused_before_anything_is_asked(tmp_path: Path, named: Any) -> None:
    model = answering()
    with pytest.raises(ConfigError, match=r"name a causal model on this machine, as --set prompter=hf/FOLDER"):
        search(tmp_path, replace(SMALL, writer=None, prompter=named), model=model)
    assert model.calls == 0
