"""What is said of models that are not served for long."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from promptopt.protocols import Leaving, Model
from promptopt.text import counted


def end_said(model: Model, today: date) -> str:
    """Until when a model is served, in a clause; empty where nothing is announced."""
    end = model.announced_end() if isinstance(model, Leaving) else None
    if end is None:
        return ""
    days = (end - today).days
    when = f"for {counted(days, 'day')} more" if days > 0 else "so it may be gone any moment"
    return f"{model.name} is served until {end.isoformat()}, {when}"


def leaving(old: Model, targets: Sequence[Model], today: date) -> list[str]:
    """A sentence for each model whose end is announced: of the old one what to keep, of a new one what a move means."""
    said = [(end_said(old, today), "keep what it answers while it does (--freeze)")]
    said += [(end_said(model, today), "whoever moves to it has to move again") for model in targets]
    return [f"{end}; {advice}" for end, advice in said if end]
