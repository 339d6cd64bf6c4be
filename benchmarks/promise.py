"""How often a verdict is wrong: `python -m benchmarks.promise [PART ...] [--runs N] [--processes N] [--write]`.

verdicts   simulated scores of every shape (binary, graded, in groups, nats, minus infinity): false verdicts, and power
looks      users who look ten times at one test, through the store's ledger
methods    every method on three planted tasks: right or wrong, graded, grouped
users      users who search, open their run again with larger caps, and check an edit of their own
selectors  APO with every selector; where one kind of edit is worth 10 points, *better* must come up in 80 % of the runs

Where nothing is better in truth, *better* may come up in at most 5 %. No model is called: a scripted task model answers
with a known accuracy, a scripted proposer edits.
"""

from __future__ import annotations

import argparse
import datetime
import os
import random
import re
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks import promise_runs, promise_scores, promise_users
from benchmarks.search_settings import arena
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

RESULTS = Path(__file__).parent / "results"
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
    # A start that fell behind in the final choice was not scored to its end.
    naive = result.start.dev is None or result.best.dev.score > result.start.dev.score
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


def selectors(runs: int, pool: ProcessPoolExecutor) -> list[str]:
    """APO with every selector, on right or wrong."""
    return [
        f"APO (two rounds, beam 2) on planted tasks of 200 train, 100 dev and 200 test items, base accuracy {BASE}.",
        "",
        "*better*: the share of runs with that verdict. *dev rose*: the share in which the chosen prompt's dev score",
        "was above the start's, which is what a search without a sealed test would have claimed.",
        "",
        "| selector | no true gain: better (at most 5 %) | dev rose | gain of 10 points: better (at least 80 %) "
        "| dev rose | evaluations a run |",
        "| --- | --- | --- | --- | --- | --- |",
        *(row(selector, runs, pool) for selector in SELECTORS),
    ]


def methods(runs: int, pool: ProcessPoolExecutor) -> list[str]:
    """Every method on three tasks."""
    return [
        f"Every method, {promise_runs.EVALUATIONS:,} evaluations, {promise_runs.TEST} test examples. *better* / "
        f"*worse*: verdicts of runs in which no prompt is better than another. Graded: a wrong answer earns 0.9 on "
        f"80 % of the questions. Grouped: {promise_runs.GROUP} questions of a group are hard for the same prompts. The "
        f"last row has the 95 % interval of the share.",
        "",
        *promise_runs.table(arena(), runs, pool),
    ]


def verdicts(runs: int, _pool: ProcessPoolExecutor) -> list[str]:
    """Simulated scores of every shape."""
    return [
        f"Per cent of {runs} simulated tests: *better* and *worse* where the true mean difference is 0 (nominal 2.5 "
        f"each; minus infinity is worse in truth), then *better* where the true gain is what the second column says. "
        f"Groups count once: n items are n / 10 or n / 5 of them.",
        "",
        *promise_scores.verdicts(runs),
    ]


def looks(runs: int, _pool: ProcessPoolExecutor) -> list[str]:
    """Users who look ten times."""
    return [
        f"Users who look {promise_scores.LOOKS} times at a test, no prompt being better than another: the share "
        f"that is ever told *better*, by the store's ledger (at most 5 %), and if every look were taken for the first.",
        "",
        *promise_scores.looks(runs),
    ]


def users(runs: int, pool: ProcessPoolExecutor) -> list[str]:
    """Users who do all that opens a test."""
    caps = ", ".join(f"{cap:,}" for cap in promise_users.CAPS)
    return [
        f"Users of one store each, no prompt being better than another: a search of {caps} evaluations in turn, then a "
        f"check of an edit against the start, with a margin of {100 * promise_users.MARGIN:g} points. Tasks are right "
        f"or wrong, graded and grouped in turn, with {promise_runs.TEST} test examples. The last row has the share of "
        f"all users, and its exact 95 % interval.",
        "",
        *promise_users.table(runs, pool),
    ]


PARTS: dict[str, tuple[Callable[[int, ProcessPoolExecutor], list[str]], int]] = {
    "verdicts": (verdicts, 1_000),
    "looks": (looks, 400),
    "methods": (methods, 20),
    "users": (users, 20),
    "selectors": (selectors, 400),
}
"""What there is to measure, and of how many runs, tests or users; of users, by method."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[], help="all, where none is named")
    parser.add_argument("--runs", type=int, help="of each cell; by default what the results hold")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write the results file of each part")
    chosen = parser.parse_args()
    with ProcessPoolExecutor(chosen.processes) as pool:
        for name in chosen.parts if chosen.parts else PARTS:
            measure, usual = PARTS[name]
            runs, begun = usual if chosen.runs is None else chosen.runs, time.perf_counter()
            found = measure(runs, pool)
            minutes = (time.perf_counter() - begun) / 60
            lines = [
                f"# The promise: {name}",
                "",
                f"`python -m benchmarks.promise {name} --runs {runs}`, {datetime.date.today()}: no model calls, "
                f"{minutes:.1f} minutes on {chosen.processes} process{'es' if chosen.processes > 1 else ''} of a "
                f"shared machine.",
                "",
                *found,
            ]
            print("\n".join(lines), flush=True)
            if chosen.write:
                file = "promise.md" if name == "selectors" else f"promise-{name}.md"
                (RESULTS / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
