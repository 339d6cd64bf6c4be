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

_POLICY_MARK = re.compile(r"\[\[policy ([0-9a-f]{16})\]\]")


def mark_of(state: str) -> str:
    """The mark of a policy whose weights follow from what `state` is a digest of."""
    return f"[[policy {state}]]"


def state_of(mark: str) -> str:
    """The digest in a mark."""
    found = _POLICY_MARK.fullmatch(mark)
    return "" if found is None else found[1]


def mark_in(text: str) -> str:
    """The first mark in a text; nothing where there is none."""
    found = _POLICY_MARK.search(text)
    return "" if found is None else found[0]


def around(content: Content, mark: str) -> str:
    """What a model is sent without the mark, which is what the policy reads: a chat's messages in lines."""
    if isinstance(content, str):
        return content.replace(mark, "")
    # As text and not through a chat template: the policy was made to go on from a text, and may have no template.
    texts = [message.content.replace(mark, "") for message in content]
    return "\n".join(text for text in texts if text.strip())


def filled(content: Content, mark: str, text: str) -> Content:
    """What a model is sent, with `text` in the place of the mark."""
    if isinstance(content, str):
        return content.replace(mark, text)
    return tuple(replace(message, content=message.content.replace(mark, text)) for message in content)


@runtime_checkable
class FillsMark(Protocol):
    """A model that writes what stands in the place of a mark, of a request without it."""

    @property
    def mark(self) -> str:
        """The mark."""
        ...


def refuse_unfilled(texts: Iterable[str], model: str) -> None:
    """Raise ConfigError where a prompt holds a mark that `model`, the name of what is asked, does not fill."""
    mark = next((mark for text in texts if (mark := mark_in(text))), "")
    if not mark or mark in model:
        return
    # The name of a policy holds its mark.
    other = f"is another policy, {mark_in(model)}" if mark_in(model) else "would read it as it is"
    raise ConfigError(
        f"the prompt holds {mark}, which stands for what that policy of rlprompt writes for each input, and {model!r} "
        f"{other}; write the policy with `promptopt runs prompter RUN --out FOLDER`, and name the model "
        f"rewritten/policy/FOLDER::MODEL"
    )
