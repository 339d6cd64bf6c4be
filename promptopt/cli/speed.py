"""How fast models were in earlier runs, for a forecast of minutes."""

from __future__ import annotations

from promptopt.binding.config import RunConfig

ENOUGH_CALLS = 50
"""Calls an earlier run must have paid for before its speed says anything."""


def speed_of(asked: RunConfig, proposer: str) -> tuple[float | None, int]:
    """(tokens a second, runs it was measured on) of earlier runs in the store that were asked for the same models."""
    from promptopt.places import home
    from promptopt.store.runs import Store

    if not (home() / "store.db").exists():
        return None, 0
    tokens, seconds, runs = 0, 0.0, 0
    with Store() as store:
        for record in store.runs():
            result, config = record.result, record.config
            model, served = (config.get(name) for name in ("model", "base_url"))
            if result is None or (model, served) != (asked.model, asked.base_url):
                continue
            if config.get("proposer", model) != proposer:
                continue
            if result["paid"]["calls"] >= ENOUGH_CALLS and result["wall_s"] > 0:
                tokens += result["paid"]["prompt_tokens"] + result["paid"]["completion_tokens"]
                seconds += result["wall_s"]
                runs += 1
    return (tokens / seconds, runs) if runs else (None, 0)
