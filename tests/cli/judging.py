"""A task of manners, models that have them or not, and a judge of these: for tests of judges."""

from __future__ import annotations

import json
from collections.abc import Callable

from command_line import text_of

from promptopt.models.scripted import Scripted
from promptopt.types import Request

BETTER = "Answer politely."
TASK = """
instruction = "Answer."
max_tokens = 32
[data]
file = "asked.jsonl"
input = "question"
[judge]
criteria = "Is the reply polite?"
levels = ["rude", "plain", "polite"]
low = 0
high = 2
"""


def answer(request: Request) -> str:
    """Polite where the prompt asks for it, and otherwise to every fourth question."""
    text = text_of(request)
    if text.startswith("Improve:"):
        return BETTER
    number = int(text.rpartition("number ")[2].split()[0])
    return f"Please, here is {number}" if "politely" in text or number % 4 == 0 else f"Here is {number}"


def polite(text: str) -> str:
    said = text.rpartition("<<<reply ")[2]
    return json.dumps({"reason": "manners", "score": 2 if "Please" in said else 1})


def judge(said: Callable[[str], str], name: str = "judge") -> Scripted:
    return Scripted(lambda request: said(text_of(request)), name=f"scripted/{name}")
