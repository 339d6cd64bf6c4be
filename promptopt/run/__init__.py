"""What an optimizer may do, the one door to the models, limits, and what observers are told."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptopt.run.run import Run
    from promptopt.run.scoreboard import Candidate

__all__ = ["Candidate", "Run"]
_HOMES = {"Candidate": "scoreboard", "Run": "run"}


def __getattr__(name: str) -> object:
    # Imported when first used: budgets and events must not cost the import of the store.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"promptopt.run.{_HOMES[name]}"), name)
