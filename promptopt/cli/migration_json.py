"""What a migration found, as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from promptopt.tasks.layouts import named_layout

if TYPE_CHECKING:
    from promptopt.migration import Cost, Latency, Migration, OnModel
    from promptopt.migration.moved import Replies, Shared
    from promptopt.stats import Gain


def migration_as_json(found: Migration) -> dict[str, Any]:
    """One JSON object."""
    from promptopt.migration import Latency

    return {
        "task": found.task,
        "evaluator": found.evaluator,
        "scored_by": found.reference.scored_by(),
        "basis": "judge" if found.judged else "metric",
        "weigh": found.reference.weigh,
        "margin": found.margin,
        "n": found.n,
        "done": found.done,
        "reference": {"model": found.reference.model, "score": found.reference.measured.score,
                      "cost_per_thousand": _cost_json(found.cost),
                      "latency": _latency_json(Latency.of(found.reference.seconds)),
                      "replies": _replies_json(found.old_replies)},
        "targets": [
            {"model": target.model, "kept": target.kept, "run_id": target.search.run_id if target.search else None,
             "verdict": target.search.verdict if target.search else None,
             "prompt": dict(target.chosen.prompt.texts), **named_layout(target.chosen.prompt),
             **_placed_json(target.chosen)}
            for target in found.targets
        ],
        "shared": None if found.shared is None else _shared_json(found.shared),
        **({"unshared": found.unshared} if found.unshared else {}),
        "ceiling": None if found.ceiling is None else asdict(found.ceiling),
        "looks": [asdict(look) for look in found.looks],
        "next_look": None if found.next_look is None else asdict(found.next_look),
        "missing": [{"model": each.model, "reason": each.reason} for each in found.missing],
        "models": list(found.models),
        "matrix": [{"prompt_id": name, "cells": [None if cell is None else _placed_json(cell) for cell in row]}
                   for name, row in found.matrix.items()],
        "warnings": list(found.warnings),
    }  # fmt: skip


def _shared_json(shared: Shared) -> dict[str, Any]:
    cells = zip(shared.cells, shared.costs, strict=True)
    return {"prompt": dict(shared.prompt.texts), **named_layout(shared.prompt), "prompt_id": shared.prompt.id,
            "run_id": shared.search.run_id if shared.search else None,
            "verdict": shared.search.verdict if shared.search else None, "status": shared.status,
            "targets": [{"model": cell.model, "status": cell.status, "cost": None if cost is None else _gain_json(cost)}
                        for cell, cost in cells]}  # fmt: skip


def _gain_json(gain: Gain) -> dict[str, Any]:
    return {"mean": gain.mean, "ci95": list(gain.ci95), "interval": list(gain.interval), "alpha": gain.alpha,
            "n": gain.n}  # fmt: skip


def _placed_json(placed: OnModel) -> dict[str, Any]:
    return {"prompt_id": placed.prompt.id, "model": placed.model, "score": placed.score,
            "unreadable": placed.unreadable,
            "gain": _gain_json(placed.gain),
            "status": placed.status, "equivalent": placed.equivalent,
            **({"undecided": placed.undecided} if placed.undecided else {}),
            **({"decisions": [each.to_json() for each in placed.decisions]} if placed.decisions else {}),
            "replies": _replies_json(placed.replies),
            "agreement": asdict(placed.agreement), "latency": _latency_json(placed.latency),
            "cost_per_thousand": _cost_json(placed.cost)}  # fmt: skip


def _replies_json(replies: Replies) -> dict[str, int]:
    # Of a schema only where the task has one.
    return {name: count for name, count in asdict(replies).items() if count is not None}


def _latency_json(latency: Latency | None) -> dict[str, Any] | None:
    return None if latency is None else asdict(latency)


def _cost_json(cost: Cost) -> dict[str, Any]:
    return {"prompt_tokens": cost.prompt_tokens, "completion_tokens": cost.completion_tokens, "usd": cost.usd}
