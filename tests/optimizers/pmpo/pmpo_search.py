"""Scripted proposers and scorers for PMPO, and one search with them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.pmpo.method import PMPO, Rewriting
from promptopt.outcome.result import Result
from promptopt.protocols import Evaluator
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Content, Example, Reply, Request, ScoreRequest, digest

WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")
RULES = "Answer the question.\n- Say it in one word.\n- Be kind and warm.\n- Use plain words.\n- Think of snow.\n- End."
SMALL = PMPO(preset="paper", iterations=3, examples=16, rewrite=Rewriting(hard=2, samples=2))

Scores = Callable[[Content, str], Sequence[float]]


def text_of(request: Request | ScoreRequest) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def said(content: Content) -> str:
    return content if isinstance(content, str) else content[0].content


def segmenting(text: str) -> bool:
    return text.startswith("Mark the parts")


def section_of(text: str) -> str:
    head = "The prompt to mark:\n" if segmenting(text) else "The prompt now:\n"
    return text.split(f'{head}"""\n')[1].split('\n"""')[0]


def marked(section: str) -> str:
    lines = section.split("\n")
    return "\n".join([lines[0], *(f"<mask>{line}</mask>" for line in lines[1:])])


def author(request: Request) -> str:
    """A proposer that keeps both contracts: it marks every line but the first, and appends two words."""
    text = text_of(request)
    if segmenting(text):
        return f"<prompt>\n{marked(section_of(text))}\n</prompt>"
    draw = random.Random(f"{text}{request.seed}")
    return f"It is vague. <prompt>{section_of(text)} {draw.choice(WORDS)} {draw.choice(WORDS)}</prompt>"


def inventive(request: Request) -> str:
    """As `author`, but no two rewrites are alike."""
    text = text_of(request)
    if segmenting(text):
        return author(request)
    return f"<prompt>{section_of(text)} {digest([text, request.seed])}</prompt>"


def always(rewrite: str | Reply) -> Callable[[Request], str | Reply]:
    return lambda request: author(request) if segmenting(text_of(request)) else rewrite


def word_task(
    count: int = 10, *, instruction: str = RULES, target: Callable[[int], str] = lambda number: f"word{number}"
) -> Task:
    examples = [Example.of(target(number), question=f"Which is number {number}?") for number in range(count + 40)]
    return Task.from_examples(
        examples, prompt=instruction, name="words", metric="exact", answer="text", splits=Splits(count, 20, 20)
    )


def flat(_: Content, text: str) -> list[float]:
    return [-0.5] * len(text.split())


def favouring(*words: str, base: float = 3.0, each: float = 0.4) -> Scores:
    """A word of the target costs `base` nats, and `each` less for every one of `words` in what is read."""

    def scores(content: Content, text: str) -> list[float]:
        loss = base - each * sum(word in said(content) for word in words)
        return [-loss] * len(text.split())

    return scores


def search(
    home: Path,
    optimizer: PMPO,
    task: Task,
    scores: Scores | None = flat,
    *,
    proposer: Callable[[Request], str | Reply] | Scripted = author,
    model: Scripted | None = None,
    evaluator: Evaluator | None = None,
    budget: Budget | None = None,
) -> Result:
    """A search by the sum of the target's log-probs, without the end of the reply; so is the verdict."""
    evaluator = Loss(task, reduction="sum", ends=False) if evaluator is None else evaluator
    return optimize(
        task,
        optimizer,
        model=Models(
            Scripted(lambda _: "yes", name="task model", scores=scores) if model is None else model,
            proposer=proposer if isinstance(proposer, Scripted) else Scripted(proposer, name="author"),
        ),
        evaluator=evaluator,
        check_evaluator=evaluator,
        budget=budget,
        store=home / "store.db",
    )


def rewriter_texts(proposer: Scripted) -> list[str]:
    return [text for request in proposer.log if not segmenting(text := text_of(request))]


def shown(text: str) -> str:
    """The input of the hard example that a rewriter call shows."""
    return text.split("question: ")[1].split("\n")[0]


def preferences(good: float, bad: float) -> Scores:
    """The log-probabilities of the two outputs; the token that ends the reply is certain."""
    return lambda _, text: [good if text == "good" else bad, 0.0]


def preference_task() -> Task:
    examples = [Example.of("good", (), ("bad",), question=f"Which is number {number}?") for number in range(40)]
    return Task.from_examples(
        examples, prompt="Answer.", metric="exact", answer="text", name="pairs", splits=Splits(10, 15, 15)
    )
