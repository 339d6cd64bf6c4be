"""Texts by the task model's own tokens, and what stands in for them where the model does not show any."""

from __future__ import annotations

from collections.abc import Callable

from promptopt.protocols import Model, Segmenter, Tokenizer
from promptopt.text import words


def count_tokens(model: Model, text: str) -> int:
    """Tokens of `text`, by the model's own tokenizer where it has one, else an estimate."""
    if isinstance(model, Tokenizer):
        return model.count_tokens(text)
    from promptopt.models.tokens import estimate_tokens

    return estimate_tokens(text, model.name)


def pieces(model: Model, text: str, warn: Callable[[str], None]) -> list[str]:
    """`text` in pieces which joined give it back: the model's own tokens, or words where it shows none, and says so."""
    if not isinstance(model, Segmenter):
        warn(f"the model {model.name!r} does not show its tokens, so words stand in for them")
        return words(text)
    found = model.pieces(text)
    # Tokenizers that normalise lose white space or accents: an edit of such pieces would edit the rest too.
    if "".join(found) != text:
        warn(f"the tokens of {model.name!r} do not give the text back, so words stand in for them")
        return words(text)
    return [piece for piece in found if piece]
