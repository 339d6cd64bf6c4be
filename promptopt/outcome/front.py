"""Score against length: the prompts that no other one beats in score without being longer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from promptopt.run import Candidate
from promptopt.types import Prompt


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """A prompt that no other one beats in score without being longer.

    `score`: its mean on the `n` examples that the search ranks by. `tokens`: those of its parts and demonstrations.
    """

    prompt: Prompt
    score: float
    n: int
    tokens: int


def front(candidates: Sequence[Candidate], count_tokens: Callable[[str], int]) -> tuple[Tradeoff, ...]:
    """The Pareto front of score against length, the shortest first.

    Only candidates that were scored on as many examples as the one scored on most are compared; of equally good and
    equally long ones the earlier stands for all.
    """
    most = max((candidate.search.count for candidate in candidates), default=0)
    # On as many examples: a mean over few of them would stand on the front by luck.
    scored = [
        Tradeoff(candidate.prompt, candidate.search.mean, most, count_tokens(whole_text(candidate.prompt)))
        for candidate in candidates
        if most and candidate.search.count == most and math.isfinite(candidate.search.mean)
    ]
    found: list[Tradeoff] = []
    # The best of a length comes first, so none of the same length enters after it.
    for each in sorted(scored, key=lambda each: (each.tokens, -each.score)):
        if not found or each.score > found[-1].score:
            found.append(each)
    return tuple(found)


def whole_text(prompt: Prompt) -> str:
    """Everything of a prompt that the model reads beside the input and the layout, as one text."""
    lines = [text for _, text in prompt.texts]
    for demo in prompt.demos:
        lines += [*(value for _, value in demo.fields), demo.solution if demo.solution else demo.target]
    return "\n".join(lines)
