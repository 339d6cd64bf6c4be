"""PromptQuine under a budget, on bad input, and with settings out of range."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.settings import adjust
from promptopt.errors import ConfigError, EvaluatorError
from promptopt.evaluators.labels import Labels
from promptopt.models.scripted import Scripted
from promptopt.optimizers.promptquine.method import Evolution, PromptQuine, Scoring
from promptopt.optimizers.promptquine.plan import FixedSetSizes
from promptopt.optimizers.promptquine.reranking import Reranking
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.selection.generations import Fresh
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import uniform
from promptopt.types import Cell, Example, Prompt, Reply, Request, Room
from tests.optimizers.promptquine.pruning_search import (
    FLAT,
    GENERATIONAL,
    LENGTH,
    SMALL,
    STEADY,
    Generational,
    Pruned,
    Scored,
    agreeing,
    by_text,
    generations,
    label_model,
    labelled_task,
    numbered,
    search,
    texts,
    word_task,
)

SHOWING = Layout("text", text="{demos}{instruction}{question}", demo="{question} {target}; ")


@pytest.mark.slow
def test_generations_keep_the_contract_too(tmp_path: Path) -> None:
    contract = Generational()
    contract.test_replay_pays_nothing(tmp_path / "replay")
    contract.test_budget_is_exact(tmp_path / "budget")
    contract.test_beats_its_start_on_a_planted_landscape(tmp_path / "beats")


@pytest.mark.slow
def test_a_reserve_changes_what_a_raised_budget_asks_and_no_replay_diverges(tmp_path: Path) -> None:
    contract = Generational()
    whole = contract.conduct(tmp_path / "whole")
    for size in range(150, 420, 30):
        cut_short = contract.conduct(tmp_path / "grown", budget=Budget(evaluations=size))
        assert cut_short.spent.evaluations <= size
    assert contract.conduct(tmp_path / "grown").to_json()["candidates"] == whole.to_json()["candidates"]


@pytest.mark.slow
def test_the_reserve_stays_and_the_cut_generation_counts(tmp_path: Path) -> None:
    optimizer = replace(GENERATIONAL, score=Scoring(most=4), rerank=Reranking(examples=8, most=5))
    task = word_task(examples=12)
    whole = search(tmp_path / "whole", optimizer, by_text, task=task)
    third = whole.steps[3].spent.evaluations
    # Three generations and 0.4 of one, five elites and the prompt itself again, and what the run sets aside.
    size = third + 4 * 20 + (5 + 2) * 8 + 3 * 10 + 2 * 10
    result = search(tmp_path / "cut", optimizer, by_text, task=task, budget=Budget(evaluations=size))
    assert result.status == "budget"
    assert result.spent.evaluations <= size
    assert [len(step.pool) for step in result.steps[1:4]] == [len(step.pool) for step in whole.steps[1:4]]
    cut_short = result.steps[4]
    assert 1 <= len(cut_short.pool) <= 20
    assert {each.count for each in cut_short.pool} == {4}
    assert texts(cut_short.pool) == texts(whole.steps[4].pool)[: len(cut_short.pool)]
    ranking = result.steps[-1]
    assert {each.count for each in ranking.pool} == {8}
    assert len(ranking.pool) == 6


def test_a_budget_that_fits_no_child_is_refused_with_numbers_before_anything_is_spent(tmp_path: Path) -> None:
    optimizer = replace(GENERATIONAL, score=Scoring(most=4), rerank=Reranking(examples=8))
    batches: list[list[Cell]] = []
    task = word_task(examples=12)
    said = r"leaves 17 evaluations to the search, and pruning needs 36 at least: one child, .* on 4 examples.* on 8"
    with pytest.raises(ConfigError, match=said):
        search(tmp_path, optimizer, by_text, task=task, budget=Budget(evaluations=30), batches=batches)
    assert batches == []
    enough = search(tmp_path / "enough", optimizer, by_text, task=task, budget=Budget(evaluations=90))
    assert any(candidate.proposal.operator == "pruned" for candidate in enough.candidates())


def test_by_budget_too_what_fits_no_child_is_refused(tmp_path: Path) -> None:
    task = word_task(examples=24, layout=SHOWING)
    with pytest.raises(ConfigError, match=r"leaves 3 evaluations .* needs \d+ at least: one look at the start"):
        search(tmp_path, PromptQuine(starts=9), by_text, task=task, budget=Budget(evaluations=10))


def answer_or_refuse(refused: Callable[[str, str], bool]) -> Callable[[Request], str | Reply]:
    """A task model that is right half of the time, and takes no request that `refused` says so of."""

    def answer(request: Request) -> str | Reply:
        text, question = str(request.content).rsplit("question", 1)
        if refused(text, question):
            return Reply("", finish="rejected", served="planted")
        return "yes" if uniform(text, question) < 0.5 else "no"

    return answer


def test_what_cannot_be_scored_costs_its_prompt_alone(tmp_path: Path) -> None:
    optimizer = replace(GENERATIONAL, score=Scoring(most=4), evolve=replace(GENERATIONAL.evolve, most=20))

    def conduct(name: str, refused: Callable[[str, str], bool]) -> Result:
        model = Scripted(answer_or_refuse(refused), name="planted")
        return optimize(word_task(examples=12), optimizer, model=model, store=tmp_path / f"{name}.db")

    whole = conduct("whole", lambda *_: False)
    victim = next(each.prompt for each in whole.steps[1].pool if each.mean > 0)
    literal = victim["instruction"].removesuffix("{question}")
    hurt = conduct("hurt", lambda text, question: text == literal and uniform(text, question) < 0.5)
    before, after = ({each.prompt: each.mean for each in run.steps[1].pool} for run in (whole, hurt))
    assert after == before | {victim: 0.0}
    assert hurt.status == "finished"


def test_a_search_that_an_error_stopped_goes_on_as_if_there_had_been_none(tmp_path: Path) -> None:
    optimizer = replace(GENERATIONAL, score=Scoring(most=4), evolve=replace(GENERATIONAL.evolve, most=20))
    answer = answer_or_refuse(lambda *_: False)

    def conduct(name: str, model: Scripted) -> Result:
        return optimize(word_task(examples=12), optimizer, model=model, store=tmp_path / f"{name}.db")

    whole = conduct("whole", Scripted(answer, name="planted"))
    assert conduct("hurt", Scripted(answer, name="planted", fail_at=30)).status == "suspended"
    assert conduct("hurt", Scripted(answer, name="planted")).to_json()["candidates"] == whole.to_json()["candidates"]


@pytest.mark.slow
@pytest.mark.parametrize("value", [0.0, -3.0, 1.0, -math.inf])
@pytest.mark.parametrize("optimizer", [GENERATIONAL, STEADY])
def test_equal_scores_whatever_they_are(tmp_path: Path, optimizer: PromptQuine, value: float) -> None:
    result = search(tmp_path, optimizer, lambda *_: value)
    assert result.status == "finished"
    assert len(generations(result)) > 3


@pytest.mark.parametrize(
    "method", ["plum-hc", "plum-ga-c", "plum-hs", "promptquine", "tapruning", "evoprompt-de", "random"]
)
def test_a_score_that_is_no_number_is_refused_with_its_cell(tmp_path: Path, method: str) -> None:
    evaluator = Scored(lambda *_: math.nan, [])
    with pytest.raises(EvaluatorError, match="gave NaN; a score must be a number"):
        optimize(
            word_task(), method, model=Scripted([]), evaluator=evaluator, budget=Budget(), store=tmp_path / "store.db"
        )


def test_a_layout_without_a_place_for_demonstrations_prunes_the_start(tmp_path: Path) -> None:
    task = word_task(layout=Layout("text", text="{instruction}{question}"))
    result = search(tmp_path, replace(STEADY, shots=1), by_text, task=task)
    assert any("no place for demonstrations" in warning for warning in result.warnings)
    assert result.steps[0].pool[0].prompt == result.start.prompt


def test_demonstrations_are_one_of_each_label_and_never_scored_on(tmp_path: Path) -> None:
    model = label_model(lambda *_: 0.6)
    optimizer = replace(SMALL, evolve=replace(SMALL.evolve, most=1), shots=2)
    result = optimize(labelled_task(), optimizer, model=model, store=tmp_path / "store.db")
    prompt = result.steps[0].pool[0].prompt["instruction"]
    assert re.findall(r"Answer: (\w+)", prompt) == ["terrible", "great"] * 2
    shown = re.findall(r"film \d+", prompt)
    assert len(set(shown)) == 4
    asked = {re.findall(r"film \d+", str(request.content))[-1] for request in model.log}
    assert asked.isdisjoint(shown)


def test_an_example_that_names_an_input_is_no_demonstration(tmp_path: Path) -> None:
    rows = [Example.of("yes", question=f"what is {{question}} {number}") for number in range(24)]
    task = Task.from_examples(rows, prompt=numbered(12), metric="exact", splits=Splits(4, 10, 10), layout=FLAT)
    result = search(tmp_path, replace(STEADY, shots=1), by_text, task=task)
    assert any("holds the name of an input" in warning for warning in result.warnings)
    assert result.steps[0].pool[0].prompt == result.start.prompt


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"shots": -1}, "shots"),
        ({"evolve.population": 0}, "population"),
        ({"evolve.offspring": 0}, "offspring"),
        ({"evolve.tournament": 1.5}, "tournament"),
        ({"evolve.drops": 0}, "drops"),
        ({"evolve.most": 0}, "most"),
        ({"score.per_class": 0}, "per_class"),
        ({"rerank.examples": 0}, "examples"),
        ({"rerank.share": math.nan}, "share"),
        ({"rerank.most": -1}, "most"),
        ({"gene": "sentence"}, "gene"),
        ({"variant": "islands"}, "variant"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        adjust(PromptQuine(), settings, "promptquine")


def test_it_stays_within_what_it_expects(tmp_path: Path) -> None:
    optimizer = replace(SMALL, evolve=replace(SMALL.evolve, most=40))
    expected = optimizer.upper_bounds(60)
    result = search(tmp_path, optimizer, by_text, task=word_task(examples=60))
    assert result.spent.evaluations - 4 * 10 - 2 * 10 <= expected.evaluations
    assert (expected.proposer_calls, expected.completion_tokens) == (0, 0)


def test_the_methods_own_choice_of_evaluator() -> None:
    task = labelled_task()
    chosen = PromptQuine().evaluator_for(task)
    assert isinstance(chosen, Labels)
    assert chosen.value == "piecewise"
    assert PromptQuine().evaluator_for(word_task()) == "generation"


def room(evaluations: int | None, train: int = 200) -> Room:
    return Room(evaluations, None, 1, train, 40)


def test_sizes_follow_the_budget_the_paper_or_a_quick_run() -> None:
    small, large = PromptQuine().plan(room(273)), PromptQuine().plan(room(9_000))
    assert isinstance(small, Fresh)
    assert isinstance(large, Fresh)
    assert 4 <= small.children < large.children
    assert small.depth < large.depth
    paper = FixedSetSizes(population=30, offspring=50, most=10_000, per_class=8, examples=100, held=200)
    assert PromptQuine().plan(room(None)) == PromptQuine(preset="paper").plan(room(273)) == paper
    assert PromptQuine().plan(room(50_000)) == paper
    quick = PromptQuine(preset="quick").plan(room(273))
    assert quick == FixedSetSizes(population=12, offspring=20, most=400, per_class=8, examples=100, held=60)
    assert PromptQuine(rerank=Reranking(examples=30)).plan(room(273)) == replace(paper, held=30)
    assert PromptQuine(preset="quick", evolve=Evolution(most=50)).plan(room(273)) == replace(quick, most=50)


def test_the_quick_preset_stops_at_400_prompts(tmp_path: Path) -> None:
    optimizer = PromptQuine(shots=0, preset="quick", variant="generational", evolve=Evolution(halving=False))
    batches: list[list[Cell]] = []
    result = search(tmp_path, optimizer, by_text, task=word_task(80, examples=3), batches=batches)
    assert len(result.steps[2].kept) == 12
    assert len(result.steps[2].pool) <= 20
    assert len({cell.prompt for batch in batches for cell in batch}) == 400


class ByBudget(Pruned):
    optimizer = PromptQuine()


@pytest.mark.slow
def test_generations_on_fresh_examples_keep_the_contract_too(tmp_path: Path) -> None:
    contract = ByBudget()
    contract.test_replay_pays_nothing(tmp_path / "replay")
    contract.test_budget_is_exact(tmp_path / "budget")
    contract.test_raised_budget_continues(tmp_path / "raised")
    contract.test_beats_its_start_on_a_planted_landscape(tmp_path / "beats")


def test_by_budget_parents_live_on_and_examples_are_fresh(tmp_path: Path) -> None:
    worth = agreeing(frozenset(range(0, LENGTH, 2)))
    task = word_task(examples=60)
    result = search(tmp_path, PromptQuine(shots=0), worth, task=task, budget=Budget(evaluations=400))
    values = [worth(step.kept[0]["instruction"], task.train[0]) for step in result.steps]
    assert values == sorted(values)
    assert values[-1] > values[0]
    seen = max(candidate.search.count for candidate in result.candidates())
    assert seen > max(estimate.count for step in result.steps for estimate in step.pool)


def test_by_budget_the_in_context_prompt_is_a_finalist_beside_the_best(tmp_path: Path) -> None:
    task = word_task(examples=30, layout=SHOWING)
    searched = {example["question"] for example in task.train}

    def worth(text: str, example: Example) -> float:
        # In the search what is shorter is better; on dev the in-context prompt, whole, is far ahead.
        if example["question"] in searched:
            return 1 / (1 + len(text))
        return 0.9 if "; " in text and len(re.findall(r"w\d\d", text)) == LENGTH else 0.1

    result = search(tmp_path, PromptQuine(), worth, task=task, budget=Budget(evaluations=500))
    assert "; " in result.best.text
    assert len(re.findall(r"w\d\d", result.best.text)) == LENGTH


def test_of_a_short_prompt_more_is_seen_at_once(tmp_path: Path) -> None:
    def most(length: int) -> int:
        task = word_task(length, examples=60)
        budget = Budget(evaluations=400)
        result = search(tmp_path / str(length), PromptQuine(shots=0), by_text, task=task, budget=budget)
        return result.steps[0].pool[0].count

    assert most(8) > most(80)


def test_several_starts_are_searched_from_and_ranked_together(tmp_path: Path) -> None:
    optimizer = replace(STEADY, shots=1, starts=3, evolve=replace(STEADY.evolve, most=60), score=Scoring(most=6))
    optimizer = replace(optimizer, rerank=Reranking(examples=8))
    task = word_task(examples=24, layout=SHOWING)
    result = search(tmp_path, optimizer, by_text, task=task)
    begun = [step.pool[0].prompt for step in result.steps if len(step.pool) == 1]
    assert len(set(begun)) == 3
    shown = {question for prompt in begun for question in re.findall(r"question \d+", prompt["instruction"])}
    assert len(shown) == 3
    ranked = {estimate.prompt for estimate in result.steps[-1].pool}
    assert set(begun) <= ranked
    parents = {c.prompt: c.proposal.parents for c in result.candidates()}

    def root(prompt: Prompt) -> Prompt:
        return prompt if prompt in begun else root(parents[prompt][0])

    counts = [sum(root(c.prompt) == start for c in result.candidates()[1:]) for start in begun]
    # The one that did not fit any more was proposed, and not scored.
    assert all(20 <= count <= 21 for count in counts)


def test_several_starts_share_a_budget_evenly(tmp_path: Path) -> None:
    optimizer = replace(STEADY, shots=1, starts=2, score=Scoring(most=6), rerank=Reranking(examples=8, most=2))
    task = word_task(examples=24, layout=SHOWING)
    result = search(tmp_path, optimizer, by_text, task=task, budget=Budget(evaluations=600))
    begun = [step.spent.evaluations for step in result.steps if len(step.pool) == 1]
    assert len(begun) == 2
    spent = result.steps[-1].spent.evaluations
    assert abs((begun[1] - begun[0]) - (spent - begun[1])) < 0.25 * spent


def test_equal_draws_of_demonstrations_are_told(tmp_path: Path) -> None:
    optimizer = replace(STEADY, shots=0, starts=3, evolve=replace(STEADY.evolve, most=5))
    result = search(tmp_path, optimizer, by_text)
    assert any("3 draws of demonstrations gave 1 different prompts" in warning for warning in result.warnings)
