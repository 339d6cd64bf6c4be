"""The score that a judge's log-probabilities expect, where its engine gives some."""

from __future__ import annotations

import math
from collections.abc import Sequence

from promptopt.types import Token

LEGAL = 0.5
"""Probability that tokens of the scale must have together for an expected score: below it the judge says something
else."""


def expected_in(tokens: Sequence[Token], low: int, high: int) -> float | None:
    """E[score] by the probabilities of the last token that is a score, over those of its alternatives that are.

    G-Eval (Liu et al. 2023, arXiv:2303.16634) weighs scores like this. None where there is no such token, or where what
    is no score is likelier than `LEGAL` allows.
    """
    scores = {str(score): score for score in range(low, high + 1)}
    at = next((token for token in reversed(tokens) if token.text.strip(' \t\n"') in scores and token.top), None)
    if at is None:
        return None
    mass = total = 0.0
    for text, logprob in at.top:
        score = scores.get(text.strip(' \t\n"'))
        if score is not None:
            share = math.exp(logprob)
            mass, total = mass + share, total + share * score
    return total / mass if mass >= LEGAL else None
