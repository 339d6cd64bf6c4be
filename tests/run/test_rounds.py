"""What is recorded of a round says how good the prompts are that go on, also one of an earlier round."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.session import Session
from promptopt.cli.display import Lines
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Prompt, Proposal


@dataclass(frozen=True)
class Returning:
    """Compares a new prompt in the second round, and goes on with the start."""

    def optimize(self, run: Run) -> None:
        run.evaluate([run.initial], run.train[:4])
        run.record([run.estimate(run.initial, run.train)], [run.initial])
        [child] = run.admit([Proposal(Prompt.of("Answer soon."), (run.initial,))])
        run.evaluate([child], run.train[:3])
        run.record([run.estimate(child, run.train)], [run.initial])


def test_a_round_that_an_earlier_prompt_leads_says_how_good_that_is(tmp_path: Path) -> None:
    lines: list[str] = []
    result = optimize(
        planted_task(),
        Returning(),
        model=planted_model(feature_accuracy(["carefully"], base=1.0)),
        budget=Budget(evaluations=60),
        store=tmp_path / "store.db",
        session=Session([Lines(lines.append)]),
    )
    first, second = result.steps
    assert [(each.prompt, each.count) for each in first.pool] == [(result.start.prompt, 4)]
    assert [each.count for each in second.pool] == [3, 4]
    assert second.pool[1].prompt == result.start.prompt
    assert any(line.startswith("step 1: best 1.000 on 4 examples") for line in lines)


@dataclass(frozen=True)
class Hopeful:
    """Goes on with a prompt that nothing was asked about yet."""

    def optimize(self, run: Run) -> None:
        [child] = run.admit([Proposal(Prompt.of("Answer soon."), (run.initial,))])
        run.evaluate([run.initial], run.train[:3])
        run.record([run.estimate(run.initial, run.train)], [child])


def test_a_prompt_that_nothing_was_asked_about_has_no_estimate(tmp_path: Path) -> None:
    model = planted_model(feature_accuracy(["carefully"]))
    result = optimize(planted_task(), Hopeful(), model=model, budget=Budget(evaluations=60), store=tmp_path / "s.db")
    [step] = result.steps
    assert [each.prompt for each in step.pool] == [result.start.prompt]
