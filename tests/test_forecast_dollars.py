"""What a dry run tells under a cap in dollars: its search is played at the prices, and not in cells of a guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.search_landscape import plant
from benchmarks.search_proposer import Proposer
from promptopt.api import optimize
from promptopt.binding.config import RunConfig
from promptopt.binding.models import Models
from promptopt.cli.forecast import forecast
from promptopt.models.scripted import Scripted
from promptopt.run.budget import Budget


@pytest.mark.slow
@pytest.mark.parametrize(("task", "prompt"), [("openai/task", 100), ("openai/free", 0)])
@pytest.mark.parametrize("usd", [0.25, 1.0])
def test_a_cap_in_dollars_is_told_by_what_replies_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usd: float, task: str, prompt: int
) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    (tmp_path / "prices.toml").write_text(
        f'["{task}"]\nprompt = {prompt}\ncompletion = {4 * prompt}\n["openai/prop"]\nprompt = 100\ncompletion = 400\n'
    )
    landscape = plant("additive", 0)
    model = landscape.model()
    model.name = task
    told = forecast(
        RunConfig(task="riddles", method="random", model=task, proposer="openai/prop", max_usd=usd),
        landscape.task(test=200),
    )
    real = optimize(
        landscape.task(test=200), "random",
        model=Models(model, proposer=Scripted(Proposer(landscape.good, 0.4, None), name="openai/prop")),
        budget=Budget(usd=usd), store=tmp_path / "s.db",
    )  # fmt: skip
    assert told.evaluations is not None
    # It told 28 of 161, and 126 of 443.
    assert 0.6 * real.spent.evaluations < told.evaluations < 1.5 * real.spent.evaluations
