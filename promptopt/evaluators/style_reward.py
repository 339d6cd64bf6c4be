"""The reward of style transfer that a search can learn from: the best of many outputs, averaged over groups.

Source   RLPrompt (Deng et al. 2022, arXiv:2205.12548) and its code: 4 groups of 32 outputs a prompt and sentence, each
         worth (content + style) / 2 on a scale of 100; theirs are BERTScore-F1 and a classifier's probability.
Departs  outputs are drawn at the task's temperature (code: among the 10 likeliest tokens): few engines have top k.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptopt.errors import ConfigError
from promptopt.evaluators.generation import Generation
from promptopt.evaluators.style_transfer import first_sentence
from promptopt.protocols import Ask, Evaluator, Task
from promptopt.ranges import within
from promptopt.types import Cell, Request, Score

_BEST = "best of group "


def maxima_of(score: Score) -> list[float]:
    """The best of each group, as a score of `StyleReward` says them; none for any other score."""
    return [value for name, value in score.parts if name.startswith(_BEST)]


def maxima(worths: Sequence[float], groups: int) -> list[float]:
    """The best in each of consecutive groups of equal size. Raises ConfigError where they are not of equal size."""
    if groups < 1 or not worths or len(worths) % groups:
        raise ConfigError(
            f"{len(worths)} outputs cannot be divided into {groups} groups of equal size; draw a multiple of {groups}"
        )
    size = len(worths) // groups
    return [max(worths[begin : begin + size]) for begin in range(0, len(worths), size)]


def _scored(best: Sequence[float], output: str) -> Score:
    named = tuple((f"{_BEST}{number}", value) for number, value in enumerate(best, 1))
    return Score(math.fsum(best) / len(best), output, parts=named)


@dataclass(frozen=True, slots=True)
class StyleReward:
    """The mean over groups of the best output in each, in [0, 100]; it guides a search, the verdict is by the metric.

    content: (rewritten, source) to a number of at most 1, below 0 counts as 0. style: (rewritten, the example's target)
    to the probability that it has that style. source: the field that holds the sentence. Costs `draws` calls a cell.
    """

    task: Task
    content: Callable[[str, str], float]
    style: Callable[[str, str], float]
    source: str = "text"
    groups: int = 4
    draws: int = 128

    def __post_init__(self) -> None:
        within(self, groups=(1, math.inf), draws=(1, math.inf))
        if self.draws % self.groups:
            raise ConfigError(f"{self.draws} draws are not {self.groups} groups of equal size; draw a multiple of it")
        if self.task.sampling.temperature == 0:
            raise ConfigError(
                f"the task {self.task.name!r} is answered at temperature 0, so {self.draws} draws would be one; give "
                f"its sampling a temperature"
            )

    def verdict_by(self) -> Evaluator:
        """The task's own metric."""
        return Generation.for_task(self.task)

    @property
    def calls_per_cell(self) -> int:
        """As many as are drawn."""
        return self.draws

    def fingerprint(self) -> Mapping[str, Any]:
        """The numbers; the scorers are the user's."""
        return {
            "evaluator": "style reward",
            "groups": self.groups,
            "draws": self.draws,
            "source": self.source,
            "content": _named(self.content),
            "style": _named(self.style),
        }

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order. An empty output is worth 0."""
        asked = [Request(self.task.render(each.prompt, each.example)[0], self.task.sampling) for each in cells]
        # Draws of one repetition follow those of the one before, so that no two are the same call.
        firsts = [each.repetition * self.draws for each in cells]
        worths: list[list[float]] = [[] for _ in cells]
        outputs = [""] * len(cells)
        for number in range(self.draws):
            for first in sorted(dict.fromkeys(firsts)):
                rows = [row for row, begins in enumerate(firsts) if begins == first]
                replies = ask([asked[row] for row in rows], role="task", repetition=first + number)
                for row, reply in zip(rows, replies, strict=True):
                    worths[row].append(self._worth(first_sentence(reply.text), cells[row]))
                    outputs[row] = reply.text
        return [_scored(maxima(found, self.groups), output) for found, output in zip(worths, outputs, strict=True)]

    def _worth(self, rewritten: str | None, cell: Cell) -> float:
        if rewritten is None:
            return 0.0
        content = max(0.0, self.content(rewritten, cell.example[self.source]))
        return 50 * (content + self.style(rewritten, cell.example.target))


def _named(function: Callable[..., float]) -> str:
    return f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', type(function).__name__)}"
