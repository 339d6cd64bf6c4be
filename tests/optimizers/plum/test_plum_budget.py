"""Plum under a budget: what it plans, what it sees, what it knows of phrases, and what its finalists go by."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.models.scripted import Scripted
from promptopt.optimizers.plum.neighbours import Editing, Editor
from promptopt.optimizers.plum.patience import Stopping
from promptopt.optimizers.plum.points import Scoring
from promptopt.optimizers.plum.population import CrossoverGA, HarmonySearch, MutationGA
from promptopt.optimizers.plum.single import HillClimbing, SimulatedAnnealing, TabuSearch, pace
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.selection.generations import Fixed, Fresh, least_generation
from promptopt.selection.lineage import most_hopeful
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Request, Room
from tests.optimizers.plum.phrase_search import (
    PROMPT,
    Bars,
    PlumContract,
    kept_texts,
    lengthen,
    operators,
    phrase_of,
    search,
    task_of,
    text_of,
    within_run,
)

OTHERS = (SimulatedAnnealing, TabuSearch, MutationGA, CrossoverGA)
"""Hill climbing stands for those with one candidate, harmony search for those with a population."""
ALL = pytest.mark.parametrize(
    "kind", [HillClimbing, HarmonySearch, *(pytest.param(kind, marks=pytest.mark.slow) for kind in OTHERS)]
)


def room(evaluations: int | None, **more: Any) -> Room:
    return Room(**{"evaluations": evaluations, "calls": None, "calls_per_cell": 1, "train": 120, "dev": 40, **more})


class TestHillClimbingByBudget(PlumContract):
    optimizer = HillClimbing()


class TestCrossoverByBudget(PlumContract):
    optimizer = CrossoverGA()


class TestHarmoniesByBudget(PlumContract):
    optimizer = HarmonySearch()


@ALL
def test_a_small_budget_plans_small_generations_and_a_large_one_the_papers(kind: type[Any]) -> None:
    small, large = (kind().plan(room(size)).way for size in (273, 4_000))
    assert isinstance(small, Fresh)
    assert isinstance(large, Fresh)
    assert 4 <= small.children < large.children
    assert small.depth < large.depth < 20
    assert 5 <= small.rounds < large.rounds
    for plan in (kind().plan(room(None)), kind().plan(room(1_000_000)), kind(preset="paper").plan(room(273))):
        assert plan.way == Fixed(50, plan.way.children, 100)
        assert (plan.neighbours, plan.patience) == (10, 7)


@pytest.mark.parametrize(
    ("kind", "keep"),
    [
        (HillClimbing, 1),
        (TabuSearch, 1),
        (SimulatedAnnealing, 2),
        (MutationGA, 2),
        (HarmonySearch, 2),
        (CrossoverGA, 3),
    ],
)
def test_as_many_live_on_as_the_method_goes_on_with(kind: type[Any], keep: int) -> None:
    way = kind().plan(room(500)).way
    assert isinstance(way, Fresh)
    assert way.keep == keep


@ALL
def test_what_is_set_stays_and_a_size_asks_for_one_set(kind: type[Any]) -> None:
    assert (
        kind(score=Scoring(examples=30)).plan(room(500)).way
        == kind(score=Scoring(examples=30), preset="paper").plan(room(500)).way
    )
    given = kind(edit=Editing(neighbours=3), stop=Stopping(5, 2)).plan(room(500))
    assert isinstance(given.way, Fresh)
    assert (given.neighbours, given.rounds, given.patience) == (3, 5, 2)


@ALL
def test_a_cap_on_calls_is_planned_with_the_calls_of_the_proposer(kind: type[Any]) -> None:
    way = kind().plan(room(None, calls=800)).way
    assert isinstance(way, Fresh)
    looked_at = way.depth * (way.children + way.keep)
    assert way.evaluations * (1 + way.children / looked_at) == pytest.approx(800, abs=5)
    assert kind().least(room(500)) < 60 < kind(preset="paper").least(room(500))


@pytest.mark.parametrize("large", [CrossoverGA(population=40), HarmonySearch(memory=40)])
def test_a_generation_of_use_is_larger_where_more_live_on(large: Any) -> None:
    assert large.plan(room(2_000)).way.keep == 40
    assert large.least(room(2_000)) == least_generation(40) > type(large)().least(room(2_000))


@pytest.mark.slow
@ALL
def test_a_larger_search_by_budget_spends_it_and_sees_other_examples_each_time(tmp_path: Path, kind: type[Any]) -> None:
    task = task_of(PROMPT, train=60)
    # Below it harmony search goes by the lineage, whose looks at a prompt add up.
    cap = 1_900 if kind is HarmonySearch else 1_000
    result = search(
        tmp_path, kind(), "", lambda text: 1 / (1 + len(text) % 7), task=task, budget=Budget(evaluations=cap),
        proposer=lambda request: json.dumps([f"{phrase_of(request)} {request.seed}"]),
    )  # fmt: skip
    assert result.steps[-1].spent.evaluations > 500
    assert len(result.steps) >= 6
    spent = [0, *(step.spent.evaluations for step in result.steps)]
    # A generation without a new prompt spends nothing, and shows what is known of the old.
    looked = [step for step, before in zip(result.steps, spent, strict=False) if step.spent.evaluations > before]
    counts = Counter(estimate.count for step in looked for estimate in step.pool)
    assert max(counts) < 12
    seen = [candidate.search.count for candidate in result.candidates() if candidate.search.count]
    # The start is held against its children again and again, on other examples.
    assert max(seen) > max(counts)


@pytest.mark.slow
@ALL
def test_a_search_by_budget_finds_what_helps(tmp_path: Path, kind: type[Any]) -> None:
    def worth(text: str) -> float:
        return 0.1 + 0.25 * sum(word in text for word in ("carefully", "exactly", "twice"))

    result = search(
        tmp_path, kind(), "", worth, task=task_of(PROMPT, train=60), proposer=lengthen, budget=Budget(evaluations=500)
    )
    assert worth(result.best.text) >= 0.6


@ALL
def test_a_search_that_runs_dry_hands_the_rest_back(tmp_path: Path, kind: type[Any]) -> None:
    task = replace(task_of("Answer."), initial=task_of("Answer.").initial.replace("instruction", "{context}"))
    result = search(tmp_path, kind(), "", lambda _: 0.5, task=task, budget=Budget(evaluations=400))
    assert result.status == "finished"
    assert len(result.candidates()) == 1


@pytest.mark.parametrize(
    "kind", [HillClimbing, *(pytest.param(kind, marks=pytest.mark.slow) for kind in (HarmonySearch, *OTHERS))]
)
def test_the_same_text_is_looked_at_as_a_child_once(tmp_path: Path, kind: type[Any]) -> None:
    result = search(
        tmp_path, kind(), "", lambda text: 0.9 if text == PROMPT else 0.1, task=task_of(PROMPT, train=60),
        proposer=lengthen, budget=Budget(evaluations=400),
    )  # fmt: skip
    pools = [estimate.prompt for step in result.steps for estimate in step.pool]
    beaten = Counter(prompt for prompt in pools if prompt["instruction"] != PROMPT)
    # One that lost to the start comes up in no later generation; survivors of a larger population may stay for some.
    assert kept_texts(result, len(result.steps) - 1)[0] == PROMPT
    assert sum(count == 1 for count in beaten.values()) > 0.7 * len(beaten)


def test_annealing_cools_as_much_however_many_iterations_there_are() -> None:
    plan = SimulatedAnnealing().plan(room(500))
    assert pace(plan) * plan.rounds == pytest.approx(50)
    assert pace(SimulatedAnnealing().plan(room(None))) == 1.0


def skewed() -> tuple[Task, Scripted]:
    """Labels 80 to 20; one word makes the rare label known, at the price of some of the frequent ones."""
    truths = ["common"] * 4 + ["rare"]
    examples = [Example.of(truths[number % 5], text=f"item {number}") for number in range(140)]
    task = Task.from_examples(examples, prompt=PROMPT, labels=("common", "rare"), splits=Splits(100, 20, 20))

    def answer(request: Request) -> str:
        text = text_of(request)
        number = int(text.split("item ")[1].split()[0])
        if "carefully" not in text:
            return "common"
        return "rare" if number % 5 >= 2 else "common"

    return task, Scripted(answer, name="skewed")


@pytest.mark.slow
@ALL
def test_the_best_by_points_is_a_finalist_though_its_mean_is_not(tmp_path: Path, kind: type[Any]) -> None:
    task, model = skewed()
    # By the mean the word costs a quarter, 0.6 for 0.8; by points it is worth 30.
    method = kind(score=Scoring(examples=50), stop=Stopping(3, 3))
    result = search(tmp_path, method, "", lambda _: 0.5, task=task, model=model, proposer=lengthen)
    assert "carefully" in kept_texts(result, len(result.steps) - 1)[0]
    finalists = [c.prompt["instruction"] for c in result.candidates()[1:] if c.dev.count]
    assert any("carefully" in text for text in finalists)


def moody(good_from: int) -> Any:
    """A paraphraser whose first replies to a phrase hold nothing; counts its calls."""
    calls: Counter[str] = Counter()

    def reply(request: Request) -> str:
        phrase = phrase_of(request)
        calls[phrase] += 1
        return lengthen(request) if calls[phrase] >= good_from else json.dumps([phrase])

    return reply, calls


@ALL
def test_a_bad_paraphrase_is_asked_for_again(tmp_path: Path, kind: type[Any]) -> None:
    reply, calls = moody(good_from=2)
    result = search(tmp_path, kind(stop=Stopping(6, 6)), "Answer", lambda text: 1 / len(text), proposer=reply)
    assert calls["Answer"] == 2
    assert any("Answer carefully" in candidate.prompt["instruction"] for candidate in result.candidates())


def test_a_phrase_without_paraphrases_is_given_up(tmp_path: Path) -> None:
    reply, calls = moody(good_from=99)
    search(tmp_path, HillClimbing(stop=Stopping(9, 9)), "Answer", lambda _: 0.5, proposer=reply)
    assert calls["Answer"] == 3


def test_under_a_budget_a_phrase_is_asked_for_again_once_its_variants_were_wanted(tmp_path: Path) -> None:
    wanted: list[int] = []

    def ask(renewed: bool) -> Any:
        proposer = Scripted(lambda request: json.dumps([f"{phrase_of(request)} {request.seed}"]), name="endless")

        def collect(run: Run) -> int:
            editor = Editor(run, Editing(), renewed=renewed)
            return len({each.prompt for _ in range(6) for each in editor.neighbours(run.initial, (), 4)})

        wanted.append(within_run(tmp_path / str(renewed), "Answer", collect, proposer=proposer))
        return proposer.calls

    assert ask(False) == 1
    assert ask(True) > 5
    assert wanted[0] == 1 < wanted[1]


def test_of_two_phrases_the_words_are_deleted_and_swapped(tmp_path: Path) -> None:
    def collect(run: Run) -> set[str]:
        editor = Editor(run, Editing(paraphrases=3))
        return {each.prompt["instruction"] for each in editor.neighbours(run.initial, (), 40)}

    found = within_run(tmp_path, "Classify the long review.", collect, proposer=lengthen)
    assert {"the long review.", "Classify long review.", "Classify the review."} <= found
    assert "the Classify long review." in found
    # A phrase is still paraphrased as a whole.
    assert any("Classify the long review carefully" in text for text in found)


def test_of_three_phrases_the_phrases_are(tmp_path: Path) -> None:
    def collect(run: Run) -> set[str]:
        return {
            each.prompt["instruction"]
            for each in Editor(run, Editing()).neighbours(run.initial, (), 40)
            if each.edits[0].kind == "del"
        }

    found = within_run(tmp_path, "Read the review, then say good, and nothing else.", collect, proposer=lengthen)
    assert found == {"then say good, and nothing else.", "Read the review, and nothing else.",
                     "Read the review, then say good."}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", [HillClimbing, TabuSearch, MutationGA])
def test_the_bank_holds_all_that_accepted_deletions_took(tmp_path: Path, kind: type[Any]) -> None:
    """Two deletions are accepted one after the other; both texts come back, not the last one only."""
    method = kind(edit=replace(Editing(neighbours=40), chunker=Bars()))
    method = replace(method, stop=Stopping(8, 8))
    result = search(tmp_path, method, "aa|bb|cc|dd|ee|ff", lambda text: 0.9 - 0.1 * abs(len(text.split("|")) - 3))
    best = kept_texts(result, len(result.steps) - 1)[0]
    to_best = [c.proposal for c in result.candidates()[1:] if c.proposal.parents[0]["instruction"] == best]
    added = {proposal.note.removeprefix("add: ")[:2] for proposal in to_best if "add: " in proposal.note}
    missing = {"aa", "bb", "cc", "dd", "ee", "ff"} - set(best.split("|"))
    assert len(missing) == 3
    assert added == missing


@pytest.mark.slow
def test_a_child_of_two_parents_inherits_the_bank_of_the_first(tmp_path: Path) -> None:
    """Every addition to a child of crossover is of a text that the first parent's line had deleted."""
    bars = Bars()
    method = CrossoverGA(
        population=6, offspring=6, mutation=1.0, edit=Editing(neighbours=6, chunker=bars), stop=Stopping(9, 9)
    )

    def worth(text: str) -> float:
        size = len(text.split("|"))
        return 0.5 - 0.1 * abs(size - 3) + (sum(i * ord(c) for i, c in enumerate(text)) % 97) / 500

    result = search(tmp_path, method, "aa|bb|cc|dd|ee", worth)
    assert "crossover" in operators(result)
    banks = {result.candidates()[0].prompt: Counter[str]()}
    made = {candidate.prompt: candidate.proposal.note for candidate in result.candidates()}
    borne = inherited = 0
    for candidate in result.candidates()[1:]:
        note, first = candidate.proposal.note, candidate.proposal.parents[0]
        bank = banks[first].copy()
        if note.startswith("add: "):
            text = note.removeprefix("add: ")
            assert bank[text] > 0, note
            bank[text] -= 1
            inherited += made[first] != f"del: {text}"
        elif note.startswith("del: "):
            bank[note.removeprefix("del: ")] += 1
        borne += candidate.proposal.operator == "crossover" and bank != banks[candidate.proposal.parents[-1]]
        banks[candidate.prompt] = bank
    assert borne
    # What a grandparent's line had deleted comes back too.
    assert inherited


def test_harmony_search_goes_by_relatives_in_longer_searches_than_the_others() -> None:
    ways = [kind().plan(room(size)).way for kind in (HarmonySearch, HillClimbing) for size in (499, 999, 1_000)]
    assert [isinstance(way, Fresh) and way.lineage for way in ways] == [True, True, False, True, False, False]


@pytest.mark.slow
def test_in_longer_searches_by_relatives_the_most_hopeful_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[list[Any]] = []

    def backwards(belief: Any, keep: int) -> list[Any]:
        orders.append(most_hopeful(belief, keep)[::-1])
        return orders[-1]

    monkeypatch.setattr("promptopt.optimizers.plum.points.most_hopeful", backwards)
    result = search(
        tmp_path, HarmonySearch(), "", lambda text: 1 / (1 + len(text) % 7), task=task_of(PROMPT, train=60),
        proposer=lambda request: json.dumps([f"{phrase_of(request)} {request.seed}"]), budget=Budget(evaluations=1_000),
    )  # fmt: skip
    pool = [estimate.prompt for estimate in result.steps[0].pool]
    assert list(result.steps[0].kept) == [prompt for prompt in orders[0] if prompt in pool][:2]
