"""A policy that reads the input against one prompt for all, where two kinds of inputs want opposite prompts."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.rlprompt.method import RLPrompt
from promptopt.optimizers.rlprompt.settings import Learning, Sizes
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing.planted import uniform
from promptopt.types import Content, Example
from tests.optimizers.rlprompt.tiny_policy import byte_folder

STEPS = 200
ARMS = ("a prompt for each input", "one prompt for all", "a prompt for each input, rloo", "one prompt for all, rloo")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One search: test accuracy, what was asked of the target, and CPU seconds."""

    arm: str
    seed: int
    accuracy: float
    evaluations: int
    seconds: float


def task() -> Task:
    """Warm and cold items, each good or bad."""
    examples = [Example.of(("good", "bad")[number // 2 % 2], text=f"{('warm', 'cold')[number % 2]} item {number}")
                for number in range(156)]  # fmt: skip
    return Task.from_examples(
        examples, prompt="start", name="warm and cold", labels=("good", "bad"),
        layout=Layout("text", text="{instruction} Item: {text} Answer:"), splits=Splits(24, 32, 100),
    )  # fmt: skip


def target() -> Scripted:
    """A prompt that begins with a letter up to m is worth a nat on warm items and takes one off cold ones; or reverse.

    An item is hard by 0 to 0.9 nats, so one prompt is right on one kind at most.
    """

    def scores(content: Content, label: str) -> list[float]:
        assert isinstance(content, str)
        prompt, _, item = content.rpartition(" Item: ")
        kind, _, number = item.removesuffix(" Answer:").split()
        first = prompt.strip()[:1].lower()
        gain = (1.0 if (first <= "m") == (kind == "warm") else -1.0) if first.isalpha() else 0.0
        right = ("good", "bad")[int(number) // 2 % 2] == label.strip()
        return [gain - 0.9 * uniform("hard", number) if right else 0.0]

    return Scripted(lambda _: "good", name="warm and cold", scores=scores)


def run(seeds: int) -> list[Outcome]:
    """All arms on all seeds; the policy is a random model of two layers, whose adapter alone is trained."""
    import torch

    torch.set_num_threads(1)
    found: list[Outcome] = []
    for seed in range(seeds):
        for arm in ARMS:
            each = arm.startswith("a prompt")
            method = RLPrompt(
                policy=f"hf/{byte_folder()}", length=1, inputs=2 if each else 0, device="cpu",
                algorithm="rloo" if arm.endswith("rloo") else "sql", learn=Learning(rate=1e-3, hidden=256),
                size=Sizes(steps=STEPS, prompts=8, examples=None if each else 8, held=16, every=25),
            )  # fmt: skip
            begun = time.process_time()
            with tempfile.TemporaryDirectory() as home:
                result = optimize(
                    task(), method, model=Models(target()), seed=seed, store=Path(home) / "store.db"
                )  # fmt: skip
            assert result.best.test is not None
            score = result.best.test.score
            found.append(Outcome(arm, seed, score, result.spent.evaluations, time.process_time() - begun))
    return found


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """A row for each arm."""
    lines = ["| way | test accuracy | worst seed | evaluations | CPU seconds |", "|---|---|---|---|---|"]
    for arm in ARMS:
        mine = [each for each in outcomes if each.arm == arm]
        scores = [each.accuracy for each in mine]
        asked, seconds = sum(each.evaluations for each in mine), sum(each.seconds for each in mine)
        lines.append(
            f"| rlprompt, {arm} | {sum(scores) / len(scores):.3f} | {min(scores):.3f} | {asked / len(mine):,.0f} | "
            f"{seconds / len(mine):.1f} |"
        )
    return lines
