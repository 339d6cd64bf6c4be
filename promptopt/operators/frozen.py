"""A causal model on this machine, whose own weights stay as they are: what trained policies stand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from promptopt.errors import ConfigError
from promptopt.models.files.checkpoints import (
    Checkpoint,
    find_checkpoint,
    load_model,
    load_model_config,
    load_tokenizer,
    quiet,
    require,
)
from promptopt.text import first_line

_UNFIT = (TypeError, ValueError, AttributeError, LookupError, RuntimeError)
"""How models answer to a cache that they are not made for."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A model in float32, whose weights take no gradient, and what reads and writes its tokens.

    `context`: tokens it can read at once; None where its files name no limit. `remembers`: whether it goes on from a
    cache of keys and values as if it had read all at once. Where it does not, all of a text has to be read anew for
    each further token.
    """

    checkpoint: Checkpoint
    model: Any
    tokenizer: Any
    context: int | None
    remembers: bool


def open_frozen(checkpoint: Checkpoint, device: str) -> Frozen:
    """Raises ConfigError where torch or the model cannot be used, or is not one that writes from left to right."""
    torch = require("torch")
    config = load_model_config(checkpoint)
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
    # Of a model that takes images too it is the text part that has the limit.
    named_context = getattr(config.get_text_config(), "max_position_embeddings", None)
    # Some models without a limit have -1 there.
    context = named_context if isinstance(named_context, int) and named_context > 0 else None
    return Frozen(checkpoint, model, load_tokenizer(checkpoint), context, _remembers(model, device, checkpoint.called))


def _remembers(model: Any, device: str, called: str) -> bool:
    """Tried out on three tokens: some recurrent models take a cache and leave it empty, and others fail at it.

    Raises ConfigError where the model does not read from left to right, or gives no numbers.
    """
    torch = require("torch")
    # Every vocabulary has tokens 0 to 2; what they mean does not matter here.
    text = torch.tensor([[0, 1, 2]], device=device)
    cached = {"past_key_values": require("transformers").DynamicCache(), "use_cache": True}
    with torch.no_grad(), quiet():
        whole, begun = model(input_ids=text).logits, model(input_ids=text[:, :2]).logits
        if bool(whole.isnan().any()):
            raise ConfigError(
                f"the policy model {called!r} gives values that are no numbers, so nothing can be learned on it; its "
                f"weights may be damaged"
            )
        # Some models give minus infinity where their output layer is padded.
        # Of the largest value: read in pieces, sums go in another order, and float32 rounds them otherwise.
        tolerance = 1e-3 * float(whole[whole.isfinite()].abs().max())

        def same(one: Any, other: Any) -> bool:
            return bool(torch.allclose(one, other, rtol=1e-3, atol=tolerance))

        if not same(begun, whole[:, :2]):
            raise ConfigError(
                f"the policy model {called!r} reads what comes after a token too, so it cannot write one after the "
                f"other; name a causal model"
            )
        try:
            model(input_ids=text[:, :2], **cached)
            return same(model(input_ids=text[:, 2:], **cached).logits, whole[:, 2:])
        except _UNFIT:
            return False


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
    # Torch that was built without CUDA says so by an AssertionError.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            f"the device {asked!r} cannot be used here ({first_line(error)[:80]}); set device=cpu, or leave it out"
        ) from error
    return asked
