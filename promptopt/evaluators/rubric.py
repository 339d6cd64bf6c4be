"""A rubric: a judge gives each reply a score on a scale, by criteria with a sentence for each level.

Source   Zheng et al. 2023 (arXiv:2306.05685) for judges and their biases; G-Eval (Liu et al. 2023, arXiv:2303.16634)
         for the expected score. 0 to 5 agrees best with people over six benchmarks (arXiv:2601.03444).
Cost     one call of the task model a cell, and of the judge one for each draw, twice where it cannot be read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from promptopt.errors import ConfigError
from promptopt.evaluators.expected_score import expected_in
from promptopt.evaluators.first_token import ALTERNATIVES
from promptopt.evaluators.judge_reply import VERSION, off_scale, score_in
from promptopt.evaluators.judging import (
    OFF_SCALE,
    Question,
    Watches,
    Word,
    consult,
    graded,
    options_of,
    sampled,
    shown_example,
    shown_reply,
    told_more,
    unjudged,
)
from promptopt.protocols import Ask, Role, Task
from promptopt.types import Cell, Example, Reply, Score

CRITERIA = "How well does the reply do what the input asks for?"
"""Where nobody says what to go by."""
_SCALE_ENDS = ("of no use", "as good as it can be")


@dataclass(frozen=True, slots=True)
class Rubric:
    """The judge's score, (score - low) / (high - low), in [0, 1].

    A reply that the judge cannot be got to score has none (`Score.judged`). An empty reply is worth 0, and no judge is
    asked.
    """

    task: Task
    criteria: str = ""
    """What a good reply is."""
    levels: tuple[str, ...] = ()
    """One sentence for each score, the lowest first; none says what the ends mean."""
    low: int = 0
    """The lowest score."""
    high: int = 5
    """The highest score."""
    score_by: Literal["auto", "expected", "written"] = "auto"
    """`expected`: the mean of the scale by the probabilities of its tokens. `auto`: that, where the judge has them."""
    reference: bool = True
    """Whether the judge is shown the target, as one good answer of many."""
    reasons: bool = True
    """Whether the judge says why, before it scores; methods that reflect read it."""
    draws: int = 1
    """How often the judge is asked; several answers are drawn, and their mean counts."""
    max_tokens: int = 512
    """Tokens of a judge's reply; a judge that thinks needs thousands."""
    show_system: bool = False
    """Whether the judge is shown the system prompt above the reply; if not, no prompt can argue its own case."""
    share_rubric: bool = False
    """Whether whoever writes prompts is told what the judge goes by, beside its reasons: prompts fit it then."""
    watches: Watches = field(default_factory=Watches, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ConfigError(f"a scale from {self.low} to {self.high} has no room; give low below high, such as 0, 5")
        if self.levels and len(self.levels) != self.high - self.low + 1:
            raise ConfigError(
                f"the rubric has {len(self.levels)} levels for the scores {self.low} to {self.high}; give "
                f"{self.high - self.low + 1}, the lowest first, or another scale"
            )
        if self.draws < 1 or self.max_tokens < 1:
            raise ConfigError(
                f"the rubric asks {self.draws} times for {self.max_tokens} tokens; give 1 or more of each"
            )
        # Written with two digits, or drawn several times, a score has no single token whose alternatives tell its mean.
        if self.score_by == "expected" and (not self._tokens or self.draws > 1):
            raise ConfigError(
                "an expected score needs a scale of single tokens, within 0 to 9, and one draw; give low and high "
                "there, or score_by = written"
            )

    @classmethod
    def for_task(cls, task: Task) -> Self:
        """With what the task says of its judge. Raises ConfigError for what does not fit together."""
        return cls(task, **options_of(task, "rubric"))

    @property
    def judge_calls(self) -> int:
        """Each draw, and each once more."""
        return 2 * self.draws

    @property
    def calls_per_cell(self) -> int:
        """One of the task model, the others of the judge."""
        return 1 + self.judge_calls

    @property
    def judges(self) -> tuple[Role, ...]:
        """The one judge."""
        return ("judge",)

    @property
    def questions(self) -> tuple[str, ...]:
        """The criteria and the levels."""
        return (self.criteria, *self.levels)

    def fingerprint(self) -> Mapping[str, Any]:
        """All that is asked, how it is read, and how often."""
        return {
            "evaluator": "rubric",
            "criteria": self.criteria,
            "levels": list(self.levels),
            "scale": [self.low, self.high],
            "asked": [self.score_by, self.reference, self.reasons, self.draws, self.max_tokens],
            "read": VERSION,
            **told_more(show_system=self.show_system, share_rubric=self.share_rubric),
        }

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order. Raises ConfigError where an expected score is asked of a judge without one."""
        # Before the task model is asked: a judge that cannot do it would be found out only once replies are paid for.
        self._expects(ask, "judge")
        return graded(self.task, cells, ask, self.grade, show_system=self.show_system)

    def grade(self, replies: Sequence[tuple[Example, str]], ask: Ask, role: Role = "judge") -> list[Score]:
        """The score of each reply, whoever wrote it. Raises as `score` does."""
        expects = self._expects(ask, role)
        question = self._question(expects)
        requests = [
            question.request(shown_example(example, reference=self.reference), shown_reply(reply))
            for example, reply in replies
        ]

        def read(reply: Reply) -> float | None:
            if expects:
                return expected_in(reply.tokens, self.low, self.high)
            return score_in(reply.text, self.low, self.high)

        def fault(reply: Reply) -> str:
            beyond = off_scale(reply.text, self.low, self.high)
            return f"{OFF_SCALE} from {self.low} to {self.high}" if beyond else ""

        draws = [consult(requests, read, ask, role, draw, fault) for draw in range(self.draws)]
        return [
            self._scored(reply, words, ask, role)
            for (_, reply), words in zip(replies, zip(*draws, strict=True), strict=True)
        ]

    def _scored(self, reply: str, words: Sequence[Word[float]], ask: Ask, role: Role) -> Score:
        scores = [word.read for word in words if word.read is not None]
        if not scores:
            self.watches[role].note(reply, None, words[0].problem, ask)
            return unjudged(reply, words[0].problem)
        mean = sum(scores) / len(scores)
        said = f"{mean:.3g} of {self.high}"
        value = (mean - self.low) / (self.high - self.low)
        self.watches[role].note(reply, said, "", ask, value)
        reason = next((word.reason for word in words if word.reason), "")
        why = f": {reason}" if reason else ""
        shared = f" (the judge goes by: {' '.join((self._criteria, *self.levels))})" if self.share_rubric else ""
        feedback = "" if value >= 1.0 else f"the judge gave {said}{why}{shared}"
        return Score(value, reply, f"{mean:.3g}", feedback=feedback)

    @property
    def _criteria(self) -> str:
        return self.criteria if self.criteria else CRITERIA

    @property
    def _tokens(self) -> bool:
        """Whether every score is a single token."""
        return self.low >= 0 and self.high <= 9

    def _expects(self, ask: Ask, role: Role) -> bool:
        """Whether scores are expected ones. Raises ConfigError where they must be and cannot."""
        if self.score_by == "written" or (self.score_by == "auto" and (not self._tokens or self.draws > 1)):
            return False
        can = ask.can_score(role)
        if self.score_by == "expected" and not can:
            raise ConfigError(
                "an expected score needs a judge that gives log-probabilities, and this one does not; use one that "
                "does (`promptopt models list`), or --set evaluator.score_by=written, with several draws for a finer "
                "scale"
            )
        return can

    def _question(self, expects: bool) -> Question:
        ends = (f"{self.low}: {_SCALE_ENDS[0]}", f"{self.high}: {_SCALE_ENDS[1]}")
        named = [f"{self.low + at}: {level}" for at, level in enumerate(self.levels)] if self.levels else ends
        about = "\n".join(
            [
                "You grade a reply to an input, by these criteria.",
                "",
                self._criteria,
                "",
                f"The score is a whole number from {self.low} to {self.high}:",
                *named,
            ]
        )
        form = '{"reason": "…", "score": N}' if self.reasons else '{"score": N}'
        first = " Give the reason first, in one or two sentences, then the score." if self.reasons else ""
        properties: dict[str, Any] = {"reason": {"type": "string"}} if self.reasons else {}
        # A list of what is legal, which every server that takes schemas knows; bounds of numbers few do.
        properties["score"] = {"type": "integer", "enum": list(range(self.low, self.high + 1))}
        schema = {"type": "object", "properties": properties, "required": list(properties),
                  "additionalProperties": False}  # fmt: skip
        contract = f"Grade the reply.{first} Answer in JSON, as {form}, with N from {self.low} to {self.high}."
        return Question(
            about, contract, json.dumps(schema), sampled(self.draws, self.max_tokens), ALTERNATIVES if expects else 0
        )
