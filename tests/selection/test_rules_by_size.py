"""Which rule ranks the candidates of a search: by all their relatives where it is small, else by fresh examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.search_landscape import plant
from benchmarks.search_proposer import Proposer
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.settings import build_optimizer
from promptopt.models.scripted import Scripted
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.selection.fresh import FreshRejects
from promptopt.selection.generations import SMALL, fresh
from promptopt.selection.lineage import LineageBounds
from promptopt.types import Estimate, Example, Prompt, Room


def rules(monkeypatch: pytest.MonkeyPatch, home: Path, method: str, evaluations: int, evaluator: str) -> set[str]:
    """The rules that rank anything in a search of that method."""
    found: set[str] = set()

    def watched(name: str) -> object:
        def select(_: object, run: Run, prompts: Sequence[Prompt], examples: Sequence[Example], keep: int) -> object:
            found.add(name)
            means = run.evaluate(list(dict.fromkeys(prompts)), examples[:20]).means()
            return [Estimate(prompt, mean, 20) for prompt, mean in means.items()]

        return select

    for rule in (FreshRejects, LineageBounds):
        monkeypatch.setattr(rule, "select", watched(rule.__name__))
    landscape = plant("additive", 0)
    proposer = Scripted(Proposer(landscape.good, 0.4), name="proposer")
    optimize(
        landscape.task(),
        build_optimizer(method, {}),
        model=Models(landscape.model(), proposer=proposer),
        evaluator=evaluator,
        budget=Budget(evaluations=evaluations),
        store=home / "store.db",
    )
    return found


@pytest.mark.slow
@pytest.mark.parametrize("method", ["apo", "ape", "pmpo", "capo", "evoprompt-ga", "evoprompt-de", "plum-hs"])
def test_a_small_search_compares_candidates_by_their_lineage(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rules(monkeypatch, tmp_path, method, 400, "generation") == {"LineageBounds"}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["apo", "ape", "pmpo", "capo", "evoprompt-ga", "plum-hs"])
def test_a_large_search_compares_candidates_on_fresh_examples(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rules(monkeypatch, tmp_path, method, 2_000, "generation") == {"FreshRejects"}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["apo", "pmpo", "auto"])
def test_losses_are_compared_on_fresh_examples(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules(monkeypatch, tmp_path, method, 400, "loss") == {"FreshRejects"}


def test_only_a_search_that_wants_it_and_is_small_goes_by_the_lineage() -> None:
    small, large = (fresh(Room(cells, None, 1, 120, 40), small=SMALL) for cells in (SMALL - 1, SMALL))
    assert small is not None
    assert small.lineage
    assert large is not None
    assert not large.lineage
    assert not getattr(fresh(Room(SMALL - 1, None, 1, 120, 40)), "lineage", True)
