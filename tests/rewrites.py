"""The smallest search there is, and a scripted proposer for it."""

from __future__ import annotations

import random
from dataclasses import dataclass

from promptopt.run import Run
from promptopt.types import Estimate, Proposal, Request, Sampling


@dataclass(frozen=True, slots=True)
class Rewrites:
    """The smallest search: a few rewrites a step, all scored on train, the best kept."""

    steps: int = 3
    breadth: int = 3

    def optimize(self, run: Run) -> None:
        best = run.initial
        scores = run.evaluate([best], run.train).means()
        for _ in range(self.steps):
            replies = run.generate([f"Rewrite: {best['instruction']}"] * self.breadth, Sampling(temperature=1.0))
            fresh = run.admit(
                [Proposal(best.replace("instruction", r.text), (best,), "rewrite", "because") for r in replies]
            )
            scores |= run.evaluate(fresh, run.train).means()
            best = max(scores, key=lambda prompt: scores[prompt])
            run.record([Estimate(prompt, mean, len(run.train)) for prompt, mean in scores.items()], [best])


def rewrite(request: Request) -> str:
    """A scripted proposer: adds a word that depends on the request and its seed only."""
    assert isinstance(request.content, str)
    word = random.Random(f"{request.content}{request.seed}").choice(["carefully", "exactly", "twice", "soon", "please"])
    return f"{request.content.removeprefix('Rewrite: ')} {word}"
