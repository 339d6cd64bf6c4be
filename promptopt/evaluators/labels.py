"""Labels: classification by the log-probabilities of the labels' first tokens; nothing is generated but one token.

Engines report the k likeliest alternatives of a generated token. A label's share is the probability of the tokens
among them that begin it. Asking for no text, this tells apart prompts that generation scores alike, and never fails to
parse: but the layout must end where the label begins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from promptopt.errors import ConfigError, EvaluatorError
from promptopt.protocols import Ask, Task
from promptopt.types import Cell, Reply, Request, Sampling, Score

ALTERNATIVES = 20
"""Log-probabilities asked for a token: the most that OpenAI-compatible servers give."""

_WAYS_OUT = (
    "rename them so that their first words differ (such as 'great' and 'terrible'), or use evaluator 'generation'"
)


@dataclass(frozen=True, slots=True)
class Labels:
    """The label whose first token is likeliest, out of the task's labels. Costs one call of one token a cell.

    value: "accuracy" is 1 where the likeliest label is right; "margin" is P(right label), normalised over the labels,
    which also moves when the answer does not. A label that is not among the reported alternatives is given the smallest
    log-probability reported, an upper bound, and the feedback says so. Where no label is among them, the cell is
    unreadable and worth 0.
    """

    task: Task
    value: Literal["accuracy", "margin"] = "accuracy"
    _folded: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)

    calls_per_cell = 1

    def __post_init__(self) -> None:
        if not self.task.labels:
            raise ConfigError(f"task {self.task.name!r} has no labels: evaluator 'labels' needs them; use 'generation'")
        if self.value not in ("accuracy", "margin"):
            raise ConfigError(f"value {self.value!r} of evaluator 'labels': expected 'accuracy' or 'margin'")
        folded = tuple((label, _fold(label)) for label in self.task.labels)
        first_words: dict[str, str] = {}
        for label, fold in folded:
            # The words of a label are tokens of their own, so an equal first word is an equal first token.
            other = first_words.setdefault(fold.split(" ")[0], label)
            if other != label:
                raise _same_start(other, label, fold.split(" ")[0])
        object.__setattr__(self, "_folded", folded)

    @classmethod
    def for_task(cls, task: Task) -> Self:
        """Accuracy on the task's labels. Raises ConfigError without labels, or where two share their first word."""
        return cls(task)

    def fingerprint(self) -> Mapping[str, Any]:
        """The value asked for, and the labels; the rendering is the task's."""
        return {
            "evaluator": "labels",
            "value": self.value,
            "alternatives": ALTERNATIVES,
            "labels": list(self.task.labels),
        }

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order. Cells of different repetitions are one draw: log-probabilities do not vary.

        Raises ConfigError where the engine reports no alternatives, or where two labels share their first token;
        EvaluatorError where an example's target is no label.
        """
        requests: list[Request] = []
        for cell in cells:
            content, shared = self.task.render(cell.prompt, cell.example)
            requests.append(Request(content, Sampling(max_tokens=1), logprobs=ALTERNATIVES, shared=shared))
        replies = ask(requests, role="task", repetition=0)
        return [self._scored(cell, reply) for cell, reply in zip(cells, replies, strict=True)]

    def _scored(self, cell: Cell, reply: Reply) -> Score:
        right = (cell.example.target, *cell.example.accepted)
        gold = [label for label, fold in self._folded if any(fold == _fold(answer) for answer in right)]
        if not gold:
            raise EvaluatorError(
                f"target {cell.example.target!r} is none of the task's labels {', '.join(self.task.labels)}; correct "
                f"the data, or add the label",
                prompt_id=cell.prompt.id,
                example_id=cell.example.id,
            )
        if reply.finish == "rejected":
            return Score(0.0, reply.text, parsed=False, feedback="the prompt is too long for the model's context")
        if not reply.tokens and not reply.text:
            return Score(0.0, parsed=False, feedback="the model ended its reply before the first token")
        if not reply.tokens or not reply.tokens[0].top:
            raise ConfigError(
                "evaluator 'labels' needs the log-probabilities of generated tokens, and the task model reports none: "
                "use the embedded engine (llama.cpp), vLLM, or an OpenAI-compatible server that returns top_logprobs; "
                "or use evaluator 'generation'"
            )
        top = reply.tokens[0].top
        mass = self._mass(top)
        if not mass:
            seen = ", ".join(repr(token) for token, _ in top[:3])
            return Score(
                0.0, reply.text, parsed=False, feedback=f"no label among the likeliest first tokens ({seen}, …)"
            )
        best = max(mass, key=mass.__getitem__)
        missing = [label for label in gold if label not in mass]
        note = f"{missing[0]} is not among the {len(top)} likeliest first tokens" if missing else ""
        if best not in gold:
            note = f"answered {best}, expected {gold[0]}" + (f"; {note}" if note else "")
        if self.value == "accuracy":
            return Score(float(best in gold), reply.text, best, feedback=note)
        floor = min(logprob for _, logprob in top)
        share = {label: math.exp(mass.get(label, floor)) for label in self.task.labels}
        # In exact arithmetic at most 1; rounding must not make it more.
        value = min(1.0, sum(share[label] for label in gold) / sum(share.values()))
        return Score(value, reply.text, best, feedback=note)

    def _mass(self, top: Sequence[tuple[str, float]]) -> dict[str, float]:
        """The log-probability that a label begins, for each label that a reported token begins.

        Of a label's prefixes among the tokens only the longest counts (in all its spellings): " no" does not begin
        "normal" where " normal" is a token too.
        """
        begun: dict[str, dict[str, float]] = {}
        for token, logprob in top:
            start = _fold(token)
            if len(start) > 1 or not start.isascii() or any(start == fold for _, fold in self._folded):
                for label, fold in self._folded:
                    if start and fold.startswith(start):
                        spellings = begun.setdefault(label, {})
                        spellings[start] = spellings.get(start, 0.0) + math.exp(logprob)
        chosen = {label: max(spellings, key=len) for label, spellings in begun.items()}
        owners: dict[str, str] = {}
        for label, start in chosen.items():
            if (other := owners.setdefault(start, label)) != label:
                raise _same_start(other, label, start)
        return {label: _log(begun[label][start]) for label, start in chosen.items()}


def _log(probability: float) -> float:
    return math.log(probability) if probability > 0.0 else -math.inf


def _fold(text: str) -> str:
    """Case, underscores, quotes, markup and outer white space make no difference to what a token begins."""
    return " ".join(text.replace("_", " ").replace("-", " ").strip(" \t\n*\"'`([▁Ġ").casefold().split())


def _same_start(first: str, second: str, start: str) -> ConfigError:
    return ConfigError(
        f"labels {first!r} and {second!r} both begin with {start!r}, so their first token cannot tell them apart: "
        f"{_WAYS_OUT}"
    )
