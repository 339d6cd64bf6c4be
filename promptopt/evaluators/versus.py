"""Versus: a judge says which of two replies is better, the prompt's or the start's, shown both ways round.

Source   Zheng et al. 2023 (arXiv:2306.05685): judges lean to a place, so both orders are asked, and a judge that does
         not keep to its choice calls a tie.
Cost     two calls of the task model a cell (the start's reply is drawn once for all prompts), and two of the judge,
         four where it cannot be read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from promptopt.evaluators.judge_reply import VERSION, Choice, choice_in
from promptopt.evaluators.judging import (
    Question,
    Watch,
    Word,
    consult,
    drawn,
    options_of,
    said_in,
    sampled,
    shown_example,
    system_above,
    told_more,
    unjudged,
    unusable,
)
from promptopt.protocols import Ask, Role, Task
from promptopt.types import Cell, Reply, Request, Score

CRITERIA = "Which of the two replies does better what the input asks for?"
TIE = 0.5
"""What a reply is worth that is as good as the one that it is held against."""
_WORTH: Mapping[Choice, float] = {"A": 1.0, "tie": TIE, "B": 0.0}
_TURNED: Mapping[Choice, Choice] = {"A": "B", "tie": "tie", "B": "A"}
_TIED = "tied"
_OUTCOME_WORD = {1.0: "won", TIE: _TIED, 0.0: "lost"}


@dataclass(frozen=True, slots=True)
class Versus:
    """1 where the judge prefers the prompt's reply to the start's, 0.5 for a tie, 0 where it prefers the start's.

    Equal replies tie, and no judge is asked: the start itself is worth 0.5 everywhere, and a gain is the share of wins
    beyond a half. It is the finer instrument and the one that is easier to fool: search by a rubric or a checklist, and
    take this for the verdict.
    """

    task: Task
    criteria: str = ""
    """What makes one reply better than another."""
    reference: bool = True
    """Whether the judge is shown the target, as one good answer of many."""
    max_tokens: int = 512
    """Tokens of a judge's reply."""
    show_system: bool = False
    """Whether the judge is shown the system prompt above each reply; if not, no prompt can argue its own case."""
    watch: Watch = field(default_factory=Watch, init=False, repr=False, compare=False)

    # Two replies, and a judge who reads them in both orders, each asked once more where it cannot be read.
    calls_per_cell = 6
    judge_calls = 4

    @classmethod
    def for_task(cls, task: Task) -> Self:
        """With what the task says of its judge. Raises ConfigError for what does not fit together."""
        return cls(task, **options_of(task, "versus"))

    @property
    def judges(self) -> tuple[Role, ...]:
        """The one judge."""
        return ("judge",)

    @property
    def questions(self) -> tuple[str, ...]:
        """The criteria."""
        return (self.criteria,)

    def fingerprint(self) -> Mapping[str, Any]:
        """What is asked and how it is read; the prompt that all are compared with is the task's start."""
        return {
            "evaluator": "versus",
            "criteria": self.criteria,
            "asked": [self.reference, self.max_tokens],
            "read": VERSION,
            **told_more(show_system=self.show_system, share_rubric=False),
        }

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order."""
        replies = drawn(self.task, cells, ask)
        initial = self.task.initial
        # The start's own cells are not drawn again: its reply is held against itself, and ties.
        found = iter(drawn(self.task, [cell for cell in cells if cell.prompt != initial], ask, initial))
        starts = [reply if cell.prompt == initial else next(found) for cell, reply in zip(cells, replies, strict=True)]
        return self.compare(cells, replies, starts, ask)

    def compare(
        self, cells: Sequence[Cell], replies: Sequence[Reply], starts: Sequence[Reply], ask: Ask
    ) -> list[Score]:
        """What each reply, to a cell, is worth beside one under the start to the same example."""
        scores = [_decided(reply, start) for reply, start in zip(replies, starts, strict=True)]
        asked = [at for at, score in enumerate(scores) if score is None]
        requests: list[Request] = []
        question = self._question()
        for at in asked:
            shown = shown_example(cells[at].example, reference=self.reference)
            pair = [(said_in(each[at].written), system)
                    for each, system in zip((replies, starts), self._systems(cells[at]), strict=True)]  # fmt: skip
            # Both orders of a pair side by side: the words below come in twos.
            requests += [question.request(shown, _side_by_side(*order)) for order in (pair, pair[::-1])]
        words = consult(requests, _choice_of, ask, "judge")
        for place, at in enumerate(asked):
            scores[at] = self._scored(replies[at].written, words[2 * place], words[2 * place + 1], ask)
        return [score for score in scores if score is not None]

    def _scored(self, reply: str, first: Word[Choice], second: Word[Choice], ask: Ask) -> Score:
        if first.read is None or second.read is None:
            problem = first.problem if first.read is None else second.problem
            self.watch.note(reply, None, problem, ask)
            return unjudged(reply, problem)
        turned = _TURNED[second.read]
        self.watch.note_swap(first.read == turned, ask)
        self.watch.note(reply, f"{first.read}{second.read}", "", ask)
        value = _WORTH[first.read] if first.read == turned else TIE
        reason = first.reason if first.reason else second.reason
        why = f": {reason}" if reason else ""
        told = _OUTCOME_WORD[value] if first.read == turned else "changed its mind when the two were turned round"
        feedback = "" if value == 1.0 else f"against the start's reply: {told}{why}"
        return Score(value, reply, _OUTCOME_WORD[value], feedback=feedback)

    def _systems(self, cell: Cell) -> tuple[str, str]:
        """The system prompt above the reply and above the start's, where both are shown."""
        if not self.show_system:
            return "", ""
        new, old = (system_above(self.task, prompt, cell.example) for prompt in (cell.prompt, self.task.initial))
        return new, old

    def _question(self) -> Question:
        criteria = self.criteria if self.criteria else CRITERIA
        about = f"You compare two replies to the same input, by these criteria.\n\n{criteria}"
        schema = {
            "type": "object",
            "properties": {"reason": {"type": "string"}, "better": {"type": "string", "enum": ["A", "B", "tie"]}},
            "required": ["reason", "better"],
            "additionalProperties": False,
        }
        contract = (
            "Which reply is better? Give the reason first, in one or two sentences, then the choice: A, B or tie. "
            'Their order and their length say nothing. Answer in JSON, as {"reason": "…", "better": "A", "B" or "tie"}.'
        )
        return Question(about, contract, json.dumps(schema), sampled(1, self.max_tokens))


def are_preferences(before: Sequence[Score], after: Sequence[Score]) -> bool:
    """Whether these are wins, ties and losses against `before`, which was held against itself and so ties."""
    return all(score.value == TIE and score.answer == _TIED for score in before) and all(
        score.value in _OUTCOME_WORD for score in after
    )


def _side_by_side(first: tuple[str, str], second: tuple[str, str]) -> list[tuple[str, str]]:
    """Two replies as a judge is shown them, each behind the system prompt it was given under; one prompt once."""
    if first[1] == second[1]:
        above = [("system prompt that both replies were given under", first[1])] if first[1] else []
        return [*above, ("reply A", first[0]), ("reply B", second[0])]
    shown: list[tuple[str, str]] = []
    for name, (reply, system) in (("reply A", first), ("reply B", second)):
        shown += [(f"system prompt that {name} was given under", system)] if system else []
        shown.append((name, reply))
    return shown


def _decided(reply: Reply, start: Reply) -> Score | None:
    """The score where no judge has to say: equal replies tie, and what holds no answer loses."""
    empty, missing = unusable(reply), unusable(start)
    if empty is not None:
        return empty if missing is None else Score(TIE, reply.written, _TIED, parsed=False, feedback=empty.feedback)
    if missing is not None:
        return Score(1.0, reply.written, "won")
    return Score(TIE, reply.written, _TIED) if said_in(reply.written) == said_in(start.written) else None


def _choice_of(reply: Reply) -> Choice | None:
    return choice_in(reply.text)
