"""What OPRO makes of a budget: small steps on fresh examples, a history of what went on, further starts, no debris."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.opro.method import OPRO, Proposing, Showing, Stopping, Validation
from promptopt.run.budget import Budget
from promptopt.types import Request, Room
from tests.optimizers.opro.opro_searches import (
    START,
    exemplars,
    graded_task,
    history,
    metas,
    numbered,
    obey,
    search,
    tagged,
    text_of,
)


def inside(evaluations: int | None, calls: int | None = None, train: int = 120) -> Room:
    return Room(evaluations, calls, 1, train, 40)


def test_the_plan_grows_with_the_room_and_what_is_set_stays() -> None:
    plans = [OPRO().plan(inside(evaluations)) for evaluations in (100, 273, 1_400, 20_000)]
    assert [plan.breadth for plan in plans] == [4, 5, 8, 19]
    assert [plan.rounds for plan in plans] == sorted(plan.rounds for plan in plans)
    assert all(plan.examples == 120 for plan in plans)
    assert all(plan.memory == 8 and plan.fresh is not None and not plan.fresh.lineage for plan in plans)
    own = OPRO(steps=7, examples=30, show=Showing(memory=3), propose=Proposing(breadth=6)).plan(inside(273))
    assert (own.rounds, own.examples, own.memory, own.breadth) == (7, 30, 3, 6)


def test_under_a_cap_on_calls_a_small_search_goes_by_the_lineage_and_shows_as_many_as_a_step_asks_for() -> None:
    plans = [OPRO().plan(inside(None, calls)) for calls in (150, 400, 2_000, 20_000)]
    assert [plan.fresh is not None and plan.fresh.lineage for plan in plans] == [True, True, False, False]
    assert [plan.memory for plan in plans] == [*(plan.breadth for plan in plans[:2]), 8, 8]
    # What a user asks for a step makes no history shorter.
    assert OPRO(propose=Proposing(breadth=1)).plan(inside(None, 150)).memory == 4


def test_the_paper_s_constants_stand_by_name_and_without_a_cap_nothing_is_small() -> None:
    paper = OPRO(preset="paper").plan(inside(500, train=1_000))
    assert (paper.rounds, paper.breadth, paper.memory, paper.examples, paper.fresh) == (200, 8, 20, 261, None)
    free = OPRO().plan(inside(None, train=1_000))
    assert (free.rounds, free.breadth, free.memory, free.examples, free.fresh) == (40, 8, 20, 100, None)


def test_a_cap_on_calls_counts_the_proposer_s_in() -> None:
    by_calls, by_cells = (OPRO().plan(room).fresh for room in (inside(None, 400), inside(400)))
    assert by_calls is not None
    assert by_cells is not None
    assert by_calls.evaluations < by_cells.evaluations
    assert by_calls.rounds < by_cells.rounds
    # The cells and the proposer's calls that come with them are the cap together.
    per_round = by_calls.depth * (by_calls.children + 2)
    calls = by_calls.evaluations * (1 + by_calls.children / per_round)
    assert calls == pytest.approx(400, abs=3)


@given(
    st.one_of(st.none(), st.integers(0, 30_000)), st.one_of(st.none(), st.integers(0, 30_000)), st.integers(1, 2_000)
)
def test_any_room_has_a_plan_and_a_least(evaluations: int | None, calls: int | None, train: int) -> None:
    room = inside(evaluations, calls, train)
    plan = OPRO().plan(room)
    assert plan.rounds >= 1
    assert plan.breadth >= 1
    assert plan.describe()
    assert OPRO().least(room) > 0


@pytest.mark.slow
def test_the_room_is_spent_on_steps_that_see_fresh_examples(tmp_path: Path) -> None:
    model = Scripted(obey, name="obedient")
    count = itertools.count()
    proposer = Scripted(lambda _: f"<instruction>Text {next(count)} with 0.6</instruction>", name="new")
    result = search(tmp_path, OPRO(), proposer, task=graded_task(60), model=model, budget=Budget(evaluations=500))
    assert len(result.steps) > 5
    # 120 at most are for the test, and a tenth for dev; what a last step is too large for is left.
    assert result.steps[-1].spent.evaluations > 250
    asked: dict[str, list[str]] = {}
    for request in model.log[: result.steps[-1].spent.evaluations]:
        instruction, question = text_of(request).split("\n\nQuestion: ")
        asked.setdefault(instruction, []).append(question)
    first_looks = [questions[0] for questions in asked.values()]
    assert len(set(first_looks)) > 5
    assert all(len(step.kept) == 2 for step in result.steps)


@pytest.mark.slow
def test_the_history_is_of_those_that_went_on(tmp_path: Path) -> None:
    proposer = numbered(0.1, 0.9, 0.2, 0.8)
    search(tmp_path, OPRO(propose=Proposing(breadth=4)), proposer, budget=Budget(evaluations=400))
    for meta in metas(proposer, 4)[1:]:
        shown = [float(re.findall(r"with (\d\.\d+)", text)[0]) for text, _ in history(meta)]
        assert len(shown) <= 8
        assert min(shown) >= 0.5
        assert [score for _, score in history(meta)] == sorted(score for _, score in history(meta))


def test_what_went_on_once_stays_in_the_history_when_better_ones_have_taken_its_place(tmp_path: Path) -> None:
    proposer = numbered(0.6, 0.6, 0.7, 0.7, 0.8, 0.8)
    method = OPRO(steps=3, propose=Proposing(breadth=2), show=Showing(memory=8))
    search(tmp_path, method, proposer, budget=Budget(evaluations=400))
    shown = [{text for text, _ in history(meta)} for meta in metas(proposer, 2)]
    assert shown[0] == {START}
    assert shown[1] == {START, "Number 1 with 0.60.", "Number 2 with 0.60."}
    assert shown[2] == {*shown[1], "Number 3 with 0.70.", "Number 4 with 0.70."}


@pytest.mark.parametrize("settings", [OPRO(), OPRO(preset="paper", steps=2, examples=20)])
def test_further_starts_are_scored_shown_and_known(tmp_path: Path, settings: OPRO) -> None:
    settings = OPRO(settings.preset, settings.steps, settings.examples, seeds=("Seed with 0.80.", START))
    proposer = tagged("seed with 0.80.", "Other with 0.55.")
    result = search(tmp_path, settings, proposer, budget=Budget(evaluations=900))
    assert result.best.text == "Seed with 0.80."
    operators = [each.proposal.operator for each in result.candidates()]
    assert operators[:2] == ["start", "seed"]
    assert len(operators) == 3
    first = text_of(proposer.log[0])  # pyright: ignore[reportArgumentType]
    assert {text for text, _ in history(first)} == {START, "Seed with 0.80."}
    assert result.rejected["proposer: seen before"] > 0


def test_an_empty_seed_is_refused() -> None:
    with pytest.raises(ConfigError, match="seeds"):
        OPRO(seeds=("Say it.", " "))


@pytest.mark.parametrize("preset", ["budget", "paper"])
def test_a_proposer_that_runs_dry_ends_the_search_and_the_rest_is_handed_back(tmp_path: Path, preset) -> None:
    proposer = tagged("Same with 0.50.")
    settings = OPRO(preset=preset, propose=Proposing(breadth=2), stop=Stopping(idle=3))
    result = search(tmp_path, settings, proposer, budget=Budget(evaluations=900))
    assert result.status == "finished"
    # By the budget the search begins again from its best once, so twice three steps are without a new instruction.
    assert len(result.steps) == 1 + (6 if preset == "budget" else 3)


@pytest.mark.parametrize("preset", ["budget", "paper"])
def test_a_new_instruction_ends_a_dry_spell(tmp_path: Path, preset) -> None:
    # Two dry steps, a new one, two dry ones, and so on: never three in a row.
    texts = itertools.cycle([*(START for _ in range(4)), "new", START])
    count = itertools.count()

    def write(_: object) -> str:
        text = next(texts)
        return f"<instruction>{f'New {next(count)} with 0.51.' if text == 'new' else START}</instruction>"

    settings = OPRO(preset=preset, steps=14, propose=Proposing(breadth=2), stop=Stopping(idle=3))
    result = search(tmp_path, settings, Scripted(write, name="slow"), budget=Budget(evaluations=9_000))
    assert len(result.steps) == 14


def test_a_search_that_begins_again_forgets_all_but_its_best(tmp_path: Path) -> None:
    texts = ["With 0.70.", "With 0.60.", "With 0.40.", "With 0.65."]
    proposer = tagged(*texts, *[START] * 200)
    settings = OPRO(propose=Proposing(breadth=4), stop=Stopping(idle=2))
    search(tmp_path, settings, proposer, budget=Budget(evaluations=900))
    asked = metas(proposer, 4)
    assert len(asked) == 1 + 2 * 2
    assert len(history(asked[2])) > 1
    assert [text for text, _ in history(asked[3])] == ["With 0.70."]


@pytest.mark.slow
def test_exemplars_come_from_what_is_scored_and_never_from_what_is_held_out(tmp_path: Path) -> None:
    model, task = Scripted(obey, name="obedient"), graded_task(40)
    # A poor instruction is never scored on what is held out.
    settings = OPRO("paper", 6, show=Showing(memory=1, exemplars=10), validation=Validation(share=0.5))
    proposer = tagged(*(f"Bad {number} with 0.10" for number in range(60)))
    search(tmp_path, settings, proposer, task=task, model=model)
    bad = [text_of(request) for request in model.log if text_of(request).startswith("Bad 0 ")]
    train = {example["question"] for example in task.train}
    scored = {text.split("Question: ")[1].split("\n")[0] for text in bad} & train
    assert len(scored) == 20
    shown = {re.findall(r"Question: (.*)", each)[0] for meta in metas(proposer, 8) for each in exemplars(meta)}
    assert len(shown) > 12
    assert shown <= scored


def test_a_candidate_that_the_cap_kept_from_the_held_out_examples_can_win(tmp_path: Path) -> None:
    # 120 and 16 are set aside; the start takes 40, and eight instructions on 20 examples do not leave any for the rest.
    settings = OPRO("paper", 9, examples=40, validation=Validation(share=0.5))
    result = search(
        tmp_path, settings, numbered(0.55, 0.9, 0.3, 0.4), task=graded_task(40), budget=Budget(evaluations=260)
    )
    assert result.status == "budget"
    assert result.best.text == "Number 2 with 0.90."
    counts = {each.prompt["instruction"]: each.search.count for each in result.candidates()}
    assert counts["Number 2 with 0.90."] < 40


@pytest.mark.slow
@pytest.mark.parametrize("score", ["score:\n95", "Score: 95", "**Score:** 95/100"])
def test_a_score_that_the_proposer_copies_is_no_part_of_an_instruction(tmp_path: Path, score: str) -> None:
    count = itertools.count()
    proposer = Scripted(lambda _: f"<instruction>Try {next(count)} with 0.70.\n{score}</instruction>", name="copying")
    result = search(tmp_path, OPRO(), proposer, budget=Budget(evaluations=400))
    texts = [each.prompt["instruction"] for each in result.candidates()]
    assert len(texts) > 10
    assert not any("core" in text or "95" in text.split("with")[1] for text in texts)


def test_a_piece_of_the_request_is_no_instruction(tmp_path: Path) -> None:
    reply = "Write a new instruction that differs from all the instructions above and scores higher, with 0.90."
    result = search(tmp_path, OPRO(), tagged(reply), budget=Budget(evaluations=400))
    assert [each.prompt["instruction"] for each in result.candidates()] == [START]
    assert "proposer: repeats the request" in result.rejected


LARGE = pytest.param(Budget(evaluations=1_000), marks=pytest.mark.slow)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [Budget(evaluations=300), Budget(calls=300), LARGE])
def test_what_is_expected_in_a_room_bounds_what_is_spent(tmp_path: Path, budget: Budget) -> None:
    runs = []
    count = itertools.count()
    proposer = Scripted(lambda _: f"<instruction>New {next(count)} with 0.60</instruction>", name="any")

    def answer(request: Request) -> str:
        return obey(request)

    result = optimize(
        graded_task(),
        OPRO(),
        model=Models(Scripted(answer, name="obedient"), proposer=proposer),
        budget=budget,
        store=tmp_path / "store.db",
        session=Session(watch=runs.append),
    )
    bound = OPRO().upper_bounds_in(runs[0].room)
    assert result.steps[-1].spent.evaluations <= bound.evaluations
    assert result.spent.proposer_calls <= bound.proposer_calls
    assert budget.calls is None or result.spent.calls <= budget.calls


def test_without_patience_left_the_same_best_ends_the_search(tmp_path: Path) -> None:
    result = search(tmp_path, OPRO(stop=Stopping(patience=2)), numbered(0.2), budget=Budget(evaluations=900))
    assert len(result.steps) == 2


@pytest.mark.parametrize("choice", ["wrong-so-far", "wrong-of-shown"])
def test_showing_what_was_wrong_costs_no_evaluation(tmp_path: Path, choice) -> None:
    costs = []
    for each in ("random", choice):
        settings = OPRO(steps=1, propose=Proposing(breadth=4), show=Showing(choice=each))
        result = search(tmp_path / each, settings, numbered(0.4, 0.6), budget=Budget(evaluations=900))
        costs.append(result.steps[-1].spent.evaluations)
    assert costs[0] == costs[1]
