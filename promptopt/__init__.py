"""Finds better prompts for language models, and proves on sealed data that they are better."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptopt.api import optimize
    from promptopt.binding.models import Models
    from promptopt.binding.session import Session
    from promptopt.comparison.compare import compare
    from promptopt.errors import PromptoptError
    from promptopt.evaluation import Evaluation, evaluate
    from promptopt.explanation import Explanation, explain
    from promptopt.optimizers.apo.method import APO
    from promptopt.outcome.result import Result
    from promptopt.protocols import Optimizer, Selector
    from promptopt.run import Run
    from promptopt.run.budget import Budget, Ledger
    from promptopt.tasks.task import Task
    from promptopt.types import Estimate, Example, Prompt, Proposal, Reply, Request, Sampling, Score

__version__ = "0.1.0"

_HOMES = {
    "optimize": "api",
    "compare": "comparison.compare",
    "evaluate": "evaluation",
    "explain": "explanation",
    "Evaluation": "evaluation",
    "Explanation": "explanation",
    "Budget": "run.budget",
    "Ledger": "run.budget",
    "PromptoptError": "errors",
    "APO": "optimizers.apo.method",
    "Models": "binding.models",
    "Session": "binding.session",
    "Result": "outcome.result",
    "Optimizer": "protocols",
    "Run": "run",
    "Selector": "protocols",
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
    "Budget",
    "Estimate",
    "Evaluation",
    "Example",
    "Explanation",
    "Ledger",
    "Models",
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
    "Session",
    "Task",
    "compare",
    "evaluate",
    "explain",
    "optimize",
]


def __getattr__(name: str) -> object:
    # Names are imported when first used: `import promptopt` and `promptopt --help` stay quick.
    if name not in _HOMES:
        raise AttributeError(f"module 'promptopt' has no attribute {name!r}")
    value = getattr(import_module(f"promptopt.{_HOMES[name]}"), name)
    # From the next time on it is found without this function.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
