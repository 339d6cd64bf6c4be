"""What APO plans in a room, and the space of its replies, against numbers worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.optimizers.apo.method import APO, Expansion
from promptopt.optimizers.apo.plan import BeamPlan
from promptopt.run import Run
from promptopt.testing import planted_task
from promptopt.types import Request, Room

ROOM = Room(273, None, 1, 120, 40)
"""Five children a generation: 0.7 times the cube root of 273 is 4.5, and 0.8 times its fourth root is 3.25."""


@pytest.mark.parametrize(
    ("beam", "children", "paraphrases", "groups"),
    [
        # A paraphrase of each of G edits and one of the parent: 2 G + 1 children at least.
        (2, 3, 1, 1), (2, 4, 1, 2), (5, 1, 1, 1),
        # Without paraphrases every child is an edit; with two of each, 3 G + 2.
        (2, 7, 0, 7), (2, 7, 2, 2), (2, 8, 2, 2), (2, 9, 2, 3),
        # Fewer children than paraphrases still have an edit.
        (2, 1, 2, 1),
    ],
)  # fmt: skip
def test_there_are_as_many_groups_as_give_the_children(beam: int, children: int, paraphrases: int, groups: int) -> None:
    own = Expansion(children=children, paraphrases=paraphrases)
    plan = APO(beam=beam, expand=own).plan(ROOM)
    assert (plan.beam, plan.children, plan.paraphrases, plan.groups) == (beam, children, paraphrases, groups)


@pytest.mark.parametrize(("beam", "children"), [(1, 5), (2, 3), (3, 2), (5, 1), (9, 1)])
def test_a_beam_shares_the_children_of_a_generation(beam: int, children: int) -> None:
    assert APO(beam=beam).plan(ROOM).children == children


def test_what_is_left_after_the_start_s_mistakes_pays_for_rounds_of_parents_and_children() -> None:
    plan = APO().plan(ROOM)
    assert plan.depth == pytest.approx(0.8 * 273**0.25)
    # log(4) / 1.2 rounds for every one at the mean depth, of 2 * (1 + 3) prompts.
    assert plan.rounds == round(1.1552 * (273 - 8) / (plan.depth * 8)) == 12
    assert APO(minibatch=100).plan(ROOM).rounds == round(1.1552 * (273 - 100) / (plan.depth * 8)) == 8
    assert APO(rounds=0).plan(ROOM).rounds == 0
    assert APO(rounds=3).plan(ROOM) == replace(plan, rounds=3)


def test_calls_of_the_proposer_come_out_of_the_same_purse() -> None:
    # 900 calls, two a cell: of the plan for 450 cells each parent has a critic, two editors, and three paraphrases.
    plan = APO().plan(Room(None, 900, 2, 60, 40))
    assert plan.calls(Expansion()) == 1 + 1 + 2
    first = 0.8 * 450**0.25 * 2 * (1 + 3)
    assert plan.cells == int(900 / (2 + 2 * 4 / first))


def test_looks_grow_from_two_fifths_to_eight_fifths_of_the_mean_and_stay_there() -> None:
    plan = BeamPlan(10, 2, 8, 1, 1, 3, depth=5.0)
    # 8 prompts; the share of the rounds that are over.
    assert [plan.selection(8, number) for number in (0, 5, 10, 30)] == [16, 40, 64, 64]
    assert plan.selection(1, 0) == 2
    assert replace(plan, depth=0.1).selection(2, 0) == 1
    assert replace(plan, rounds=0).selection(8, 0) == 16
    assert plan.describe() == ("10 rounds of up to 3 children for each of 2 prompts, first looks of 2 to 8 examples")
    assert (
        replace(plan, rounds=1, children=1, beam=1, depth=0.0).describe()
        == "1 round of up to 1 child for each of 1 prompt"
    )


def test_candidates_are_compared_with_their_relatives_below_a_thousand_evaluations() -> None:
    assert APO().plan(replace(ROOM, evaluations=999)).lineage
    assert not APO().plan(replace(ROOM, evaluations=1_000)).lineage


def test_the_least_is_the_start_s_mistakes_and_a_first_look_at_a_whole_generation() -> None:
    # All six children come of the start: two fifths of the mean depth for seven prompts.
    plan = APO().plan(ROOM)
    assert APO().least(ROOM) == 8 + round(7 * 0.4 * plan.depth) == 17
    # A number of children that is set is that of the start too.
    assert APO(expand=Expansion(children=3)).least(ROOM) == 8 + round(4 * 0.4 * plan.depth) == 13


def test_a_reply_has_room_for_as_many_sections_as_it_should_hold(tmp_path: Path) -> None:
    start = "Answer the question with care. " * 200
    runs: list[Run] = []
    asked: list[Request] = []

    def write(request: Request) -> str:
        asked.append(request)
        return "<reason>Too long.</reason><instruction>Answer.</instruction><instruction>Reply.</instruction>"

    task = planted_task()
    method = APO("paper", rounds=1, minibatch=4, expand=Expansion(groups=1, edits=2, paraphrases=1, longest=5_000))
    optimize(
        replace(task, initial=task.initial.replace("instruction", start)), method,
        model=Models(Scripted(lambda _: "no", name="wrong"), proposer=Scripted(write, name="proposer")),
        store=tmp_path / "store.db", session=Session(watch=runs.append),
    )  # fmt: skip
    whole = runs[0].count_tokens(start)
    by_kind = {
        mark: {each.sampling.max_tokens for each in asked if str(each.content).count(mark)}
        for mark in ("makes mistakes", "Improve an instruction", "in other words")
    }
    # One and a half times what both rewritten sections may take, and of one where it is put in other words.
    assert list(by_kind.values()) == [{1024}, {math.ceil(1.5 * 2 * whole) + 256}, {math.ceil(1.5 * whole) + 256}]
