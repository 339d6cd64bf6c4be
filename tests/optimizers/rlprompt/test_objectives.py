"""Losses against numbers worked out by hand, and what must not carry a gradient."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch", reason="needs the extra `hf`: pip install 'promptopt-engine[hf]'")

import torch

from promptopt.optimizers.rlprompt.objectives import (
    divergence,
    follow,
    path_consistency,
    policy_entropy,
    policy_gradient,
)

pytestmark = pytest.mark.hf
ONLINE = torch.tensor([[[0.0, 1.0, 2.0], [1.0, 0.0, -1.0]]])
TARGET = torch.tensor([[[0.5, 0.5, 0.5], [0.0, 2.0, 0.0]]])
ACTIONS = torch.tensor([[2, 0]])


def test_the_loss_of_two_steps_is_what_a_hand_gets() -> None:
    def loss(kind: str) -> float:
        return float(path_consistency(ONLINE, TARGET, ACTIONS, torch.tensor([3.0]), kind))  # type: ignore[arg-type]

    assert loss("both") == pytest.approx(4.3707, abs=1e-4)
    assert loss("single") == pytest.approx(1.0994 + 1.3644, abs=2e-4)
    assert loss("multi") == pytest.approx(4.9133 + 1.3644, abs=2e-4)


@pytest.mark.parametrize(
    ("vocabulary", "bias", "reward", "expected"),
    [(4, 0.0, 0.0, 32.671), (50257, 0.0, 0.0, 1992.04), (50257, -10.0, 0.0, 3374.53), (50257, -10.0, 80.0, 36034.45),
     (50257, -10.0, -120.0, 26384.64)],
)  # fmt: skip
def test_even_logits_have_the_loss_of_the_formula(vocabulary: int, bias: float, reward: float, expected: float) -> None:
    logits = torch.full((1, 5, vocabulary), bias, dtype=torch.float64)
    rewards = torch.tensor([reward], dtype=torch.float64)
    found = float(path_consistency(logits, logits, torch.zeros((1, 5), dtype=torch.long), rewards))
    length, value = 5, math.log(vocabulary)
    rest = sum((k * value + reward - bias) ** 2 for k in range(length))
    assert found == pytest.approx(((length - 1) * value**2 + (reward - bias) ** 2 + rest) / 2)
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_target_and_the_reward_are_constants_for_the_gradient() -> None:
    online, target = ONLINE.clone().requires_grad_(), TARGET.clone().requires_grad_()
    path_consistency(online, target, ACTIONS, torch.tensor([3.0])).sum().backward()
    assert target.grad is None
    assert online.grad is not None
    assert float(online.grad.abs().max()) > 0


def test_the_target_network_follows_by_its_rate() -> None:
    slow, fast = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    old = [each.detach().clone() for each in slow.parameters()]
    follow(slow, fast, 1e-3)
    for before, now, ahead in zip(old, slow.parameters(), fast.parameters(), strict=True):
        assert torch.equal(now, (1 - 1e-3) * before + 1e-3 * ahead)


def test_the_policy_gradient_of_one_step_is_the_softmax_gradient() -> None:
    logits = torch.tensor([[[0.3, -0.2, 0.9]], [[0.3, -0.2, 0.9]]], requires_grad=True)
    actions, advantages = torch.tensor([[0], [2]]), torch.tensor([1.5, -1.5])
    everything = torch.ones_like(logits, dtype=torch.bool)
    policy_gradient(logits, actions, advantages, everything).mean().backward()
    shares = logits.detach().softmax(-1)
    wanted = torch.stack(
        [-advantages[row] * (torch.nn.functional.one_hot(actions[row, 0], 3) - shares[row, 0]) / 2 for row in (0, 1)]
    )[:, None]  # fmt: skip
    assert logits.grad is not None
    assert torch.allclose(logits.grad, wanted, atol=1e-6)


def test_the_policy_gradient_is_that_of_the_distribution_which_was_drawn_from() -> None:
    kept = torch.tensor([[[True, False, True]]])
    logits = torch.tensor([[[0.0, 5.0, 0.0]]], requires_grad=True)
    loss = policy_gradient(logits, torch.tensor([[0]]), torch.tensor([1.0]), kept)
    assert float(loss.detach()) == pytest.approx(math.log(2))
    loss.sum().backward()
    assert logits.grad is not None
    assert float(logits.grad[0, 0, 1]) == 0.0
    # What was drawn on another machine counts as drawable, whatever this one rounds to.
    outside = policy_gradient(logits, torch.tensor([[1]]), torch.tensor([1.0]), kept)
    assert math.isfinite(float(outside.detach()))


def test_entropy_and_divergence_are_in_nats() -> None:
    even = torch.zeros((1, 1, 4))
    assert float(policy_entropy(even)) == pytest.approx(math.log(4))
    assert float(divergence(even, even)) == pytest.approx(0)
    sure = torch.tensor([[[100.0, 0.0, 0.0, 0.0]]])
    assert float(divergence(sure, even)) == pytest.approx(math.log(4))
