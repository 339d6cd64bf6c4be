"""Demonstrations as part of a candidate: which tasks can show them, and what a demonstration says.

A demonstration is an `Example` whose target is the text that stands where the model's reply would stand.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from promptopt.errors import ConfigError
from promptopt.protocols import Task
from promptopt.run import Run
from promptopt.types import Example, Prompt, Proposal


def shows_demos(task: Task) -> bool:
    """Whether the task's layout has a place for demonstrations."""
    example = task.train[0]
    try:
        task.render(task.initial.with_demos([example]), example)
    except ConfigError:
        return False
    return True


def draw(rng: random.Random, pool: Sequence[Example], count: int) -> list[Example]:
    """Up to `count` distinct examples of `pool`, in random order."""
    return rng.sample(pool, min(count, len(pool)))


def unlike(demos: Sequence[Example]) -> list[Example]:
    """The demonstrations with different inputs, the first of each kept, in order."""
    kept: dict[tuple[tuple[str, str], ...], Example] = {}
    for demo in demos:
        kept.setdefault(demo.fields, demo)
    return list(kept.values())


def bare(example: Example) -> Example:
    """The example with its target alone: what a demonstration shows where there is nothing better to show."""
    return Example(example.fields, example.target)


def demonstrate(run: Run, prompt: Prompt, examples: Sequence[Example]) -> list[Example]:
    """Demonstrations of `examples`: with the task model's own reply where that is right, else with the bare target.

    The reply is the one to `prompt` without demonstrations (CAPO, make_demo; capo.md). Each example costs one
    evaluation. An evaluator that generates nothing leaves the bare targets, and so does a prompt that breaks the task's
    contract when it stands alone. A right reply that is the answer and nothing else says no more than the target does.
    """
    alone = prompt.with_demos(())
    if not examples or not run.admit([Proposal(alone, (prompt,), "demonstrator")]):
        return [bare(example) for example in examples]
    scores = run.evaluate([alone], examples)[alone]
    return [
        replace(bare(example), target=score.output.strip())
        if score.value >= 1.0 and score.parsed and score.output.strip()
        else bare(example)
        for example, score in zip(examples, scores, strict=True)
    ]


def shows_turns(task: Task) -> bool:
    """Whether demonstrations stand as turns of the conversation, each with a message of the assistant."""
    example = task.train[0]
    content, _ = task.render(task.initial.with_demos([bare(example)]), example)
    return not isinstance(content, str) and any(message.role == "assistant" for message in content)
