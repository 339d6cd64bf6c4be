"""A checklist: a judge answers yes or no to each item, all in one call.

Source   Cook et al. 2024 (arXiv:2410.03608): checklists raise agreement with people, and of people with each other.
Cost     one call of the task model a cell and one of the judge, two where it cannot be read.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from promptopt.errors import ConfigError
from promptopt.evaluators.judge_reply import VERSION, answers_in
from promptopt.evaluators.judging import (
    Question,
    Watches,
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


@dataclass(frozen=True, slots=True)
class Checklist:
    """The weighted share of items that the judge says yes to, in [0, 1]; 0 where a critical one fails.

    Items are questions whose good answer is yes. Their order is drawn for each example, the same for every prompt:
    a fixed one would let the judge's lean to a place act on the same item every time.
    """

    task: Task
    items: tuple[str, ...] = ()
    """The questions, each with the good answer yes."""
    weights: tuple[float, ...] = ()
    """What each item counts; none is 1 each."""
    critical: tuple[int, ...] = ()
    """The items without which all is worth 0, by number from 1."""
    reference: bool = True
    """Whether the judge is shown the target, as one good answer of many."""
    max_tokens: int = 512
    """Tokens of a judge's reply."""
    show_system: bool = False
    """Whether the judge is shown the system prompt above the reply; if not, no prompt can argue its own case."""
    share_rubric: bool = False
    """Whether whoever writes prompts is told what the judge goes by, beside its reasons: prompts fit it then."""
    watches: Watches = field(default_factory=Watches, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.weights and (
            len(self.weights) != len(self.items) or min(self.weights) < 0.0 or not 0.0 < sum(self.weights) < 1e9
        ):
            raise ConfigError(
                f"the checklist has {len(self.items)} items and the weights {', '.join(map(str, self.weights))}; give "
                f"one of 0 or more for each, and not only zeros"
            )
        wrong = [number for number in self.critical if not 1 <= number <= len(self.items)]
        # Items may be set after the numbers, one by one, on the command line.
        if self.items and wrong:
            raise ConfigError(
                f"the checklist has items 1 to {len(self.items)}, and item {wrong[0]} is to be critical; name one of "
                f"those"
            )

    @classmethod
    def for_task(cls, task: Task) -> Self:
        """With what the task says of its judge. Raises ConfigError for what does not fit together."""
        return cls(task, **options_of(task, "checklist"))

    calls_per_cell = 3
    judge_calls = 2

    @property
    def judges(self) -> tuple[Role, ...]:
        """The one judge."""
        return ("judge",)

    @property
    def questions(self) -> tuple[str, ...]:
        """The items."""
        return self.items

    def fingerprint(self) -> Mapping[str, Any]:
        """Items, weights, and how they are asked and read."""
        return {
            "evaluator": "checklist",
            "items": list(self.items),
            "weights": list(self.weights),
            "critical": list(self.critical),
            "asked": [self.reference, self.max_tokens],
            "read": VERSION,
            **told_more(show_system=self.show_system, share_rubric=self.share_rubric),
        }

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order. Raises ConfigError where there are no items."""
        self._check()
        return graded(self.task, cells, ask, self.grade, show_system=self.show_system)

    def grade(self, replies: Sequence[tuple[Example, str]], ask: Ask, role: Role = "judge") -> list[Score]:
        """The score of each reply, whoever wrote it. Raises as `score` does."""
        self._check()
        orders = [self._order(example) for example, _ in replies]
        requests = [
            self._question(order).request(shown_example(example, reference=self.reference), shown_reply(reply))
            for (example, reply), order in zip(replies, orders, strict=True)
        ]

        def read(reply: Reply) -> list[bool] | None:
            return answers_in(reply.text, len(self.items))

        scores: list[Score] = []
        for (_, reply), order, word in zip(replies, orders, consult(requests, read, ask, role), strict=True):
            if word.read is None:
                self.watches[role].note(reply, None, word.problem, ask)
                scores.append(unjudged(reply, word.problem))
                continue
            found = dict(zip(order, word.read, strict=True))
            # In the order of the items, whatever order the judge saw.
            kept = [found[at] for at in range(len(self.items))]
            self.watches[role].note(reply, ", ".join("yes" if each else "no" for each in kept), "", ask)
            scores.append(self._scored(reply, kept, word.reason))
        return scores

    def _scored(self, reply: str, kept: Sequence[bool], reason: str) -> Score:
        weights = self.weights if self.weights else (1.0,) * len(self.items)
        value = sum(weight for weight, each in zip(weights, kept, strict=True) if each) / sum(weights)
        if not all(kept[number - 1] for number in self.critical):
            value = 0.0
        broken = [item for item, each in zip(self.items, kept, strict=True) if not each]
        why = f" ({reason})" if reason else ""
        shared = f" (the judge goes by: {'; '.join(self.items)})" if self.share_rubric else ""
        feedback = f"the judge says no to: {'; '.join(broken)}{why}{shared}" if broken else ""
        parts = tuple((item, float(each)) for item, each in zip(self.items, kept, strict=True))
        return Score(value, reply, f"{sum(kept)} of {len(kept)}", feedback=feedback, parts=parts)

    def _check(self) -> None:
        if not self.items:
            raise ConfigError(
                'the checklist has no items; give some, as items = ["Does it …?"] under [judge] in the task file, or '
                "with --set evaluator.items='[\"Does it …?\"]'"
            )

    def _order(self, example: Example) -> list[int]:
        places = list(range(len(self.items)))
        # By the example's id alone: the same order in every run, or the store would have no answer to it.
        random.Random(f"checklist {example.id}").shuffle(places)
        return places

    def _question(self, order: Sequence[int]) -> Question:
        listed = [f"{place}. {self.items[at]}" for place, at in enumerate(order, 1)]
        about = "\n".join(["You check a reply to an input against these questions, each on its own.", "", *listed])
        places = [str(place) for place in range(1, len(order) + 1)]
        said = ", ".join(f'"{place}": "yes" or "no"' for place in places[:2])
        more = ", …" if len(places) > 2 else ""
        answers = {"type": "object", "properties": {place: {"type": "string", "enum": ["yes", "no"]}
                   for place in places}, "required": places, "additionalProperties": False}  # fmt: skip
        # The reason before the answers, so that these can follow from it.
        schema = {"type": "object", "properties": {"reason": {"type": "string"}, "answers": answers},
                  "required": ["reason", "answers"], "additionalProperties": False}  # fmt: skip
        contract = (
            f"Give the reason first, in one or two sentences, then the answer to each of the {len(places)} questions. "
            f'Answer in JSON, as {{"reason": "…", "answers": {{{said}{more}}}}}.'
        )
        return Question(about, contract, json.dumps(schema), sampled(1, self.max_tokens))
