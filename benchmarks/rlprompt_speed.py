"""RLPrompt's rewards a second: steps of prompts on articles of agnews, the prompt before the input and after it."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptopt.types import ScoreRequest

PROMPTS, INPUTS = 8, 16
WORDS = (" to", " or", " film", " story", " number", " great", " topic", " full", " living", " answer")
LAYOUTS = ("prompt first", "input first", "input first, prompt last")
"""The last is the paper's for models that read from left to right: the label follows the prompt."""
TABLE = (
    "| layout | a later step | the first step | a call a prompt | unshared batches | a call a reward | ratios |",
    "|---|---|---|---|---|---|---|",
)


@dataclass(frozen=True, slots=True)
class Rate:
    """Rewards a second of one way to ask, and tokens that went through the model for each."""

    rewards: float
    tokens: float


def table(model: Any, device: str) -> list[str]:
    """Each layout in each way, one after the other in this process."""
    from promptopt.tasks.catalogue import load_task

    task = load_task("agnews")
    texts = [dict(each.fields)["text"] for each in list(task.train)[:INPUTS]]
    form = dict(task.initial.texts)["answer_format"]
    labels = tuple(f" {label}" for label in task.labels)
    lines = list(TABLE)
    for layout in LAYOUTS:
        found = rates(model, device, Steps(layout, form, texts, labels))
        cells = " | ".join(f"{rate.rewards:.1f} ({rate.tokens:.1f})" for rate in found)
        ratios = ", ".join(f"{found[0].rewards / other.rewards:.1f}" for other in found[2:])
        lines.append(f"| {layout} | {cells} | {ratios} |")
    return lines


class Steps:
    """Steps of drawn prompts on the same inputs."""

    def __init__(self, layout: str, form: str, texts: Sequence[str], labels: tuple[str, ...]) -> None:
        """`form`: what says which labels there are."""
        self._layout, self._form, self._texts, self._labels = layout, form, texts, labels
        self._draw = random.Random(0)

    def next(self) -> list[list[ScoreRequest]]:
        """For each of the prompts its requests."""
        drawn = ["".join(self._draw.choice(WORDS) for _ in range(3)) for _ in range(PROMPTS)]
        return [[self._request(prompt, text) for text in self._texts] for prompt in drawn]

    def _request(self, prompt: str, text: str) -> ScoreRequest:
        # What is shared is said as a task's layout says it: all that stands before the first input.
        if self._layout == "prompt first":
            before = f"{prompt}\n\n{self._form}\n\nArticle: "
            return ScoreRequest(f"{before}{text}\nTopic:", self._labels, len(before))
        before, end = f"{self._form}\n\nArticle: ", "" if self._layout.endswith("last") else "\nTopic:"
        return ScoreRequest(f"{before}{text}\n{prompt}{end}", self._labels, len(before))


def rates(model: Any, device: str, steps: Steps) -> list[Rate]:
    """A later step, the first, a call a prompt, unshared batches, and a call a reward."""
    # The trial of the fastest way is not in what is timed.
    list(model.score(steps.next()[0][:1]))
    model._load().forward.prefixes.clear()
    first, later = [timed(model, device, [[each for part in steps.next() for each in part]]) for _ in range(2)]
    apart = timed(model, device, steps.next()[:1])
    bare = [replace(each, shared=0) for each in steps.next()[0]]
    with plainly(model):
        unshared = timed(model, device, [bare])
        alone = timed(model, device, [[each] for each in bare[:6]])
    return [later, first, apart, unshared, alone]


def timed(model: Any, device: str, calls: Sequence[Sequence[ScoreRequest]]) -> Rate:
    """Of all calls together: by this process's seconds on a CPU, where others may hold the cores, else by the clock."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    with counted(model) as tokens:
        begun = clock()
        rewards = sum(len(list(model.score(call))) for call in calls)
        return Rate(rewards / (clock() - begun), sum(tokens) / rewards)


@contextlib.contextmanager
def counted(model: Any) -> Iterator[list[int]]:
    """How many tokens each forward pass reads."""
    forward, sizes = model._load().forward, list[int]()
    inner = forward.model

    class Counting:
        def __call__(self, **inputs: Any) -> Any:
            sizes.append(inputs["input_ids"].numel())
            return inner(**inputs)

        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

    forward.model = Counting()
    try:
        yield sizes
    finally:
        forward.model = inner


@contextlib.contextmanager
def plainly(model: Any) -> Iterator[None]:
    """Padded batches of whole texts, as a loop over transformers makes them."""
    forward = model._load().forward
    found, forward.way = forward.way, lambda longest: "plain"
    try:
        yield
    finally:
        forward.way = found
