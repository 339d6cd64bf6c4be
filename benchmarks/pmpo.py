"""PMPO on sst-2 with 16 examples a label, beside APO: `python -m benchmarks.pmpo TASK-MODEL PROPOSER [SEED ...]`.

The task model is small (SmolLM2-135M through transformers), the proposer another one. PMPO goes by the loss; APO by
the accuracy of the labels, with as many evaluations as PMPO took in all. The verdict is by the labels, since the layout
ends where the label begins; the loss of start and winner on the same test items is measured beside it.
"""

from __future__ import annotations

import argparse
import datetime
import time
from pathlib import Path
from typing import Any

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.evaluation import evaluate
from promptopt.models.specs import open_model
from promptopt.optimizers.apo.method import APO, Expansion
from promptopt.optimizers.pmpo.method import PMPO, Rewriting
from promptopt.outcome.result import Result
from promptopt.protocols import Model, Task
from promptopt.run.budget import Budget
from promptopt.selection.bandits import UCB
from promptopt.store.runs import Store
from promptopt.tasks.catalogue import load_task
from promptopt.tasks.splits import Splits
from promptopt.types import Prompt, Sampling

RESULTS = Path(__file__).parent / "results" / "pmpo.md"
REPLY = 160
"""Tokens of a reply of the proposer: a small one that is not done by then will not be."""
METHOD = PMPO(
    iterations=3,
    rewrite=Rewriting(form="short", longest=150, sampling=Sampling(temperature=0.9, top_p=0.95, max_tokens=REPLY)),
)
RIVAL = APO(
    rounds=2,
    beam=2,
    minibatch=32,
    expand=Expansion(groups=2, paraphrases=1, children=6, longest=150),
    selector=UCB(budget=400),
    sampling=Sampling(temperature=0.7, max_tokens=REPLY),
)


def losses(task: Any, prompts: list[Prompt], model: Model, store: Store) -> list[float]:
    """The mean loss of each prompt on the test items, in nats."""
    found = [evaluate(task, each, model=model, evaluator="loss", split="test", store=store) for each in prompts]
    return [-each.measured.score for each in found]


def row(task: Any, seed: int, result: Result, model: Model, store: Store) -> str:
    """One line of the table."""
    before, after = losses(task, [result.start.prompt, result.best.prompt], model, store)
    test = [each.test.score if each.test is not None else float("nan") for each in (result.start, result.best)]
    gain = (
        "-"
        if result.gain is None
        else f"{result.gain.mean:+.3f} [{result.gain.ci95[0]:+.3f}, {result.gain.ci95[1]:+.3f}]"
    )
    spent = result.spent
    return (
        f"| {result.method} | {seed} | {test[0]:.3f} | {test[1]:.3f} | {gain} | {result.verdict} | {before:.3f} | "
        f"{after:.3f} | {spent.evaluations:,} | {spent.proposer_calls} | {spent.prompt_tokens:,} | "
        f"{spent.completion_tokens:,} | {result.wall_s / 60:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("proposer")
    parser.add_argument("seeds", nargs="*", type=int, default=[0, 1, 2])
    chosen = parser.parse_args()
    begun = time.perf_counter()
    model, proposer = open_model(chosen.model), open_model(chosen.proposer)
    rows: list[str] = []
    winners: list[str] = []
    with Store() as store:
        for seed in chosen.seeds:
            task = load_task("sst-2", splits=Splits(seed=seed))
            for result in compared(task, seed, Models(model, proposer=proposer), store):
                rows.append(row(task, seed, result, model, store))
                winners.append(f"- {result.method}, seed {seed}: {' / '.join(result.best.text.splitlines())}")
                print(rows[-1], flush=True)
    minutes = (time.perf_counter() - begun) / 60
    lines = [*opening(model, proposer, minutes), *rows, "", "Winners:", "", *winners]
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def compared(task: Task, seed: int, models: Models, store: Store) -> tuple[Result, Result]:
    """PMPO by the loss, and APO by label accuracy under a cap of PMPO's evaluations."""
    first = optimize(task, METHOD, model=models, evaluator="loss", check_evaluator="labels", seed=seed, store=store)
    cap = Budget(evaluations=first.spent.evaluations)
    return first, optimize(task, RIVAL, model=models, evaluator="labels", budget=cap, seed=seed, store=store)


def opening(model: Model, proposer: Model, minutes: float) -> list[str]:
    """What was run, and the table's head."""
    head = (
        "method", "seed", "test start", "test winner", "gain, 95 %", "verdict", "test loss start", "winner",
        "evaluations", "proposer calls", "tokens read", "written", "minutes",
    )  # fmt: skip
    return [
        "# PMPO and APO on sst-2, 16 examples a label",
        "",
        f"`python -m benchmarks.pmpo`, {datetime.date.today()}, two cores, {minutes:.0f} minutes. "
        f"Task model {model.name}, proposer {proposer.name}. PMPO: {METHOD.iterations} iterations, the rest as the "
        f"paper has it (32 training examples, 3 hard ones, 4 rewrites each, 5 parts), the rewriter in its short form, "
        f"replies of at most {REPLY} tokens. "
        f"APO: {RIVAL.rounds} rounds, beam {RIVAL.beam}, by label accuracy, capped at PMPO's "
        f"evaluations.",
        "",
        f"| {' | '.join(head)} |",
        f"|{' --- |' * len(head)}",
    ]


if __name__ == "__main__":
    main()
