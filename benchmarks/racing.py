"""Racing against scoring all prompts on all examples: the same winner, for which share of the evaluations?

    python -m benchmarks.racing [--trials 300] [--out benchmarks/results/racing.md]

Each trial plants 16, 24 or 32 prompts with accuracies from N(0.70, 0.05), the best as far ahead as the draw has it,
and 400 examples whose difficulty all prompts share (probit; spread 0.8 or 2.0, which correlates their outcomes on an
example by 0.39 or 0.80 on the latent scale). The winner is the same where its mean over all 400 is the highest, or
tied with it. Block and level were chosen on other trials than these. No model is asked.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np

from promptopt.protocols import Selector
from promptopt.run import Run
from promptopt.selection.halving import SuccessiveHalving
from promptopt.selection.item_response import ItemResponse
from promptopt.selection.racing import PairedTest, Racing
from promptopt.selection.rejects import SuccessiveRejects
from tests.selection.landscape import Landscape, plant

FIRST = 10_000
"""The first trial: block and level were chosen on trials 0 to 299."""
CAPO = PairedTest(alpha=0.2, correction="none", population="infinite")
PLAIN = PairedTest(population="infinite")
SELECTORS: dict[str, tuple[Callable[[int], Selector], float]] = {
    "racing (default), a third at most": (Racing, 1 / 3),
    "item response, a third at most": (ItemResponse, 1 / 3),
    "racing (default), any number": (Racing, 1.0),
    "racing until the budget ends, a third at most": (lambda budget: Racing(budget, short="stop"), 1 / 3),
    "racing, uncorrected for the finite sample, a third at most": (lambda budget: Racing(budget, test=PLAIN), 1 / 3),
    "racing, uncorrected for the finite sample, any number": (lambda budget: Racing(budget, test=PLAIN), 1.0),
    "racing, alpha 0.2, a third at most": (lambda budget: Racing(budget, test=PairedTest(alpha=0.2)), 1 / 3),
    "racing as CAPO's, alpha 0.2 not divided": (lambda budget: Racing(budget, 30, CAPO), 1.0),
    "successive rejects, a third": (SuccessiveRejects, 1 / 3),
    "successive halving, a third": (SuccessiveHalving, 1 / 3),
}


def measure(make: Callable[[int], Selector], share: float, prompts: int, difficulty: float, trials: int) -> list[str]:
    """Cells of a row: how often the winner is the same, the mean and the largest share, the batches."""
    found, asked, batches = list[bool](), list[float](), list[int]()
    for trial in range(FIRST, FIRST + trials):
        _, right = plant(np.random.default_rng(trial), arms=prompts, difficulty=difficulty)
        landscape = Landscape(right, seed=trial)
        selector = make(int(right.size * share))
        best = selector.select(cast(Run, landscape), landscape.prompts, landscape.examples, 1)[0]
        means = right.mean(axis=1)
        found.append(bool(means[landscape.arm[best.prompt]] == means.max()))
        asked.append(landscape.asked / right.size)
        batches.append(len(landscape.log))
    return [f"{np.mean(found):.1%}", f"{np.mean(asked):.1%}", f"{max(asked):.1%}", f"{np.mean(batches):.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Racing against exhaustive scoring on planted prompts.")
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    begun = time.process_time()
    lines = ["# Racing and exhaustive scoring", "", (__doc__ or "").split("\n\n")[2].strip(), ""]
    for difficulty in (0.8, 2.0):
        for prompts in (16, 24, 32):
            lines += [
                f"## {prompts} prompts, difficulty {difficulty}",
                "",
                "| selector | same winner | evaluations, mean | most | batches |",
                "|---|---|---|---|---|",
            ]
            for name, (make, share) in SELECTORS.items():
                lines.append(f"| {name} | {' | '.join(measure(make, share, prompts, difficulty, options.trials))} |")
            lines.append("")
    lines.append(
        f"Evaluations: as a share of prompts times examples. Command: `python -m benchmarks.racing --trials "
        f"{options.trials}`, {datetime.date.today().isoformat()}, Python {sys.version.split()[0]}, numpy "
        f"{np.__version__}. Cost: no model calls, {time.process_time() - begun:.0f} s of one core."
    )
    report = "\n".join(lines) + "\n"
    print(report)
    if options.out is not None:
        options.out.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
