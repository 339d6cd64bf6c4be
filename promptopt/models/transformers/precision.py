"""In what precision a GPU multiplies: float32 is float32, and TF32 is asked for by its name.

On GPUs since 2020, torch can round the factors of float32 products to 10 binary digits (TF32): several times as fast,
and as exact as float16. The switch belongs to the whole process; it is set around every pass here, and put back, so
that numbers do not depend on what else runs in the process.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

from promptopt.models.files.checkpoints import require

TF32 = "tf32"
"""The dtype of a model whose weights are float32 and whose products are TF32."""


def floats(dtype: str) -> Any:
    """The torch dtype of weights and activations."""
    return getattr(require("torch"), "float32" if dtype == TF32 else dtype)


@contextlib.contextmanager
def precision(device: str, dtype: str) -> Generator[None, None, None]:
    """Products and convolutions in float32 or in TF32, as `dtype` says; nothing to do but on CUDA."""
    if not device.startswith("cuda"):
        yield
        return
    backends = require("torch").backends
    switches = (backends.cuda.matmul, backends.cudnn.conv)
    name, value = "fp32_precision", TF32 if dtype == TF32 else "ieee"
    if not hasattr(switches[0], name):  # before torch 2.9
        switches = (backends.cuda.matmul, backends.cudnn)
        name, value = "allow_tf32", dtype == TF32
    before = [getattr(switch, name) for switch in switches]
    try:
        for switch in switches:
            setattr(switch, name, value)
        yield
    finally:
        for switch, old in zip(switches, before, strict=True):
            setattr(switch, name, old)
