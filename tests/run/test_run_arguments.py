"""What a method of a user's gives a run, and is of another kind, is said in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.testing import planted_task
from promptopt.types import Proposal, Sampling


@dataclass(frozen=True)
class Does:
    does: Callable[[Any], object]

    def optimize(self, run: Run) -> None:
        self.does(run)


def searched(store: Path, does: Callable[[Any], object]) -> None:
    model = Scripted(lambda request: "yes")
    optimize(planted_task(), Does(does), model=model, budget=Budget(evaluations=100), store=store / "store.db")


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (lambda run: run.evaluate(run.initial, run.train), r"^run.evaluate: Prompt\(.* give a list, as \[prompt\]"),
        (lambda run: run.evaluate("Say it.", run.train), "^run.evaluate: 'Say it.' is given; give a list"),
        (lambda run: run.evaluate(["Say it."], run.train), "^run.evaluate: 'Say it.' is given; give a list"),
        (lambda run: run.admit([run.initial]), r"give a list, as \[Proposal\(prompt, \(parent,\)\)\]"),
        (lambda run: run.admit(Proposal(run.initial)), r"^run.admit: Proposal\(.* give a list"),
        (lambda run: run.admit([None]), "^run.admit: None is given; give a list"),
        (lambda run: run.generate("Improve it.", Sampling()), r"^run.generate: 'Improve it.' .* as \[text\]"),
        (lambda run: run.generate([{"role": "user"}], Sampling()), r"^run.generate: \{'role': 'user'\} is given"),
        (
            lambda run: run.record([run.initial], [run.initial]),
            r"^run.record: .* as \[Estimate\(prompt",
        ),
        (lambda run: run.record([], run.initial), r"^run.record: .* as \[prompt\]"),
    ],
)
def test_what_is_of_another_kind_is_said(tmp_path: Path, does: Callable[[Any], object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        searched(tmp_path, does)


@pytest.mark.slow
def test_what_can_be_gone_through_once_does(tmp_path: Path) -> None:
    searched(tmp_path, lambda run: run.admit(Proposal(each) for each in [run.initial]))
