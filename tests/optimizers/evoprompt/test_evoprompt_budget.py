"""EvoPrompt under a budget: what it plans, what it looks at, when it begins again, and when it hands the rest back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptopt.models.scripted import Scripted
from promptopt.optimizers.evoprompt.method import EvoPromptDE, EvoPromptGA
from promptopt.run.budget import Budget
from promptopt.selection.generations import DRY, Fixed, Fresh
from promptopt.testing import OptimizerContract, feature_accuracy
from promptopt.types import Request, Room
from tests.optimizers.evoprompt.evolution_search import (
    START,
    WORDS,
    asked,
    author,
    by_digest,
    inventive,
    paraphrasing,
    search,
    section_of,
    text_of,
    valued,
    valued_task,
)

BOTH = pytest.mark.parametrize("kind", [EvoPromptGA, pytest.param(EvoPromptDE, marks=pytest.mark.slow)])


def room(evaluations: int | None, **more: Any) -> Room:
    return Room(**{"evaluations": evaluations, "calls": None, "calls_per_cell": 1, "train": 300, "dev": 40, **more})


class TestGAByBudget(OptimizerContract):
    optimizer = EvoPromptGA()
    budget = Budget(evaluations=400)
    sizes = (40, 170, 270)

    def propose(self, request: Request) -> str:
        return author(request)


class TestDEByBudget(TestGAByBudget):
    optimizer = EvoPromptDE()


@BOTH
def test_generations_follow_the_budget_and_the_papers_numbers_come_by_name_or_where_they_fit(kind: type[Any]) -> None:
    small, large = kind().plan(room(273)), kind().plan(room(9_000))
    assert isinstance(small, Fresh)
    assert isinstance(large, Fresh)
    assert (small.children, small.keep) == (5, 3)
    assert small.children < large.children
    assert small.depth < large.depth
    paper = Fixed(rounds=10, children=10, examples=200)
    assert kind().plan(room(None)) == kind(preset="paper").plan(room(273)) == kind().plan(room(22_000)) == paper
    assert kind(examples=30).plan(room(273)) == Fixed(10, 10, 30)
    assert kind(population=7, generations=4).plan(room(500)).children == 7
    assert kind(population=7, generations=4).plan(room(500)).rounds == 4
    assert kind().plan(room(None, calls=800)).evaluations == 688
    assert kind().least(room(273)) == 21


def test_children_in_their_slots_and_random_donors_keep_what_they_need() -> None:
    assert EvoPromptGA(update="std").plan(room(273)) == Fixed(10, 10, 200)
    donor = EvoPromptDE(donor="random").plan(room(273))
    assert isinstance(donor, Fresh)
    assert donor.keep == 4


@pytest.mark.slow
@BOTH
def test_the_first_generation_is_paraphrases_and_the_later_ones_are_bred(tmp_path: Path, kind: type[Any]) -> None:
    proposer = Scripted(inventive, name="inventive")
    task = valued_task(60)
    result = search(tmp_path, kind(), proposer=proposer, task=task, budget=Budget(evaluations=400))
    children = kind().plan(room(300)).children
    log = [text_of(request) for request in proposer.log if isinstance(request, Request)]
    assert all(paraphrasing(text) for text in log[:children])
    assert not any(paraphrasing(text) for text in log[children:])
    assert result.steps[-1].spent.evaluations > 200
    assert len(result.steps) > 6
    assert all(len(step.kept) <= 3 for step in result.steps)


@pytest.mark.slow
@BOTH
def test_a_larger_search_sees_every_generation_on_a_few_examples(tmp_path: Path, kind: type[Any]) -> None:
    proposer = Scripted(inventive, name="inventive")
    result = search(tmp_path, kind(), proposer=proposer, task=valued_task(60), budget=Budget(evaluations=1_900))
    assert result.steps[-1].spent.evaluations > 1_000
    assert max(estimate.count for step in result.steps for estimate in step.pool) < 12


@pytest.mark.slow
@BOTH
def test_a_seed_that_is_better_takes_part_at_once(tmp_path: Path, kind: type[Any]) -> None:
    model = valued(lambda text: 0.9 if text == "Better." else 0.2)
    result = search(
        tmp_path, kind(seeds=("Better.",)), model=model, task=valued_task(60), budget=Budget(evaluations=200)
    )
    assert result.steps[0].kept[0]["instruction"] == "Better."
    assert result.best.text == "Better."


@pytest.mark.slow
@BOTH
def test_a_better_prompt_is_found_on_a_small_budget(tmp_path: Path, kind: type[Any]) -> None:
    accuracy = feature_accuracy(WORDS, base=0.1, each=0.15)
    result = search(
        tmp_path, kind(), proposer=author, model=valued(accuracy), task=valued_task(60), budget=Budget(evaluations=400)
    )
    assert accuracy(result.best.text) >= 0.5


@BOTH
def test_a_search_that_runs_dry_begins_again_once_and_hands_the_rest_back(tmp_path: Path, kind: type[Any]) -> None:
    def exhausted(request: Request) -> str:
        text = text_of(request)
        if paraphrasing(text):
            return f"<prompt>{section_of(text)} Now.</prompt>" if section_of(text) == START else "<prompt></prompt>"
        return "<prompt></prompt>"

    proposer = Scripted(exhausted, name="exhausted")
    result = search(tmp_path, kind(), proposer=proposer, task=valued_task(60), budget=Budget(evaluations=1_000))
    assert result.status == "finished"
    first, *idle = result.steps
    assert len(first.pool) == 2
    assert len(idle) == 2 * DRY
    assert all(step.spent.evaluations == first.spent.evaluations for step in idle)
    # After one dry spell the best is left alone, and paraphrased anew.
    assert [len(step.kept) for step in idle] == [2] * (DRY - 1) + [1] * (DRY + 1)
    sources = [section_of(text) for text in asked(proposer, operator=False)]
    assert sources[-1] == result.steps[-1].kept[0]["instruction"]


@BOTH
def test_a_text_that_lost_is_not_looked_at_again(tmp_path: Path, kind: type[Any]) -> None:
    proposer = Scripted(
        lambda r: inventive(r) if paraphrasing(text_of(r)) else "<prompt>Always the same.</prompt>", name="stubborn"
    )
    model = valued(lambda text: 0.0 if text == "Always the same." else 0.5 + by_digest(text) / 2)
    result = search(tmp_path, kind(), proposer=proposer, model=model, task=valued_task(60),
                    budget=Budget(evaluations=300))  # fmt: skip
    looked = sum("Always the same." in [e.prompt["instruction"] for e in step.pool] for step in result.steps)
    assert looked == 1
    assert len(asked(proposer)) > 5


@pytest.mark.parametrize("kind", [EvoPromptGA, EvoPromptDE])
def test_the_paper_s_way_is_gone_from_what_pays_for_it_on(kind: type[Any]) -> None:
    # 10 of the first population and 10 generations of 10 on 200 examples.
    assert isinstance(kind().plan(room(110 * 200)), Fixed)
    assert isinstance(kind().plan(room(110 * 200 - 1)), Fresh)
    assert kind(population=4, generations=2).plan(room(12 * 200)) == Fixed(2, 4, 200)
    assert isinstance(kind(population=4, generations=2).plan(room(12 * 200 - 1)), Fresh)
    # A set as large as the training examples at most; one that is asked for is the paper's way whatever it costs.
    assert kind(population=4, generations=2).plan(room(12 * 30, train=30)) == Fixed(2, 4, 30)
    assert kind(examples=50).plan(room(273)) == Fixed(10, 10, 50)


@pytest.mark.parametrize("kind", [EvoPromptGA, EvoPromptDE])
def test_the_least_is_a_generation_on_three_fresh_examples_or_all_on_the_fixed_ones(kind: type[Any]) -> None:
    # Four children and the three that go on.
    assert kind().least(room(273)) == kind().least(room(None)) == 3 * (4 + 3)
    # The start and ten children on 200 examples; however little there is, where that way is asked for.
    assert kind().least(room(110 * 200)) == kind(preset="paper").least(room(273)) == 200 * (1 + 10)
    assert kind(population=4, examples=50).least(room(273)) == 50 * (1 + 4)
    assert EvoPromptDE(donor="random").least(room(273)) == 3 * (4 + 4)


@pytest.mark.parametrize("kind", [EvoPromptGA, EvoPromptDE])
def test_the_first_generation_paraphrases_the_start_and_the_seeds_in_turn_however_many_there_are(
    tmp_path: Path, kind: type[Any]
) -> None:
    proposer = Scripted(inventive, name="proposer")
    seeds = ("Say one.", "Say two.", "Say three.")
    search(tmp_path, kind(seeds=seeds, generations=1), proposer=proposer, budget=Budget(evaluations=160))
    first = asked(proposer, operator=False)
    assert {section_of(text) for text in first} == {START, *seeds}
    assert asked(proposer) == []
