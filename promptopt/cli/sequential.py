"""What `promptopt check` scores on the test: all of it at once, or batches until it is decided (`--sequential`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptopt.cli.output import interruptible, say, suspended_by, troubles
from promptopt.errors import PromptoptError, StopRun

if TYPE_CHECKING:
    from threading import Event

    from promptopt.cli.evaluate import Wanted
    from promptopt.evaluation import Asked, Evaluation
    from promptopt.store.runs import Store
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
    wanted: Sequence[Wanted], batches: Iterable[Sequence[Example]], decided: Decided, *, partly: bool, quiet: bool
) -> tuple[list[Evaluation], frozenset[Example]]:
    """Each prompt on the examples that it took to decide it, and those of `batches` that were drawn for it.

    Each batch holds the one before it. Examples of the task's test that are in none have to pass whatever comes, and
    are scored at once. `partly`: whether some of the last batch may be shown, where a cap came before its end. What is
    shown is one look at the test; where nothing may be, none is entered.
    """
    from promptopt.cli.evaluate import all_asked, warnings_of
    from promptopt.evaluation import entered
    from promptopt.store.runs import Store
    from promptopt.text import normalise

    held = [list(batch) for batch in batches]
    reached = last = held[-1] if held else []
    beside = [example for example in wanted[0].task.test if example not in frozenset(last)]
    found: list[Evaluation] = []
    with Store() as store, interruptible() as interrupt, troubles(None if quiet else say), suspended_by(interrupt):
        # Each is opened when it is its turn, and once for all batches.
        turns = all_asked(wanted, "test", None, [], quiet=quiet)
        sides: list[_Side] = []
        for reached in held or [[]]:
            found = []
            for each in wanted:
                if len(sides) == len(found):
                    sides.append(_Side(each, next(turns)))
                found.append(sides[len(found)].scored([*reached, *beside], store, interrupt))
            if any(each.capped for each in found) or decided(found, frozenset(reached)):
                break
            if not quiet and len(reached) < len(last):
                say(f"not decided by {len(reached)} examples")
        if partly or not cut_short(found, reached):
            found = entered(found, store)
    if not quiet:
        for warning in warnings_of(found):
            say(f"warning: {normalise(warning)}")
    return found, frozenset(reached)


def cut_short(found: Sequence[Evaluation], drawn: Iterable[Example]) -> bool:
    """Whether a cap has left out some of `drawn` under one of the prompts."""
    return any(not frozenset(each.capped).isdisjoint(drawn) for each in found)


@dataclass(slots=True)
class _Side:
    """One of two prompts; `taken`: the seconds that it took so far, for its minutes are those of all batches."""

    wanted: Wanted
    asked: Asked
    taken: float = 0.0

    def scored(self, examples: Sequence[Example], store: Store, interrupt: Event) -> Evaluation:
        from promptopt.binding.session import stopping
        from promptopt.cli.request import budget_of
        from promptopt.evaluation import evaluate_alone
        from promptopt.tasks.task import Task

        config, task, now = self.wanted.config, self.asked.task, time.monotonic()
        assert isinstance(task, Task)
        asked = replace(self.asked, task=replace(task, test=tuple(examples)))
        budget = budget_of(config)
        try:
            stop = stopping(budget, now - self.taken, interrupt)
            return evaluate_alone(asked, "test", budget, config.seed, store, stop)
        except (PromptoptError, StopRun):
            say(f"{self.wanted.called} was not scored to the end:")
            raise
        finally:
            self.taken += time.monotonic() - now
