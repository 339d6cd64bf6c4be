"""Planned rounds take less than was thought where cells are known or children missing; the rest is searched with."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.search_landscape import Landscape, plant
from benchmarks.search_proposer import Proposer
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.optimizers.sprig.method import Sprig
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.run.events import Event, PhaseBegun, Planned
from promptopt.testing import feature_accuracy, planted_model, planted_task


def left(home: Path, landscape: Landscape, method: str, cap: int) -> float:
    """The share of what the search was granted that it left to the final choice."""
    granted, spent, runs = list[int](), list[int](), list[Run]()

    def hear(event: Event) -> None:
        if isinstance(event, Planned):
            granted.append(event.allocation.granted or 0)
        if isinstance(event, PhaseBegun) and event.name == "dev":
            spent.append(runs[0].spent.evaluations)

    proposer = Scripted(Proposer(landscape.good, 0.4, None), name="proposer")
    optimize(
        landscape.task(test=200),
        method,
        model=Models(landscape.model(), proposer=proposer),
        budget=Budget(evaluations=cap),
        store=home / "store.db",
        session=Session([hear], watch=runs.append),
    )
    return 1.0 - spent[0] / granted[0]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "cap"), [("mipro", 333), ("mipro", 777), ("metaspo", 777), ("sprig", 777)])
def test_next_to_nothing_of_a_grant_is_left_and_a_larger_cap_goes_on(tmp_path: Path, method: str, cap: int) -> None:
    landscape = plant("additive", 0)
    # They left 24, 34, 25 and 14 %.
    assert left(tmp_path, landscape, method, cap) < 0.08
    # A plan that is the same is the same run: what the smaller cap ended by must not stand in the larger one's way.
    for more in (3, 11, 29):
        left(tmp_path, landscape, method, cap + more)


@pytest.mark.slow
def test_of_few_components_sprig_makes_further_steps(tmp_path: Path) -> None:
    words = ("carefully", "exactly", "soon")
    method = Sprig(components=tuple(f"Answer it {word}." for word in words))
    runs = list[Run]()
    optimize(
        planted_task(),
        method,
        model=Models(
            planted_model(feature_accuracy(words, base=0.3, each=0.2)), proposer=Scripted(lambda _: "[]", name="none")
        ),
        budget=Budget(evaluations=900),
        store=tmp_path / "store.db",
        session=Session(watch=runs.append),
    )
    # Three components have fewer edits than the 42 prompts that each of its steps is for.
    assert method.plan(runs[0].room).rounds < len(runs[0].steps) <= 3 * method.plan(runs[0].room).rounds
