"""The A/A promise, and its power: `python -m benchmarks.promise [--runs 400] [--processes 2]`.

Planted tasks with 200 sealed test items. Where every candidate is equal in truth, the verdict *better* may come up in
at most 5 % of the runs; where one kind of edit is truly worth 10 points, it must come up in at least 80 %. For APO with
every selector; beside it, how often "the best dev score went up" would have claimed a gain. No model is called: a
scripted task model answers with a known accuracy, a scripted proposer edits.
"""

from __future__ import annotations

import argparse
import datetime
import os
import random
import re
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.apo.method import APO, Expansion
from promptopt.protocols import Selector
from promptopt.selection.bandits import UCB, UCBE
from promptopt.selection.exhaustive import Exhaustive
from promptopt.selection.halving import SuccessiveHalving
from promptopt.selection.rejects import SuccessiveRejects
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Request

RESULTS = Path(__file__).parent / "results" / "promise.md"
BUDGET = 256
"""Evaluations a selector may spend in a round; a run of two rounds takes about 1,500 in all."""
SELECTORS: dict[str, Selector] = {
    "exhaustive": Exhaustive(budget=BUDGET),
    "ucb": UCB(budget=BUDGET),
    "ucb-e": UCBE(budget=BUDGET),
    "successive-rejects": SuccessiveRejects(budget=BUDGET),
    "successive-halving": SuccessiveHalving(budget=BUDGET),
}
BASE = 0.6
GAIN = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: whether the verdict was *better*, and whether the winner's dev score was above the start's."""

    better: bool
    naive: bool
    evaluations: int


def propose(request: Request) -> str:
    """Edits with a random filler word; one edit in three also adds the word that is worth something."""
    text = request.content if isinstance(request.content, str) else request.content[0].content
    rng = random.Random(f"{text}{request.seed}")
    if "<reason>" in text:
        return f"<reason>The instruction does not say enough ({rng.randrange(1000)}).</reason>"
    match = re.search(r'"""\n(.*?)\n"""', text, re.DOTALL)
    assert match is not None
    added = " carefully" if rng.random() < 1 / 3 else ""
    return f"<instruction>{match.group(1)}{added} w{rng.randrange(10_000)}</instruction>"


def one(selector: str, seed: int, gain: float) -> Outcome:
    """One run of APO on a planted task of its own."""
    accuracy = feature_accuracy(["carefully"], base=BASE, each=gain)
    optimizer = APO(
        rounds=2,
        beam=2,
        minibatch=32,
        expand=Expansion(groups=2, errors=4, paraphrases=1, children=4),
        selector=SELECTORS[selector],
    )
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        result = optimize(
            planted_task(train=200, dev=100, test=200, seed=seed),
            optimizer,
            model=Models(
                planted_model(accuracy, common=0.7, name=f"planted-{seed}"), proposer=Scripted(propose, name="proposer")
            ),
            seed=seed,
            store=Path(folder) / "store.db",
        )
    assert result.best.dev is not None
    assert result.start.dev is not None
    naive = result.best.dev.score > result.start.dev.score
    return Outcome(result.verdict == "better", naive, result.spent.evaluations)


def row(selector: str, runs: int, pool: ProcessPoolExecutor) -> str:
    """One line of the table: the share of *better* without and with a true gain."""
    seeds = range(runs)
    cells: list[str] = []
    for gain in (0.0, GAIN):
        outcomes = list(pool.map(one, [selector] * runs, seeds, [gain] * runs, chunksize=10))
        better = sum(outcome.better for outcome in outcomes) / runs
        naive = sum(outcome.naive for outcome in outcomes) / runs
        cells.append(f"{better:.1%} | {naive:.1%}")
        evaluations = sum(outcome.evaluations for outcome in outcomes) / runs
    return f"| {selector} | {' | '.join(cells)} | {evaluations:,.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    begun = time.perf_counter()
    with ProcessPoolExecutor(chosen.processes) as pool:
        rows = [row(selector, chosen.runs, pool) for selector in SELECTORS]
    lines = [
        "# The A/A promise",
        "",
        f"`python -m benchmarks.promise --runs {chosen.runs}`, {datetime.date.today()}: APO (two rounds, beam 2) on "
        f"planted tasks of 200 train, 100 dev and 200 test items, base accuracy {BASE}; {chosen.runs} runs a cell, no "
        f"model calls, {(time.perf_counter() - begun) / 60:.1f} minutes on {chosen.processes} processes.",
        "",
        "*better*: the share of runs with that verdict. *dev rose*: the share in which the chosen prompt's dev score",
        "was above the start's, which is what a search without a sealed test would have claimed.",
        "",
        "| selector | no true gain: better (at most 5 %) | dev rose | gain of 10 points: better (at least 80 %) "
        "| dev rose | evaluations a run |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
    ]
    print("\n".join(lines))
    if chosen.runs >= 400:
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
