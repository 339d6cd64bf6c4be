"""The history of an LM within a run: none, and a sentence for a program that reads it."""

from __future__ import annotations

from typing import Any

from promptopt.dspy.untyped import LM

NO_HISTORY = (
    "lm.history is empty within a run of promptopt, whose cells run side by side; go by what the predictor gives back, "
    "and see the run's own report for tokens and costs"
)


class _NoHistory(list[Any]):
    """Empty for good; an index out of range would not tell why."""

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return []
        raise IndexError(NO_HISTORY)


def without_history(lm: LM) -> LM:
    """The LM itself, whose history says why it is empty where one entry of it is asked for."""
    lm.history = _NoHistory()
    return lm
