"""Labels by their first token alone: for engines that report the likeliest tokens but cannot score a given text.

Engines report the k likeliest alternatives of a generated token. A label's share is the probability of the tokens
among them that begin it, so labels must differ in their first token.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from promptopt.errors import ConfigError
from promptopt.text import caseless
from promptopt.types import Content, Reply, Request, Sampling

ALTERNATIVES = 20
"""Log-probabilities asked for a token: the most that OpenAI-compatible servers give."""

_WAYS_OUT = (
    "rename them so that their first words differ (such as 'great' and 'terrible'), use a model that scores given "
    "texts (`promptopt models list` says which do), or use evaluator 'generation'"
)


@dataclass(frozen=True, slots=True)
class FirstTokenReading:
    """What a first token says of the labels.

    `seen`: the log-probability that a label begins, for each label that a reported token begins. `floor`: the smallest
    log-probability reported, an upper bound for the other labels. `reported`: how many alternatives there were.
    `problem`: why there is no answer to be read; empty where there is one.
    """

    seen: Mapping[str, float] = field(default_factory=dict[str, float])
    floor: float = -math.inf
    reported: int = 0
    problem: str = ""


class FirstTokens:
    """Tells labels apart by the first token of the words that stand for them."""

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        """`words`: for each label what stands for it. Raises ConfigError where words of two labels begin alike."""
        self._folded = tuple((label, fold(word)) for label, spellings in words.items() for word in spellings)
        first_words: dict[str, str] = {}
        for label, folded in self._folded:
            # The words of a label are tokens of their own, so an equal first word is an equal first token.
            other = first_words.setdefault(folded.split(" ")[0], label)
            if other != label:
                raise _same_start(other, label, folded.split(" ")[0])

    def request(self, content: Content, shared: int) -> Request:
        """One token, with its alternatives."""
        return Request(content, Sampling(max_tokens=1), logprobs=ALTERNATIVES, shared=shared)

    def read(self, reply: Reply) -> FirstTokenReading:
        """What the first token says. Raises ConfigError without alternatives, or where two labels share that token."""
        if reply.finish == "rejected":
            return FirstTokenReading(problem="the prompt is too long for the model's context")
        if not reply.tokens and not reply.text:
            return FirstTokenReading(problem="the model ended its reply before the first token")
        if not reply.tokens or not reply.tokens[0].top:
            raise ConfigError(
                "evaluator 'labels' needs the log-probabilities of generated tokens, and the task model reports none: "
                "use the embedded engine (llama.cpp), vLLM, or an OpenAI-compatible server that returns top_logprobs; "
                "or use evaluator 'generation'"
            )
        top = reply.tokens[0].top
        seen = self._mass(top)
        if not seen:
            shown = ", ".join(repr(token) for token, _ in top[:3])
            return FirstTokenReading(problem=f"no label among the likeliest first tokens ({shown}, …)")
        return FirstTokenReading(seen, min(logprob for _, logprob in top), len(top))

    def _mass(self, top: Sequence[tuple[str, float]]) -> dict[str, float]:
        """The log-probability that a label begins, for each label that a reported token begins.

        Of a word's prefixes among the tokens only the longest counts (in all its spellings): " no" does not begin
        "normal" where " normal" is a token too.
        """
        begun: dict[tuple[str, str], dict[str, float]] = {}
        for token, logprob in top:
            start = fold(token)
            # A single Latin letter begins words of all kinds, and counts only where it is a label itself.
            if len(start) > 1 or not start.isascii() or any(start == folded for _, folded in self._folded):
                for label, folded in self._folded:
                    if start and folded.startswith(start):
                        spellings = begun.setdefault((label, folded), {})
                        spellings[start] = spellings.get(start, 0.0) + math.exp(logprob)
        owners: dict[str, str] = {}
        mass: dict[str, float] = {}
        for (label, _), spellings in begun.items():
            # Shorter tokens that begin the word are left to other words that they begin.
            start = max(spellings, key=len)
            owner = owners.get(start)
            if owner is None:
                owners[start] = label
                mass[label] = mass.get(label, 0.0) + spellings[start]
            elif owner != label:
                raise _same_start(owner, label, start)
        return {label: math.log(share) if share > 0.0 else -math.inf for label, share in mass.items()}


def fold(text: str) -> str:
    """Case, underscores, quotes, markup and outer white space make no difference to what a token begins."""
    # `▁` and `Ġ` are how vocabularies write the space before a word.
    return " ".join(caseless(text.replace("_", " ").replace("-", " ").strip(" \t\n*\"'`([▁Ġ")).split())


def _same_start(first: str, second: str, start: str) -> ConfigError:
    return ConfigError(
        f"labels {first!r} and {second!r} both begin with {start!r}, so their first token cannot tell them apart: "
        f"{_WAYS_OUT}"
    )
