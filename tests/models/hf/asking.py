"""A tiny model on the disk, and what is asked of it."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

from promptopt.types import Likelihoods, Message, ScoreRequest
from tests.models.hf.tiny_transformers import SMALL, chat_tokenizer, save

import torch  # isort: skip  # after the helper, which skips where there is none
import transformers  # isort: skip

from promptopt.models.transformers.model import Transformers  # isort: skip
from promptopt.models.files.checkpoints import quiet  # isort: skip


RULES = "Name the colour of the thing in one word. Think of the thing as most people know it. " * 2


THINGS = ("grass", "snow, fresh from the sky", "coal", "the night", "a thing")


WIDE = {"intermediate_size": 64, "num_key_value_heads": 2}


def llama(**settings: Any) -> Any:
    return transformers.LlamaConfig(
        vocab_size=len(chat_tokenizer()), max_position_embeddings=1024, **{**SMALL, **WIDE, **settings}
    )


@functools.cache
def home() -> Path:
    return Path(tempfile.mkdtemp(prefix="promptopt-tiny-"))


@functools.cache
def tiny() -> Transformers:
    return Transformers(str(save(home() / "tiny", llama(), chat_tokenizer())), device="cpu")


def chat(thing: str, rules: str = RULES) -> tuple[Message, ...]:
    return (Message("user", f"{rules}\n\nThing: {thing}\nColour:"),)


def asked(*continuations: str, ends: bool = False) -> list[ScoreRequest]:
    return [ScoreRequest(chat(thing), continuations, len(RULES), ends) for thing in THINGS]


def scored(model: Transformers, requests: list[ScoreRequest]) -> list[Likelihoods]:
    found = dict(model.score(requests))
    return [found[index] for index in range(len(requests))]


def values(found: list[Likelihoods]) -> list[float]:
    return [value for each in found for text in each.continuations for value in text.logprobs]


@functools.cache
def raw() -> tuple[Any, Any]:
    folder = home() / "tiny"
    with quiet():
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        return model, transformers.AutoTokenizer.from_pretrained(folder)
