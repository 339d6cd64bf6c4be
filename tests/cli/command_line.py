"""A small method and what a scripted model answers it: everything the command line needs, and nothing that is slow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from typer.testing import Result

from promptopt.models.scripted import Scripted
from promptopt.protocols import Selector
from promptopt.run import Run
from promptopt.selection.exhaustive import Exhaustive
from promptopt.types import Proposal, Sampling, UpperBounds

START = "Say what the text is."
BETTER = "Say carefully what the text is."
Invoke = Callable[..., Result]


@dataclass(frozen=True, slots=True)
class Climb:
    """Asks for one rewrite a step, and keeps the better prompt."""

    steps: int = 2
    """How often the proposer is asked."""
    selector: Selector = field(default_factory=Exhaustive)
    """What compares the prompts."""
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=1.0, max_tokens=64))
    """How the proposer is asked."""
    keep_ties: bool = True
    """Whether an equal prompt stays."""

    def optimize(self, run: Run) -> None:
        """Search."""
        best = run.initial
        for _ in range(self.steps):
            part = run.task.editable
            replies = run.generate([f"Improve: {best[part]}"], self.sampling)
            children = run.admit([Proposal(best.replace(part, reply.text), (best,), "rewrite") for reply in replies])
            ranked = self.selector.select(run, [best, *children], run.train, 1)
            best = ranked[0].prompt
            run.record(ranked, [best])

    def upper_bounds(self, train: int) -> UpperBounds:
        """At most."""
        return UpperBounds(self.steps * 2 * train, self.steps, self.steps * self.sampling.max_tokens)


def text_of(request: Any) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def right(request: Any) -> str:
    """The right answer, whatever the prompt."""
    return text_of(request).rpartition("item ")[2].split()[1]


def opened_by_name(known: Mapping[str, Scripted]) -> Callable[..., Scripted]:
    """In the place of `specs.open_model`: each model by what its name ends in."""

    def opened(spec: str, **_: object) -> Scripted:
        return known[spec.rpartition("/")[2]]

    return opened


def answer(request: Any) -> str:
    """Right for every text under the better prompt; under any other, `bad` for every third text, and one unreadable."""
    text = text_of(request)
    if text.startswith("Improve:"):
        return BETTER
    item = text.rpartition("item ")[2].split()
    number, right = int(item[0]), item[1]
    if "carefully" in text:
        return right
    if number == 7:
        return "hm"
    return "bad" if number % 3 == 0 else right
