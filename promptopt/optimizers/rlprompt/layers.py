"""The two layers that are trained, and how their weights are drawn.

Source   RLPrompt's code: Xavier weights of gain 1e-4, biases of -1e-4, a ReLU between.
"""

from __future__ import annotations

from typing import Any

from promptopt.models.files.checkpoints import require

SPREAD = 1e-4
"""The gain of the first weights, and the size of the first biases (their code)."""


def two_layers(width: int, hidden: int, seed: int) -> Any:
    """From `width` to `hidden` and back, on the CPU; `seed` determines the weights."""
    torch = require("torch")
    # No residual connection (their code): what comes out at first is nearly nothing, so all tokens are nearly even.
    made = torch.nn.Sequential(torch.nn.Linear(width, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, width))
    chance = torch.Generator().manual_seed(seed)
    for layer in (made[0], made[2]):
        initialise(layer, chance)
    return made


def initialise(layer: Any, chance: Any) -> None:
    """First weights for a layer on any device; they are drawn on the CPU, so that they are the same on all."""
    torch = require("torch")
    drawn = torch.nn.init.xavier_uniform_(torch.empty(layer.weight.shape), gain=SPREAD, generator=chance)
    with torch.no_grad():
        layer.weight.copy_(drawn)
        layer.bias.fill_(-SPREAD)
