"""A program of two calls, rewrite and answer, as an evaluator that traces; for the methods that go by traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptopt.protocols import Ask
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Cell, Example, Prompt, Request, Sampling, Score, TracedCall

PARTS = ("instruction", "answer", "unused")
START = Prompt((("instruction", "Rewrite the question."), ("answer", "Answer it."), ("unused", "Do nothing here.")))


def workflow_task(train: int = 40) -> Task:
    """Questions for a program of three texts, of which the last is not used."""
    examples = [Example.of("yes", question=f"question {number} .") for number in range(train + 100)]
    layout = Layout("all", text="{instruction}\n{answer}\n{unused}\n\n{question}")
    task = Task.from_examples(
        examples, prompt=START, layout=layout, metric="exact", answer="text", splits=Splits(train, 40, 60)
    )
    return task.editing(*PARTS)


@dataclass(frozen=True, slots=True)
class Workflow:
    """Rewrites the question, then answers it; `worth`: the score, and what is said of it, of texts and question."""

    worth: Callable[[Prompt, str], tuple[float, str]]
    calls_per_cell = 2

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        """A score a cell, with its trace."""
        sampling = Sampling(temperature=0.0)
        first = [f"{cell.prompt['instruction']}\n{cell.example['question']}" for cell in cells]
        rewritten = ask([Request(text, sampling) for text in first], role="task")
        second = [f"{cell.prompt['answer']}\n{reply.text}" for cell, reply in zip(cells, rewritten, strict=True)]
        answers = ask([Request(text, sampling) for text in second], role="task")
        found: list[Score] = []
        for cell, one, two, said, told in zip(cells, first, second, rewritten, answers, strict=True):
            value, feedback = self.worth(cell.prompt, cell.example["question"])
            trace = (TracedCall("instruction", one, said.text), TracedCall("answer", two, told.text))
            found.append(Score(value, told.text, told.text, True, feedback, trace=trace))
        return found

    def fingerprint(self) -> Mapping[str, Any]:
        """By name."""
        return {"evaluator": "workflow"}
