"""Which combinations of MIPRO may win, and which sets of demonstrations it begins with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.operators.bootstrapping import Teaching
from promptopt.optimizers.mipro import method as of_mipro
from promptopt.optimizers.mipro.method import MIPRO, Proposing
from promptopt.optimizers.mipro.plan import MIPROPlan
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.selection.parzen import Parzen
from promptopt.tasks.task import Task
from promptopt.testing import feature_accuracy, planted_model, planted_task, split_planted
from promptopt.types import Example, Prompt
from tests.optimizers.mipro.test_mipro import START, WORDS, author


def search(home: Path, method: MIPRO, task: Task, model: Scripted, budget: Budget | None = None) -> Result:
    return optimize(
        task,
        method,
        model=Models(model, proposer=Scripted(author, name="proposer")),
        budget=budget,
        store=home / "store.db",
    )


@pytest.mark.parametrize("trials", [4, pytest.param(9, marks=pytest.mark.slow)])
def test_only_combinations_that_were_scored_in_full_meet_the_start_on_dev(tmp_path: Path, trials: int) -> None:
    # On a minibatch the luckiest leads: what was seen on six examples must not stand beside what was seen on all.
    method = MIPRO(trials=trials, sets=1, minibatch=6, propose=Proposing(instructions=9))
    task, model = planted_task(), planted_model(feature_accuracy(WORDS, base=0.3))
    result = search(tmp_path, method, task, model)
    full = {each.prompt for each in result.steps[-1].pool if each.count == 48}
    tried = {each.prompt for each in result.steps[-1].pool}
    assert len(tried) > len(full) > 1
    on_dev = {split_planted(request)[0] for request in model.log if asks(request, task.dev)}
    assert on_dev == {prompt["instruction"] for prompt in full}


def test_a_search_that_is_cut_before_another_full_score_ends_with_the_start(tmp_path: Path) -> None:
    method = MIPRO(preset="paper", trials=8, sets=1, minibatch=6, propose=Proposing(instructions=9))
    task, model = planted_task(), planted_model(feature_accuracy(WORDS, base=0.3))
    result = search(tmp_path, method, task, model, Budget(evaluations=140))
    assert (result.status, len(result.steps)) == ("budget", 0)
    assert len(result.lineage) > 1
    assert {split_planted(request)[0] for request in model.log if asks(request, task.dev)} == {START}


@pytest.mark.slow
def test_the_sets_are_the_starts_own_none_labelled_a_full_one_in_order_and_shuffled_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Set 0 is what the start has today: were it another, no combination would be the start with a new instruction.
    own = [Example.of("yes", question="mine")]
    task = replace(planted_task(), initial=Prompt.of(START, demos=own))
    method = MIPRO(
        trials=1,
        sets=9,
        minibatch=6,
        teach=Teaching(bootstrapped=3, labelled=3),
        propose=Proposing(instructions=1),
    )
    kept: list[list[tuple[Example, ...]]] = []
    find = MIPRO._sets

    def sets(self: MIPRO, run: Run, plan: MIPROPlan, shown: list[Example]) -> Any:
        found = find(self, run, plan, shown)
        kept.extend([[tuple(shown)], found[0]])
        return found

    monkeypatch.setattr(MIPRO, "_sets", sets)
    search(tmp_path, method, task, Scripted(lambda _: "yes", name="right"))
    (shown,), (first, none, labelled, whole, *shuffled) = kept
    assert (first, none) == (tuple(own), ())
    assert len(labelled) == 3
    # Everything is solved, so the first three in order are the set; later ones are of a size from 1 to 3 that is drawn.
    assert [demo.fields for demo in whole] == [example.fields for example in shown[:3]]
    assert len(shuffled) > 1
    assert all([demo.fields for demo in each] != [demo.fields for demo in whole] for each in shuffled)


def asks(request, examples: tuple[Example, ...]) -> bool:
    question = split_planted(request)[1].removeprefix("Question: ").removesuffix("\nAnswer:")
    return any(question == example["question"] for example in examples)


def test_the_estimator_is_told_what_each_trial_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []

    class Heard(Parzen):
        def told(self, value: float) -> None:
            told.append(value)
            super().told(value)

    monkeypatch.setattr(of_mipro, "Parzen", Heard)
    settings = MIPRO(trials=6, sets=1, minibatch=5, propose=Proposing(instructions=3, summary=False, aware=False))
    texts = iter(f"<prompt>Answer carefully, take {number}.</prompt>" for number in range(99))
    optimize(
        planted_task(),
        settings,
        model=Models(
            planted_model(feature_accuracy(["carefully"], base=0.4, each=0.5)),
            proposer=Scripted(lambda _: next(texts), name="writer"),
        ),
        store=tmp_path / "store.db",
    )
    # Shares of five right answers, which the negative of none but 0 is.
    assert len(told) == 6
    assert {round(5 * value, 9) for value in told} <= {0, 1, 2, 3, 4, 5}
    assert max(told) > 0
