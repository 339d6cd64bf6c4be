"""One run of the smallest search on the planted task."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.run.budget import Budget
from promptopt.store.runs import Store
from promptopt.testing import feature_accuracy, planted_model, planted_task
from tests.rewrites import Rewrites, rewrite


def conduct(
    store: Path | Store,
    *,
    optimizer: object = None,
    model: object = None,
    proposer: object = None,
    budget: Budget | None = None,
    seed: int = 0,
    observers: Sequence[object] = (),
    interrupt: threading.Event | None = None,
    evaluator: object = None,
) -> object:
    return optimize(
        planted_task(),
        Rewrites() if optimizer is None else optimizer,
        model=Models(
            planted_model(feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2)) if model is None else model,
            proposer=Scripted(rewrite, name="proposer") if proposer is None else proposer,
        ),
        evaluator=evaluator,
        budget=budget,
        seed=seed,
        store=store,
        session=Session(observers, interrupt=interrupt),
    )


# Law 1: store, then read back
