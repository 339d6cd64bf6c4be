"""RLPrompt with a real (tiny, random) model as its policy: training inside a run, kept, killed, resumed, replayed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.rlprompt.method import RLPrompt
from promptopt.optimizers.rlprompt.settings import Exploring, Learning, Sizes
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.testing.processes import outcome
from tests.optimizers.rlprompt.planted_labels import labelled_task, target
from tests.optimizers.rlprompt.tiny_policy import WORDS, tiny_folder

pytestmark = [pytest.mark.hf, pytest.mark.usefixtures("one_torch_thread")]
WORTH = {WORDS[7]: 0.8, WORDS[21]: 0.6, WORDS[40]: 0.4}
METHOD = RLPrompt(
    length=2,
    size=Sizes(steps=60, prompts=8, examples=8, held=16, every=10, finalists=2),
    learn=Learning(rate=1e-3, hidden=64),
)


def search(
    home: Path,
    method: RLPrompt = METHOD,
    model: Scripted | None = None,
    budget: Budget | None = None,
    device: str = "cpu",
    seed: int = 0,
) -> Result:
    return optimize(
        labelled_task(),
        replace(method, policy=f"hf/{tiny_folder()}", device=device),
        model=Models(target(WORTH) if model is None else model),
        budget=Budget() if budget is None else budget,
        seed=seed,
        store=home / "store.db",
    )


def test_training_finds_words_that_help_and_a_replay_pays_nothing(tmp_path: Path) -> None:
    result = search(tmp_path)
    found = result.best.text.split()
    assert set(found) & set(WORTH)
    assert result.best.text.startswith(" ")
    again = search(tmp_path)
    assert again.paid.calls == 0
    assert outcome(again) == outcome(result)


def test_a_killed_training_goes_on_from_its_last_weights_and_ends_the_same(tmp_path: Path) -> None:
    whole = search(tmp_path / "whole")
    model = target(WORTH)
    model.fail_at = whole.spent.calls // 2
    stopped = search(tmp_path / "cut", model=model)
    assert stopped.status == "suspended"
    resumed = search(tmp_path / "cut")
    assert outcome(resumed) == outcome(whole)
    assert stopped.paid.calls + resumed.paid.calls == whole.paid.calls


def test_settings_that_do_not_fit_the_policy_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    model = target(WORTH)
    with pytest.raises(ConfigError, match=r"explore.top is 500, and the policy can write 50 tokens"):
        search(tmp_path, replace(METHOD, explore=Exploring(top=500)), model=model)
    assert model.calls == 0


def test_runs_of_one_store_with_other_seeds_train_policies_of_their_own(tmp_path: Path) -> None:
    small = replace(METHOD, size=replace(METHOD.size, steps=4, every=2, held=8))
    found = [search(tmp_path, small, seed=seed) for seed in (0, 1)]
    assert found[0].steps[0].note != found[1].steps[0].note


@pytest.mark.parametrize("device", ["gpu", "meta", "cuda:99"])
def test_a_device_that_is_not_here_is_refused_before_anything_is_asked(tmp_path: Path, device: str) -> None:
    model = target(WORTH)
    with pytest.raises(ConfigError, match=rf"the device '{device}' cannot be used here .*; set device=cpu, or leave"):
        search(tmp_path, METHOD, model=model, device=device)
    assert model.calls == 0
