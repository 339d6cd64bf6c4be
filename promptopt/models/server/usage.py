"""How many tokens a request took, by what the server counts, under whatever name it says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from promptopt.models.tokens import count_of, estimate_tokens, most_tokens
from promptopt.types import Request, texts_sent

_READ_COUNTS = ("prompt_tokens", "input_tokens")
_WRITTEN_COUNTS = ("completion_tokens", "output_tokens")


def usage_of(answer: Mapping[str, Any], request: Request, text: str, model: str) -> tuple[int, int]:
    """Tokens read and written as the server counts them; estimated where it gives none, or what cannot be.

    Where it says only how many there were together, these are shared out. No text takes no tokens: a server that says
    so counts none.
    """
    counts = cast("dict[str, Any]", answer["usage"]) if isinstance(answer.get("usage"), dict) else {}
    asked = texts_sent(request.content)
    most_read, most_written = most_tokens(asked, text, request.sampling.max_tokens)
    read = _counted(counts, _READ_COUNTS, most_read, there=any(asked))
    written = _counted(counts, _WRITTEN_COUNTS, most_written, there=bool(text))
    total = count_of(counts.get("total_tokens"), most_read + most_written)
    if written is None:
        left = None if total is None or read is None else total - read
        # A total that leaves nothing was counted otherwise, and tells nothing.
        written = left if left is not None and left > 0 else estimate_tokens(text, model)
    if read is None:
        left = 0 if total is None else total - written
        read = left if left > 0 else sum(estimate_tokens(part, model) for part in asked)
    return read, written


def _counted(counts: Mapping[str, Any], names: Sequence[str], most: int, *, there: bool) -> int | None:
    """The count under one of `names`; None where there is none, or it is nothing although there is a text."""
    found = next((count for name in names if (count := count_of(counts.get(name), most)) is not None), None)
    return None if found == 0 and there else found
