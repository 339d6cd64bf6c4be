"""What a training says of itself while it goes on: each of its lines is true."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.run.budget import Budget
from promptopt.tasks.contract import Contract
from tests.optimizers.rlprompt.planted_labels import labelled_task
from tests.optimizers.rlprompt.tables import Tables
from tests.optimizers.rlprompt.test_search import SIZES, SMALL, search


@pytest.mark.slow
def test_each_look_says_reward_entropy_and_the_best_on_dev(tmp_path: Path) -> None:
    result = search(tmp_path)
    note = result.steps[1].note
    assert note.startswith("6 of 12 updates, reward ")
    assert "entropy" in note
    assert "best dev 0." in note or "best dev 1." in note
    assert result.to_json()["steps"][1]["note"] == note


def test_where_every_other_step_draws_a_look_says_what_the_last_drawn_earned(tmp_path: Path) -> None:
    # With an even interval no look comes at a step that draws.
    result = search(tmp_path, replace(SMALL, mode="alternate", size=replace(SIZES, every=2)))
    assert all(", reward " in step.note for step in result.steps[:-1])


def test_where_the_contract_refuses_all_that_is_drawn_nothing_is_said_to_be_learned(tmp_path: Path) -> None:
    task = replace(labelled_task(), contract=Contract(must_contain=("start",)))
    result = search(tmp_path, task=task)
    assert all("updates, no prompt to learn from, best dev 0." in step.note for step in result.steps[:-1])
    assert result.best.prompt == result.start.prompt


@pytest.mark.slow
@pytest.mark.parametrize(("evaluations", "words"), [(400, 60), (400, 4), (260, 60), (2_000, 60)])
def test_under_a_cap_a_look_says_how_many_updates_are_paid_for(tmp_path: Path, evaluations: int, words: int) -> None:
    # Of few words most prompts come up again, and cost nothing: there may be as many updates as were set.
    worth = {f"w{n}": n / words for n in range(words)}
    method = replace(SMALL, size=replace(SIZES, every=1), writer=Tables(words=tuple(worth)))
    result = search(tmp_path, method, worth=worth, budget=Budget(evaluations=evaluations))
    notes = [step.note for step in result.steps if " updates, " in step.note]
    read = [re.match(r"(\d+) of (?:(\d+) to )?12 updates, ", note) for note in notes]
    assert None not in read
    taken = [int(each[1]) for each in read if each]
    sure = [int(each[2] or 12) for each in read if each]
    assert taken == list(range(1, len(taken) + 1))
    # What is promised is kept, and never falls.
    assert sure == sorted(sure)
    assert sure[-1] <= taken[-1]
    assert (sure[0] == 12) == (evaluations == 2_000)
