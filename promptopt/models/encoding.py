"""Texts to tokens without encoding again what stands before them: exact wherever it is done.

A text can be cut in two between words, and its tokens be those of the two parts, where no token can reach over the cut.
Cuts are made before a space between two ASCII letters only. There the parts are independent of each other under two
conditions. No token of the vocabulary holds a space after a letter: byte-pair encoding merges nothing into what is no
token. And nothing before the merges (normalizers, patterns that split) looks over a word's end. The first is read off
the vocabulary, the second tried out on made-up texts. A tokenizer that fails either encodes every text as a whole.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any

_UP_TO_THE_LAST_CUT = re.compile(r".*[A-Za-z](?= [A-Za-z])", re.DOTALL)
_OVER_A_CUT = re.compile("[A-Za-z][ Ġ▁]")
"""A letter and a space in a vocabulary, as they are, as byte-level tokens write them, and as SentencePiece does."""
_MADE_UP = (
    "a", "The", "words", "DON'T", "I'll", "we", "'s", "x1", "12345", "3.14", "ß", "é", "e\u0301", "日本", "\U0001f642",
    "\n", "\n\n", "\t", "  ", " ", "...", "?!", "(", "_", "-", "/", '"',
)  # fmt: skip
_TEXTS, _PARTS = 48, 16
"""Texts that are made up to try a tokenizer on, and the parts of each. Ours."""
BEGINNINGS, ENDINGS = 1024, 1 << 14
"""How many parts of texts are kept in tokens: those that many texts begin with, and short ones at their ends."""


class Encoder:
    """One tokenizer of transformers, a fast one. `markers`: whether special tokens in a text are such, or text."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        # Asked directly: transformers' own way around it takes twice as long as the encoding of a short text.
        self._backend: Any = getattr(tokenizer, "backend_tokenizer", None)
        # Whether markers are text is a state of the tokenizer, and texts are counted by other threads too.
        self._lock = threading.Lock()
        if self._backend is not None:
            # A tokenizer.json can bring settings of its training along, and would cut long texts without a word.
            self._backend.no_truncation()
            self._backend.no_padding()
        self._beginning = lru_cache(maxsize=BEGINNINGS)(self.whole)
        self._ending = lru_cache(maxsize=ENDINGS)(self.whole)

    def whole(self, text: str, markers: bool) -> tuple[int, ...]:
        """The tokens of `text`, encoded at once. For several threads."""
        if self._backend is None:
            plain = self._tokenizer(text, add_special_tokens=False, split_special_tokens=not markers, verbose=False)
            return tuple(plain["input_ids"])
        return tuple(self._encoded(text, markers).ids)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where each token of `text` begins and ends in it; markers are text. Only fast tokenizers know."""
        if self._backend is None:
            return self._tokenizer(
                text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True, verbose=False
            )["offset_mapping"]
        return self._encoded(text, markers=False).offsets

    def _encoded(self, text: str, markers: bool) -> Any:
        with self._lock:
            self._backend.encode_special_tokens = not markers
            return self._backend.encode(text, add_special_tokens=False)

    def fork(self, text: str, afters: Sequence[str], known: int, markers: bool) -> list[tuple[int, ...]]:
        """The tokens of `text`, and those of `text + after` for each of `afters`: what `whole` gives for them.

        `known`: how many leading characters other texts begin with too; only time depends on it.
        """
        begin = self._cut(text, 0, known)
        end = self._cut(text, begin, len(text))
        head = self._beginning(text[:begin], markers) if begin else ()
        if end > begin:
            head += self.whole(text[begin:end], markers)
        return [head + self._ending(text[end:] + after, markers) for after in ("", *afters)]

    def _cut(self, text: str, begin: int, end: int) -> int:
        """The last cut after `begin`, in whatever begins with `text[:end]`; `begin` where there is none."""
        found = _UP_TO_THE_LAST_CUT.match(text, begin, end) if self._divides else None
        return begin if found is None else found.end()

    @cached_property
    def _divides(self) -> bool:
        """Whether texts may be cut."""
        backend = self._backend
        # Unigram and WordPiece choose over a whole word or text, so their parts are not independent.
        if type(getattr(backend, "model", None)).__name__ != "BPE":
            return False
        # Dropout draws merges by chance; fused unknowns reach over whatever is between them.
        if backend.model.dropout or (backend.model.fuse_unk and not backend.model.byte_fallback):
            return False
        added = self._tokenizer.added_tokens_decoder.values()
        # A marker that swallows the space after it would swallow that of a cut.
        if any(token.rstrip for token in added) or _OVER_A_CUT.search("\n".join(self._tokenizer.get_vocab())):
            return False
        return all(self._agrees(text, markers) for text in _made_up(added) for markers in (False, True))

    def _agrees(self, text: str, markers: bool) -> bool:
        whole = self.whole(text, markers)
        cuts = [found.start() + 1 for found in re.finditer("[A-Za-z](?= [A-Za-z])", text)]
        return all(self.whole(text[:cut], markers) + self.whole(text[cut:], markers) == whole for cut in cuts)


def _made_up(added: Sequence[Any]) -> list[str]:
    """Texts of all that tokenizers treat in a way of its own, the same ones for the same tokenizer."""
    draw = random.Random(0)
    # A few stand for all: some vocabularies have hundreds of reserved markers.
    parts = [*_MADE_UP, *[token.content for token in list(added)[:8]]]
    return ["".join(draw.choice(parts) + draw.choice(("", " ")) for _ in range(_PARTS)) for _ in range(_TEXTS)]
