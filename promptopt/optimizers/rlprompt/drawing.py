"""How a token is drawn: by chance among the likeliest, alike on every device. Torch tensors in and out.

Source   RLPrompt (Deng et al. 2022, arXiv:2205.12548): top-k sampling while it trains, at temperature 1.
Departs  where tokens tie for the last places of the top k, chance decides, for at the start all tie to within 0.002 and
         the order of rounding would be the same 256 tokens for every seed.
"""

from __future__ import annotations

from typing import Any

from promptopt.models.files.checkpoints import require

Tensor = Any
"""A torch tensor; torch is optional, so its types are not known here."""
TIE = 0.01
"""Nats below the likeliest within which tokens tie for the top k: a hundredth of their probability. Ours."""


def chances(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Even numbers in [0, 1), twice of `shape`: the first for ties, the second for draws. Made on the CPU."""
    torch = require("torch")
    return torch.rand((2, *shape), generator=torch.Generator().manual_seed(seed))


def drawable(logits: Tensor, ties: Tensor, top: int | None) -> Tensor:
    """Which tokens can be drawn: the k likeliest; those within `TIE` of each other in an order of chance."""
    torch = require("torch")
    if top is None:
        return torch.ones_like(logits, dtype=torch.bool)
    below = (logits.amax(-1, keepdim=True) - logits) / TIE
    # Whole steps below the likeliest come first, and `ties`, which is below 1, orders those within a step.
    order = below.floor() + ties
    chosen = order.topk(top, dim=-1, largest=False).indices
    return torch.zeros_like(logits, dtype=torch.bool).scatter(-1, chosen, True)


def perturbed(logits: Tensor, draws: Tensor, top: int | None) -> Tensor:
    """Logits whose largest is a draw from their softmax over what can be drawn: Gumbel noise is added to each.

    `draws`: as `chances` gives them, for these logits.
    """
    torch = require("torch")
    # The Gumbel-max trick: the argmax of log p - log(-log u) is distributed as p. Clamped, for u may be 0.
    noise = -(-draws[1].clamp_min(1e-30).log()).clamp_min(1e-30).log()
    return (logits + noise).masked_fill(~drawable(logits, draws[0], top), -torch.inf)
