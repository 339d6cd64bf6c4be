"""The start or the winner of a run, and what each scored on dev and on the sealed test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from promptopt.outcome.conversations import Conversations
from promptopt.tasks.demos import demo_to_json
from promptopt.tasks.layouts import named_layout
from promptopt.types import Prompt


@dataclass(frozen=True, slots=True)
class Measured:
    """A prompt's mean score on `n` examples, with its 95 % interval, and how many replies could not be read.

    `cut`: of the replies that could be read, those that were cut at their length and are not right. `unjudged`: replies
    whose judge could not be read, beside the `n`. `macro_f1`: the mean over the task's labels of how well each is told
    (`stats.classes`), where there are labels and answers: accuracy hides a rare one.
    `conversations`: what those were like that were played.
    """

    score: float
    ci95: tuple[float, float]
    n: int
    unreadable: int
    cut: int = 0
    unjudged: int = 0
    macro_f1: float | None = None
    conversations: Conversations | None = None

    def told(self) -> list[str]:
        """What conversations were like, as a line; none where none was played."""
        return [] if self.conversations is None else [f"Conversations: {self.conversations.sentence()}."]

    def further(self) -> dict[str, Any]:
        """As JSON what not every task has."""
        macro = {} if self.macro_f1 is None else {"macro_f1": self.macro_f1}
        return {**macro, **({} if self.conversations is None else {"conversations": self.conversations.to_json()})}


@dataclass(frozen=True, slots=True)
class Contender:
    """The start or the winner: its score on dev (what it was chosen by) and on the sealed test (what it is worth)."""

    prompt: Prompt
    text: str
    """The editable part, which is what a method writes and a user takes away; of several, each below its name."""
    dev: Measured | None
    test: Measured | None
    tokens: int | None = None
    """Of its parts and demonstrations, by the model's own count; None in results of older versions."""

    def to_json(self) -> dict[str, Any]:
        """The contract of `--json`: `{prompt, prompt_id, dev: {score, n}, test: {score, ci95, n}}`, and more."""
        dev, test = self.dev, self.test
        return {
            "prompt": self.text,
            "prompt_id": self.prompt.id,
            "parts": dict(self.prompt.texts),
            "demos": [demo_to_json(demo) for demo in self.prompt.demos],
            **named_layout(self.prompt),
            "tokens": self.tokens,
            "dev": None
            if dev is None
            else {"score": dev.score, "ci95": finite_ends(dev.ci95), "n": dev.n, "unreadable": dev.unreadable},
            "test": None
            if test is None
            else {
                "score": test.score,
                "ci95": finite_ends(test.ci95),
                "n": test.n,
                "unreadable": test.unreadable,
                "cut": test.cut,
                # Left out where there are none, as in results of before there were judges.
                **({"unjudged": test.unjudged} if test.unjudged else {}),
                **test.further(),
            },
        }


def finite_ends(interval: tuple[float, float]) -> list[float | None]:
    """An interval; None for an end that nothing bounds, as JSON has no infinities."""
    return [end if math.isfinite(end) else None for end in interval]
