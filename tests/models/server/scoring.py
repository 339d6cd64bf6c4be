"""What is asked of servers that score, and what they should answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from promptopt.models.server.openai import OpenAIModel
from promptopt.types import Likelihoods, Message, ScoreRequest
from tests.dialects import ToyServer
from tests.servers import Asked

RULES = "Name the colour of the thing in one word, whatever else it says there. " * 4


CONTEXT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


def labels(thing: str, *texts: str, ends: bool = False) -> ScoreRequest:
    return ScoreRequest((Message("user", RULES + thing),), texts, len(RULES), ends)


def scored(model: OpenAIModel, *requests: ScoreRequest) -> list[Likelihoods]:
    found = dict(model.score(requests))
    assert sorted(found) == list(range(len(requests)))
    return [found[index] for index in range(len(requests))]


def expected(toy: ToyServer, thing: str, text: str) -> list[float]:
    return toy.model.logprobs(CONTEXT.format(RULES + thing), text)


def paths(asked: Sequence[Asked]) -> Counter[str]:
    return Counter(each.path for each in asked)


KINDS: dict[str, dict[str, Any]] = {
    "reads": {},
    "rows": {"rows": "exact"},
    "anew": {"caching": False},
    "whole": {"reads": "ignored"},
    "echo": {"reads": "refused", "prompt_logprobs": "refused"},
    "grammar": {"kind": "llamacpp"},
    "bias": {"kind": "llamacpp", "grammar": "ignored"},
}
