"""Finds better prompts for language models, and proves on sealed data that they are better."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptopt.api import optimize
    from promptopt.errors import PromptoptError
    from promptopt.evaluation import Evaluation, Explanation, evaluate, explain
    from promptopt.optimizers.apo.method import APO
    from promptopt.optimizers.pmpo.method import PMPO
    from promptopt.outcome.result import Result
    from promptopt.run import Optimizer, Run, Selector
    from promptopt.run.budget import Budget, Ledger
    from promptopt.tasks.task import Task
    from promptopt.types import Estimate, Example, Prompt, Proposal, Reply, Request, Sampling, Score

__version__ = "0.1.0"

_HOMES = {
    "optimize": "api",
    "evaluate": "assess",
    "explain": "assess",
    "Evaluation": "assess",
    "Explanation": "assess",
    "Budget": "budget",
    "Ledger": "budget",
    "PromptoptError": "errors",
    "APO": "optimizers.apo",
    "PMPO": "optimizers.pmpo",
    "Result": "result",
    "Optimizer": "run",
    "Run": "run",
    "Selector": "run",
    "Task": "tasks.task",
    "Estimate": "types",
    "Example": "types",
    "Prompt": "types",
    "Proposal": "types",
    "Reply": "types",
    "Request": "types",
    "Sampling": "types",
    "Score": "types",
}

__all__ = [
    "APO",
    "PMPO",
    "Budget",
    "Estimate",
    "Evaluation",
    "Example",
    "Explanation",
    "Ledger",
    "Optimizer",
    "Prompt",
    "PromptoptError",
    "Proposal",
    "Reply",
    "Request",
    "Result",
    "Run",
    "Sampling",
    "Score",
    "Selector",
    "Task",
    "evaluate",
    "explain",
    "optimize",
]


def __getattr__(name: str) -> object:
    # Names are imported when first used: `import promptopt` and `promptopt --help` stay quick.
    if name not in _HOMES:
        raise AttributeError(f"module 'promptopt' has no attribute {name!r}")
    value = getattr(import_module(f"promptopt.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
