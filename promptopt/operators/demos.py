"""Demonstrations as part of a candidate: which tasks can show them, and what a demonstration says.

A demonstration is an `Example`: its worked solution, or its target where it has none, stands where the model's reply
would stand.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from promptopt.errors import ConfigError
from promptopt.operators.recorded_calls import recorded_calls
from promptopt.protocols import Task
from promptopt.run import Run
from promptopt.thoughts import written
from promptopt.types import Example, Prompt, Proposal, Score

POOL_SHARE, POOL_MOST = 0.1, 200
"""Training examples kept for demonstrations: a tenth (promptolution), or what the blocks leave, up to 200 (code)."""


def shows_demos(task: Task, layout: str = "") -> bool:
    """Whether the layout (empty: the task's own) has a place for demonstrations, as turns or in the text."""
    # Any will do: what a layout has a place for depends on no example.
    example = task.train[0]
    try:
        task.render(_in(task, layout).with_demos([example]), example)
    # A layout without a place for demonstrations says so when it is given one.
    except ConfigError:
        return False
    return True


def draw(rng: random.Random, pool: Sequence[Example], count: int) -> list[Example]:
    """Up to `count` distinct examples of `pool`, in random order."""
    return rng.sample(pool, min(count, len(pool)))


def showable(run: Run, demos: Sequence[Example]) -> list[Example]:
    """The demonstrations that the task can show; the user is told of others, which would count and change nothing."""
    program = run.abilities.program
    if program is None or program.shows_bare:
        return list(demos)
    kept = [demo for demo in demos if recorded_calls(demo.target) is not None]
    if len(kept) < len(demos):
        run.warn(
            "examples with their right answer alone are no demonstrations here: they lack what the program's "
            "predictors give each other, so what the program wrote itself is shown alone"
        )
    return kept


def fitting(run: Run, prompt: Prompt, demos: Sequence[Example]) -> list[Example]:
    """The leading demonstrations that can be shown, fit the task model's context, and are paid for should they win.

    The user is told of others.
    """
    demos = showable(run, demos)
    kept = list(demos)
    while kept and run.crowded(prompt.with_demos(kept)) is not None:
        # From the end: callers put first what matters most.
        kept.pop()
    if len(kept) < len(demos):
        run.warn(
            "demonstrations are left out where they would not fit the model's context beside the input, or where a "
            "cap on tokens or dollars does not pay for a test with them"
        )
    return kept


def unlike(demos: Sequence[Example]) -> list[Example]:
    """The demonstrations with different inputs, the first of each kept, in order."""
    kept: dict[tuple[tuple[str, str], ...], Example] = {}
    for demo in demos:
        kept.setdefault(demo.fields, demo)
    return list(kept.values())


def with_target(example: Example) -> Example:
    """The example with its target, and its worked solution where it has one: what a demonstration can always show."""
    return Example(example.fields, example.target, solution=example.solution)


def demonstrate(run: Run, prompt: Prompt, examples: Sequence[Example], threshold: float = 1.0) -> list[Example]:
    """Demonstrations of `examples`: with the task model's own reply where that is right, else as `with_target`.

    `threshold`: the score from which on a reply is right.

    The reply is the one to `prompt` without demonstrations (CAPO). Each example costs one
    evaluation. An evaluator that generates nothing leaves the bare ones, and so does a prompt that breaks the task's
    contract when it stands alone. A right reply that is the answer and nothing else says no more than the target does.
    """
    alone = prompt.with_demos(())
    if not examples or not run.admit([Proposal(alone, (prompt,), "demonstrator")]):
        return [with_target(example) for example in examples]
    scores = run.evaluate([alone], examples)[alone]
    # A reply that was all thought has nothing to show, and the bare answer stands in.
    return [
        Example(example.fields, trimmed_reply(score))
        if score.value >= threshold and score.parsed and trimmed_reply(score)
        else with_target(example)
        for example, score in zip(examples, scores, strict=True)
    ]


def trimmed_reply(score: Score) -> str:
    """The reply that was scored, trimmed, as a demonstration can show it: without what was thought before it."""
    return written(score.output).strip() if score.demonstration is None else score.demonstration


def shows_turns(task: Task, layout: str = "") -> bool:
    """Whether demonstrations stand as turns of the conversation, each with a message of the assistant."""
    example = task.train[0]
    content, _ = task.render(_in(task, layout).with_demos([with_target(example)]), example)
    return not isinstance(content, str) and any(message.role == "assistant" for message in content)


def _in(task: Task, layout: str) -> Prompt:
    return task.initial.in_layout(layout) if layout else task.initial


def inherit(rng: random.Random, first: Prompt, second: Prompt, most: int) -> list[Example]:
    """floor((k1 + k2) / 2) of both parents' demonstrations, at most `most`, none of an example twice."""
    return draw(rng, unlike([*first.demos, *second.demos]), min(most, (len(first.demos) + len(second.demos)) // 2))


def set_aside(train: int, scored: int) -> int:
    """Of `train` examples, how many are for demonstrations: a tenth, or all but `scored`, up to 200.

    One at least stays to score on.
    """
    spare = max(math.ceil(POOL_SHARE * train), train - scored)
    return max(0, min(POOL_MOST, spare, train - 1))


def evenly(rng: random.Random, pool: Sequence[Example], demos: Sequence[Example], count: int) -> list[Example]:
    """Up to `count` of `pool`, at random, so that with `demos` every target is there as often as any other."""
    shown: dict[str, int] = {}
    for demo in demos:
        shown[demo.target] = shown.get(demo.target, 0) + 1
    # Shuffled first: of targets that are shown equally often `min` takes the first.
    left, found = rng.sample(pool, len(pool)), list[Example]()
    while left and len(found) < count:
        chosen = min(left, key=lambda example: shown.get(example.target, 0))
        left.remove(chosen)
        found.append(chosen)
        shown[chosen.target] = shown.get(chosen.target, 0) + 1
    return found
