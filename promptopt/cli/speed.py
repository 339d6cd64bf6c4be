"""How fast models were in earlier runs, for a forecast of minutes."""

from __future__ import annotations

from contextlib import suppress

from promptopt.binding.config import RunConfig

ENOUGH_CALLS = 50
"""Calls an earlier run must have paid for before its speed says anything. Ours."""


def speed_of(asked: RunConfig, proposer: str) -> tuple[float | None, int]:
    """(tokens a second, runs it was measured on) of earlier runs in the store that were asked for the same models."""
    from promptopt.binding.models import default_proposer
    from promptopt.store.runs import Store

    # A dry run leaves nothing behind, and opening a store makes one.
    store = Store.if_there()
    if store is None:
        return None, 0
    tokens, seconds, runs = 0, 0.0, 0
    with store:
        for record in store.runs():
            result, config = record.result, record.config
            model, served = (config.get(name) for name in ("model", "base_url"))
            if result is None or (model, served) != (asked.model, asked.base_url):
                continue
            own = None if model is None else default_proposer(str(model))
            if config.get("proposer", model if own is None else own) != proposer:
                continue
            # A damaged record says nothing of the speed.
            with suppress(KeyError, TypeError):
                pace = result["pace"]
                wall = float(pace["wall_s"])
                if pace["calls"] >= ENOUGH_CALLS and wall > 0:
                    tokens += int(pace["tokens"])
                    seconds += wall
                    runs += 1
    return (tokens / seconds, runs) if runs else (None, 0)
