"""A causal model on this machine, whose own weights stay as they are: what trained policies stand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from promptopt.errors import ConfigError
from promptopt.models.files.checkpoints import (
    Checkpoint,
    find_checkpoint,
    load_config,
    load_model,
    load_tokenizer,
    require,
)


@dataclass(frozen=True, slots=True)
class Frozen:
    """A model in float32, whose weights take no gradient, and what reads and writes its tokens.

    `context`: tokens it can read at once; None where its files name no limit.
    """

    checkpoint: Checkpoint
    model: Any
    tokenizer: Any
    context: int | None


def open_frozen(checkpoint: Checkpoint, device: str) -> Frozen:
    """Raises ConfigError where torch or the model cannot be used, or is not one that writes."""
    torch = require("torch")
    config = load_config(checkpoint)
    named: list[str] | None = config.architectures
    if named is not None and any(each.endswith("ForMaskedLM") for each in named):
        raise ConfigError(
            f"the policy model {checkpoint.called!r} is a masked one, which cannot write; name a causal one"
        )
    # Float32 whatever the files have: in half precision the small steps of Adam would be lost in rounding.
    model = load_model(checkpoint, masked=False, device=device, dtype=torch.float32)
    model.requires_grad_(False)
    if model.get_output_embeddings() is None:
        raise ConfigError(f"the policy model {checkpoint.called!r} has no output layer; name a causal model")
    context = getattr(config.get_text_config(), "max_position_embeddings", None)
    return Frozen(checkpoint, model, load_tokenizer(checkpoint), context if isinstance(context, int) else None)


def files_of(spec: str) -> Checkpoint:
    """The files of a model. Raises ConfigError where there are none, or torch is not installed."""
    require("torch")
    return find_checkpoint(spec)


def usable_device(asked: str) -> str:
    """The device named, or with no name a GPU where there is one. Raises ConfigError where it cannot be used."""
    torch = require("torch")
    if not asked:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        # A device may have a name and not be there, which shows when something is put on it and read back.
        torch.zeros(1, device=asked).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).splitlines()[0][:80]
        raise ConfigError(
            f"the device {asked!r} cannot be used here ({why}); set device=cpu, or leave it out"
        ) from error
    return asked
