"""A mark in a prompt: where a policy writes a text for each input, and which policy that is.

The mark is all that a candidate holds of its policy, so prompts with one are compared, kept and shown as others are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol, runtime_checkable

from promptopt.errors import ConfigError
from promptopt.types import Content

_MARK = re.compile(r"\[\[policy ([0-9a-f]{16})\]\]")


def mark_of(state: str) -> str:
    """The mark of a policy whose weights follow from what `state` is a digest of."""
    return f"[[policy {state}]]"


def state_of(mark: str) -> str:
    """The digest in a mark."""
    found = _MARK.fullmatch(mark)
    return "" if found is None else found[1]


def mark_in(text: str) -> str:
    """The first mark in a text; nothing where there is none."""
    found = _MARK.search(text)
    return "" if found is None else found[0]


def marked(content: Content) -> str:
    """The first mark in what a model is sent; nothing where there is none."""
    texts = [content] if isinstance(content, str) else [message.content for message in content]
    return next((mark for text in texts if (mark := mark_in(text))), "")


def around(content: Content, mark: str) -> str:
    """What a model is sent without the mark, which is what the policy reads: a chat's messages in lines."""
    if isinstance(content, str):
        return content.replace(mark, "")
    texts = [message.content.replace(mark, "") for message in content]
    return "\n".join(text for text in texts if text.strip())


def filled(content: Content, mark: str, text: str) -> Content:
    """What a model is sent, with `text` in the place of the mark."""
    if isinstance(content, str):
        return content.replace(mark, text)
    return tuple(replace(message, content=message.content.replace(mark, text)) for message in content)


@runtime_checkable
class Fills(Protocol):
    """A model that writes what stands in the place of a mark, of a request without it."""

    @property
    def mark(self) -> str:
        """The mark."""
        ...


def refuse_unfilled(texts: Iterable[str], model: str) -> None:
    """Raise ConfigError where a prompt's texts hold a mark and `model`, the name of what is asked, fills none."""
    mark = next((mark for text in texts if (mark := mark_in(text))), "")
    if mark and not model.startswith("rewritten/policy/"):
        raise ConfigError(
            f"the prompt holds {mark}, which stands for what a policy of rlprompt writes for each input, and "
            f"{model!r} would read it as it is; write the policy with `promptopt runs prompter RUN --out FOLDER`, and "
            f"name the model rewritten/policy/FOLDER::MODEL"
        )
