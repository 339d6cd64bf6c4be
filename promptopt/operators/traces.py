"""What a critic is shown of cells that are programs of several calls: the calls that used the text it is to change."""

from __future__ import annotations

from collections.abc import Sequence

from promptopt.operators.reflect import FIELD, Mistake, show_mistakes
from promptopt.text import shorten
from promptopt.types import Example, Score, TracedCall

CALLS_SHOWN = 3
"""Calls of one text that are shown of an example, at most: the last ones, which led to its answer. Ours."""


def records_of(part: str, examples: Sequence[Example], scores: Sequence[Score]) -> list[Mistake]:
    """The examples on which the text of this part was used, with their scores: all, where no trace tells of it.

    Not those that a program answered without a model: no text was used on them.
    """
    return [
        (example, score)
        for example, score in zip(examples, scores, strict=True)
        if (score.asked and not score.trace) or any(call.part == part for call in score.trace)
    ]


def show_calls(part: str, score: Score) -> str:
    """The calls that used the text of this part, each on lines of its own; empty where there is no trace.

    Of calls of which each repeats the one before and goes on, as an agent's do, the longest tells all.
    """
    own = [call for call in score.trace if call.part == part]
    told = [call for place, call in enumerate(own) if not any(_goes_on(later, call) for later in own[place + 1 :])]
    lines: list[str] = []
    for number, call in enumerate(told[-CALLS_SHOWN:], 1):
        lines.append(f"Call {number} of this text was given: {shorten(call.input, FIELD)}")
        lines.append(f"Call {number} gave: {shorten(call.output, FIELD)}")
    return "".join(f"\n   {line}" for line in lines)


def show_traced(part: str, mistakes: Sequence[Mistake]) -> str:
    """As `reflect.show_mistakes`, and of each the calls that used the text of this part."""
    return "\n\n".join(
        f"{number}. {show_mistakes([mistake]).removeprefix('1. ')}{show_calls(part, mistake[1])}"
        for number, mistake in enumerate(mistakes, 1)
    )


def _goes_on(later: TracedCall, call: TracedCall) -> bool:
    return later.input != call.input and later.input.startswith(call.input)
