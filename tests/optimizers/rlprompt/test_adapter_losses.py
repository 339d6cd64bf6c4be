"""What an update of the adapter goes by: the whole vocabulary, and a target network that follows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from promptopt.operators.training import TrainingBatch
from tests.optimizers.rlprompt.tiny_policy import SETTINGS, tiny

import torch  # isort: skip  # after the helper, which skips where there is none

from promptopt.optimizers.rlprompt.adapter import AdapterPolicy, AdapterSettings  # isort: skip
from promptopt.optimizers.rlprompt.objectives import path_consistency  # isort: skip

pytestmark = [pytest.mark.hf, pytest.mark.usefixtures("one_torch_thread")]


def apart(settings: AdapterSettings) -> AdapterPolicy:
    """A policy whose two networks differ, so that it shows which of them is read."""
    policy = tiny(settings)
    with torch.no_grad():
        for parameter in policy._online.parameters():
            parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(parameter.numel()))
    return policy


def test_soft_q_learning_goes_by_all_tokens_and_by_the_other_networks_values() -> None:
    policy = apart(replace(SETTINGS, top=2, target_rate=0.0))
    rows, targets = tuple(each.tokens for each in policy.sample(1, 4)), (1.0, -2.0, 3.0, 0.5)
    states = policy._states(rows)
    with torch.no_grad():
        online, target = (policy._logits(each, states) for each in (policy._online, policy._target))
        wanted = path_consistency(online, target, torch.tensor(rows), torch.tensor(targets)).mean()
    assert policy.learn(TrainingBatch(1, rows, targets)).loss == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize("algorithm", ["sql", "rloo"])
def test_the_target_network_follows_before_each_update_of_soft_q_learning(algorithm: Any) -> None:
    policy = apart(replace(SETTINGS, algorithm=algorithm))
    rows = tuple(each.tokens for each in policy.sample(1, 2))
    online, target = ([each.clone() for each in network.parameters()] for network in (policy._online, policy._target))
    policy.learn(TrainingBatch(1, rows, (1.0, -1.0)))
    for now, before, ahead in zip(policy._target.parameters(), target, online, strict=True):
        # A policy gradient has none.
        assert torch.equal(now, (1 - 1e-3) * before + 1e-3 * ahead if algorithm == "sql" else before)
