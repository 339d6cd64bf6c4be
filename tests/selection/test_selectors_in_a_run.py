"""Selectors on a real run: cut in mid-course by its budget, repeated for free, reported as valid JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product

import pytest

from promptopt.api import optimize
from promptopt.protocols import Selector
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.selection.bandits import UCB, UCBE
from promptopt.selection.exhaustive import Exhaustive
from promptopt.selection.halving import SuccessiveHalving
from promptopt.selection.item_response import ItemResponse
from promptopt.selection.racing import Racing
from promptopt.selection.rejects import SuccessiveRejects
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Prompt, Proposal

WORDS = ("carefully", "exactly", "twice")


@dataclass(frozen=True, slots=True)
class PickOnce:
    """Eight instructions, the true best among them, compared once."""

    selector: Selector

    def optimize(self, run: Run) -> None:
        texts = [
            " ".join(word for word, used in zip(WORDS, uses, strict=True) if used) for uses in product((0, 1), repeat=3)
        ]
        pool = run.admit([Proposal(Prompt.of(f"Answer {text}.")) for text in texts])
        estimates = self.selector.select(run, pool, run.train, 2)
        run.record(estimates, [estimate.prompt for estimate in estimates[:2]])


def pick(selector, store, evaluations):
    return optimize(
        planted_task(),
        PickOnce(selector),
        model=planted_model(feature_accuracy(WORDS, base=0.3, each=0.2)),
        budget=Budget(evaluations=evaluations),
        store=store / "store.db",
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Exhaustive, UCB, UCBE, SuccessiveRejects, SuccessiveHalving, Racing, ItemResponse])
def test_on_a_run(kind, tmp_path):
    whole = pick(kind(budget=300), tmp_path, 1000)
    assert whole.status == "finished"
    assert whole.prompt == Prompt.of("Answer carefully exactly twice.")
    again = pick(kind(budget=300), tmp_path, 1000)
    assert again.paid.calls == 0
    assert again.prompt == whole.prompt


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Exhaustive, UCB, UCBE, SuccessiveRejects, SuccessiveHalving, Racing, ItemResponse])
def test_cut_by_the_budget_in_mid_course(kind, tmp_path):
    cut = pick(kind(budget=300), tmp_path, 250)
    assert cut.status == "budget"
    assert cut.spent.evaluations <= 250


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Exhaustive, UCB, UCBE, SuccessiveRejects, SuccessiveHalving, Racing, ItemResponse])
def test_prompts_never_evaluated_leave_valid_json(kind, tmp_path):
    result = pick(kind(budget=3), tmp_path, 1000)
    json.dumps(result.to_json(), allow_nan=False)
