"""Racing against scoring everything: the same winner, for what share of the evaluations. No model is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from benchmarks.search_tables import mean
from promptopt.protocols import Selector
from promptopt.run import Run
from promptopt.selection.exhaustive import Exhaustive
from promptopt.selection.racing import PairedTest, Racing
from tests.selection.landscape import Landscape, plant

ARMS, EXAMPLES = 14, 300
"""CAPO's: ten prompts and four children, ten blocks of 30."""
KEEP = (1, 10)
BUDGET = ARMS * EXAMPLES
RACES: Mapping[str, Racing] = {
    "racing (default)": Racing(budget=BUDGET),
    "racing, tested as CAPO does": Racing(
        budget=BUDGET, block=30, test=PairedTest(alpha=0.2, correction="none", population="infinite")
    ),
}


@dataclass(frozen=True, slots=True)
class Race:
    """One trial: whether the winner was the same, the share of evaluations, and what the winner is worth less."""

    same: bool
    share: float
    loss: float


def trial(racing: Selector, keep: int, seed: int) -> Race:
    """Both selectors on the same planted arms."""
    _, right = plant(np.random.default_rng(seed), arms=ARMS, examples=EXAMPLES)
    accuracy = right.mean(axis=1)
    whole, raced = Landscape(right, seed=seed), Landscape(right, seed=seed)
    best = Exhaustive(budget=BUDGET).select(cast(Run, whole), whole.prompts, whole.examples, keep)[0].prompt
    found = racing.select(cast(Run, raced), raced.prompts, raced.examples, keep)[0].prompt
    arms = [whole.arm[best], raced.arm[found]]
    return Race(best == found, raced.asked / whole.asked, float(accuracy[arms[0]] - accuracy[arms[1]]))


def section(trials: int) -> list[str]:
    """The section of the report."""
    lines = [
        "## Racing against exhaustive scoring",
        "",
        f"{ARMS} planted prompts on {EXAMPLES} examples (the arms of benchmarks/selection.py); {trials} trials.",
        "",
        "| selector | kept | same winner | share of evaluations | accuracy given up, mean | most |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, racing in RACES.items():
        for keep in KEEP:
            lines.append(_line(name, keep, [trial(racing, keep, seed) for seed in range(trials)]))
    return [*lines, ""]


def _line(name: str, keep: int, races: Sequence[Race]) -> str:
    same = sum(race.same for race in races)
    return (
        f"| {name} | {keep} | {same} of {len(races)} | {mean(race.share for race in races):.1%} "
        f"| {mean(race.loss for race in races):.4f} | {max(race.loss for race in races):.4f} |"
    )
