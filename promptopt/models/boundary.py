"""What of a request is shared, and where a continuation begins among the tokens: the law that all engines keep.

A text after a context is tokenised as a whole, as it is in deployment, and a token can then reach over the boundary.
What the tokens of the context and of the whole have in common is context; everything after it is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import compress, count
from operator import ne

from promptopt.types import Content

SHORTEST_PREFIX = 16
"""Tokens. Below it, evaluating a prefix anew costs less than bringing it back."""


@dataclass(frozen=True, slots=True)
class Forced:
    """A `ScoreRequest` in tokens: `wholes[i][starts[i]:]` are the tokens of continuation i that are scored.

    `context`: what the model reads before them. `wholes`: context and continuation, and the end where it is asked for.
    Every start is at least 1: a token is scored given some token before it.
    """

    context: tuple[int, ...]
    wholes: tuple[tuple[int, ...], ...]
    starts: tuple[int, ...]
    merged: bool

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the context once, and of every continuation."""
        scored = sum(len(whole) - start for whole, start in zip(self.wholes, self.starts, strict=True))
        return len(self.context) + scored

    @property
    def longest(self) -> int:
        """Tokens of the longest text."""
        return max([len(self.context), *map(len, self.wholes)])

    @property
    def root(self) -> int:
        """How many leading tokens no continuation scores; 0 where nothing is scored."""
        scored = (start for whole, start in zip(self.wholes, self.starts, strict=True) if start < len(whole))
        return min(scored, default=0)


def continuation_start(context: Sequence[int], whole: Sequence[int]) -> tuple[int, bool]:
    """(how many leading tokens are context, whether a token reached from the context into the continuation).

    `context`: the tokens of what is read. `whole`: the tokens of that text with the continuation after it. The tokens
    `whole[start:]` are those scored. Where the second value is true, `start < len(context)`.
    """
    start = common_length(context, whole)
    return start, start < len(context)


def common_length(first: Sequence[object], second: Sequence[object]) -> int:
    """How many leading tokens, or characters, two texts have in common."""
    shorter = min(len(first), len(second))
    if first[:shorter] == second[:shorter]:  # nearly always, and compared at once
        return shorter
    return next(compress(count(), map(ne, first, second)), shorter)


def beginning(content: Content, shared: int) -> Content:
    """`content` with only its first `shared` characters, and without the white space where it was cut.

    White space at the cut would be a token of its own here, and a part of the example's first token in the whole.
    """
    if isinstance(content, str):
        return content if shared >= len(content) else content[: max(0, shared)].rstrip()
    messages = list(content)
    # Characters are counted through the messages in order, as they were rendered.
    for index, message in enumerate(content):
        if shared < len(message.content):
            # Below zero what is shared ended in an earlier message: of this one nothing is kept.
            messages[index] = replace(message, content=message.content[: max(0, shared)].rstrip())
        shared -= len(message.content)
    return tuple(messages)
