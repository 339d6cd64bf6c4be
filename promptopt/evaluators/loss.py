"""Loss: how probable a prompt makes the known right answer; one forward pass a cell, and nothing is generated.

Paper    Zhao et al. 2025, PMPO, arXiv:2505.16307, the supervised loss. What it leaves open (which tokens are
         scored, and how they are combined) is said at each setting.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from promptopt.errors import ConfigError, EvaluatorError
from promptopt.evaluators import targets
from promptopt.protocols import Ask, Evaluator, Task
from promptopt.text import shorten
from promptopt.types import Cell, Example, Likelihoods, Score, TokenLogProbs

Reduction = Literal["sum", "token_mean"]


@dataclass(frozen=True, slots=True)
class Loss:
    """Minus the loss, which is the log-likelihood of the right answer in nats: at most 0. Costs one call a cell.

    The answer is the example's worked solution where there is one, else its target; of several accepted answers the
    probabilities are added up.

    reduction: "sum" is the log-probability of the whole answer, "token_mean" divides it by the number of tokens (of
    the target, where there are accepted answers too). By default it is "sum" for labels: a mean would make a label of
    three tokens look easier than one of one. For free text and worked solutions it is "token_mean": a sum would make
    the longest outputs the hardest. Values of different reductions cannot be compared.

    ends: whether the token that ends the reply is part of the answer. By default it is for free text and worked
    solutions (a prompt that makes the model ramble should pay), and is not for labels.

    answer_weight: for worked solutions, the weight in [0, 1] of the final answer's tokens (from the last place where
    the target stands as a word of its own): weight * their mean + (1 - weight) * the mean of the tokens before. By
    default each counts by its share of the tokens, which is the plain mean.

    A cell whose answer has a token of NaN or -inf, or that does not fit into the model's context, is worth -inf: the
    prompt is out, and the run goes on.
    """

    task: Task
    reduction: Reduction | None = None
    ends: bool | None = None
    answer_weight: float | None = None

    calls_per_cell = 1

    def __post_init__(self) -> None:
        if self.reduction not in (None, "sum", "token_mean"):
            raise ConfigError(f"reduction {self.reduction!r} of evaluator 'loss': expected 'sum' or 'token_mean'")
        if self.answer_weight is not None:
            if not 0.0 <= self.answer_weight <= 1.0:
                raise ConfigError(f"answer_weight {self.answer_weight} of evaluator 'loss': expected a share in [0, 1]")
            if self.reduction == "sum":
                raise ConfigError("answer_weight weighs means over tokens, and reduction is 'sum': leave one out")

    @classmethod
    def for_task(cls, task: Task) -> Self:
        """The loss with the defaults that suit the task's answers."""
        return cls(task)

    def fingerprint(self) -> Mapping[str, Any]:
        """Every setting; the rendering, and whether there are labels, is the task's."""
        return {
            "evaluator": "loss",
            "reduction": self.reduction,
            "ends": self.ends,
            "answer_weight": self.answer_weight,
        }

    def verdict_by(self) -> Evaluator:
        """The task's own metric, on what the model writes."""
        from promptopt.evaluators.generation import Generation

        return Generation.for_task(self.task)

    def forced(self, example: Example) -> tuple[str, ...]:
        """The worked solution, or every right answer."""
        return targets.taught(example)

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order. Cells of different repetitions are one draw: log-probabilities do not vary.

        Raises ConfigError where the model cannot score given texts; EvaluatorError for an answer without tokens, and
        for a worked solution that does not hold its target where `answer_weight` needs to find it.
        """
        requests = [
            targets.scored_after(self.task, cell.prompt, example, targets.taught(example), self._ends(example))
            for cell in cells
            for example in (cell.example,)
        ]
        return [self._scored(cell, found) for cell, found in zip(cells, ask.score(requests), strict=True)]

    def _is_label(self, example: Example) -> bool:
        return bool(self.task.labels) and not example.solution

    def _ends(self, example: Example) -> bool:
        return not self._is_label(example) if self.ends is None else self.ends

    def _scored(self, cell: Cell, found: Likelihoods) -> Score:
        if found.finish == "rejected":
            return Score(-math.inf, parsed=False, feedback=targets.TOO_LONG)
        answers = targets.taught(cell.example)
        targets.check_tokens(cell, answers, found, self._ends(cell.example))
        total = targets.any_of(answers, found.continuations)
        if not math.isfinite(total):
            return Score(-math.inf, parsed=False, feedback=targets.no_probability(answers[0]))
        reduction = self.reduction
        if reduction is None:
            reduction = "sum" if self._is_label(cell.example) else "token_mean"
        value = total
        if self.answer_weight is not None and cell.example.solution:
            value = self._weighted(cell, found.continuations[0], self.answer_weight)
        elif reduction == "token_mean":
            # The target's tokens, whichever of the accepted answers is likeliest: one divisor for all prompts.
            value = total / len(found.continuations[0].tokens)
        unit = "nats" if reduction == "sum" else "nats a token"
        return Score(value, feedback=_feedback(answers, found.continuations, f"{-value:.3g} {unit}"))

    def _weighted(self, cell: Cell, scored: TokenLogProbs, weight: float) -> float:
        """The mean over the answer's tokens and that over those before it, if there are any, by `weight`."""
        count = self._answer_tokens(cell, scored.tokens)
        before, answer = scored.logprobs[:-count], scored.logprobs[-count:]
        mean = math.fsum(answer) / len(answer)
        return weight * mean + (1.0 - weight) * math.fsum(before) / len(before) if before else mean

    def _answer_tokens(self, cell: Cell, tokens: Sequence[str]) -> int:
        """How many of the last tokens reach from where the target begins in the worked solution to its end."""
        solution, target = cell.example.solution, cell.example.target
        places = [found.start() for found in re.finditer(rf"(?<!\w){re.escape(target)}(?!\w)", solution)]
        if not target or not places:
            raise EvaluatorError(
                f"the worked solution does not hold the target {target!r}, so answer_weight finds no answer in it; "
                f"correct the example, or leave answer_weight out",
                prompt_id=cell.prompt.id,
                example_id=cell.example.id,
            )
        left, count = len(solution) - places[-1], int(self._ends(cell.example))
        # From the end, where the answer stands: tokens are counted back until their characters reach its beginning.
        while left > 0 and count < len(tokens):
            # Whole tokens: one that reaches over the beginning of the target is the answer's.
            count += 1
            left -= len(tokens[-count])
        return count


def _feedback(answers: Sequence[str], scored: Sequence[TokenLogProbs], loss: str) -> str:
    """On the likeliest of the answers: its probability, and its least likely token."""
    totals = [targets.log_likelihood(each) for each in scored]
    likeliest = max(range(len(scored)), key=totals.__getitem__)
    tokens, logprobs = scored[likeliest].tokens, scored[likeliest].logprobs
    answer = shorten(answers[likeliest], targets.TEXT_CHARACTERS)
    said = f"{answer!r} has probability {math.exp(totals[likeliest]):.2g} (loss {loss})"
    if len(tokens) == 1:
        return said
    least = min(range(len(tokens)), key=logprobs.__getitem__)
    return (
        f"{said}; the least likely token is {tokens[least]!r}, number {least + 1} of {len(tokens)}, with probability "
        f"{math.exp(logprobs[least]):.2g}"
    )
