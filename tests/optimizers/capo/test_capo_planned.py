"""What CAPO makes of a budget: small iterations on fresh examples, a price on length, nothing forgotten."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.models.scripted import Scripted
from promptopt.optimizers.capo import method as capo
from promptopt.optimizers.capo.method import CAPO, Breeding, Demonstrations
from promptopt.optimizers.capo.track import Race
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.selection.racing import PairedTest
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Request, Room
from tests.optimizers.capo.capo_searches import (
    NO_DEMOS,
    SMALL,
    WORDS,
    asked_number,
    author,
    children,
    echo,
    inventive,
    number_task,
    said,
    search,
)


def inside(evaluations: int | None, calls: int | None = None, train: int = 120) -> Room:
    return Room(evaluations, calls, 1, train, 40)


def test_the_plan_grows_with_the_room_and_what_is_set_stays() -> None:
    plans = [CAPO().plan(inside(evaluations)) for evaluations in (100, 273, 1_400, 20_000)]
    assert [plan.crossovers for plan in plans] == [4, 5, 8, 19]
    assert [plan.rounds for plan in plans] == sorted(plan.rounds for plan in plans)
    assert {plan.population for plan in plans} == {2}
    own = CAPO(population=5, iterations=7, breed=Breeding(crossovers=6)).plan(inside(273))
    assert (own.population, own.rounds, own.crossovers) == (5, 7, 6)


def test_the_paper_s_constants_stand_by_name_and_without_a_cap() -> None:
    for plan in (CAPO(preset="paper").plan(inside(500)), CAPO().plan(inside(None))):
        assert (plan.population, plan.rounds, plan.crossovers, plan.fresh) == (10, 999, 4, None)


caps = st.one_of(st.none(), st.integers(0, 30_000))


@given(caps, caps, st.integers(1, 2_000))
def test_any_room_has_a_plan_and_a_least(evaluations: int | None, calls: int | None, train: int) -> None:
    room = inside(evaluations, calls, train)
    assert CAPO().plan(room).rounds >= 1
    assert CAPO().plan(room).describe()
    assert CAPO().least(room) > 0


def test_the_least_is_three_iterations_on_three_examples_or_a_first_race_of_two_blocks() -> None:
    # Four children and who goes on.
    assert CAPO().least(inside(500)) == 3 * 3 * (4 + 2)
    assert CAPO(population=5).least(inside(500)) == 3 * 3 * (4 + 5)
    paper = CAPO("paper", population=6, breed=Breeding(crossovers=3), race=Race(block=10))
    assert paper.least(inside(500)) == 9 * 2 * 10
    assert paper.least(inside(500, train=15)) == 9 * 15


def test_a_forecast_in_a_room_is_of_its_iterations_and_not_of_999() -> None:
    bound = CAPO().upper_bounds_in(inside(273))
    assert bound.evaluations == 273
    assert bound.proposer_calls < 1_000


LARGE = pytest.param(Budget(evaluations=1_000), marks=pytest.mark.slow)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [Budget(evaluations=400), Budget(calls=400), LARGE])
def test_what_is_expected_in_a_room_bounds_what_is_spent(tmp_path, budget) -> None:
    runs: list[Run] = []
    result = search(tmp_path, CAPO(), budget=budget, watch=runs.append)
    bound, spent = CAPO().upper_bounds_in(runs[0].room), result.steps[-1].spent
    assert spent.evaluations <= bound.evaluations
    assert spent.proposer_calls <= bound.proposer_calls
    assert budget.calls is None or result.spent.calls <= budget.calls
    assert len(result.steps) > 3


@pytest.mark.slow
def test_every_iteration_looks_at_other_examples(tmp_path) -> None:
    model = planted_model(feature_accuracy(WORDS, base=0.3))
    settings = CAPO(demos=NO_DEMOS, breed=Breeding(crossovers=4))
    result = search(tmp_path, settings, planted_task(), model=model, proposer=author, budget=Budget(evaluations=500))
    firsts: dict[str, str] = {}
    for request in model.log[: result.steps[-1].spent.evaluations]:
        instruction, _, question = said(request.content).rpartition("\n\n")
        firsts.setdefault(instruction, question)
    assert len(set(firsts.values())) > 5
    assert all(len(step.kept) == 2 for step in result.steps[1:])


@pytest.mark.slow
def test_a_clearly_shorter_prompt_goes_on_where_scores_are_equal(tmp_path) -> None:
    long = " ".join(f"and then say it {number} times" for number in range(30))
    for gamma in (0.05, 0.0):
        count = itertools.count()

        def write(_: Request) -> str:
            number = next(count)  # noqa: B023
            return f"<prompt>Say number {number}{'' if number else long}</prompt>"

        settings = CAPO(demos=NO_DEMOS, race=Race(gamma=gamma))
        result = search(tmp_path / str(gamma), settings, proposer=write, budget=Budget(evaluations=600))
        assert any(long in prompt["instruction"] for prompt in result.steps[-1].kept) is (gamma == 0.0)


def lettered(text: str) -> str:
    """No digits, which would be read as the answer."""
    return text.translate(str.maketrans("0123456789", "abcdefghij"))


def test_a_new_demonstration_is_made_with_the_mutated_instruction(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(capo, "ACTIONS", ("add",))

    def telling(request: Request) -> str:
        """Right, and says which instruction it followed."""
        return f"As told to {lettered(said(request.content).splitlines()[0])} it is {asked_number(request.content)}"

    result = search(tmp_path, replace(SMALL, iterations=1, demos=Demonstrations(most=9)), model=telling)
    added = 0
    for child in children(result):
        added += sum(lettered(child["instruction"]) in demo.target for demo in child.demos)
    assert added == len(children(result)) == 2


def planted_paraphrase(request: Request) -> str:
    return f"<prompt>Answer the question well. {request.seed}</prompt>"


@pytest.mark.slow
def test_one_block_that_a_cap_leaves_is_enough_for_a_better_paraphrase_to_win(tmp_path) -> None:
    # Of 300, 131 go to test and dev: the first race of four ends in its second block of 30.
    race = Race(test=PairedTest(alpha=1e-9))
    settings = CAPO("paper", population=3, iterations=3, breed=Breeding(crossovers=1), demos=NO_DEMOS, race=race)
    model = planted_model(lambda text: 0.9 if "well" in text else 0.4)
    result = search(
        tmp_path, settings, planted_task(), model=model, proposer=planted_paraphrase, budget=Budget(evaluations=300)
    )
    assert result.status == "budget"
    assert result.steps == ()
    assert "well" in result.best.text


@pytest.mark.slow
@pytest.mark.parametrize("evaluations", [120, 250, 400])
def test_a_small_budget_has_candidates_beside_the_start(tmp_path, evaluations) -> None:
    model = planted_model(lambda text: 0.9 if "well" in text else 0.4)
    result = search(
        tmp_path, CAPO(), planted_task(), model=model, proposer=planted_paraphrase,
        budget=Budget(evaluations=evaluations),
    )  # fmt: skip
    assert result.spent.evaluations <= evaluations
    assert any(each.dev.count for each in result.candidates()[1:])
    assert "well" in result.best.text


def test_a_proposer_that_only_repeats_begins_again_once_and_then_ends(tmp_path) -> None:
    settings = CAPO(patience=3, demos=NO_DEMOS)
    result = search(tmp_path, settings, proposer=echo, budget=Budget(evaluations=900))
    assert len(result.steps) == 1 + 2 * 3 - 1
    assert result.status == "finished"


def test_the_calls_of_an_iteration(tmp_path) -> None:
    proposer = Scripted(inventive, name="inventive")
    settings = CAPO(iterations=2, breed=Breeding(crossovers=4), demos=NO_DEMOS)
    result = search(tmp_path, settings, number_task(100), proposer=proposer, budget=Budget(evaluations=900))
    # Paraphrases for the first generation, then a crossover and a mutation a child.
    assert proposer.calls == 4 + 2 * (4 + 4)
    assert len(result.steps) == 3
