"""What a rule can tell of a played conversation: how long it is, whether it ended, what was asked twice.

Of several draws of one scenario it tells how many of them passed.

Source   pass^k: Yao et al. 2024, tau-bench (arXiv:2406.12045).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from promptopt.text import normalise
from promptopt.types import Message, Score

TURNS, ENDED, REPEATED, TOOL_CALLS = "turns", "ended by the user", "questions asked again", "calls of tools"
"""What `Score.parts` calls them."""
DRAWS, PASSED = "draws", "draws that passed"
LEAST_WORDS = 3
"""Of a question that counts where it is asked again: "Really?" may be asked twice. Ours."""
NEAR_ENOUGH = 1e-9
"""What a score may lack to pass: means may differ in their last digits."""
_QUESTION = re.compile(r"[^.!?。！？\n]+[?？]")


def figures_of(messages: Sequence[Message], *, ended: bool) -> tuple[tuple[str, float], ...]:
    """The figures of a conversation, by their names. `ended`: whether the user came to an end."""
    said = [message for message in messages if message.role == "assistant"]
    return (
        (TURNS, float(sum(message.role == "user" for message in messages))),
        (ENDED, float(ended)),
        (REPEATED, float(asked_again(said))),
        (TOOL_CALLS, float(sum(len(message.tool_calls) for message in said))),
    )


def asked_again(said: Sequence[Message]) -> int:
    """How many questions the assistant asks that it has asked in an earlier message, word for word."""
    heard: set[str] = set()
    again = 0
    for message in said:
        asked = {
            " ".join(re.findall(r"\w+", normalise(each).casefold())) for each in _QUESTION.findall(message.content)
        }
        asked = {each for each in asked if len(each.split()) >= LEAST_WORDS}
        again += len(asked & heard)
        heard |= asked
    return again


def joined(draws: Sequence[Score], passes: float) -> Score:
    """One scenario, played several times: the mean; output and feedback of the worst.

    No score where not more than half of the draws have one. `passes`: the score from which on a draw passes.
    """
    judged = [draw for draw in draws if draw.judged]
    if 2 * len(judged) <= len(draws):
        return next(draw for draw in draws if not draw.judged)
    names = dict.fromkeys(name for draw in judged for name, _ in draw.parts)
    means = tuple(
        (name, fmean([value for draw in judged for part, value in draw.parts if part == name])) for name in names
    )
    passed = sum(draw.value >= passes - NEAR_ENOUGH for draw in judged)
    counts = ((DRAWS, float(len(judged))), (PASSED, float(passed)))
    worst = min(judged, key=lambda draw: draw.value)
    return replace(worst, value=fmean([draw.value for draw in judged]), parts=(*means, *counts))
