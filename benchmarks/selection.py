"""The selectors side by side on planted arms. No model is asked.

    python -m benchmarks.selection [--trials 300] [--out benchmarks/results/selection.md]

Each trial plants 36 arms with accuracies from N(0.70, 0.05) and 400 examples whose difficulty all arms share, lets
every selector choose four arms with 2,048 evaluations, and compares them with the truth. An earlier simulation does
not say how it planted difficulty; with the first spread used here (probit, 0.8) uniform allocation gains what it gains
there, with the second (2.0) most examples are easy, or hard, for all arms alike.
"""

from __future__ import annotations

import argparse
import datetime
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np

from promptopt.protocols import Selector
from promptopt.run import Run
from promptopt.selection.bandits import UCB, UCBE
from promptopt.selection.exhaustive import Exhaustive
from promptopt.selection.halving import SuccessiveHalving
from promptopt.selection.rejects import SuccessiveRejects
from tests.selection.landscape import Landscape, plant

KEEP = 4
DIFFICULTIES = (0.8, 2.0)
SELECTORS: dict[str, tuple[Selector, str]] = {
    "exhaustive": (Exhaustive(), "0.064, 74 %, 2,016"),
    "ucb, c = 1, 32 a pull (APO's constants)": (UCB(exploration=1.0, examples_per_pull=32), "0.070, 81 %, 2,048"),
    "ucb, c = 0.25, 32 a pull": (UCB(examples_per_pull=32), "0.072, 83 %, 2,048"),
    "ucb (default: c = 0.25, 16 a pull)": (UCB(), ""),
    "ucb-e, a = 1, 32 a pull (APO's constants)": (UCBE(exploration=1.0, examples_per_pull=32), ""),
    "ucb-e (default: a = 0.3, 16 a pull)": (UCBE(), ""),
    "successive rejects, planned for one (published)": (SuccessiveRejects(planned_for="one"), "0.072, 81 %, 1,602"),
    "successive rejects (default)": (SuccessiveRejects(), ""),
    "successive halving, planned for one (published)": (SuccessiveHalving(planned_for="one"), ""),
    "successive halving (default)": (SuccessiveHalving(), ""),
}


@dataclass(slots=True)
class Tally:
    """What one selector did, a value a trial."""

    gain: list[float] = field(default_factory=list)
    unseen_gain: list[float] = field(default_factory=list)
    found: list[float] = field(default_factory=list)
    evaluations: list[float] = field(default_factory=list)
    batches: list[float] = field(default_factory=list)
    prefixes: list[float] = field(default_factory=list)


def simulate(trials: int, difficulty: float) -> dict[str, Tally]:
    """Every selector on the same trials."""
    tallies = {name: Tally() for name in SELECTORS}
    for trial in range(trials):
        unseen, right = plant(np.random.default_rng(trial), difficulty=difficulty)
        accuracy = right.mean(axis=1)
        for name, (selector, _) in SELECTORS.items():
            landscape = Landscape(right, seed=trial)
            estimates = selector.select(cast(Run, landscape), landscape.prompts, landscape.examples, KEEP)
            beam = [landscape.arm[estimate.prompt] for estimate in estimates[:KEEP]]
            tally = tallies[name]
            tally.gain.append(float(accuracy[beam].mean() - accuracy.mean()))
            tally.unseen_gain.append(float(unseen[beam].mean() - unseen.mean()))
            tally.found.append(float(accuracy.argmax() in beam))
            tally.evaluations.append(landscape.asked)
            tally.batches.append(len(landscape.log))
            tally.prefixes.append(sum(len(arms) for arms, _ in landscape.log))
    return tallies


def table(tallies: dict[str, Tally]) -> list[str]:
    """Markdown, a row a selector."""
    base = tallies["exhaustive"].gain
    lines = [
        "| selector | gain | over exhaustive | best arm in beam | gain, unseen data | evaluations | batches | prefixes "
        "| earlier simulation: gain, best, evaluations |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, tally in tallies.items():
        over = np.subtract(tally.gain, base)
        error = float(over.std(ddof=1)) / math.sqrt(len(over))
        lines.append(
            f"| {name} | {mean(tally.gain):.4f} | {over.mean():+.4f} ± {1.96 * error:.4f} | {mean(tally.found):.1%} "
            f"| {mean(tally.unseen_gain):.4f} | {mean(tally.evaluations):,.0f} | {mean(tally.batches):.0f} "
            f"| {mean(tally.prefixes):.0f} | {SELECTORS[name][1]} |"
        )
    return lines


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the selectors on planted arms.")
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    begun, spent = time.perf_counter(), time.process_time()
    lines = ["# Selectors on planted arms", "", (__doc__ or "").split("\n\n")[2].strip(), ""]
    for difficulty in DIFFICULTIES:
        lines += [f"## Difficulty {difficulty}", "", *table(simulate(options.trials, difficulty)), ""]
    lines += [
        "gain: mean accuracy of the four on all 400 examples, minus that of all arms; on unseen data: the same with "
        "the planted accuracies. over exhaustive: paired over trials, with a 95 % interval. batches: calls of "
        "`run.evaluate`; prefixes: prompts in them, summed, which is what an engine that reuses prefixes reads anew.",
        "",
        f"Command: `python -m benchmarks.selection --trials {options.trials}`, {datetime.date.today().isoformat()}, "
        f"Python {sys.version.split()[0]}, numpy {np.__version__}. Cost: no model calls, "
        f"{time.process_time() - spent:.0f} s of one core ({time.perf_counter() - begun:.0f} s by the clock).",
    ]
    report = "\n".join(lines) + "\n"
    print(report)
    if options.out is not None:
        options.out.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
