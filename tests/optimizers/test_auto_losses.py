"""`auto` where the model gives log-probabilities: by a loss, and by labels."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.optimizers.auto.search import Auto
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.tasks.layout import Layout
from promptopt.testing import planted_task, uniform
from promptopt.types import Content
from tests.optimizers.test_auto import WORDS, author, labelled_task, said, search


def lower_with_words(content: Content, continuation: str) -> list[float]:
    text = said(content)
    return [sum(word in text for word in WORDS[:3]) - 3.0 - uniform(text, continuation), -0.1]


def by_words() -> Models:
    """A model whose losses are lower with each of the words, and an author of prompts."""
    losses = Scripted(lambda _: "yes", name="losses", scores=lower_with_words)
    return Models(losses, proposer=Scripted(author, name="proposer"))


@pytest.mark.slow
def test_by_losses_the_best_of_a_generation_go_on_and_the_best_words_are_found(tmp_path: Path) -> None:
    runs: list[Run] = []
    result = optimize(
        planted_task(),
        Auto(demos=0),
        model=by_words(),
        evaluator="loss",
        budget=Budget(evaluations=500),
        store=tmp_path / "store.db",
        session=Session(watch=runs.append),
    )
    assert len(runs[0].steps) > 5
    for step in runs[0].steps:
        assert list(step.kept) == [estimate.prompt for estimate in step.pool[:2]]
    best = runs[0].ranked()[0].prompt["instruction"]
    assert sum(word in best for word in WORDS[:3]) == 3
    assert result.spent.evaluations <= 500


@pytest.mark.slow
def test_where_labels_have_probabilities_less_is_needed_to_tell_prompts_apart(tmp_path: Path) -> None:
    """Every prompt answers all wrong, and the word that is missing only moves the odds: no metric can see it."""

    def odds(content: Content, continuation: str) -> list[float]:
        text = said(content)
        right = ("no", "yes")[int(re.findall(r"question (\d+)", text)[-1]) % 2]
        better = sum(word in text for word in WORDS[:3])
        return [-1.0 + 0.05 * better if continuation.strip() == right else -0.5]

    bare = Layout("text", text="{instruction}\n\nQ: {question}\nA:")
    runs: list[Run] = []
    model = Scripted("", name="odds", scores=odds)
    search(tmp_path, task=labelled_task(bare), model=model, evaluator="labels", runs=runs)
    last = runs[0].steps[-1].kept[0]["instruction"]
    assert sum(word in last for word in WORDS[:3]) == 3


@pytest.mark.slow
@pytest.mark.parametrize(("evaluator", "twice"), [("generation", True), ("loss", False)])
def test_a_tiny_search_writes_each_child_twice_but_not_by_losses(tmp_path: Path, evaluator: str, twice: bool) -> None:
    result = optimize(
        planted_task(),
        Auto(demos=0),
        model=by_words(),
        evaluator=evaluator,
        budget=Budget(calls=150),
        store=tmp_path / "store.db",
    )
    # The proposer adds a word each time.
    grown = [
        len(each.prompt["instruction"].split()) - len(each.proposal.parents[0]["instruction"].split())
        for each in result.candidates()
        if each.proposal.operator == "rewrite"
    ]
    assert grown
    assert dict.fromkeys(grown) == {2 if twice else 1: None}
