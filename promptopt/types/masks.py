"""Masks of masked language models within texts: which are a layout's own, and which stand in what fills it.

How a model spells its mask is its own affair: `[MASK]`, `<mask>`, `<|mask|>`. Whoever renders a request does not know
it, so all spellings are looked at.
"""

from __future__ import annotations

import re
from dataclasses import replace

from promptopt.types.messages import Content, flat

_MASK = re.compile(r"[\[<]\|?\w*mask\w*\|?[\]>]", re.IGNORECASE)
_MADE_OF = re.compile(rf"{_MASK.pattern}|mask", re.IGNORECASE)
"""A word in a value is a mask too, where the layout writes a bracket on each side of it."""
_COVER = "\ue002"
"""Private-use: no text that is made for a model holds it."""

Spans = tuple[tuple[int, int], ...]
"""From and to, in characters over the contents of all messages, in order."""


def holds_mask(content: Content) -> bool:
    """Whether a mask of any spelling stands there."""
    return _MASK.search(flat(content)) is not None


def masks_covered(text: str) -> str:
    """`text` as long as it is, with nothing in it that reads like a mask."""
    return _MADE_OF.sub(lambda found: _COVER * len(found[0]), text)


def covered(content: Content, spans: Spans) -> Content:
    """`content` as long as it is, with nothing of these spans in it."""
    if isinstance(content, str):
        for start, end in spans:
            content = content[:start] + _COVER * (end - start) + content[end:]
        return content
    messages, before = list(content), 0
    for place, message in enumerate(content):
        # A mask is found within one message, so no span reaches over two.
        own = [(a - before, b - before) for a, b in spans if before <= a and b <= before + len(message.content)]
        messages[place] = replace(message, content=str(covered(message.content, tuple(own))))
        before += len(message.content)
    return tuple(messages)


def literal_masks(content: Content, inert: Content) -> Spans:
    """The masks in `content` that are text. `inert`: the same content, made of texts whose masks are covered.

    All of them, where the two are not alike otherwise: then nothing says which is the layout's.
    """
    wholes, others = _texts(content), _texts(inert)
    alike = [len(text) for text in wholes] == [len(text) for text in others]
    found: list[tuple[int, int]] = []
    before = 0
    for place, text in enumerate(wholes):
        for mask in _MASK.finditer(text):
            if not alike or others[place][mask.start() : mask.end()] != mask[0]:
                found.append((before + mask.start(), before + mask.end()))
        before += len(text)
    return tuple(found)


def _texts(content: Content) -> list[str]:
    return [content] if isinstance(content, str) else [message.content for message in content]
