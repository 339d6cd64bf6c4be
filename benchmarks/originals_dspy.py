"""Our MIPROv2 beside DSPy's, on a real small model inside DSPy: one program, one metric, one count of calls.

    python -m benchmarks.originals_dspy [--tasks cr,sst-2] [--seeds 3] [--held 60] [--cpu-minutes 60]

Run where DSPy is installed. DSPy's optimizer goes first, with settings that take some 200 calls, and whatever it asked
for is what ours is given: the sealed test and the final choice come out of that too. Both are asked through the server
of `benchmarks.originals`, which counts. Both programs then answer the same held-out examples. A row is added when a
player is done, and the same command goes on.
"""

from __future__ import annotations

import argparse
import datetime
import json
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import dspy

from benchmarks.originals import MODEL, Row, Served, cell, cpu_seconds, first_label, table
from benchmarks.peers_proxy import PROPOSER, TASK, Proxy
from benchmarks.search import RESULTS, names, write
from promptopt.dspy import PromptOpt
from promptopt.models.specs import open_model
from promptopt.run.budget import Budget

PLAYERS = ("our-mipro", "dspy-mipro")
TASKS = ("cr", "sst-2", "support-intent")
REPLY = 40
"""Tokens of a reply of the task model: DSPy's form around a label takes some twenty."""
VALIDATION, CANDIDATES, TRIALS = 12, 6, 10
"""What DSPy's has: with the first look at the program, 132 calls, and what bootstrapping and the proposer take."""
UNCAPPED = 100_000


@dataclass(frozen=True, slots=True)
class Bench:
    """What both players have: the program, a metric, and examples to learn from, to choose by and to be held to."""

    program: Any
    metric: Any
    train: list[Any]
    dev: list[Any]
    held: list[Any]


def bench(name: str, seed: int, held: int) -> Bench:
    """The task of `originals.cell` as a program of one predictor."""
    task, rest = cell(name, seed, held)

    def metric(example: Any, found: Any, trace: object = None) -> bool:
        return first_label(str(found.answer), task.labels) == example.answer

    train, dev, last = (
        [dspy.Example(input=each["input"], answer=each.target).with_inputs("input") for each in part]
        for part in ((*task.train, *task.test), task.dev, rest)
    )
    return Bench(dspy.Predict(dspy.Signature("input -> answer", task.initial[task.editable])), metric, train, dev, last)


def lm(name: str, url: str, **sampling: Any) -> Any:
    """A model of the server; nothing is tried again, and nothing cached, for the server counts what is asked."""
    return dspy.LM(f"openai/{name}", api_base=url, api_key="none", num_retries=0, cache=False, **sampling)


def original(given: Bench, url: str, seed: int) -> Any:
    """The program that DSPy's MIPROv2 returns."""
    optimizer = dspy.MIPROv2(
        given.metric, prompt_model=lm(PROPOSER, url, temperature=1.0, max_tokens=1000), auto=None,
        num_candidates=CANDIDATES, num_threads=1, seed=seed + 1, max_errors=UNCAPPED,
    )  # fmt: skip
    return optimizer.compile(
        given.program, trainset=given.train, valset=given.dev[:VALIDATION], num_trials=TRIALS, minibatch=False
    )


def ours(given: Bench, url: str, seed: int, calls: int) -> Any:
    """The program that ours returns, as shipped."""
    with tempfile.TemporaryDirectory() as folder:
        optimizer = PromptOpt(
            "mipro", metric=given.metric, budget=Budget(calls=calls), seed=seed, store=Path(folder) / "store.db",
            proposer=lm(PROPOSER, url, temperature=1.0, max_tokens=1000),
        )  # fmt: skip
        return optimizer.compile(given.program, trainset=given.train, valset=given.dev)


def accuracy(program: Any, given: Bench) -> float:
    """The share of the held-out examples that a program gets right; a reply that DSPy cannot read is wrong."""
    evaluate = dspy.Evaluate(devset=given.held, metric=given.metric, num_threads=1, max_errors=UNCAPPED)
    return float(evaluate(program).score) / 100


def play(row: Row, served: Served, given: Bench, calls: int) -> Row:
    """One search, and its program on what is held out. `calls`: what ours may ask for."""
    begun = cpu_seconds()
    with Proxy(served, UNCAPPED) as proxy:
        dspy.configure(lm=lm(TASK, proxy.url, temperature=0.0, max_tokens=REPLY))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            own = row.player == PLAYERS[0]
            found = ours(given, proxy.url, row.seed, calls) if own else original(given, proxy.url, row.seed)
        counts, spent = replace(proxy.counts), cpu_seconds() - begun
        start, score = accuracy(given.program, given), accuracy(found, given)
    predictor = found.predictors()[0]
    shown = "\n\n".join([predictor.signature.instructions, *(json.dumps(dict(each)) for each in predictor.demos)])
    return replace(
        row, cap=calls, start=start, score=score, asked=counts.task, proposed=counts.proposer, cpu_s=round(spent, 1),
        prompt=shown,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=names, default=TASKS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--held", type=int, default=60)
    parser.add_argument("--cpu-minutes", type=float, default=60.0)
    parser.add_argument("--rows", type=Path, default=RESULTS / "originals-dspy.jsonl")
    parser.add_argument("--out", type=Path, default=RESULTS / "originals-dspy.md")
    chosen = parser.parse_args(arguments)
    lines = chosen.rows.read_text(encoding="utf-8").splitlines() if chosen.rows.exists() else []
    rows = {(row.player, row.task, row.seed): row for row in (Row(**json.loads(line)) for line in lines)}
    served, longest = Served(open_model(MODEL), REPLY), 0.0
    for seed in range(chosen.seeds):
        for name in chosen.tasks:
            for player in reversed(PLAYERS):
                if (player, name, seed) in rows or 60 * chosen.cpu_minutes - cpu_seconds() < longest:
                    continue
                begun, rival = cpu_seconds(), rows.get((PLAYERS[1], name, seed))
                calls = 0 if rival is None else rival.asked + rival.proposed
                row = play(Row(player, name, seed, calls), served, bench(name, seed, chosen.held), calls)
                longest = max(longest, cpu_seconds() - begun)
                rows[player, name, seed] = row
                with chosen.rows.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(asdict(row)) + "\n")
                print(f"{player} {name} {seed}: {row.start:.2f} -> {row.score:.2f}, {row.cpu_s:.0f} CPU s", flush=True)
    head = ["# MIPROv2 beside its original, on a real model inside DSPy", "",
            f"`python -m benchmarks.originals_dspy`, {datetime.date.today()}, DSPy {dspy.__version__}, `{MODEL}` as "
            f"task model and proposer, {chosen.held} held-out examples a cell.", ""]  # fmt: skip
    write([*head, *table(list(rows.values()), PLAYERS)], chosen.out)


if __name__ == "__main__":
    main()
