"""How fast models were in earlier runs, and what a run of a program took there, for a forecast of minutes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from promptopt.binding.config import RunConfig

ENOUGH_CALLS = 50
"""Calls an earlier run must have paid for before its speed says anything. Ours."""


@dataclass(slots=True)
class _Sum:
    """What earlier runs took together."""

    runs: int = 0
    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    asked: int = 0
    """Calls of the task model and of judges, over all executions of these runs."""
    evaluations: int = 0

    def add(self, result: Mapping[str, Any]) -> None:
        """Raises KeyError and TypeError for a damaged record, which says nothing of the speed."""
        pace, spent = result["pace"], result.get("spent", {})
        seconds = float(pace["wall_s"])
        if pace["calls"] < ENOUGH_CALLS or seconds <= 0:
            return
        self.tokens += int(pace["tokens"])
        self.calls += int(pace["calls"])
        self.seconds += seconds
        self.runs += 1
        self.asked += int(spent.get("calls", 0)) - int(spent.get("proposer_calls", 0))
        self.evaluations += int(spent.get("evaluations", 0))


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast models were in `runs` earlier runs.

    `of_task`: these are runs of the very task, so that a call takes as long as theirs, however long replies are taken
    to be. `calls_per_evaluation`: what a run of its program made then; None: nothing says.
    """

    runs: int = 0
    tokens_per_s: float | None = None
    seconds_per_call: float | None = None
    calls_per_evaluation: float | None = None

    @property
    def of_task(self) -> bool:
        """Whether they are of the same task."""
        return self.seconds_per_call is not None


def speed_of(asked: RunConfig, proposer: str) -> Speed:
    """By earlier runs in the store that were asked for the same models: those of the same task, where there are some.

    How long a reply is no forecast knows, and a task's replies are of a kind.
    """
    from promptopt.binding.models import default_proposer
    from promptopt.store.runs import Store

    # A dry run leaves nothing behind, and opening a store makes one.
    store = Store.if_there()
    if store is None:
        return Speed()
    every, same = _Sum(), _Sum()
    with store:
        for record in store.runs():
            result, config = record.result, record.config
            model, served = (config.get(name) for name in ("model", "base_url"))
            if result is None or (model, served) != (asked.model, asked.base_url):
                continue
            own = None if model is None else default_proposer(str(model))
            if config.get("proposer", model if own is None else own) != proposer:
                continue
            for total in (every, same) if config.get("task") == asked.task else (every,):
                with suppress(KeyError, TypeError):
                    total.add(result)
    if same.runs:
        per_evaluation = same.asked / same.evaluations if same.evaluations else None
        return Speed(same.runs, same.tokens / same.seconds, same.seconds / same.calls, per_evaluation)
    return Speed(every.runs, every.tokens / every.seconds) if every.runs else Speed()
