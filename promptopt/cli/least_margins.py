"""Which margins a test can hold, told before anything is asked: a smaller one stays open whatever the prompt."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from promptopt.outcome.decisions import FEWEST_OF_A_SLICE, ONE_SIDED, Bars
from promptopt.outcome.looks import units_of
from promptopt.outcome.smallest import goes_by_worst
from promptopt.stats import ALPHA, DISAGREEMENT
from promptopt.stats.design import Design
from promptopt.tasks.gate import EVERY
from promptopt.tasks.task import Task
from promptopt.text import counted
from promptopt.types import Example


def of_check(task: Task, bars: Bars) -> dict[str, tuple[float, float, int]]:
    """For the score, and each slice that a loss is borne of: the margin, the least that can be held, and examples."""
    design = Design(task.weigh, bars.sequential)
    score = (bars.margin, _least_held(task.test, design, ONE_SIDED), len(task.test))
    least = {"score": score, **_of_slices(task, design)}
    if goes_by_worst(task):
        # It has to be held on each task, and the one with the fewest examples holds the least.
        own = [[each for each in task.test if each.slice == name] for name in task.members]
        found = [(bars.margin, _least_held(held, design, ONE_SIDED), len(held)) for held in own]
        least["score"] = max(found, key=lambda each: each[1])
    return least


def _of_slices(task: Task, design: Design) -> dict[str, tuple[float, float, int]]:
    found: dict[str, tuple[float, float, int]] = {}
    for name in sorted({each.slice for each in task.test if each.slice}):
        margin = task.gate.loss_of(name)
        if margin is not None:
            held = [each for each in task.test if each.slice == name]
            found[f"slice {name}"] = (margin, _least_held(held, design, ONE_SIDED), len(held))
    return found


def slices_left_open(task: Task, decider: str = "the check") -> list[str]:
    """A warning for each slice that a loss is borne of and that has too few test examples for a number of its own.

    `decider`: what stays open with it.
    """
    counts = Counter(each.slice for each in task.test if each.slice)
    borne = task.gate.largest_loss
    names = sorted({*borne, *(counts if EVERY in borne else ())} - {EVERY})
    return [
        f"Warning: slice {name} has {counted(counts[name], 'test example')}, and a number needs {FEWEST_OF_A_SLICE}: "
        f"it stays open, and with it {decider}; give more of it, or leave it out of largest_loss"
        for name in names
        if counts[name] < FEWEST_OF_A_SLICE
    ]


def of_migration(task: Task, margin: float, verdicts: int) -> dict[str, tuple[float, float, int]]:
    """The same, of each of so many verdicts, where this is the first look at the test."""
    design = Design(task.weigh)
    least = _least_held(task.test, design, ALPHA / verdicts)
    return {"score": (margin, least, len(task.test)), **_of_slices(task, design)}


def likely(examples: Sequence[Example], one_sided: float) -> float:
    """About the margin that is held four times in five where two prompts are as good and differ on `DISAGREEMENT`."""
    from statistics import NormalDist

    units, quantile = units_of(examples), NormalDist().inv_cdf
    spread = (quantile(1 - one_sided) + quantile(0.8)) * math.sqrt(DISAGREEMENT / units)
    # Half a win and half a loss, for they are counted whole.
    return min(1.0, spread + 1 / units)


def margins_said(margins: Mapping[str, tuple[float, float, int]], four_in_five: float | None) -> list[str]:
    """A sentence on what can be held, and one on each margin that cannot. `four_in_five`: `likely`, of the score."""
    least = ", ".join(f"{100 * least:.1f} points of the {name}" for name, (_, least, _) in margins.items())
    often = (
        ""
        if four_in_five is None
        else f"; and about {100 * four_in_five:.1f} points of the score four times in five, if the prompts are as good "
        f"and differ on {100 * DISAGREEMENT:.0f} % of the examples"
    )
    said = [f"The smallest margins that the test can hold, where no reply changes: {least}{often}."]
    for name, (margin, best, count) in margins.items():
        if margin <= best:
            size = counted(count, "example")
            said.append(
                f"Warning: a margin of {margin:g} is not held on the {name} by {size} unless the new prompt gains; "
                f"give more of them, or a margin above {math.ceil(1000 * best + 1e-6) / 1000:g}"
            )
    return said


def _least_held(examples: Sequence[Example], design: Design, alpha: float) -> float:
    same = [0.0 for _ in examples]
    return -design.gain(same, same, [example.group for example in examples], alpha).interval[0]
