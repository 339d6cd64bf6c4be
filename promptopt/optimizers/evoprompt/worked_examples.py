"""The worked examples that the operators of EvoPrompt are shown with: each operator played through by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from promptopt.protocols import Task

Operator = Literal["ga", "v1", "v2", "v3"]
LABEL = re.compile(r"\b(?:base prompt|prompt [1-3])\b", re.IGNORECASE)
"""What the prompts are called in the requests."""


@dataclass(frozen=True, slots=True)
class Worked:
    """The operators done by hand on one task: the prompts by role, and the steps, the last of them the new prompt."""

    prompts: Mapping[str, str]
    steps: Mapping[Operator, tuple[str, ...]]

    def show(self, form: Operator, roles: Iterable[str]) -> str:
        """The prompts in these roles, and below them the steps as a reply should give them."""
        *steps, final = self.steps[form]
        prompts = show_prompts({role: self.prompts[role] for role in roles})
        return f"{prompts}\n\n{show_steps([*steps, f'<prompt>{final}</prompt>'])}"

    def texts(self) -> list[str]:
        """Everything in it that a model could hand back as its own prompt."""
        inner = [step.partition(": ")[2] for steps in self.steps.values() for step in steps[:-1]]
        return [*self.prompts.values(), *inner, *(steps[-1] for steps in self.steps.values())]


_SIMPLER = (
    'Different parts: "Rewrite the sentence in simple words" and "Make this text easy to read for a child, and keep '
    'its meaning".',
    'Mutated parts: "Put it in everyday words" and "clear at first reading, with nothing left out".',
)
SIMPLIFICATION = Worked(
    {
        "Prompt 1": "Rewrite the sentence in simple words.",
        "Prompt 2": "Make this text easy to read for a child, and keep its meaning.",
        "Prompt 3": "Say the same thing again in short sentences that everybody understands.",
        "Base prompt": "Simplify the text below.",
    },
    {
        "ga": (
            "Crossover: Rewrite the sentence in simple words that a child can read, and keep its meaning.",
            "Put the sentence into plain, everyday words that a child understands, and lose nothing of what it means.",
        ),
        "v1": (
            *_SIMPLER,
            "Combination: Say the same thing again in short sentences and everyday words, with nothing left out.",
            "Simplify the text below: say the same thing in short sentences and everyday words, with nothing left out.",
        ),
        "v2": (
            *_SIMPLER,
            "Simplify the text below: put it in everyday words, clear at first reading, with nothing left out.",
        ),
        "v3": (
            "Mutation: Put the sentence in everyday words. / Turn this text into one that a beginner can follow, and "
            "leave nothing out.",
            "Combination: Say the same thing again in short sentences and everyday words that a beginner can follow.",
            "Simplify the text below: use short sentences and everyday words that a beginner can follow.",
        ),
    },
)
_SORTED = (
    'Different parts: "Decide whether the letter is" and "Read the letter and name its kind:".',
    'Mutated parts: "Judge by its tone whether the letter is" and "Go through the letter line by line and give its '
    'type:".',
)
CLASSIFICATION = Worked(
    {
        "Prompt 1": "Decide whether the letter is a complaint or a thank-you.",
        "Prompt 2": "Read the letter and name its kind: complaint or thank-you.",
        "Prompt 3": "You sort the mail of a shop. Is the writer unhappy or pleased? Answer complaint or thank-you.",
        "Base prompt": "Label the letter as complaint or thank-you.",
    },
    {
        "ga": (
            "Crossover: Read the letter and decide whether its kind is complaint or thank-you.",
            "Read the whole letter with care, then say which of the two it is: complaint or thank-you.",
        ),
        "v1": (
            *_SORTED,
            "Combination: You sort the mail of a shop. Judge by the tone of the letter whether the writer is unhappy "
            "or pleased. Answer complaint or thank-you.",
            "You sort the mail of a shop. Judge the letter by its tone, and label it as complaint or thank-you.",
        ),
        "v2": (
            *_SORTED,
            "Go through the letter line by line, judge by its tone, and label it as complaint or thank-you.",
        ),
        "v3": (
            "Mutation: Judge by its tone whether the letter is a complaint or a thank-you. / Go through the letter "
            "line by line and give its type: complaint or thank-you.",
            "Combination: You sort the mail of a shop. Go through the letter line by line: is the tone unhappy or "
            "pleased? Answer complaint or thank-you.",
            "You sort the mail of a shop. Go through the letter line by line, and label it as complaint or "
            "thank-you by its tone.",
        ),
    },
)


def worked_for(task: Task) -> Worked:
    """The example that is farther from the task, by the rule of the code: not of its kind.

    A task with labels is shown how prompts for free text are crossed, any other task how prompts for labels are.
    """
    # So that a proposer copies the procedure and not the content (paper).
    return SIMPLIFICATION if task.labels else CLASSIFICATION


def show_prompts(prompts: Mapping[str, str]) -> str:
    """Every prompt under its role, between triple quotes."""
    return "\n".join(f'{role}:\n"""\n{text}\n"""' for role, text in prompts.items())


def show_steps(steps: Sequence[str]) -> str:
    """One numbered line a step."""
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
