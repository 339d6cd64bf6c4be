"""A tiny random model with a vocabulary of words, on the disk; skips where there is no torch."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from tests.models.hf.tiny_transformers import SMALL, chat_tokenizer, save

import transformers  # isort: skip  # after the helper, which skips where there is none
from tokenizers import Tokenizer, decoders, models, pre_tokenizers  # isort: skip

from promptopt.optimizers.rlprompt.adapter import AdapterPolicy, AdapterSettings  # isort: skip

WORDS = tuple(f"{first}{second}" for first in "bdfgklmnprstvwz" for second in ("ab", "ed", "im", "on"))[:50]
"""Fifty words that mean nothing."""
SETTINGS = AdapterSettings(
    length=2, algorithm="sql", hidden=64, rate=1e-3, clip=5.0, target_rate=1e-3, bias=0.0, top=None, vocabulary=None,
    consistency="both", entropy=0.01, kl=0.0, seed=0,
)  # fmt: skip


def word_tokenizer() -> transformers.PreTrainedTokenizerFast:
    """A word is a token, and the space before it goes with it."""
    marks = ["<end>", "<unknown>"]
    known = {mark: place for place, mark in enumerate([*marks, *(f"Ġ{word}" for word in WORDS)])}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token="<unknown>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", unk_token="<unknown>")


@functools.cache
def tiny_folder() -> Path:
    """Two layers of width 32."""
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS) + 2, max_position_embeddings=64, intermediate_size=64, num_key_value_heads=2, **SMALL
    )
    return save(Path(tempfile.mkdtemp(prefix="promptopt-policy-")) / "tiny", config, word_tokenizer())


def tiny(settings: AdapterSettings = SETTINGS) -> AdapterPolicy:
    return AdapterPolicy(str(tiny_folder()), settings)


@functools.cache
def byte_folder() -> Path:
    """The same with a byte-level vocabulary, most of whose tokens are pieces."""
    tokenizer = chat_tokenizer()
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer) + 6, max_position_embeddings=64, intermediate_size=64, num_key_value_heads=2, **SMALL
    )
    return save(Path(tempfile.mkdtemp(prefix="promptopt-policy-")) / "bytes", config, tokenizer)


def byte_policy(settings: AdapterSettings = SETTINGS) -> AdapterPolicy:
    return AdapterPolicy(str(byte_folder()), settings)
