"""A user who is played by a model: what it is asked before each of its messages, and what its reply says.

The model reads the scenario as data, and the conversation with the roles turned round: what the assistant says comes to
it as a user's. A reply that is empty, cut off, or speaks for the assistant alone is no message. Simulators drift like
this, end too soon, and never end: of the failed conversations of one public benchmark up to 30 % were their fault.
"""

from __future__ import annotations

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
    "You play a person who writes to an assistant in a chat. Each message that you are sent is the assistant's.\n\n"
    "Answer with the next message of that person and nothing else, in their words, as briefly as people write. Never "
    "write the assistant's part, never help it, and do not say that you play. Tell what the scenario says where it is "
    "asked for, not all at once. What the scenario does not say, you do not know.\n\n"
    f"When what the person came for is done, or the assistant has made plain that it will not be, write {END} behind "
    "your last message, or alone if there is nothing left to say. Do not write it while you wait for something that "
    "the assistant said it would do.\n\n"
    "What stands between marks below is the scenario."
)
_BEGIN = "(The chat begins. Write the first message.)"
_AGAIN = "(Write the next message of the person whom you play, and nothing else.)"
_END = re.compile(r"[*_`]*\[\s*end\s*\][*_`]*", re.IGNORECASE)
_OWN = re.compile(r"^[\W_]*(?:user|customer|human|person|client)[*_ ]*:[*_ ]*", re.IGNORECASE)
_LABEL = re.compile(r"^[#*_ ]*(?:assistant|agent|chatbot|bot|ai|user|customer|human)[*_ ]*:", re.I | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a user said. `text`: the message, empty where there is none; `ends`: whether it was the last one.

    `problem`: why there is none, where the model is to blame.
    """

    text: str = ""
    ends: bool = False
    problem: str = ""


def persona_request(scenario: str, talk: Sequence[Message], *, again: bool = False) -> Request:
    """What the model is asked for the user's next message. `again`: it gave none the first time."""
    about = f"{_ABOUT}\n\n{fenced('scenario', scenario)}"
    turned = [Message("user" if each.role == "assistant" else "assistant", each.content) for each in talk]
    messages = [Message("system", about), Message("user", _BEGIN), *turned]
    if again:
        messages[-1] = Message("user", f"{messages[-1].content}\n\n{_AGAIN}")
    return Request(tuple(messages), SAMPLING, shared=len(_ABOUT))


def utterance_in(reply: Reply) -> Utterance:
    """What the user says in a reply of the model."""
    if reply.finish != "stop":
        whys = {"length": "it was cut off at its length", "rejected": "the conversation is too long for its context"}
        return Utterance(problem=whys.get(reply.finish, f"it did not answer ({reply.finish})"))
    said = spoken(reply.text)
    if said is None:
        return Utterance(problem="its thinking never ended")
    said = _OWN.sub("", said.strip())
    # From the first label on it writes on for both, as small models do: what comes before is what the user says.
    other = _LABEL.search(said)
    own = said if other is None else said[: other.start()]
    end = _END.search(own)
    text = (own if end is None else own[: end.start()]).strip()
    if not text and end is None:
        return Utterance(problem="it said nothing" if other is None else "it spoke as the assistant")
    return Utterance(text, end is not None)
