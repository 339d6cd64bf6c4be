"""A cap that ends nothing is said before it is waited for."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.plan import ends_nothing
from promptopt.models.prices import Price
from promptopt.models.scripted import Scripted
from promptopt.run.budget import Budget
from promptopt.testing import feature_accuracy, planted_model, planted_task
from tests.rewrites import Rewrites, rewrite

FREE, DEAR = Price(0.0, 0.0), Price(0.0, 1e-6)


@pytest.mark.parametrize(
    ("usd", "known", "said"),
    [
        (0.05, [FREE, FREE], True),
        (0.05, [FREE, DEAR], False),
        # What is unknown is refused elsewhere.
        (0.05, [FREE, None], False),
        (None, [FREE, FREE], False),
    ],
)
def test_a_cap_in_dollars_on_what_is_free_is_said(usd: float | None, known: list[Price | None], said: bool) -> None:
    assert ("ends nothing" in ends_nothing(usd, known)) == said


@pytest.mark.parametrize(("checked_by", "said"), [("scripted/answers", True), ("dear/model", False)])
def test_a_run_says_so_unless_what_the_verdict_is_by_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checked_by: str, said: bool
) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    (tmp_path / "prices.toml").write_text('["dear/model"]\nprompt = 1\ncompletion = 1\n')
    answers = planted_model(feature_accuracy(["carefully"], base=0.4, each=0.2))
    answers.name = "scripted/answers"
    check = planted_model(feature_accuracy(["carefully"], base=0.4, each=0.2))
    check.name = checked_by
    models = Models(answers, Scripted(rewrite, name="scripted/proposer"), check=check)
    budget = Budget(evaluations=60, usd=0.05)
    result = optimize(planted_task(), Rewrites(steps=1), model=models, budget=budget, store=tmp_path / "s.db")
    assert any("the cap in dollars ends nothing" in warning for warning in result.warnings) == said
