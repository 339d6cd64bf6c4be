"""Token counts where the engine gives none: by tiktoken where its tables are at hand, else by rule. Never online."""

from __future__ import annotations

import functools
import hashlib
import math
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

_TABLES = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"
_CACHE_VARIABLE = "TIKTOKEN_CACHE_DIR"
_loading = threading.Lock()
LONGEST_COUNTED = 100_000
"""Characters that are counted; of a longer text the rest is taken to be like its beginning, for one word of a million
letters takes seconds."""


def estimate_tokens(text: str, model: str) -> int:
    """How many tokens `text` has for `model` (a name as its server knows it), as near as can be told without asking.

    OpenAI's own encoding where the model has one, `o200k_base` for any other, from tables found on this machine
    (tiktoken's cache, or the copy inside litellm). Without tables: 1 token for 4 ASCII characters, 1 for 3 bytes of
    anything else, which is near for English prose, and high for most other scripts.
    """
    if len(text) > LONGEST_COUNTED:
        return round(_counter(model)(text[:LONGEST_COUNTED]) * len(text) / LONGEST_COUNTED)
    return _counter(model)(text)


@functools.cache
def _counter(model: str) -> Callable[[str], int]:
    import tiktoken

    try:
        # The last part: `openrouter/openai/gpt-4o` is a model of OpenAI's too.
        encoding = tiktoken.encoding_name_for_model(model.rpartition("/")[2])
    except KeyError:
        encoding = "o200k_base"
    return _counter_of(encoding)


@functools.cache
def _counter_of(encoding: str) -> Callable[[str], int]:
    folder = _folder_with(encoding)
    if folder is None:
        return by_rule
    import tiktoken

    # The variable is the whole process's: two threads would put back each other's value.
    with _loading:
        before = os.environ.get(_CACHE_VARIABLE)
        # tiktoken knows no other way to be told where its tables are, and would fetch them.
        os.environ[_CACHE_VARIABLE] = str(folder)
        try:
            # Markers in a text are text, as servers take them.
            encode = tiktoken.get_encoding(encoding).encode_ordinary
        finally:
            if before is None:
                del os.environ[_CACHE_VARIABLE]
            else:
                os.environ[_CACHE_VARIABLE] = before
    return lambda text: len(encode(text))


TEMPLATE_TOKENS = 16_384
"""Tokens of instructions and tools that a service may add to a request without saying so. Ours."""
THINKING_TOKENS = 262_144
"""Tokens that a model may write beyond its reply and the cap on it: thoughts that nobody is shown."""


def most_tokens(asked: Iterable[str], text: str, cap: int) -> tuple[int, int]:
    """(read, written) tokens at most, of a request of texts and its reply: a token has at least one octet."""
    read = sum(len(part.encode("utf-8", "replace")) for part in asked) + TEMPLATE_TOKENS
    return read, max(len(text.encode("utf-8", "replace")), cap) + THINKING_TOKENS


LONGEST_COUNT = 18
"""Digits of a number of tokens that is written as a text."""


def count_of(value: object, most: int) -> int | None:
    """`value` as a number of tokens, also where it is written as a text; None for none, negative or above `most`."""
    # `int` also reads the digits of other scripts, and fails on thousands of them.
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= LONGEST_COUNT:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        return None
    return int(value) if value == int(value) else None


def by_rule(text: str) -> int:
    """The rule of thumb of `estimate_tokens`; rounded up, so that only the empty text has none."""
    ascii_bytes = len(text.encode("ascii", "ignore"))
    other_bytes = len(text.encode("utf-8", "surrogatepass")) - ascii_bytes
    return math.ceil(ascii_bytes / 4 + other_bytes / 3)


def _folder_with(encoding: str) -> Path | None:
    """The folder that holds the encoding's table under the name tiktoken looks for; asking tiktoken would go online."""
    # tiktoken names a cached table by the SHA-1 of its address.
    file = hashlib.sha1(_TABLES.format(encoding).encode(), usedforsecurity=False).hexdigest()
    folders = [Path(tempfile.gettempdir()) / "data-gym-cache"]
    folders += [Path(chosen) for name in (_CACHE_VARIABLE, "DATA_GYM_CACHE_DIR") if (chosen := os.environ.get(name))]
    litellm = find_spec("litellm")
    if litellm is not None and litellm.submodule_search_locations:
        folders.append(Path(litellm.submodule_search_locations[0]) / "litellm_core_utils" / "tokenizers")
    return next((folder for folder in folders if (folder / file).is_file()), None)
