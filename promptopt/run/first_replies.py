"""Whether the first replies hold answers that can be read: said early, before a search is paid for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from promptopt.evaluators.generation import CUT, NO_ANSWER_READ, THINKING, TOO_LONG, UNANSWERED
from promptopt.programs.evaluator import FAILED, UNSCORED
from promptopt.types import Cell, Prompt, Score

FIRST_REPLIES = 20
"""Replies that are waited for. Ours."""
MOST_UNREADABLE = 0.5
"""Share of them that may be unreadable before it is said: a start that is that bad is mostly a wrong setting."""


class FirstReplies:
    """Counts the first `FIRST_REPLIES` replies, to the start prompt and to any, and speaks once.

    Not where a method has said it before. Of others it is said where none can be read: a rewrite may be at fault.
    """

    __slots__ = ("_any", "_called", "_causes", "_max_tokens", "_said", "_seen", "_start")

    def __init__(self, start: Prompt, max_tokens: int, called: str = "the start prompt") -> None:
        """`max_tokens`: the cap of a reply, which may be what is wrong. `called`: what a person calls `start`."""
        self._start, self._max_tokens, self._called = start, max_tokens, called
        self._seen, self._said = 0, False
        self._causes: Counter[str] = Counter()
        # With the empty cause for those that are of use.
        self._any: Counter[str] = Counter()

    def unread(self, cells: Sequence[Cell], scores: Sequence[Score]) -> str:
        """A sentence with the setting to change, once too few of the first replies are of use; else nothing.

        It comes with the reply that makes the first `FIRST_REPLIES` complete.
        """
        if self._said or (self._seen >= FIRST_REPLIES and self._any.total() >= FIRST_REPLIES):
            return ""
        for cell, score in zip(cells, scores, strict=True):
            cause = self._why_useless(score)
            if self._any.total() < FIRST_REPLIES:
                self._any[cause] += 1
            if cell.prompt == self._start and self._seen < FIRST_REPLIES:
                self._seen += 1
                if cause:
                    self._causes[cause] += 1
        unread = self._causes.total()
        if self._seen >= FIRST_REPLIES and unread > MOST_UNREADABLE * FIRST_REPLIES:
            return self._sentence(f"{unread} of the first {FIRST_REPLIES} replies to {self._called}", self._causes)
        if self._seen and self._any.total() >= FIRST_REPLIES and not self._any[""]:
            return self._sentence(f"all of the first {FIRST_REPLIES} replies", self._any)
        return ""

    def _why_useless(self, score: Score) -> str:
        """Why a reply is of no use; empty where it is."""
        if CUT in score.feedback:
            return f"{CUT} {self._max_tokens} tokens"
        # A judge, a program or its metric that failed says nothing of the replies.
        said = score.judged and not score.parsed and not score.feedback.startswith((FAILED, UNSCORED))
        return score.feedback if said else ""

    def _sentence(self, which: str, causes: Counter[str]) -> str:
        self._said = True
        cause = causes.most_common(1)[0][0]
        # Which is what the sentence says already.
        told = "" if cause == NO_ANSWER_READ else f" (mostly: {cause})"
        return f"{which} are cut short or hold no readable answer{told}; {advice(cause, self._max_tokens)}"

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
