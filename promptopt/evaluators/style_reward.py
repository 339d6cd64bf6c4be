"""The reward of style transfer that a search can learn from: the best of many outputs, averaged over groups.

Source   RLPrompt (Deng et al. 2022, arXiv:2205.12548) and its code: 4 groups of 32 outputs a prompt and sentence, each
         worth (content + style) / 2 on a scale of 100; theirs are BERTScore-F1 and a classifier's probability.
Verdict  of many outputs the one that the search's own scorers like best, judged by others (`StylePick`): their test.
Departs  outputs are drawn at the task's temperature (code: among the 10 likeliest tokens): few engines have top k. They
         are as long as the task lets replies be (code: half as long again as the source, and ten tokens at least).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptopt.errors import ConfigError
from promptopt.evaluators.generation import Generation
from promptopt.evaluators.style_transfer import Joint, first_sentence
from promptopt.protocols import Ask, Evaluator, Task
from promptopt.ranges import within
from promptopt.types import Cell, Example, Request, Score

Judge = Callable[[str, Example], Score]
"""Of a rewritten sentence and its example what that is worth."""
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


def _style_score(best: Sequence[float], output: str) -> Score:
    named = tuple((f"{_BEST}{number}", value) for number, value in enumerate(best, 1))
    return Score(math.fsum(best) / len(best), output, parts=named)


@dataclass(frozen=True, slots=True)
class StyleReward:
    """The mean over groups of the best output in each, in [0, 100]; it guides a search, the verdict is by the metric.

    content: (rewritten, source) to a number of at most 1, below 0 counts as 0. style: (rewritten, the example's target)
    to the probability that it has that style. source: the field that holds the sentence. Costs `draws` calls a cell.
    judge: what the best of `picked` outputs is worth in the verdict, by scorers that the search did not learn from, as
    `style_transfer.Joint`; None: the verdict is by the task's own metric, on one reply.
    """

    task: Task
    content: Callable[[str, str], float]
    style: Callable[[str, str], float]
    source: str = "text"
    groups: int = 4
    draws: int = 128
    judge: Judge | None = None
    picked: int = 32

    def __post_init__(self) -> None:
        within(self, groups=(1, math.inf), draws=(1, math.inf), picked=(1, math.inf))
        if self.draws % self.groups:
            raise ConfigError(f"{self.draws} draws are not {self.groups} groups of equal size; draw a multiple of it")
        if self.task.sampling.temperature == 0:
            raise ConfigError(
                f"the task {self.task.name!r} is answered at temperature 0, so {self.draws} draws would be one; give "
                f"its sampling a temperature"
            )

        if isinstance(self.judge, Joint) and self.judge.style is self.style:
            raise ConfigError(
                "the judge's scorer of style is the one that the search learns from, and what pleases that need not "
                "have the style; give the judge another classifier"
            )

    def verdict_by(self) -> Evaluator:
        """The judge's word on the best of several outputs, else the task's own metric."""
        return Generation.for_task(self.task) if self.judge is None else StylePick(self, self.judge)

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
            "content": _function_path(self.content),
            "style": _function_path(self.style),
            **({} if self.judge is None else {"judge": _function_path(self.judge), "picked": self.picked}),
        }

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order. An empty output is worth 0."""
        found = outputs(self.task, cells, ask, self.draws, self.draws)
        return [
            _style_score(maxima([self.worth(each, cell.example) for each in row], self.groups), row[-1])
            for row, cell in zip(found, cells, strict=True)
        ]

    def worth(self, output: str, example: Example) -> float:
        """(content + style) / 2 of an output, in [0, 100]; 0 where nothing is left of it.

        Raises ConfigError for a content above 1 and for a probability that is none.
        """
        rewritten = first_sentence(output)
        if rewritten is None:
            return 0.0
        content = self.content(rewritten, example[self.source])
        style = self.style(rewritten, example.target)
        # Written so that NaN is refused too.
        if not content <= 1.0 + 1e-6 or not -1e-6 <= style <= 1.0 + 1e-6:
            raise ConfigError(
                f"for {rewritten[:40]!r} the scorers gave a content of {content} and a style of {style}: expected a "
                f"number of at most 1, and a probability"
            )
        # (content + style) / 2, on a scale of 100.
        return 50 * (max(0.0, content) + style)


@dataclass(frozen=True, slots=True)
class StylePick:
    """Of several outputs the one that `reward` finds best, judged by others: the test of RLPrompt's style transfer.

    Costs `reward.picked` calls a cell. Its draws are none of those that the search saw.
    """

    reward: StyleReward
    judge: Judge

    @property
    def calls_per_cell(self) -> int:
        """As many as there are to pick from."""
        return self.reward.picked

    def fingerprint(self) -> Mapping[str, Any]:
        """The reward's, and the judge."""
        return {"evaluator": "style pick", "picked": self.reward.picked, "by": self.reward.fingerprint(),
                "judge": _function_path(self.judge)}  # fmt: skip

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order; 0 where all outputs are empty. Of equals the first is picked."""
        reward = self.reward
        found = outputs(reward.task, cells, ask, reward.picked, max(reward.draws, reward.picked))
        return [self._judged(row, cell.example) for row, cell in zip(found, cells, strict=True)]

    def _judged(self, row: Sequence[str], example: Example) -> Score:
        output = max(row, key=lambda each: self.reward.worth(each, example))
        rewritten = first_sentence(output)
        if rewritten is None:
            return Score(0.0, output, parsed=False, feedback="every output is empty")
        return replace(self.judge(rewritten, example), output=output)


def outputs(task: Task, cells: Sequence[Cell], ask: Ask, draws: int, apart: int) -> list[list[str]]:
    """So many texts of the task model for each cell; a cell's repetition begins `apart` draws after the one before."""
    asked = [Request(task.render(each.prompt, each.example)[0], task.sampling) for each in cells]
    firsts = [each.repetition * apart for each in cells]
    found: list[list[str]] = [[] for _ in cells]
    # A batch for each draw, for each draw is a repetition of its own.
    for number in range(draws):
        for first in sorted(dict.fromkeys(firsts)):
            rows = [row for row, begins in enumerate(firsts) if begins == first]
            replies = ask([asked[row] for row in rows], role="task", repetition=first + number)
            for row, reply in zip(rows, replies, strict=True):
                found[row].append(reply.text)
    return found


def _function_path(function: Callable[..., object]) -> str:
    return f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', type(function).__name__)}"
