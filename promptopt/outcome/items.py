"""What the sealed test showed, item by item: what a report lists, and what two runs are compared on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptopt.evaluators.judging import as_in_its_task
from promptopt.outcome.looks import example_keys
from promptopt.types import Example, Score


@dataclass(frozen=True, slots=True)
class SealedItem:
    """One example of the sealed test, and what start and winner scored on it.

    `key`: tells examples apart by their inputs (`looks.example_keys`), whatever run, seed or split they come from.
    `fields`: the input as its own task has it, where that is one of several: what is sent holds the user prompt too.
    """

    key: str
    fields: tuple[tuple[str, str], ...]
    target: str
    group: str
    start: Score
    best: Score

    def to_json(self) -> dict[str, Any]:
        """One JSON object; `best` is left out where start and winner are one prompt."""
        said: dict[str, Any] = {
            "key": self.key,
            "inputs": dict(self.fields),
            "target": self.target,
            "group": self.group,
            "start": _score_json(self.start),
        }
        return said if self.best is self.start else {**said, "best": _score_json(self.best)}


def sealed_items(
    examples: Sequence[Example], before: Sequence[Score], after: Sequence[Score]
) -> tuple[SealedItem, ...]:
    """The items that both were scored on, in the order of `examples`."""
    # A cap may have cut the test.
    scored = examples[: len(before)]
    return tuple(
        SealedItem(key=key, fields=shown.fields, target=shown.target, group=example.group, start=old, best=new)
        for key, example, shown, old, new in zip(
            example_keys(scored), scored, map(as_in_its_task, scored), before, after, strict=True
        )
    )


def items_from(listed: Sequence[Mapping[str, Any]]) -> tuple[SealedItem, ...]:
    """What `SealedItem.to_json` wrote, read back."""
    found: list[SealedItem] = []
    for each in listed:
        start = _score_of(each["start"])
        best = _score_of(each["best"]) if "best" in each else start
        fields = tuple((str(name), str(text)) for name, text in each["inputs"].items())
        found.append(
            SealedItem(
                key=each["key"], fields=fields, target=each["target"], group=each["group"], start=start, best=best
            )
        )
    return tuple(found)


def _score_json(score: Score) -> dict[str, Any]:
    return {
        # JSON has no infinities: an item that a prompt makes impossible has no score.
        "value": score.value if math.isfinite(score.value) else None,
        "output": score.output,
        "answer": score.answer,
        "parsed": score.parsed,
        "feedback": score.feedback,
        # Only where a judge failed: such a value is what other prompts are worth there.
        **({} if score.judged else {"judged": False}),
    }


def _score_of(data: Mapping[str, Any]) -> Score:
    value = -math.inf if data["value"] is None else data["value"]
    judged = data.get("judged", True)
    return Score(value, data["output"], data["answer"], data["parsed"], data["feedback"], judged=judged)
