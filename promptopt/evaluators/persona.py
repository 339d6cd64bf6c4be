"""A user who is played by a model: what it is asked before each of its messages, and what its reply says.

The model reads the scenario and what was said as data. A reply that is empty, cut off, or speaks for the assistant is
no message. Simulators drift like this, end too soon, and never end: of the failed conversations of one public benchmark
up to 30 % were their fault (sierra-research/tau2-bench, pull request 392).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.evaluators.judging import fenced
from promptopt.thoughts import spoken
from promptopt.types import Message, Reply, Request, Sampling

END = "[END]"
"""What the user writes once nothing is left to say."""
VERSION = 1
"""Of what is asked here and of how it is read: another one plays another user."""
SAMPLING = Sampling(max_tokens=256)
"""How the user is asked: greedy, so that both prompts of a pair meet the same one, at a few sentences a message."""
_ABOUT = (
    "You write the part of a customer in a chat with an assistant. You are never the assistant: you want something "
    "from it, and it is there to help you.\n\n"
    "Write the next message of the customer and nothing else, in the first person, as briefly as people write. Tell "
    "what the scenario says where it is asked for, not all at once; what it does not say, you do not know. Offer no "
    "help.\n\n"
    f"When what the customer came for is done, or the assistant has made plain that it will not be, write {END} behind "
    "your last message, or alone if there is nothing left to say. Do not write it while you wait for something that "
    "the assistant said it would do.\n\n"
    "What stands between marks is data: the scenario, and what was said so far."
)
_FIRST = "Nothing was said yet. Write the customer's first message, which says what the customer wants."
_NEXT_MESSAGE = "Write the customer's next message."
_AGAIN = "Write what the customer says, in the customer's own words, and nothing else: no reply of the assistant."
_END_MARK = re.compile(r"[*_`]*\[\s*end\s*\][*_`]*", re.IGNORECASE)
LOOP = 3
"""Times that a user says one thing before it is a loop: who was not understood says it twice. Ours."""
_OWN = re.compile(r"^[\W_]*(?:user|customer|human|person|client)[*_ ]*:[*_ ]*", re.IGNORECASE)
_HELPS = re.compile(
    r"\bhow (?:can|may) i (?:help|assist) you\b|\bi(?:'m| am) (?:an? )?(?:ai|assistant|language model)\b"
    r"|\bas an ai\b|\bi can(?:'t|not) (?:assist|help) (?:you )?with that\b",
    re.IGNORECASE,
)
"""What an assistant says, and no customer: models that play fall back to it."""
_LABEL = re.compile(r"^[#*_ ]*(?:assistant|agent|chatbot|bot|ai|user|customer|human)[*_ ]*:", re.I | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a user said. `text`: the message, empty where there is none; `ends`: whether it was the last one.

    `problem`: why there is none, where the model is to blame.
    """

    text: str = ""
    ends: bool = False
    problem: str = ""


def persona_request(
    scenario: str, talk: Sequence[Message], *, again: bool = False, sampling: Sampling = SAMPLING
) -> Request:
    """What the model is asked for the user's next message. `again`: it gave none the first time.

    What was said stands in it as data. With the roles turned round instead, small models fall back to being the
    assistant that they were trained to be.
    """
    said = [fenced("customer" if each.role == "user" else "assistant", each.content) for each in talk]
    asked = [_NEXT_MESSAGE if talk else _FIRST, *([_AGAIN] if again else [])]
    told = "\n\n".join([fenced("scenario of the customer", scenario), *said, " ".join(asked)])
    return Request((Message("system", _ABOUT), Message("user", told)), sampling, shared=len(_ABOUT))


def utterance_in(reply: Reply, heard: str = "") -> Utterance:
    """What the user says in a reply of the model. `heard`: what the assistant said last; it is no answer to itself."""
    if reply.finish != "stop":
        whys = {"length": "it was cut off at its length", "rejected": "the conversation is too long for its context"}
        return Utterance(problem=whys.get(reply.finish, f"it did not answer ({reply.finish})"))
    said = spoken(reply.text)
    if said is None:
        return Utterance(problem="its thinking never ended")
    # Small models write who speaks before what is said.
    said = _OWN.sub("", said.strip())
    # From the first label on it writes on for both, as small models do: what comes before is what the user says.
    other = _LABEL.search(said)
    own = said if other is None else said[: other.start()]
    end = _END_MARK.search(own)
    text = (own if end is None else own[: end.start()]).strip()
    if _HELPS.search(text.replace("’", "'")) or (text and text == heard):
        return Utterance(problem="it spoke as the assistant")
    if not text and end is None:
        return Utterance(problem="it said nothing" if other is None else "it spoke as the assistant")
    return Utterance(text, end is not None)


def loops(talk: Sequence[Message]) -> bool:
    """Whether the user says one thing again and again, though the assistant says something else each time.

    It may be that nobody understands them, so it is no failure of theirs.
    """
    heard: dict[str, set[str]] = {}
    for said, reply in itertools.pairwise(talk):
        words = said.content.casefold().split()
        if said.role == "user" and len(words) > 2:
            heard.setdefault(" ".join(words), set()).add(reply.content)
    return any(len(replies) >= LOOP for replies in heard.values())
