"""A task whose labels' log-probabilities depend on which known words the prompt holds, and where."""

from __future__ import annotations

from collections.abc import Mapping

from promptopt.models.scripted import Scripted
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing.planted import uniform
from promptopt.types import Content, Example


def labelled_task(*, train: int = 32, dev: int = 32, test: int = 40) -> Task:
    """Numbered items that are good or bad; the prompt stands before them."""
    examples = [Example.of(("good", "bad")[number % 2], text=f"item {number}") for number in range(train + dev + test)]
    return Task.from_examples(
        examples,
        prompt="start",
        name="planted labels",
        labels=("good", "bad"),
        layout=Layout("text", text="{instruction} Item: {text} Answer:"),
        splits=Splits(train, dev, test),
    )


def target(worth: Mapping[str, float], *, noise: float = 1.0) -> Scripted:
    """The right label's margin, in nats, is the sum of what the prompt's words are worth, less what an item is hard by.

    A word counts once. An item's hardness is even in [0, `noise`), and the same for every prompt.
    """

    def scores(content: Content, label: str) -> list[float]:
        assert isinstance(content, str)
        prompt, _, item = content.rpartition(" Item: ")
        number = int(item.split()[1])
        margin = sum(value for word, value in worth.items() if word in prompt.split())
        margin -= noise * uniform("hardness", str(number))
        right = ("good", "bad")[number % 2] == label.strip()
        return [margin if right else 0.0]

    return Scripted(lambda _: "good", name="planted labels", scores=scores)
