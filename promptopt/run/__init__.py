"""What an optimizer may do, the one door to the models, limits, and what observers are told."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptopt.run.run import Candidate, Run, run_id

__all__ = ["Candidate", "Run", "run_id"]


def __getattr__(name: str) -> object:
    # Imported when first used: budgets and events must not cost the import of the store.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("promptopt.run.run"), name)
