"""Whether the start prompt's first replies hold answers that can be read: said early, before a search is paid for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from promptopt.evaluators.generation import CUT, THINKING, TOO_LONG, UNANSWERED
from promptopt.programs.evaluator import FAILED
from promptopt.types import Cell, Prompt, Score

FIRST_REPLIES = 20
"""Replies that are waited for. Ours."""
MOST_UNREADABLE = 0.5
"""Share of them that may be unreadable before it is said: a start that is that bad is mostly a wrong setting."""


class FirstReplies:
    """Counts the start prompt's first `FIRST_REPLIES` replies, and speaks once, unless a method has said it before."""

    __slots__ = ("_causes", "_max_tokens", "_said", "_seen", "_start")

    def __init__(self, start: Prompt, max_tokens: int) -> None:
        """`max_tokens`: the cap of a reply, which may be what is wrong."""
        self._start, self._max_tokens = start, max_tokens
        self._seen, self._said = 0, False
        self._causes: Counter[str] = Counter()

    def unread(self, cells: Sequence[Cell], scores: Sequence[Score]) -> str:
        """A sentence with the setting to change, once more than half of the first replies are of no use; else nothing.

        It comes with the reply that makes the first `FIRST_REPLIES` complete.
        """
        if self._seen >= FIRST_REPLIES:
            return ""
        for cell, score in zip(cells, scores, strict=True):
            if cell.prompt == self._start and self._seen < FIRST_REPLIES:
                self._seen += 1
                if CUT in score.feedback:
                    self._causes[f"{CUT} {self._max_tokens} tokens"] += 1
                # A judge or a program that failed says nothing of the start prompt's replies.
                elif score.judged and not score.parsed and not score.feedback.startswith(FAILED):
                    self._causes[score.feedback] += 1
        unread = sum(self._causes.values())
        if self._seen < FIRST_REPLIES or unread <= MOST_UNREADABLE * FIRST_REPLIES or self._said:
            return ""
        self._said = True
        cause = self._causes.most_common(1)[0][0]
        return (
            f"{unread} of the first {FIRST_REPLIES} replies to the start prompt are cut short or hold no readable "
            f"answer (mostly: {cause}); {advice(cause, self._max_tokens)}"
        )

    def first_to_say(self, share: float) -> bool:
        """Whether a method that looked itself is the first to say that such a share of replies is of no use.

        Where that is more than half, no more is said of them here.
        """
        first, self._said = not self._said, self._said or share > MOST_UNREADABLE
        return first


def advice(cause: str, max_tokens: int) -> str:
    """What to change where most replies are unreadable for `cause`, a feedback; `max_tokens`: the cap of a reply."""
    # Thinking that never ends was cut off as well, whatever the server calls it.
    if cause.startswith((CUT, THINKING)):
        return (
            f"raise the task's max_tokens, now {max_tokens}; a model that thinks before it answers needs thousands, or "
            f"thinking turned off"
        )
    if cause.startswith(TOO_LONG):
        return "shorten the start prompt or its demonstrations, or name a model with a longer context"
    if cause.startswith(UNANSWERED):
        return "the model declines this task: name another model, or say in the prompt what the answers are for"
    return (
        "change how the task reads an answer, or say in the prompt how to give it; `promptopt evaluate --layouts` "
        "ranks the task's layouts"
    )
