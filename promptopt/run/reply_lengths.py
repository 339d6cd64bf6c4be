"""How many tokens a prompt's replies have: by those seen, with an allowance for how few they are."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from promptopt.types import Prompt

ALIKE = 4
"""Replies that the mean of all prompts counts for beside a prompt's own. Ours."""
ERRORS = 2.0
"""Standard errors above a prompt's mean: more replies are as long one time in fifty. Ours."""


class ReplyLengths:
    """What calls of scored cells wrote."""

    def __init__(self) -> None:
        self._of = defaultdict[Prompt, list[float]](lambda: [0.0, 0.0])
        self._count = self._sum = self._squares = 0.0

    def learn(self, prompts: Sequence[Prompt], written: Sequence[int], charged: int) -> None:
        """Of cells of these `prompts`, of which so many were `charged`; `written`: by each of their calls, in order."""
        if not charged:
            return
        # Cells that take several calls, or share them, count for the mean of their batch.
        own = written if len(written) == len(prompts) else [sum(written) / charged] * len(prompts)
        for prompt, tokens in zip(prompts, own, strict=True):
            of = self._of[prompt]
            of[0], of[1] = of[0] + 1, of[1] + tokens
            self._count, self._sum = self._count + 1, self._sum + tokens
            self._squares += tokens * tokens

    def most(self, prompt: Prompt) -> float:
        """Tokens of a cell of `prompt`, on average over many: so many at most."""
        if not self._count:
            return 0.0
        mean = self._sum / self._count
        deviation = math.sqrt(max(0.0, self._squares / self._count - mean * mean))
        count, total = self._of.get(prompt, (0.0, 0.0))
        count, total = count + ALIKE, total + ALIKE * mean
        return total / count + ERRORS * deviation / math.sqrt(count)
