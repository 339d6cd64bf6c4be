"""An own-rationale bank: worked solutions of the task model, right ones to be made probable, wrong ones to be rejected.

After APE's procedure for chain of thought (Zhou et al. 2023, arXiv:2211.01910).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from promptopt.errors import ConfigError
from promptopt.evaluators.generation import Generation
from promptopt.protocols import Role
from promptopt.run import Run
from promptopt.text import counted
from promptopt.types import Cell, Example, Likelihoods, Prompt, Reply, Request, ScoreRequest

_REASONING = re.compile(
    r"step[\s-]by[\s-]step|\bthink(?: \w+){0,2} (?:aloud|before|carefully|first|hard|through)\b|"
    r"\breason(?:ing)?\b|\bexplain\b|\brationale\b|\bshow (?:your|all|the) work|"
    r"\bwork (?:it|this|through)\b|\bbefore (?:you answer|answering|giving)",
    re.IGNORECASE,
)


def warn_of_targets(run: Run, examples: Sequence[Example]) -> None:
    """Tell the user where a loss on the answers of `examples` rewards something else than right answers."""
    abilities = run.abilities
    worked = any(example.solution for example in examples)
    if abilities.forces and not abilities.contrasts and not worked and asks_to_reason(run.initial):
        run.warn(
            "the prompt asks for reasoning, but the loss is taken on bare answers, which punishes prompts that make "
            "the model think first: give the examples worked solutions, let the model write them "
            "(targets.source=own), or use the evaluator preference"
        )
    if worked and abilities.sums:
        run.warn(
            "the loss adds up the tokens of worked solutions, so the longest count as the hardest; set the "
            "evaluator's reduction to token_mean"
        )


def asks_to_reason(prompt: Prompt) -> bool:
    """Whether the prompt seems to ask for working before the answer; known by a few English phrases."""
    return any(_REASONING.search(text) for _, text in prompt.texts)


def own_rationales(run: Run, examples: Sequence[Example], samples: int, temperature: float) -> list[Example]:
    """Those of `examples` that the task model solved, with its own solution; its wrong ones are the rejected outputs.

    The start prompt is asked `samples` times for each example, once and for all. The first reply that the task's metric
    gives full marks is the solution from here on. Replies that were cut short are neither right nor wrong. A preference
    needs both, so there an example without a wrong reply is left out too. Costs `samples` evaluations an example.
    Raises ConfigError where not one example is left, and, before anything is asked, where the model cannot score them.
    """
    contrast = run.abilities.contrasts
    run.check_model()
    # At the temperature 0 of a task all draws would be the same reply.
    sampling = replace(run.task.sampling, temperature=temperature)
    asked = [example for example in examples for _ in range(samples)]
    replies = run.draw(run.initial, asked, sampling)
    cells = [Cell(run.initial, example) for example in asked]
    scores = Generation.for_task(run.task).score(cells, _RepliesAtHand(replies, run.warn))
    solved: list[Example] = []
    for place, example in enumerate(examples):
        drawn = range(place * samples, (place + 1) * samples)
        # A reply that was cut might have come right: it is neither.
        texts = [(replies[draw].text.strip(), scores[draw]) for draw in drawn if replies[draw].finish == "stop"]
        right = [text for text, score in texts if score.value >= 1.0 and text]
        wrong = dict.fromkeys(text for text, score in texts if score.value < 1.0 and text)
        if right and (wrong or not contrast):
            solved.append(replace(example, solution=right[0], rejected=tuple(wrong)))
    found = "a right and a wrong reply" if contrast else "a right reply"
    if not solved:
        raise ConfigError(
            f"the task model gave {found} to none of {counted(len(examples), 'example')} of task "
            f"{run.task.name!r} in {samples} "
            f"tries each; set targets.source=gold, raise targets.samples, or take another model"
        )
    if len(solved) < len(examples):
        run.warn(f"{len(solved)} of {counted(len(examples), 'training example')} got {found}; the others are left out")
    return solved


@dataclass(frozen=True, slots=True)
class _RepliesAtHand:
    """`protocols.Ask` that has the replies already, and asks for nothing."""

    replies: Sequence[Reply]
    tell: Callable[[str], None]

    def __call__(self, requests: Sequence[Request], *, role: Role = "task", repetition: int = 0) -> list[Reply]:
        # In the order of the cells, for which they were drawn.
        return list(self.replies)

    def score(self, requests: Sequence[ScoreRequest], *, role: Role = "task") -> list[Likelihoods]:
        raise ConfigError("what a model wrote is judged by reading it, which needs no log-probabilities")

    def can_score(self, role: Role = "task") -> bool:
        return False

    def warn(self, message: str) -> None:
        self.tell(message)
