"""Training examples shown to a proposer: where its instruction will stand, what is right, which are hard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from promptopt.operators.reflect import FIELD
from promptopt.run import Run
from promptopt.text import shorten
from promptopt.types import Example, Prompt, flat

Choice = Literal["random", "wrong-so-far", "wrong-of-shown", "constant"]
"""Drawn anew each time; most often wrong under all prompts so far, or under those shown; always the same."""

INSTRUCTION_MARK = "<INS>"
"""Stands in an example where the instruction will stand."""


def inputs_inside(run: Run) -> list[str]:
    """The fields of an example that stand inside the editable part, as placeholders."""
    return [name for name, _ in run.train[0].fields if f"{{{name}}}" in run.initial[run.task.editable]]


def show_place(run: Run, example: Example) -> str:
    """What the task model reads of an example, `INSTRUCTION_MARK` for the instruction, and the right answer.

    In any layout: messages follow each other; demonstrations are left out, and long fields shortened with a visible
    mark. Fields that stand inside the instruction are named before it.
    """
    fields = tuple((name, shorten(value, FIELD)) for name, value in example.fields)
    # The messages of a conversation would stand in the layout's `{history}` at full length: the shortened field does.
    short = replace(example, fields=fields, messages=())
    marked = run.base.with_demos(()).replace(run.task.editable, INSTRUCTION_MARK)
    content, _ = run.task.render(marked, short)
    lines = ["input:", *(f"{name}: {short[name]}" for name in inputs_inside(run)), flat(content).strip()]
    if example.target:
        lines += ["output:", shorten(example.target, FIELD)]
    return "\n".join(lines)


def most_wrong(run: Run, prompts: Sequence[Prompt], scored: Sequence[Example]) -> list[Example]:
    """The examples by what their known scores under all the prompts lack to 1, most first; equals in random order.

    Where scores are 0 and 1 that is the number of wrong answers; right ones under all come last. Nothing is scored for
    it.
    """
    lacking: dict[Example, float] = {}
    for example in scored:
        known = [run.estimate(prompt, [example]) for prompt in prompts]
        # A prompt that was not scored on the example says nothing of it: the mean of no scores is no number.
        lacking[example] = sum(1.0 - each.mean for each in known if each.count)
    shuffled = run.rng("exemplars").sample(scored, len(scored))
    # Stable, so equals stay as they were shuffled: by their own order, the same few would always be shown.
    return sorted(shuffled, key=lacking.__getitem__, reverse=True)


def exemplars(
    run: Run,
    choice: Choice,
    count: int,
    shown: Sequence[Prompt],
    scored: Sequence[Prompt],
    examples: Sequence[Example],
) -> list[Example]:
    """`count` of the examples that prompts are scored on, by the choice; `scored`: all prompts so far."""
    count = min(count, len(examples))
    match choice:
        case "random":
            return run.rng("exemplars").sample(examples, count)
        case "constant":
            return list(examples[:count])
        case "wrong-so-far":
            return most_wrong(run, scored, examples)[:count]
        case "wrong-of-shown":
            return most_wrong(run, shown, examples)[:count]
