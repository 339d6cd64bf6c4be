"""Contract suites for plug-in authors, and planted tasks whose truth is known.

Subclass a contract in your tests and give it what it asks for; pytest finds the rest:

    class TestMine(OptimizerContract):
        optimizer = Mine(steps=3)
        def propose(self, request): return "Answer carefully."
"""

from __future__ import annotations

from promptopt.tasks.reach import examples_within
from promptopt.testing.engines import ModelContract, ScorerContract
from promptopt.testing.planted import (
    Accuracy,
    feature_accuracy,
    planted_model,
    planted_task,
    split_planted,
    uniform,
)
from promptopt.testing.processes import outcome
from promptopt.testing.scoring import EvaluatorContract, SelectorContract
from promptopt.testing.searches import OptimizerContract

__all__ = [
    "Accuracy",
    "EvaluatorContract",
    "ModelContract",
    "OptimizerContract",
    "ScorerContract",
    "SelectorContract",
    "examples_within",
    "feature_accuracy",
    "outcome",
    "planted_model",
    "planted_task",
    "split_planted",
    "uniform",
]
