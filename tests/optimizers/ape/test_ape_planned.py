"""What APE makes of a budget: guesses, then paraphrases of the best, round after round on fresh examples."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.optimizers.ape.method import APE, DRY, Filtering, Proposing
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.selection.bandits import UCB
from promptopt.testing import planted_model, planted_task
from promptopt.types import Request, Room

START = "Answer the question."


def inside(evaluations: int | None, calls: int | None = None, train: int = 120) -> Room:
    return Room(evaluations, calls, 1, train, 40)


def text_of(request: object) -> str:
    assert isinstance(request, Request)
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def guessing(text: str) -> bool:
    return text.startswith("Someone was given")


def shown(text: str) -> frozenset[str]:
    return frozenset(line for line in text.splitlines() if line.startswith("question: "))


def numbered() -> Scripted:
    count = itertools.count()
    return Scripted(lambda _: f"<prompt>Answer well {next(count)}.</prompt>", name="numbered")


def search(home: Path, settings: APE, proposer: Scripted, budget: Budget, runs: list[Run] | None = None) -> Result:
    return optimize(
        planted_task(),
        settings,
        model=Models(planted_model(lambda text: 0.9 if "well" in text else 0.4, common=0.5), proposer=proposer),
        budget=budget,
        store=home / "store.db",
        session=Session(watch=None if runs is None else runs.append),
    )


def test_the_plan_grows_with_the_room_and_what_is_set_stays() -> None:
    plans = [APE().plan(inside(evaluations)) for evaluations in (100, 273, 1_400, 20_000)]
    assert [plan.candidates for plan in plans] == [8, 10, 16, 38]
    assert [plan.rounds for plan in plans] == sorted(plan.rounds for plan in plans)
    # Half of nine calls are looks, one at each guess.
    assert [APE().plan(replace(inside(None), calls=calls)).candidates for calls in (1, 9, 40)] == [1, 4, 8]
    own = APE(propose=Proposing(candidates=7, samples=1), resampling=2).plan(inside(500))
    assert (own.candidates, own.samples, own.resampling) == (7, 1, 2)


@pytest.mark.parametrize("settings", [APE(preset="paper"), APE(selector=UCB(budget=100))])
def test_the_paper_s_constants_stand_by_name_and_with_a_selector(settings: APE) -> None:
    plan = settings.plan(inside(500))
    assert (plan.candidates, plan.samples, plan.resampling, plan.fresh) == (50, 10, 0, None)
    assert APE().plan(inside(None)) == plan


caps = st.one_of(st.none(), st.integers(0, 30_000))


@given(caps, caps, st.integers(2, 2_000))
def test_any_room_has_a_plan_and_a_least(evaluations: int | None, calls: int | None, train: int) -> None:
    room = inside(evaluations, calls, train)
    assert APE().plan(room).rounds >= 1
    assert APE().plan(room).describe()
    assert APE().least(room) > 0


LARGE = pytest.param(Budget(evaluations=1_000), marks=pytest.mark.slow)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [Budget(evaluations=300), Budget(calls=400), LARGE])
def test_the_best_are_paraphrased_round_after_round_within_what_is_expected(tmp_path: Path, budget: Budget) -> None:
    runs: list[Run] = []
    proposer = numbered()
    result = search(tmp_path, APE(), proposer, budget, runs)
    bound, spent = APE().upper_bounds_in(runs[0].room), result.steps[-1].spent
    assert spent.evaluations <= bound.evaluations
    assert spent.proposer_calls <= bound.proposer_calls
    assert budget.calls is None or result.spent.calls <= budget.calls
    assert "well" in result.best.text
    assert len(result.steps) > 3
    first = next(text_of(request) for request in proposer.log if not guessing(text_of(request)))
    assert first.split('"""')[1].strip() in {prompt["instruction"] for prompt in result.steps[0].kept}
    assert all(len(step.kept) == 2 for step in result.steps)


@pytest.mark.slow
def test_every_request_for_guesses_shows_pairs_of_its_own(tmp_path: Path) -> None:
    for settings, budget in ((APE(), Budget(evaluations=600)), (APE("paper"), Budget(evaluations=5_000))):
        proposer = numbered()
        search(tmp_path / settings.preset, settings, proposer, budget)
        subsets = Counter(shown(text_of(request)) for request in proposer.log if guessing(text_of(request)))
        samples = 2 if settings.preset == "budget" else 10
        assert set(subsets.values()) == {samples}
        assert len(subsets) > 3


def test_subsets_of_pairs_are_not_repeated_where_few_can_be_drawn(tmp_path: Path) -> None:
    # Four examples to guess from have six subsets of two, and drawing six times gives them all in one run of sixty.
    task = planted_task(train=8)
    proposer = numbered()
    settings = APE("paper", propose=Proposing(candidates=6, pairs=2, samples=1))
    optimize(task, settings, model=Models(planted_model(lambda _: 0.5), proposer=proposer), store=tmp_path / "store.db")
    subsets = Counter(shown(text_of(request)) for request in proposer.log)
    assert len(subsets) == 6
    assert set(subsets.values()) == {1}


def test_a_filter_that_a_cap_cuts_in_its_first_stage_forgets_nobody_it_scored(tmp_path: Path) -> None:
    settings = APE("paper", propose=Proposing(candidates=30), filter=Filtering(subset=10, examples=30))
    result = search(tmp_path, settings, numbered(), Budget(evaluations=300))
    assert result.status == "budget"
    assert result.steps == ()
    assert "well" in result.best.text


def test_a_proposer_that_runs_dry_begins_again_once_and_then_ends(tmp_path: Path) -> None:
    dull = Scripted(lambda _: "<prompt>Answer well.</prompt>", name="dull")
    result = search(tmp_path, APE(), dull, Budget(evaluations=2_000))
    assert result.status == "finished"
    assert len(result.steps) == 1 + 2 * DRY


@pytest.mark.slow
def test_debris_is_no_part_of_a_guess(tmp_path: Path) -> None:
    count = itertools.count()
    debris = Scripted(
        lambda _: f"<prompt>Here is the instruction: Answer well {next(count)}.\nscore:\n90</prompt>", name="debris"
    )
    result = search(tmp_path, APE(), debris, Budget(evaluations=400))
    texts = {each.prompt["instruction"] for each in result.candidates()}
    assert len(texts) > 5
    assert not any("score" in text or "Here" in text for text in texts)
