"""A small world for evolutions by a proposer: prompts whose worth is known, and proposers that are scripted."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.evoprompt.method import EvoPromptDE, EvoPromptGA
from promptopt.outcome.result import Result
from promptopt.protocols import Evaluator
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Content, Example, Prompt, Reply, Request, digest

START = "Answer the question."


WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")


EvoPrompt = EvoPromptGA | EvoPromptDE


Propose = Callable[[Request], str | Reply]


def text_of(request: Request) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def paraphrasing(text: str) -> bool:
    return text.startswith("Write a variation")


def section_of(text: str) -> str:
    """What is to be paraphrased."""
    return text.split('"""\n')[1].removesuffix("\n")


def roles_of(text: str) -> dict[str, str]:
    """The prompts that an operator is asked to work on, by role; those of the worked example left out."""
    given = text.split("Now do the steps for these prompts:\n\n")[1]
    return dict(re.findall(r'^(Prompt \d|Base prompt):\n"""\n(.*?)\n"""$', given, re.DOTALL | re.MULTILINE))


def inventive(request: Request) -> str:
    """A proposer that keeps the contract, and never says the same twice."""
    text = text_of(request)
    new = digest([text, request.seed])
    if paraphrasing(text):
        return f"<prompt>{section_of(text)} {new}</prompt>"
    return f"1. Crossover: ...\n2. <prompt>{START} {new}</prompt>"


def author(request: Request) -> str:
    """Appends two words to one of the prompts."""
    text = text_of(request)
    draw = random.Random(f"{text}{request.seed}")
    section = section_of(text) if paraphrasing(text) else draw.choice(list(roles_of(text).values()))
    return f"<prompt>{section} {draw.choice(WORDS)} {draw.choice(WORDS)}</prompt>"


def fixed(operator: str | Reply, paraphrase: Propose = inventive) -> Propose:
    """Every operator call gets the same reply."""
    return lambda request: paraphrase(request) if paraphrasing(text_of(request)) else operator


def valued_task(count: int = 10, *, prompt: str | Prompt = START, metric: object = None, **more: object) -> Task:
    """A task in which the model's answer is its score."""
    examples = [Example.of(f"right {number}", question=f"question {number}") for number in range(count + 20)]
    return Task.from_examples(
        examples, prompt=prompt, metric=as_said if metric is None else metric, answer="text",  # pyright: ignore
        splits=Splits(count, 10, 10), **more,  # pyright: ignore
    )  # fmt: skip


def as_said(answer: str, example: Example) -> float:
    return float(answer)


def instruction_of(request: Request) -> str:
    return text_of(request).rpartition("\n\n")[0]


def valued(value: Callable[[str], float], name: str = "valued") -> Scripted:
    """Says what an instruction is worth, on every example alike."""
    return Scripted(lambda request: repr(value(instruction_of(request))), name=name)


def search_by_loss(home: Path, optimizer: EvoPrompt, value: Callable[[str], float]) -> Result:
    """A search by the log-likelihood of the target, in nats: what `value` says of an instruction."""

    def scores(content: Content, text: str) -> list[float]:
        return [value(instruction_of(Request(content)))]

    model = Scripted(lambda _: "right", name="scored", scores=scores)
    task = valued_task(metric="exact")
    return search(home, optimizer, task=task, model=model, evaluator=Loss(task, reduction="sum", ends=False))


def by_digest(instruction: str) -> float:
    """A value that says nothing about the text: 0 to 0.99 in steps that differ nearly always."""
    return int(digest(instruction)[:8], 16) % 100 / 100


def search(
    home: Path,
    optimizer: EvoPrompt,
    *,
    proposer: Propose | Scripted = inventive,
    model: Scripted | None = None,
    task: Task | None = None,
    evaluator: Evaluator | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> Result:
    return optimize(
        valued_task() if task is None else task,
        optimizer,
        model=Models(
            valued(by_digest) if model is None else model,
            proposer=proposer if isinstance(proposer, Scripted) else Scripted(proposer, name="proposer"),
        ),
        evaluator=evaluator,
        budget=budget,
        seed=seed,
        store=home / "store.db",
    )


def texts(prompts: Sequence[Prompt]) -> list[str]:
    return [prompt["instruction"] for prompt in prompts]


def kept(result: Result, step: int = -1) -> list[str]:
    return texts(result.steps[step].kept)


def asked(proposer: Scripted, *, operator: bool = True) -> list[str]:
    found = [text_of(request) for request in proposer.log if isinstance(request, Request)]
    return [text for text in found if paraphrasing(text) is not operator]


class Slots:
    """A proposer for DE: each operator call gets the next child, and the roles it was asked with are noted."""

    def __init__(self, *children: str) -> None:
        self.children, self.roles = list(children), list[dict[str, str]]()

    def __call__(self, request: Request) -> str:
        text = text_of(request)
        if paraphrasing(text):
            return "<prompt></prompt>"
        self.roles.append(roles_of(text))
        return f"<prompt>{self.children[len(self.roles) - 1]}</prompt>"


VALUES = {"Two.": 0.2, "Three.": 0.3, "Four.": 0.4, "Five.": 0.5, START: 0.1}


def values_with(**more: float) -> Callable[[str], float]:
    known = VALUES | {f"{name}.": value for name, value in more.items()}
    return known.__getitem__


def seeded(population: int = 4, generations: int = 1, **more: object) -> EvoPromptDE:
    """A population of the best seeds: "Five.", "Four.", "Three.", "Two." in this order."""
    return EvoPromptDE(
        population=population, generations=generations, seeds=("Two.", "Three.", "Four.", "Five."), **more  # pyright: ignore
    )  # fmt: skip
