"""What a method needs and was not given is told before a run is begun, and by a dry run."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.config import RunConfig
from promptopt.binding.settings import build_optimizer
from promptopt.cli.forecast import forecast
from promptopt.errors import ConfigError
from promptopt.store.runs import Store
from tests.optimizers.rlprompt.planted_labels import labelled_task, target

MISSING = {
    "no policy": ("rlprompt", {}, "no policy is named; name the causal model that writes the prompts"),
    "a policy elsewhere": ("rlprompt", {"policy": "openai/gpt"}, "the policy is 'openai/gpt'; name the causal model"),
    "a prompter elsewhere": ("align-pro", {"prompter": "openai/gpt"}, "the prompter is 'openai/gpt'; name a causal"),
}


@pytest.mark.parametrize("kind", MISSING)
def test_a_model_that_is_to_be_trained_and_cannot_be_is_refused_before_a_run_is_begun(
    kind: str, tmp_path: Path
) -> None:
    method, settings, why = MISSING[kind]
    model, optimizer = target({}), build_optimizer(method, settings)
    with pytest.raises(ConfigError, match=why):
        optimize(labelled_task(), optimizer, model=model, evaluator="labels", store=tmp_path / "store.db")
    assert model.calls == 0
    if (tmp_path / "store.db").exists():
        with Store(tmp_path / "store.db") as store:
            assert not store.runs()


@pytest.mark.slow
@pytest.mark.parametrize("kind", MISSING)
def test_a_dry_run_promises_nothing_that_cannot_be_begun(kind: str) -> None:
    method, settings, why = MISSING[kind]
    config = RunConfig(task="support-intent", method=method, model="hf/x", settings=settings)
    with pytest.raises(ConfigError, match=why):
        forecast(config)
