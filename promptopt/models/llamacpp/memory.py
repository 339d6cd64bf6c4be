"""What the engines of a model hold beside its weights, told from the file's header, and how many fit under the cap."""

from __future__ import annotations

import ctypes
import os
import struct
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from sys import getsizeof
from typing import Any, BinaryIO

from promptopt.models.cores import usable_cores
from promptopt.models.files.fingerprints import parts_of
from promptopt.types import Content

HELD_BYTES = 2_000_000_000
"""The most that all engines of a model hold together beside its weights, whatever they are asked; see `LlamaCpp`."""
TOKENS_BYTES = 16 << 20
"""The most that one memory of tokens by text holds. Ours."""
STEP_TOKENS = 512
"""Tokens that llama.cpp evaluates at once (`n_ubatch`), which is what its buffers are made for."""
WORD_BYTES = 384
"""Of an engine, for each token of the vocabulary: 330 were measured (Qwen2.5, 151,936 tokens)."""
ENGINE_BYTES = 48 << 20
"""Of an engine, whatever its model: threads, and requests on their way in and out."""
LISTED_BYTES = 3_000
"""Of a reading of the whole vocabulary, for each token: 2,400 were measured (Qwen2.5), most of them JSON."""

# GGUF's numbers for the types of values, as letters of `struct`.
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
_VOCABULARY = "tokenizer.ggml.tokens"
_listing = threading.Lock()


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The sizes that decide what an engine holds.

    `heads`: attention heads of a layer. `cached`: keys and values that a token leaves behind, in numbers over all
    layers. `width` and `inner`: numbers in a token's state, and in the middle of a feed-forward layer. `words`: tokens
    in the vocabulary.
    """

    heads: int
    cached: int
    width: int
    inner: int
    words: int

    def engine_bytes(self, context: int, slots: int, *, flash: bool) -> int:
        """The most that one engine holds beside its weights, at full context.

        Keys and values have 16 bits. Plain attention has every head's scores of a step over the whole context in 32.
        """
        scores = (1 if flash else 1 + self.heads) * STEP_TOKENS * context * slots * 4
        states = STEP_TOKENS * (2 * self.width + self.inner) * 4
        held = 2 * self.cached * context * slots
        return held + scores + states + self.words * WORD_BYTES + ENGINE_BYTES + TOKENS_BYTES


def engines_that_fit(path: Path, context: int, slots: int) -> int:
    """How many engines a model gets: one a core, as long as they fit, and one at least.

    They fit when beside the weights they hold at most `HELD_BYTES`, and when their weights, of which each has a copy,
    take at most a quarter of the machine's memory. Fast mode, which has several slots, can need exact engines in place
    of its own. A file whose header does not tell gets one engine.
    """
    shape = model_shape(path)
    if shape is None:
        return 1
    each = max(shape.engine_bytes(context, slots, flash=slots > 1), shape.engine_bytes(context, 1, flash=False))
    weights = sum(part.stat().st_size for part in parts_of(path))
    # One reading of the vocabulary at a time (`listing`), and the model's own two memories of tokens.
    held = HELD_BYTES - shape.words * LISTED_BYTES - 2 * TOKENS_BYTES
    return max(1, min(usable_cores(), held // each, _memory() // 4 // weights))


def _memory() -> int:
    """Bytes of memory that the machine has; no limit where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # Windows has no sysconf.
    except (AttributeError, ValueError, OSError):
        return 1 << 62


def model_shape(path: Path) -> ModelShape | None:
    """The sizes in a GGUF file's header; None where it lacks one of them, or ends before its end."""
    try:
        with path.open("rb") as file:
            found = _header(file)
    except (OSError, struct.error, KeyError, ValueError, OverflowError):
        return None

    def each(name: str) -> list[int]:
        # Keys begin with the architecture: `qwen2.block_count`.
        return next((values for key, values in found.items() if key.endswith(f".{name}")), list[int]())

    # Some architectures give a number for each layer: the largest of them bounds the memory.
    layers, heads, width = (
        max(each(name), default=0) for name in ("block_count", "attention.head_count", "embedding_length")
    )
    inner, words = max(each("feed_forward_length"), default=4 * width), max(found.get(_VOCABULARY, []), default=0)
    if not all((layers, heads, width, words)):
        return None
    shared = each("attention.head_count_kv")  # one number, or one a layer
    groups = sum(shared) if len(shared) > 1 else layers * (shared[0] if shared else heads)
    key, value = (max(each(f"attention.{name}_length"), default=width // heads) for name in ("key", "value"))
    return ModelShape(heads, groups * (key + value), width, inner, words)


def _header(file: BinaryIO) -> dict[str, list[int]]:
    """The whole numbers of a GGUF header, by key, and the size of its vocabulary, with which the reading ends.

    The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
    """
    found: dict[str, list[Any]] = {}
    if file.read(4) != b"GGUF":
        raise ValueError("not a GGUF file")
    # The format's version, how many tensors there are, and how many keys.
    _, _, count = _struct_values(file, "IQQ")
    for _ in range(count):
        key, (kind,) = _sized_bytes(file).decode(), _struct_values(file, "I")
        if kind == _TEXT:
            _sized_bytes(file)
        elif kind == _ARRAY:
            kind, length = _struct_values(file, "IQ")
            if key == _VOCABULARY:
                found[key] = [length]
                # The vocabulary comes behind the sizes, and its texts are megabytes that nobody needs here.
                break
            if kind == _TEXT:
                for _ in range(length):
                    _sized_bytes(file)
            else:
                found[key] = list(_struct_values(file, f"{length}{_NUMBERS[kind]}"))
        else:
            found[key] = list(_struct_values(file, _NUMBERS[kind]))
    return {key: values for key, values in found.items() if all(isinstance(value, int) for value in values)}


def _struct_values(file: BinaryIO, layout: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{layout}", file.read(struct.calcsize(f"<{layout}")))


def _sized_bytes(file: BinaryIO) -> bytes:
    (length,) = _struct_values(file, "Q")
    return file.read(length)


class TokenMemory:
    """Tokens by the text that they are of; beyond `TOKENS_BYTES` the least recently used go first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Content, array[int]] = OrderedDict()
        self._lock = threading.Lock()
        self.held = 0

    def get(self, text: Content, find: Callable[[], Sequence[int]]) -> list[int]:
        """What `find()` gave for this text the first time."""
        with self._lock:
            if text in self._kept:
                self._kept.move_to_end(text)
                return self._kept[text].tolist()
        # Outside of the lock: to find them takes an engine, and two threads that find the same give the same.
        found = array("i", find())
        with self._lock:
            if text not in self._kept:
                self._kept[text] = found
                self.held += _bytes_of(text, found)
            while self.held > TOKENS_BYTES:
                self.held -= _bytes_of(*self._kept.popitem(last=False))
        return found.tolist()


def _bytes_of(text: Content, tokens: array[int]) -> int:
    texts = [text] if isinstance(text, str) else [part for each in text for part in (each.content, *each.tools)]
    entry = 200  # of the dictionary, and the objects around the texts
    return entry + getsizeof(tokens) + sum(map(getsizeof, texts))


@contextmanager
def listing() -> Generator[None]:
    """Around a reading of the whole vocabulary, which takes half a gigabyte: one at a time in this process.

    What it took goes back to the system, which the C library would keep, a share for every thread that ever did it.
    """
    with _listing:
        try:
            yield
        finally:
            # Only glibc has it: not macOS, and not musl.
            if os.name == "posix" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
                library.malloc_trim(0)
