"""Which tokens a policy may write, and the text that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from promptopt.errors import ConfigError

BROKEN = "\ufffd"
"""What a piece of a character decodes to."""
UNWRITABLE = frozenset("{}")
"""Signs of slots in layouts."""


def text_of(tokenizer: Any, tokens: Sequence[int]) -> str:
    """The text of tokens that follow others: a space before the first one stays, in every kind of vocabulary."""
    # Many tokenizers drop the space of a text that they begin, but not of one that goes on.
    anchor = anchor_of(tokenizer)
    return _decode(tokenizer, [anchor, *tokens])[len(_decode(tokenizer, [anchor])) :]


def anchor_of(tokenizer: Any) -> int:
    """A token to be read before others."""
    ids = tokenizer("a", add_special_tokens=False, verbose=False)["input_ids"]
    return int(ids[-1]) if ids else 0


def allowed_tokens(tokenizer: Any, rows: int, most: int | None, *, masked: bool = True) -> list[int]:
    """The ids that may be written, in order; `rows`: of the model's output layer, which may be more than there are ids.

    Not: special tokens, and, where `masked`, tokens that are no whole characters, hold braces or control characters, or
    show nothing. `most`: so many of them, whole words before other pieces, each in the vocabulary's own order, which
    for byte-pair vocabularies is by frequency.
    """
    # Output layers are padded for speed: rows beyond the tokenizer mean nothing, and ids beyond the rows have none.
    known = min(len(tokenizer), rows)
    if not masked:
        return list(range(known))
    special = {*tokenizer.all_special_ids, *(i for i, t in tokenizer.added_tokens_decoder.items() if t.special)}
    anchor = anchor_of(tokenizer)
    begun = _decode(tokenizer, [anchor])
    found: list[int] = []
    words: list[int] = []
    for token in range(known):
        text = _decode(tokenizer, [anchor, token])[len(begun) :]
        if token in special or not _writable(text):
            continue
        found.append(token)
        if text[0] == " " and text[1:].isalpha():
            words.append(token)
    if most is None or most >= len(found):
        return found
    first = words[:most]
    others = [token for token in found if token not in set(first)]
    # By id: a token's place in this list is what a policy's samples are made of.
    return sorted([*first, *others[: most - len(first)]])


def check_allowed(ids: Sequence[int], called: str, **limits: int | None) -> None:
    """Raise ConfigError where a policy can write nothing, or fewer tokens than a limit of `explore` needs."""
    if not ids:
        raise ConfigError(
            f"the policy model {called!r} can write no text: each of its tokens is a special one, a piece of a "
            f"character, white space, or holds a brace; name another model"
        )
    for name, most in limits.items():
        if most is not None and most > len(ids):
            raise ConfigError(
                f"explore.{name} is {most}, and the policy can write {len(ids)} tokens; set it to that or less"
            )


def _writable(text: str) -> bool:
    # Braces would be slots to who reads the prompt as a pattern; line breaks would end it in many layouts.
    return bool(text.strip()) and BROKEN not in text and text.isprintable() and not UNWRITABLE.intersection(text)


def _decode(tokenizer: Any, tokens: Sequence[int]) -> str:
    return str(tokenizer.decode(list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False))
