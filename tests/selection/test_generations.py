"""Small generations: what a room affords, fresh examples, growing looks, dry spells, and that nothing is overspent."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.selection.fresh import FreshRejects
from promptopt.selection.generations import SPARE, Fresh, GenerationalSelection, fresh, least_generation, writings_of
from promptopt.selection.lineage import LineageBounds
from promptopt.testing import planted_model, planted_task
from promptopt.types import Prompt, Proposal, Room


def inside(evaluations: int | None, calls: int | None = None) -> Room:
    return Room(evaluations, calls, 1, 120, 40)


@pytest.mark.parametrize(
    ("evaluations", "children", "depth"),
    [(109, 4, 3.0), (273, 5, 3.3), (550, 6, 3.9), (1_400, 8, 4.9), (4_100, 11, 6.4)],
)
def test_generations_grow_with_the_room(evaluations: int, children: int, depth: float) -> None:
    found = fresh(inside(evaluations))
    assert found is not None
    assert (found.evaluations, found.children) == (evaluations, children)
    assert found.depth == pytest.approx(depth, abs=0.05)
    # As many generations as a look that grows from 0.4 to 1.6 of the mean gives.
    assert found.rounds == pytest.approx(1.155 * evaluations / (found.depth * (children + 2)), abs=0.6)


def test_without_a_cap_there_are_no_generations() -> None:
    assert fresh(inside(None)) is None


@given(st.integers(50, 20_000), st.floats(0.5, 3.0))
def test_cells_and_calls_fill_a_cap_on_calls(calls: int, per_child: float) -> None:
    found = fresh(inside(None, calls), calls_per_child=per_child)
    assert found is not None
    asked = found.evaluations * (1 + per_child * found.children / (found.depth * (found.children + 2)))
    assert 0.93 * calls - 5 <= asked <= calls * 1.07 + 5


def test_what_is_spent_otherwise_is_taken_off_and_what_is_set_stays() -> None:
    whole, rest = fresh(inside(500)), fresh(inside(500), aside=100, children=9)
    assert whole is not None
    assert rest is not None
    assert (whole.evaluations, rest.evaluations, rest.children) == (500, 400, 9)


@pytest.mark.parametrize(
    ("evaluations", "small", "lineage"), [(999, 1_000, True), (1_000, 1_000, False), (499, 500, True), (9, 0, False)]
)
def test_a_search_smaller_than_its_method_says_goes_by_relatives(evaluations: int, small: int, lineage: bool) -> None:
    found = fresh(inside(evaluations), small=small)
    assert found is not None
    assert found.lineage is lineage


@pytest.mark.parametrize(
    ("evaluations", "calls", "able", "writings"),
    [
        (None, 220, True, 2), (None, 220, False, 1), (None, 330, True, 1), (150, None, True, 1), (None, 60, True, 2),
        # 51 / (1 + 8 / 18) evaluations are not two generations of six prompts seen three times; 52 / (1 + 8 / 18) are.
        (None, 51, True, 1), (None, 52, True, 2), (None, 9, True, 1),
    ],
)  # fmt: skip
def test_a_tiny_search_writes_twice_where_calls_are_capped_and_its_method_can(
    evaluations: int | None, calls: int | None, able: bool, writings: int
) -> None:
    found = fresh(inside(evaluations, calls), again=able)
    assert found is not None
    assert found.writings == writings
    if calls is not None:
        asked = found.evaluations * (1 + writings * found.children / (found.depth * (found.children + 2)))
        assert 0.93 * calls - 5 <= asked <= calls * 1.07 + 5


@pytest.mark.parametrize(("losses", "writings"), [(False, 2), (True, 1)])
def test_by_losses_a_child_is_written_once(losses: bool, writings: int) -> None:
    run: Any = SimpleNamespace(abilities=SimpleNamespace(stands_in=losses))
    found = fresh(inside(None, 220), again=True)
    assert found is not None
    assert writings_of(run, found.writings) == writings


@dataclass(slots=True)
class Search:
    """Generations of new texts, as many each as `sizes` says, until the search is closed."""

    sizes: list[int]
    planned: Fresh
    dry: int = 2
    kept: list[list[Prompt]] = field(default_factory=list[list[Prompt]])
    again: list[bool] = field(default_factory=list[bool])
    best: list[Prompt] = field(default_factory=list[Prompt])

    def optimize(self, run: Run) -> None:
        search = GenerationalSelection(run, run.train, self.planned, self.dry)
        elite, number = [run.initial], 0
        while search.open and number < len(self.sizes):
            texts = [f"Child {len(self.kept)} of {place}" for place in range(self.sizes[number])]
            proposals = [Proposal(Prompt.of(text), (elite[0],), "child") for text in texts]
            worth = run.worths(run.train)
            self.best.append(max(worth, key=worth.__getitem__))
            elite = search.survivors(elite, run.admit(proposals))
            self.kept.append(elite)
            self.again.append(search.begun_again)
            number += 1


def conduct(home: Path, search: Search, budget: Budget | None = None) -> Result:
    return optimize(
        planted_task(),
        search,
        model=Models(planted_model(lambda _: 0.5, common=0.5), proposer=Scripted(lambda _: "")),
        budget=budget,
        store=home / "store.db",
    )


@pytest.mark.slow
def test_looks_deepen_as_evaluations_are_spent(tmp_path: Path) -> None:
    result = conduct(tmp_path, Search([5] * 100, Fresh(600, 5, 2, 4.0)), Budget(evaluations=1_000))
    spent = [0, *(step.spent.evaluations for step in result.steps)]
    costs = [after - before for before, after in itertools.pairwise(spent)]
    assert sum(costs[-6:-1]) > 1.7 * sum(costs[:5])
    assert all(len(step.kept) == 2 for step in result.steps)
    assert result.steps[-1].spent.evaluations <= 1_000


@pytest.mark.parametrize("lineage", [True, False])
def test_a_generation_is_ranked_by_relatives_where_the_plan_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lineage: bool
) -> None:
    asked: list[type] = []
    for rule in (LineageBounds, FreshRejects):
        select = rule.select

        def heard(own: Any, *given: Any, rule: type = rule, select: Any = select) -> Any:
            asked.append(rule)
            return select(own, *given)

        monkeypatch.setattr(rule, "select", heard)
    conduct(tmp_path, Search([4, 4], Fresh(600, 4, 2, 3.0, lineage=lineage)), Budget(evaluations=1_500))
    assert asked == [LineageBounds if lineage else FreshRejects] * 2


def test_a_dry_spell_begins_again_from_the_best_once_and_then_closes(tmp_path: Path) -> None:
    search = Search([4, 0, 4, 0, 0, 4, 0, 0, 4], Fresh(600, 4, 2, 3.0))
    conduct(tmp_path, search, Budget(evaluations=1_500))
    # A generation with children ends a dry spell; two in a row without any are one.
    assert search.again == [False, False, False, False, True, False, False, False]
    assert search.kept[4] == [search.best[4]]
    assert len(search.kept[3]) == 2


def test_a_generation_without_children_costs_nothing(tmp_path: Path) -> None:
    search = Search([4, 0], Fresh(600, 4, 2, 3.0), dry=5)
    result = conduct(tmp_path, search, Budget(evaluations=1_500))
    assert result.steps[0].spent == result.steps[1].spent
    assert search.kept[0] == search.kept[1]


def test_where_nobody_is_new_the_old_go_on_as_they_are_and_nothing_is_spent(tmp_path: Path) -> None:
    kept: list[list[str]] = []
    spent: list[int] = []

    @dataclass
    class Known:
        def optimize(self, run: Run) -> None:
            search = GenerationalSelection(run, run.train, Fresh(600, 4, 2, 3.0), dry=9)
            made = [run.initial.replace("instruction", text) for text in ("One.", "Two.", "Three.")]
            one, two, three = run.admit([Proposal(each, (run.initial,), "child") for each in made])
            search.survivors([one], [two, three])
            for old, children in (([three], [one, two]), ([two, three], []), ([], [three, two, one]), ([one], [])):
                spent.append(run.spent.evaluations)
                kept.append([each["instruction"] for each in search.survivors(old, children)])
            spent.append(run.spent.evaluations)
            # Of several a price puts the cheaper first, also where none is new.
            found = search.survivors([], [three, one, two], lambda prompt: len(prompt["instruction"]))
            kept.append([each["instruction"] for each in found])

    conduct(tmp_path, Known(), Budget(evaluations=1_500))  # type: ignore[arg-type]
    assert kept == [["Three."], ["Two.", "Three."], ["Three.", "Two."], ["One."], ["One.", "Two."]]
    assert len(set(spent)) == 1


def test_there_are_no_more_generations_than_were_promised(tmp_path: Path) -> None:
    result = conduct(tmp_path, Search([1] * 100, Fresh(30, 1, 2, 3.0)), Budget(evaluations=2_000))
    assert len(result.steps) == SPARE * 4


@pytest.mark.parametrize(("granted", "left", "look"), [(100, 100, 1), (100, 50, 2), (100, 0, 4), (0, 0, 4)])
def test_a_first_look_is_half_of_a_look_at_that_stage_of_the_search(granted: int, left: int, look: int) -> None:
    spent = iter([granted, left])
    run: Any = SimpleNamespace(evaluations_left=lambda: next(spent))
    # Looks grow from 0.4 to 1.6 of the mean of five: 2, 5 and 8.
    assert GenerationalSelection(run, [], Fresh(granted, 4, 2, 5.0)).first_look == look


def test_without_a_cap_on_evaluations_the_stage_is_that_of_the_estimate() -> None:
    run: Any = SimpleNamespace(evaluations_left=lambda: None, spent=SimpleNamespace(evaluations=50))
    assert GenerationalSelection(run, [], Fresh(100, 4, 2, 6.0)).first_look == 3
    assert GenerationalSelection(run, [], Fresh(0, 4, 2, 6.0)).first_look == 5


def test_the_least_generation_sees_everyone_three_times() -> None:
    assert least_generation() == 18
    assert least_generation(3) == 21


@pytest.mark.slow
def test_a_cap_on_tokens_ends_a_search_when_it_is_spent_whatever_was_planned(tmp_path: Path) -> None:
    result = conduct(tmp_path, Search([1] * 2_000, Fresh(20, 1, 2, 3.0)), Budget(tokens=20_000))
    assert len(result.steps) > SPARE * 2
    assert result.status == "budget"


def test_one_generation_is_said_as_one() -> None:
    assert Fresh(20, 4, 2, 3.0).describe().startswith("1 generation of 4 children")
