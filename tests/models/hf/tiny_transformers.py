"""Tiny random models with a tokenizer, made on the spot: no network, no weights, a second each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra `hf`: pip install 'promptopt-engine[hf]'")
pytest.importorskip("transformers", reason="needs the extra `hf`: pip install 'promptopt-engine[hf]'")

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, GenerationConfig, PreTrainedTokenizerFast

from promptopt.models.files.checkpoints import quiet

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CORPUS = [
    "Name the colour of the thing in one word. Think of the thing as most people know it.",
    "grass is green, snow is white, coal is black as the night, fresh from the sky",
    "user assistant system Say the word red green blue yellow black. Thing: Colour:",
]
SPECIAL = ["<|end|>", "<|im_start|>", "<|im_end|>"]
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}


def chat_tokenizer(*, template: str | None = TEMPLATE) -> PreTrainedTokenizerFast:
    """Byte-level BPE with a chat template, as the tokenizers of today's chat models are."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>",
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
    )  # fmt: skip
    made.chat_template = template
    return made


def masked_tokenizer() -> PreTrainedTokenizerFast:
    """Word pieces between [CLS] and [SEP], as BERT's."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[SEP]", "[CLS]")]
    tokenizer.post_processor = processors.BertProcessing(*ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]",
    )  # fmt: skip


def save(folder: Path, config: Any, tokenizer: Any, *, masked: bool = False, seed: int = 0) -> Path:
    """A model of random weights, large enough that what it says depends on what it reads, as a folder."""
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    kind = AutoModelForMaskedLM if masked else AutoModelForCausalLM
    with quiet():
        model = kind.from_config(config)
        for values in model.parameters():
            if values.dim() > 1:
                torch.nn.init.normal_(values, std=0.3)
        if not masked:
            model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    torch.random.set_rng_state(state)
    return folder
