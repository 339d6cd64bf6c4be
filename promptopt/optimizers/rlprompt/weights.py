"""Both networks and Adam's moments as bytes, and back. Safetensors: nothing in them is ever executed."""

from __future__ import annotations

from typing import Any

from promptopt.models.files.checkpoints import require


def packed(online: Any, target: Any, adam: Any) -> bytes:
    """The weights of both, and of the first what Adam knows; its rate goes with it."""
    torch, safetensors = require("torch"), require("safetensors.torch")
    tensors = {f"online.{name}": value for name, value in online.state_dict().items()}
    tensors |= {f"target.{name}": value for name, value in target.state_dict().items()}
    for number, parameter in enumerate(online.parameters()):
        for name, value in adam.state[parameter].items():
            tensors[f"adam.{number}.{name}"] = value
    # The rate is halved where a training diverges, so it is part of what has to come back; in full precision.
    tensors["rate"] = torch.tensor(adam.param_groups[0]["lr"], dtype=torch.float64)
    kept: bytes = safetensors.save({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()})
    return kept


def restore(state: bytes, online: Any, target: Any, adam: Any, device: str) -> None:
    """Be as when `state` was taken."""
    loaded: dict[str, Any] = require("safetensors.torch").load(state)
    found = {name: value.to(device) for name, value in loaded.items()}
    for prefix, network in (("online.", online), ("target.", target)):
        network.load_state_dict(
            {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
        )
    for number, parameter in enumerate(online.parameters()):
        prefix = f"adam.{number}."
        kept = {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
        adam.state.pop(parameter, None)
        if kept:
            # Adam counts its steps on the CPU.
            adam.state[parameter] = {name: value.cpu() if name == "step" else value for name, value in kept.items()}
    for group in adam.param_groups:
        group["lr"] = float(found["rate"])
