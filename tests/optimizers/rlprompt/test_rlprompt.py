"""RLPrompt keeps the contract of every method; its policy here is a table, so that nothing needs torch."""

from __future__ import annotations

from promptopt.optimizers.rlprompt.method import RLPrompt
from promptopt.optimizers.rlprompt.settings import Learning, Sizes
from promptopt.run.budget import Budget
from promptopt.testing import OptimizerContract
from promptopt.types import Request
from tests.optimizers.rlprompt.tables import Tables

SMALL = RLPrompt(
    length=3,
    size=Sizes(steps=14, prompts=6, examples=10, held=8, every=4, finalists=2),
    learn=Learning(scale=1.0),
    writer=Tables(),
)


class TestContract(OptimizerContract):
    optimizer = SMALL
    evaluator = "generation"
    sizes = (150, 230, 400, 600)
    budget = Budget(evaluations=1_500)

    def propose(self, request: Request) -> str:
        return "never asked"
