"""Trained tensors and Adam's moments as bytes, and back. Safetensors: nothing in them is ever executed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptopt.models.files.checkpoints import require

Tensor = Any
"""A torch tensor; torch is optional, so its types are not known here."""


def packed(trained: Mapping[str, Tensor], adam: Any) -> bytes:
    """`trained`: what Adam moves, by name. Its moments and its rate go with it."""
    torch, safetensors = require("torch"), require("safetensors.torch")
    tensors: dict[str, Tensor] = {f"weight {name}": value for name, value in trained.items()}
    for name, value in trained.items():
        # Without its moments a resumed run would take other steps than the one that was not killed.
        tensors |= {f"adam {moment} {name}": kept for moment, kept in adam.state[value].items()}
    # In double, as Python holds it: a rate that was rounded would change every step from there on.
    tensors["rate"] = torch.tensor(adam.param_groups[0]["lr"], dtype=torch.float64)
    # Safetensors takes no tensors that share memory or are not contiguous.
    made: bytes = safetensors.save({name: each.detach().cpu().contiguous().clone() for name, each in tensors.items()})
    return made


def restore(state: bytes, trained: Mapping[str, Tensor], adam: Any) -> None:
    """Be as when `state` was taken."""
    torch, safetensors = require("torch"), require("safetensors.torch")
    found: dict[str, Tensor] = safetensors.load(state)
    moments: dict[str, dict[str, Tensor]] = {name: {} for name in trained}
    for called, value in found.items():
        kind, _, rest = called.partition(" ")
        if kind == "adam":
            moment, _, name = rest.partition(" ")
            # Adam counts its steps on the CPU.
            moments[name][moment] = value if moment == "step" else value.to(trained[name].device)
    with torch.no_grad():
        for name, value in trained.items():
            value.copy_(found[f"weight {name}"])
            adam.state.pop(value, None)
            # Adam has no moments before its first step.
            if moments[name]:
                adam.state[value] = moments[name]
    for group in adam.param_groups:
        group["lr"] = float(found["rate"])
