"""The right label's probability, out of the alternatives of a reply that was generated.

Read where the reply begins the label that it gives: there the model decides between the labels. What it said before
("The intent is") is the same whichever it decides for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from promptopt.evaluators.first_token import fold
from promptopt.evaluators.targets import right_answers
from promptopt.types import Example, Reply, Token


def share_of_right(reply: Reply, answer: str, example: Example, labels: Sequence[str]) -> float | None:
    """P(right label) among the labels, in [0, 1], where `reply` gives `answer`; None where no token begins it.

    Labels whose tokens are not among the alternatives have no share. Where labels begin with the same token, the
    following tokens decide, down to the one that tells the right label from the one that was said.
    """
    said = fold(answer)
    place = _place(reply.tokens, said) if said else None
    if place is None:
        return None
    right = {fold(each) for each in right_answers(example)}
    alive, reached, before = {fold(label) for label in labels}, 1.0, ""
    # P(label) = the product over its tokens of the share of those alternatives that still lead to a right label.
    for token in reply.tokens[place:]:
        told = ours = 0.0
        for text, logprob in token.top:
            if begun := _labels_continued(before, text, alive):
                told += math.exp(logprob)
                ours += math.exp(logprob) if begun & right else 0.0
        if told <= 0.0:
            return None
        reached *= ours / told
        alive = _labels_continued(before, token.text, alive)
        if not alive & right or alive <= right:
            # The reply has left the right label, or can say no other.
            return min(1.0, reached)
        before += token.text
    # One label goes on from another, and the reply ended at the shorter.
    return min(1.0, reached) if said in right else 0.0


def _labels_continued(before: str, text: str, labels: set[str]) -> set[str]:
    """The labels that go on with `text` after `before`."""
    said = fold(before + text)
    return {label for label in labels if said and label.startswith(said)} if said != fold(before) or before else set()


def _place(tokens: Sequence[Token], said: str) -> int | None:
    """The first token from which on the reply reads `said`."""
    for place, token in enumerate(tokens):
        begun = fold(token.text)
        if begun and (said.startswith(begun) or begun.startswith(said)):
            following = fold("".join(each.text for each in tokens[place : place + len(said) + 1]))
            if following.startswith(said):
                return place
    return None
