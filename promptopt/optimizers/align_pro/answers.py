"""Rewriters that answer the prompt instead of rewriting it."""

from __future__ import annotations

from promptopt.run import Run
from promptopt.text import normalise

ANSWERS = "answers instead of rewriting"
"""How such a text is counted."""


def answers(run: Run, text: str) -> bool:
    """Whether all that `text` says is an answer of this task: one of its labels, or what a training example wants."""
    said = normalise(text).strip(" .!\"'").casefold()
    # What equals the start is counted as no change, even where the start is a label's word.
    if said == normalise(run.initial[run.task.editable]).strip(" .!\"'").casefold():
        return False
    known = (*run.task.labels, *(example.target for example in run.train))
    return any(said == normalise(each).strip(" .!\"'").casefold() for each in known if each)
