"""Align-Pro with a real (tiny, random) prompter: trained inside a run, kept, killed, resumed, replayed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.align_pro.method import AlignPro
from promptopt.optimizers.align_pro.settings import TrainingSettings
from promptopt.outcome.result import Result
from promptopt.store.runs import Store
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.testing.processes import outcome
from tests.optimizers.rlprompt.tiny_policy import WORDS, tiny_folder

pytest.importorskip("peft", reason="needs the extra `train`: pip install 'promptopt-engine[hf,train]'")

from promptopt.optimizers.align_pro.prompter import Prompter, PrompterSettings  # isort: skip
from promptopt.optimizers.align_pro.taking import MADE_BY, take_prompter  # isort: skip

pytestmark = [pytest.mark.hf, pytest.mark.usefixtures("one_torch_thread")]
TRAIN = TrainingSettings(fit=2, steps=6, every=2, longest=16, rate=5e-3, rank=2, device="cpu")
METHOD = AlignPro(rewrites=6, examples=10, bound=None, strength=0.05, guard=False, train=TRAIN)


def answering() -> Scripted:
    return planted_model(feature_accuracy(WORDS[:25], base=0.2, each=0.05))


def search(home: Path, method: AlignPro = METHOD, model: Scripted | None = None) -> Result:
    return optimize(
        planted_task(),
        replace(method, prompter=f"hf/{tiny_folder()}"),
        model=Models(answering() if model is None else model),
        store=home / "store.db",
    )


def test_a_killed_training_goes_on_from_its_last_weights_and_a_replay_pays_nothing(tmp_path: Path) -> None:
    whole = search(tmp_path / "whole")
    assert any("step 6 of 6" in step.note for step in whole.steps)
    assert whole.spent.proposer_calls == 0
    model = answering()
    model.fail_at = int(0.7 * whole.steps[-1].spent.calls)
    stopped = search(tmp_path / "cut", model=model)
    assert stopped.status == "suspended"
    resumed = search(tmp_path / "cut")
    assert outcome(resumed) == outcome(whole)
    assert stopped.paid.calls + resumed.paid.calls == whole.paid.calls
    assert search(tmp_path / "cut").paid.calls == 0


def test_the_trained_prompter_is_taken_away_as_a_model(tmp_path: Path) -> None:
    result = search(tmp_path)
    with Store(tmp_path / "store.db") as store:
        take_prompter(store, result.run_id, store.find(result.run_id).fingerprint, tmp_path / "mine")
        with pytest.raises(ConfigError, match="is there already and not empty; name a new folder"):
            take_prompter(store, result.run_id, store.find(result.run_id).fingerprint, tmp_path / "mine")
        with pytest.raises(ConfigError, match="trained no prompter"):
            take_prompter(store, "x", {"method": {"is": "another"}}, tmp_path / "other")
        store.delete(result.run_id)
        gone = {"method": {"is": MADE_BY, "prompter": "hf/x"}, "seed": 0}
        with pytest.raises(ConfigError, match="holds no weights of run"):
            take_prompter(store, result.run_id, gone, tmp_path / "other")
    settings = PrompterSettings(TRAIN.rank, TRAIN.rate, TRAIN.clip, TRAIN.longest, 0)
    before, after = Prompter(str(tiny_folder()), settings), Prompter(str(tmp_path / "mine"), settings)
    rows = [(7, 0), (30, 4, 0)]
    moved = [b.fluency - a.fluency for a, b in zip(before._samples(rows, "x"), after._samples(rows, "x"), strict=True)]
    assert any(abs(each) > 1e-3 for each in moved)
    # It holds no adapters any more: what was trained is in its weights.
    assert after.sample(0, 4, ["x"] * 4)[0].drift == pytest.approx(0, abs=1e-5)


def test_a_device_that_is_not_here_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    model = answering()
    method = AlignPro(train=TrainingSettings(device="gpu"))
    with pytest.raises(ConfigError, match="the device 'gpu' cannot be used here"):
        search(tmp_path, method, model)
    assert model.calls == 0
