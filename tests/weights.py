"""Where tests find SmolLM2: the GGUF file, and the same weights as a transformers folder."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from functools import cache
from pathlib import Path

import pytest

from promptopt.models.files import catalogue


def gguf() -> Path:
    """The GGUF file; skips where it is not installed."""
    own = os.environ.get("PROMPTOPT_TEST_MODELS")
    file = catalogue.find("smollm2-135m").file
    path = Path(own) / file if own else catalogue.locate("smollm2-135m")
    if path is None or not path.exists():
        pytest.skip(f"{file} is not installed (promptopt models pull smollm2-135m, or set PROMPTOPT_TEST_MODELS)")
    return path


def folder() -> Path:
    """The dequantized weights as transformers reads them; made from the GGUF file once a machine. Skips without it."""
    for package in ("torch", "transformers", "gguf"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed (extra: hf)")
    return _converted(gguf())


@cache
def _converted(path: Path) -> Path:
    from promptopt.models.files.fingerprints import sha256_of

    made = Path(tempfile.gettempdir()) / f"promptopt-tests-{os.getuid()}" / f"smollm2-hf-{sha256_of(path)[:12]}"
    if not made.is_dir():
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils.quantization_config import GgufConfig

        half = Path(tempfile.mkdtemp(dir=made.parent if made.parent.is_dir() else _new(made.parent)))
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        model = AutoModelForCausalLM.from_pretrained(
            path.parent,
            gguf_file=path.name,
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),
        )
        model.save_pretrained(half)
        tokenizer.save_pretrained(half)
        half.rename(made)
    return made


def _new(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True)
    return folder
