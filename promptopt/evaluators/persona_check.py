"""What a judge is asked of a user who was played: whether that user kept to the scenario."""

from __future__ import annotations

import json
from collections.abc import Sequence

from promptopt.evaluators.judging import Question, sampled
from promptopt.types import Message, Request, transcript

_ABOUT = (
    "A model played a user in a chat with an assistant, by a scenario. You check the user alone; how well the "
    "assistant does is not your concern."
)
_CONTRACT = (
    "Did the user keep to the scenario: want what it says, contradict none of its facts, invent none that matter, and "
    "speak as the user only? Give the reason first, in one sentence, then the answer. Answer in JSON, as "
    '{"reason": "…", "answers": {"1": "yes" or "no"}}.'
)
_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "reason": {"type": "string"},
            "answers": {
                "type": "object",
                "properties": {"1": {"type": "string", "enum": ["yes", "no"]}},
                "required": ["1"],
                "additionalProperties": False,
            },
        },
        "required": ["reason", "answers"],
        "additionalProperties": False,
    }
)


def check_request(scenario: str, talk: Sequence[Message]) -> Request:
    """What the judge is asked of a conversation. `talk`: what the user said and heard of it."""
    question = Question(_ABOUT, _CONTRACT, _SCHEMA, sampled(1, 512))
    return question.request([("scenario", scenario)], [("chat", transcript(talk))])
