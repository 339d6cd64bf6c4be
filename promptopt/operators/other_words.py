"""A reply that is nothing but another wording of the text it was asked to rewrite: it needs no tags to be read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from promptopt.operators.refusals import changes_nothing, criticises, refuses
from promptopt.operators.replies import tidy
from promptopt.operators.wrappings import holds_several

PLACEHOLDER = re.compile(r"(?<![\\A-Za-z0-9_}^])\{\{?\s*([^\W\d]\w*)\s*\}\}?")
r"""`{name}` and `{{ name }}`, but not the braces of \boxed{answer} or x^{n}. Chinese has no blank before it."""
KEPT = 0.5
"""The share of its parent's telling words that a rewrite holds: half of them, where a remark beside the matter has few.
Ours; of 22 real replies without tags one in ten was a prompt, and the others answered, asked back or criticised."""

_TELLING = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\d_]{4,}")
"""Words of four letters and more; in scripts without spaces, each sign."""
_TALK = re.compile(
    r"\A\W*(?:sure|certainly|of course|absolutely|okay|ok|yes|no|here|well|this|that|it|these|those|there|thanks?|hello"
    r"|hi)\b|\b(?:I|I['’]\w+|let me|you['’]d like)\b|\?|？|:\W*\Z"
    r"|\bplease (?:provide|share|send|specify|clarify)\b"
    r"|\b(?:instructions?|prompts?|language models?|rewrit\w*|rephras\w*|paraphras\w*)\b",
    re.IGNORECASE,
)
"""What a model says beside a prompt: to whom it speaks, of itself, or of the text."""


def rewrites(said: str, parent: str) -> str | None:
    """The text of a reply that says what `parent` says in other words, and nothing beside it; else None.

    It is one paragraph where the parent is, has the parent's placeholders, and holds half of its telling words. It does
    not refuse, criticise, ask back or speak of itself, unless the parent speaks so.
    """
    text = tidy(said, parent)
    telling = _telling(parent)
    if not telling or len(telling & _telling(text)) < KEPT * len(telling):
        return None
    # A remark stands in a paragraph of its own.
    if any(text.count(mark) > parent.count(mark) for mark in ("\n\n", "```")) or holds_several(text):
        return None
    if refuses(text) or criticises(text) or changes_nothing(text):
        return None
    if _TALK.search(text) and not _TALK.search(parent):
        return None
    return text if _names(text) == _names(parent) else None


def _telling(text: str) -> set[str]:
    return set(_TELLING.findall(text.casefold()))


def _names(text: str) -> Sequence[str]:
    return sorted(set(PLACEHOLDER.findall(text)))
