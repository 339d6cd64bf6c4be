"""Preference: how much more probable a prompt makes the preferred output than the rejected ones; nothing is generated.

Paper    Zhao et al. 2025, PMPO, arXiv:2505.16307, the preference loss (the form of DPO without a reference model);
         several accepted outputs count together; `form` says how several rejected ones are combined.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, Literal, Self

from promptopt.errors import ConfigError, EvaluatorError
from promptopt.evaluators import targets
from promptopt.protocols import Ask, Evaluator, Task
from promptopt.text import counted, shorten
from promptopt.types import Cell, Example, Likelihoods, Score, ScoreRequest, TokenLogProbs

READ = ("label", "choice", "number")
"""Ways to read an answer that tell right from wrong, whatever else a reply says."""
ENOUGH_EXAMPLES = 8
"""Distinct examples in one batch from which it can be said what is so on average (or all, where
there are fewer). Ours."""
UNEQUAL = 1.25
"""The longer over the shorter mean length from which a sum over tokens is called biased. Ours."""
CHOICE = "choice"
"""The way to read an answer that is one of several options, shown by their letters."""
SATURATED = 20.0
"""Nats: a median distance at which the logistic loss of half the pairs is below 2e-9, or grows without bound."""


def rejected_outputs(task: Task, example: Example) -> tuple[str, ...]:
    """What the right answer is preferred to: the example's own rejected outputs, or else the task's other answers.

    Those are its labels, or, where answers are letters of options, the letters that are right somewhere in train. Empty
    where there is nothing else to say.
    """
    if example.rejected:
        return example.rejected
    options = task.labels
    if not options and task.answer == CHOICE:
        options = tuple(sorted(dict.fromkeys(each.target for each in task.train)))
    right = targets.right_answers(example)
    return tuple(option for option in options if option not in right)


@dataclass(frozen=True, slots=True)
class Preference:
    """log-sigmoid of the log-odds of the preferred over the rejected outputs, in nats: at most 0, higher is better.

    With s the log-probability of an output, s+ that of the target and the accepted outputs together, and s- that of a
    rejected one. form: "pairs" is the mean over the rejected outputs of log sigmoid(beta * (s+ - s-)); "softmax" is
    log(exp(beta * s+) / sum over all outputs of exp(beta * s)). Both are 1 call a cell.

    The rejected outputs are the example's own, or else the task's other answers, as `rejected_outputs` says. A worked
    solution is preferred in the place of the target where there are outputs rejected beside it.

    reduction: "sum" as in the paper; "token_mean" divides each s by the tokens of its output (s+ by those of the
    target). The user is warned where outputs differ so much in length that a sum rewards prompts for favouring the
    longer side. So they are where distances are so large that the loss no longer tells most pairs apart.

    The token that ends the reply is scored for free text and worked solutions, and is not for labels. A cell with a
    token of NaN or -inf, or that does not fit into the model's context, is worth -inf: the prompt is out, and the run
    goes on.
    """

    task: Task
    beta: float = 1.0
    reduction: Literal["sum", "token_mean"] = "sum"
    form: Literal["pairs", "softmax"] = "pairs"

    calls_per_cell = 1

    def __post_init__(self) -> None:
        if not (self.beta > 0.0 and math.isfinite(self.beta)):
            raise ConfigError(f"beta {self.beta} of evaluator 'preference': expected a number above 0")
        if self.reduction not in ("sum", "token_mean"):
            raise ConfigError(f"reduction {self.reduction!r} of evaluator 'preference': expected 'sum' or 'token_mean'")
        if self.form not in ("pairs", "softmax"):
            raise ConfigError(f"form {self.form!r} of evaluator 'preference': expected 'pairs' or 'softmax'")
        lacking = sum(not self.rejected(example) for example in self.task.train)
        if lacking:
            raise ConfigError(
                f"{lacking} of the {counted(len(self.task.train), 'train example')} of task {self.task.name!r} have no "
                "rejected output, and evaluator 'preference' compares with one: give each one in data "
                "(rejected), or use "
                f"evaluator 'loss'"
            )

    @classmethod
    def for_task(cls, task: Task) -> Self:
        """The paper's loss. Raises ConfigError where a train example has nothing that is rejected."""
        return cls(task)

    def fingerprint(self) -> Mapping[str, Any]:
        """Every setting; the rendering is the task's."""
        return {
            "evaluator": "preference",
            "beta": self.beta,
            "reduction": self.reduction,
            "form": self.form,
        }

    def verdict_by(self) -> Evaluator:
        """The task's own metric where answers are read out of replies; elsewhere there is nothing but preferences."""
        if not self.task.labels and self.task.answer not in READ:
            return self
        from promptopt.evaluators.generation import Generation

        return Generation.for_task(self.task)

    def forced(self, example: Example) -> tuple[str, ...]:
        """What is preferred, and then what is rejected."""
        return (*self._preferred(example), *self.rejected(example))

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """One score a cell, in order. Cells of different repetitions are one draw: log-probabilities do not vary.

        Raises ConfigError where the model cannot score given texts; EvaluatorError for an output without tokens, and
        for an example with nothing that is rejected.
        """
        requests: list[ScoreRequest] = []
        for cell in cells:
            if not self.rejected(cell.example):
                raise EvaluatorError(
                    "the example has no rejected output to compare its target with; give it one, or leave it out",
                    prompt_id=cell.prompt.id,
                    example_id=cell.example.id,
                )
            outputs, ends = self.forced(cell.example), self._ends(cell.example)
            requests.append(targets.scored_after(self.task, cell.prompt, cell.example, outputs, ends))
        found = ask.score(requests)
        compared = [self._compared(cell, each) for cell, each in zip(cells, found, strict=True)]
        self._warn(cells, found, [margin for _, margins in compared for margin in margins], ask)
        return [score for score, _ in compared]

    def _ends(self, example: Example) -> bool:
        return not self.task.labels or bool(example.solution and example.rejected)

    def _preferred(self, example: Example) -> tuple[str, ...]:
        return targets.taught(example) if example.rejected else targets.right_answers(example)

    def rejected(self, example: Example) -> tuple[str, ...]:
        """As `rejected_outputs`."""
        return rejected_outputs(self.task, example)

    def _compared(self, cell: Cell, found: Likelihoods) -> tuple[Score, Sequence[float]]:
        """The score, and beta * (s+ - s-) of every pair; no pairs where they cannot be compared."""
        if found.finish == "rejected":
            return Score(-math.inf, parsed=False, feedback=targets.TOO_LONG), ()
        right, rejected = self._preferred(cell.example), self.rejected(cell.example)
        targets.check_tokens(cell, (*right, *rejected), found, self._ends(cell.example))
        # In the order of `forced`: first what is preferred.
        preferred, others = found.continuations[: len(right)], found.continuations[len(right) :]
        # By the tokens of the target, whichever accepted output is likeliest: one divisor for all prompts.
        above = self._reduced(targets.any_of(right, preferred), preferred[0])
        below = [self._reduced(targets.log_likelihood(other), other) for other in others]
        for output, value in zip((right[0], *rejected), (above, *below), strict=True):
            if not math.isfinite(value):
                return Score(-math.inf, parsed=False, feedback=targets.no_probability(output)), ()
        margins = [self.beta * (above - value) for value in below]
        hardest = min(range(len(below)), key=margins.__getitem__)
        feedback = self._feedback(right[0], rejected[hardest], above - below[hardest])
        return Score(self._worth(margins), feedback=feedback), margins

    def _reduced(self, total: float, scored: TokenLogProbs) -> float:
        return total / len(scored.tokens) if self.reduction == "token_mean" else total

    def _worth(self, margins: Sequence[float]) -> float:
        if self.form == "softmax":
            # Both numerator and denominator are divided by exp(beta * s+).
            return -targets.log_sum_exp([0.0, *(-margin for margin in margins)])
        # log sigmoid(m) = min(m, 0) - log(1 + exp(-|m|)): nothing overflows, however large m is.
        return fmean(min(margin, 0.0) - math.log1p(math.exp(-abs(margin))) for margin in margins)

    def _feedback(self, target: str, rejected: str, margin: float) -> str:
        unit = "nats" if self.reduction == "sum" else "nats a token"
        preferred, other = (shorten(text, targets.TEXT_CHARACTERS) for text in (target, rejected))
        more = "more" if margin > 0.0 else "less"
        return f"the preferred {preferred!r} is {abs(margin):.3g} {unit} {more} likely than the rejected {other!r}"

    def _warn(self, cells: Sequence[Cell], found: Sequence[Likelihoods], margins: Sequence[float], ask: Ask) -> None:
        """Sentences without numbers, so that each is told once and not once a batch."""
        if len({cell.example for cell in cells}) < min(ENOUGH_EXAMPLES, len(self.task.train)):
            return
        preferred: list[int] = []
        rejected: list[int] = []
        for cell, likelihoods in zip(cells, found, strict=True):
            # Labels are all of one kind: their lengths reward no prompt for being long.
            if likelihoods.continuations and not (self.task.labels and not cell.example.rejected):
                preferred.append(len(likelihoods.continuations[0].tokens))
                others = likelihoods.continuations[len(self._preferred(cell.example)) :]
                rejected += [len(other.tokens) for other in others]
        if self.reduction == "sum" and preferred:
            shorter, longer = sorted((fmean(preferred), fmean(rejected)))
            if longer > UNEQUAL * shorter:
                ask.warn(
                    "preferred and rejected outputs differ in length by more than a quarter on average, so a sum over "
                    "tokens rewards prompts that favour the longer side: set reduction to 'token_mean'"
                )
        if margins and median(map(abs, margins)) > SATURATED:
            ask.warn(
                "for half of the pairs or more, preferred and rejected outputs are so far apart that the preference "
                "loss hardly moves, or is decided by a few hopeless pairs: set a smaller beta"
                + ("" if self.reduction == "token_mean" else ", or reduction to 'token_mean'")
            )
