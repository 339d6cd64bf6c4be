"""`promptopt check --sequential`: the test examples come in batches, until it is decided."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from promptopt.cli.output import interruptible, say, suspended_by, troubles

if TYPE_CHECKING:
    from promptopt.cli.evaluate import Wanted
    from promptopt.evaluation import Asked, Evaluation
    from promptopt.types import Example

LOOK_EVERY = 20
"""Conversations, or examples without one, that come in between two looks. Ours: looks cost nothing, and models are
asked faster in batches."""
Decided = Callable[["Sequence[Evaluation]", "frozenset[Example]"], bool]
"""Whether evaluations decide it, by those of the examples that were drawn so far."""


def drawn_in_batches(examples: Sequence[Example]) -> Iterator[list[Example]]:
    """The first batch, the first two and so on, in the order of the test, which was drawn; whole conversations."""
    units: dict[str | int, list[Example]] = {}
    for number, example in enumerate(examples):
        units.setdefault(example.group if example.group else number, []).append(example)
    held = list(units.values())
    for end in range(LOOK_EVERY, len(held) + LOOK_EVERY, LOOK_EVERY):
        yield [example for unit in held[:end] for example in unit]


def scored_until(
    wanted: Sequence[Wanted], drawn: Sequence[Example], decided: Decided, *, quiet: bool
) -> tuple[list[Evaluation], frozenset[Example]]:
    """Each prompt on the examples that it took to decide it, and which of `drawn` these are: one look at the test.

    Examples of the task's test that are not `drawn` have to pass whatever comes, and are scored at once.
    """
    from promptopt.cli.evaluate import all_asked, warnings_of
    from promptopt.cli.request import budget_of
    from promptopt.evaluation import evaluate_together
    from promptopt.text import normalise

    config, whole = wanted[0].config, wanted[0].task
    beside = [example for example in whole.test if example not in frozenset(drawn)]
    with interruptible() as interrupt, troubles(None if quiet else say), suspended_by(interrupt):
        # Opened once for all looks.
        asked = list(all_asked(wanted, "test", None, [], quiet=quiet))

        def scored(examples: Sequence[Example], split: str) -> list[Evaluation]:
            return evaluate_together(
                [_on(each, examples, split) for each in asked],
                split=split, budget=budget_of(config), seed=config.seed, interrupt=interrupt,
            )  # fmt: skip

        reached: list[Example] = []
        for reached in drawn_in_batches(drawn):
            # As dev, for nobody is shown it yet: the look is entered for all of it once it is over.
            found = scored([*reached, *beside], "dev")
            if any(each.cut for each in found) or decided(found, frozenset(reached)):
                break
            if not quiet and len(reached) < len(drawn):
                say(f"not decided by {len(reached)} examples")
        found = scored([*reached, *beside], "test")
    if not quiet:
        for warning in warnings_of(found):
            say(f"warning: {normalise(warning)}")
    return found, frozenset(reached)


def _on(asked: Asked, examples: Sequence[Example], split: str) -> Asked:
    from promptopt.tasks.task import Task

    task = asked.task
    assert isinstance(task, Task)
    # A task has all of its splits, so what is scored as dev changes places with it.
    splits = {"test": task.dev if split == "dev" else tuple(examples)}
    return replace(asked, task=replace(task, **splits, **({"dev": tuple(examples)} if split == "dev" else {})))
