"""Tiny searches under a cap on calls: what was written is written once more before it is scored."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.search_landscape import STEM, plant
from benchmarks.search_proposer import Proposer
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.settings import build_optimizer
from promptopt.models.scripted import Scripted
from promptopt.run.budget import Budget
from promptopt.types import Request

pytestmark = pytest.mark.slow

METHODS = ("evoprompt-ga", "evoprompt-de", "ape", "tpe")
_QUOTED = re.compile(r'"""\s*(.*?)\s*"""', re.DOTALL)


def drafts_of(method: str, home: Path, budget: Budget) -> tuple[int, int, bool]:
    """Texts that a later request quotes though nothing scored them, calls of the proposer, and whether the cap held."""
    landscape = plant("additive", 3)
    proposer = Scripted(Proposer(landscape.good), name="proposer")
    models = Models(landscape.model(), proposer=proposer)
    found = optimize(landscape.task(), build_optimizer(method, {}), model=models, budget=budget, store=home / "s.db")
    quoted = {text for each in proposer.log for text in _QUOTED.findall(_content(each))}
    scored = {each.prompt["instruction"] for each in found.candidates()}
    calls = budget.calls is None or found.spent.calls <= budget.calls
    # A worked example that stands in a request is no draft.
    drafts = [text for text in quoted - scored if text.startswith(STEM)]
    return len(drafts), found.spent.proposer_calls, calls


def _content(request: object) -> str:
    assert isinstance(request, Request)
    return request.content if isinstance(request.content, str) else str(request.content[-1].content)


@pytest.mark.parametrize("method", METHODS)
def test_a_draft_is_written_once_more_and_only_that_is_scored(method: str, tmp_path: Path) -> None:
    twice, calls, held = drafts_of(method, tmp_path / "calls", Budget(calls=250))
    assert held
    # Of paraphrases and children each second call is for a draft; what APE guesses is written once.
    assert twice >= calls // 4
    once, _, _ = drafts_of(method, tmp_path / "evaluations", Budget(evaluations=250))
    assert once <= 2
