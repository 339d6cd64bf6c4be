"""Scripted proposers, tasks and models for TPE's tests."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.tpe.method import TPE, Bootstrapping, Proposing, Scoring
from promptopt.outcome.result import Result
from promptopt.protocols import Evaluator
from promptopt.run.budget import Budget
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import feature_accuracy, planted_model, planted_task, uniform
from promptopt.types import Example, Prompt, Reply, Request, digest

WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")
START = "Answer the question."
SMALL = TPE(
    trials=10,
    propose=Proposing(instructions=4),
    bootstrap=Bootstrapping(sets=5, demos=2),
    score=Scoring(minibatch=8, full_every=3),
)


def text_of(request: Request) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def section_of(text: str) -> str:
    return text.split('"""')[1].strip()


def author(request: Request) -> str:
    """Appends two words."""
    draw = random.Random(f"{text_of(request)}{request.seed}")
    return f"<prompt>{section_of(text_of(request))} {draw.choice(WORDS)} {draw.choice(WORDS)}</prompt>"


def inventive(request: Request) -> str:
    """No two replies are alike."""
    return f"<prompt>Guess {digest([text_of(request), request.seed])}</prompt>"


def flat_task(count: int = 60) -> Task:
    """The planted task in a layout without a place for demonstrations."""
    examples = [Example.of("yes", question=f"question {number}") for number in range(count + 100)]
    layout = Layout("flat", messages=(("user", "{instruction}\n\n{question}"),))
    return Task.from_examples(
        examples, prompt=Prompt.of(START), layout=layout, metric="exact", answer="text", splits=Splits(count, 40, 60)
    )


def search(
    home: Path,
    optimizer: TPE = SMALL,
    *,
    proposer: Callable[[Request], str | Reply] | Scripted = inventive,
    model: Scripted | None = None,
    task: Task | None = None,
    evaluator: Evaluator | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> Result:
    return optimize(
        planted_task() if task is None else task,
        optimizer,
        model=Models(
            planted_model(feature_accuracy(WORDS, base=0.3)) if model is None else model,
            proposer=proposer if isinstance(proposer, Scripted) else Scripted(proposer, name="author"),
        ),
        evaluator=evaluator,
        check_evaluator=evaluator,
        budget=budget,
        seed=seed,
        store=home / "store.db",
    )


def demo_fond(request: Request) -> str:
    """Right more often the more demonstrations it is shown that think first; thinks itself where it is right."""
    text = text_of(request)
    share = 0.3 + 0.2 * text.count("Let me think")
    return "Let me think. yes" if uniform(text.rpartition("question")[2]) < share else "no"


def word_task(train: int = 60) -> Task:
    """Free text with room for demonstrations, where the answer ends the reply."""
    examples = [Example.of("yes", question=f"question {number}?") for number in range(train + 100)]
    return Task.from_examples(examples, prompt=START, metric=ends_with, answer="text", splits=Splits(train, 40, 60))


def ends_with(answer: str, example: Example) -> float:
    return float(answer.endswith(example.target))
