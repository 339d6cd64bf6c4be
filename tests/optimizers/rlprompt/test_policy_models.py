"""Models of other kinds as policies: recurrent ones, such as are half recurrent, and what cannot be one."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from promptopt.errors import ConfigError
from promptopt.operators.frozen import files_of, open_frozen
from promptopt.optimizers.rlprompt.adapter import AdapterPolicy
from tests.models.hf.tiny_transformers import SMALL, save
from tests.optimizers.rlprompt.tiny_policy import SETTINGS, WORDS, word_tokenizer

import torch  # isort: skip  # after the helper, which skips where there is none
import transformers  # isort: skip

pytestmark = [pytest.mark.hf, pytest.mark.slow]

VOCABULARY = len(WORDS) + 2
HEADS = {**SMALL, "vocab_size": VOCABULARY, "intermediate_size": 64, "num_key_value_heads": 2}
KINDS: dict[str, Any] = {
    "llama": lambda: transformers.LlamaConfig(**HEADS),
    "windows": lambda: transformers.MistralConfig(sliding_window=2, **HEADS),
    "recurrent": lambda: transformers.MambaConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, state_size=4
    ),
    "half recurrent": lambda: transformers.Lfm2Config(layer_types=["conv", "full_attention"], **HEADS),
}


@cache
def folder(kind: str) -> Path:
    return save(Path(tempfile.mkdtemp(prefix="promptopt-kinds-")) / "model", KINDS[kind](), word_tokenizer())


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_of_any_kind_writes_by_all_that_it_wrote_before(kind: str) -> None:
    policy = AdapterPolicy(str(folder(kind)), replace(SETTINGS, length=4))
    with torch.no_grad():
        for parameter in policy._online.parameters():
            parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(parameter.numel()))
    for context in ("", " bab bed bim"):
        written = policy.greedy(context).tokens
        logits = policy._logits(policy._online, policy._states([written], [context]))
        assert tuple(logits.argmax(-1)[0].tolist()) == written


@pytest.mark.parametrize("kind", KINDS)
def test_models_without_keys_and_values_are_known_by_trying(kind: str) -> None:
    assert open_frozen(files_of(str(folder(kind))), "cpu").remembers == ("recurrent" not in kind)


def test_a_model_that_sees_what_comes_after_is_no_policy(tmp_path: Path) -> None:
    # As a causal model, which its files do not say it is not.
    config = transformers.BertConfig(vocab_size=VOCABULARY, intermediate_size=64, **SMALL)
    made = save(tmp_path / "both ways", config, word_tokenizer())
    with pytest.raises(ConfigError, match="'both ways' reads what comes after a token too"):
        AdapterPolicy(str(made), SETTINGS)


def test_weights_that_are_no_numbers_are_told_before_anything_is_learned(tmp_path: Path) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder("llama"))
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[0, 0] = float("nan")
    model.save_pretrained(tmp_path / "broken")
    word_tokenizer().save_pretrained(tmp_path / "broken")
    with pytest.raises(ConfigError, match="'broken' gives values that are no numbers"):
        AdapterPolicy(str(tmp_path / "broken"), SETTINGS)


def test_a_context_of_minus_one_is_no_limit(tmp_path: Path) -> None:
    config = transformers.LlamaConfig(**HEADS)
    # What models without a limit have there.
    config.max_position_embeddings = -1
    made = save(tmp_path / "endless", transformers.LlamaConfig(**HEADS), word_tokenizer())
    config.architectures = ["LlamaForCausalLM"]
    config.save_pretrained(made)
    assert open_frozen(files_of(str(made)), "cpu").context is None
