"""EvoPrompt at its limits: budgets, seeds, ties, scores of any sign, and settings out of range."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.binding.settings import build_optimizer
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.evoprompt.evolution import Rewriting
from promptopt.optimizers.evoprompt.method import EvoPromptDE, EvoPromptGA
from promptopt.outcome.result import Result
from promptopt.registry import names
from promptopt.run.budget import Budget
from promptopt.testing import outcome
from promptopt.types import Request, Sampling, digest
from tests.optimizers.evoprompt.evolution_search import (
    START,
    EvoPrompt,
    asked,
    author,
    by_digest,
    inventive,
    kept,
    paraphrasing,
    search,
    search_by_loss,
    text_of,
    valued,
    valued_task,
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [EvoPromptGA, EvoPromptDE])
def test_a_budget_that_ends_after_four_children(tmp_path: Path, kind: type[EvoPrompt]) -> None:
    optimizer = kind(population=10, generations=1, preset="paper")
    task, limit = valued_task(50), 10 * 50 + 4 * 50 + 25 + 60
    partial = ""

    def conduct(home: Path) -> tuple[Result, list[str], list[str]]:
        value = lambda text: 0.99 if text == partial else 0.9 if "child" in text else 0.5 * by_digest(text)  # noqa: E731
        model = valued(value)
        count = iter(range(100))

        def propose(request: Request) -> str:
            return inventive(request) if paraphrasing(text_of(request)) else f"<prompt>child {next(count)}.</prompt>"

        result = search(home, optimizer, proposer=propose, model=model, task=task, budget=Budget(evaluations=limit))
        assert result.status == "budget"
        assert model.calls == result.spent.evaluations <= limit
        found = [c for c in result.candidates() if c.prompt["instruction"].startswith("child")]
        whole = [c.prompt["instruction"] for c in found if c.search.count == 50]
        return result, whole, [c.prompt["instruction"] for c in found if 0 < c.search.count < 50]

    result, whole, begun = conduct(tmp_path / "first")
    assert len(whole) == 4
    assert result.best.text in whole
    # The fifth was scored on a part of the examples, and takes part in the final choice all the same.
    (partial,) = begun
    result, *again = conduct(tmp_path / "second")
    assert again == [whole, begun]
    assert result.best.text == partial


@pytest.mark.parametrize("evaluations", [45, 60, 75])
def test_a_budget_smaller_than_the_first_population_leaves_the_start_scored(tmp_path: Path, evaluations: int) -> None:
    for kind in (EvoPromptGA, EvoPromptDE):
        budget = Budget(evaluations=evaluations)
        result = search(tmp_path / kind.__name__, kind(preset="paper"), task=valued_task(40), budget=budget)
        assert result.status == "budget"
        assert result.spent.evaluations <= evaluations
        assert result.start.test is not None
        assert result.steps == ()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [EvoPromptGA, EvoPromptDE])
def test_one_seed_one_course(tmp_path: Path, kind: type[EvoPrompt]) -> None:
    optimizer = kind(population=4, generations=3)
    logs, results = [], []
    for number, seed in enumerate((0, 0, 1)):
        proposer = Scripted(author, name="author")
        results.append(search(tmp_path / str(number), optimizer, proposer=proposer, seed=seed))
        logs.append(asked(proposer))
    assert logs[0] == logs[1]
    assert outcome(results[0]) == outcome(results[1])
    assert logs[0] != logs[2]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [EvoPromptGA, EvoPromptDE])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, -3.0, -math.inf])
def test_of_equals_the_older_stays(tmp_path: Path, kind: type[EvoPrompt], value: float) -> None:
    optimizer = kind(population=4, generations=2)
    if value < 0:
        result = search_by_loss(tmp_path, optimizer, lambda _: value)
    else:
        result = search(tmp_path, optimizer, model=valued(lambda _: value, f"says {value}"))
    assert len(result.steps) == 3
    assert len(result.steps[-1].pool) == 8
    assert [set(step.kept) for step in result.steps] == [set(result.steps[0].kept)] * 3
    assert kept(result)[0] == START
    assert result.prompt["instruction"] == START


def test_of_equal_children_the_shorter_stays(tmp_path: Path) -> None:
    drawn = iter(["Much longer child.", "A child."])
    proposer = lambda r: inventive(r) if paraphrasing(text_of(r)) else f"<prompt>{next(drawn)}</prompt>"  # noqa: E731
    model = valued(lambda text: {"Much longer child.": 0.9, "A child.": 0.9, START: 0.5}.get(text, 0.1))
    result = search(tmp_path, EvoPromptGA(population=2, generations=1), proposer=proposer, model=model)
    assert kept(result) == ["A child.", "Much longer child."]


def test_scores_of_any_sign_and_invalid_candidates(tmp_path: Path) -> None:
    def value(text: str) -> float:
        return -math.inf if int(digest(text)[:2], 16) % 3 == 0 else by_digest(text) - 1.0

    for kind in (EvoPromptGA, EvoPromptDE):
        result = search_by_loss(tmp_path / kind.__name__, kind(population=5, generations=3), value)
        means = {estimate.prompt: estimate.mean for estimate in result.steps[-1].pool}
        assert value(kept(result)[0]) == pytest.approx(max(means.values()))
        assert result.status == "finished"


def test_prompts_of_one_word(tmp_path: Path) -> None:
    word = lambda request: f"<prompt>{digest([text_of(request), request.seed])}</prompt>"  # noqa: E731
    for kind in (EvoPromptGA, EvoPromptDE):
        result = search(tmp_path / kind.__name__, kind(population=3, generations=1), task=valued_task(prompt="e"),
                        proposer=word)  # fmt: skip
        assert len(result.steps[-1].pool) == 6


def test_expected_is_the_cost_model_of_the_paper() -> None:
    pool = tuple(f"seed {number}" for number in range(34))
    for kind in (EvoPromptGA, EvoPromptDE):
        assert kind(seeds=pool).upper_bounds(10_000).evaluations == 28_000
        assert kind(seeds=pool[:18], examples=50).upper_bounds(10_000).evaluations == 6_200
        assert kind().upper_bounds(10_000).evaluations == 200 * (10 + 100)
        assert kind().upper_bounds(30).evaluations == 30 * 110
        assert kind().upper_bounds(200).proposer_calls == 2 * (100 + 27)


def test_bounds_follow_the_sizes_that_are_set() -> None:
    for kind in (EvoPromptGA, EvoPromptDE):
        small = kind(population=4, generations=3, examples=20, seeds=("One.", "Two."))
        # The start and two seeds, paraphrases for the half of four that they do not fill, and 12 children.
        found = small.upper_bounds(50)
        assert found.evaluations == 20 * (3 + 2 + 12)
        # Three rounds of up to three paraphrases, and the children; each asked for twice.
        assert found.proposer_calls == 2 * (3 * 3 + 12)
        assert found.completion_tokens == found.proposer_calls * 1000
        # Of an odd population the larger half comes from the pool.
        odd = kind(population=5, generations=0, examples=20, seeds=("One.", "Two."))
        assert odd.upper_bounds(50).evaluations == 20 * (3 + 2)


@pytest.mark.slow
@settings(max_examples=10)
@given(
    st.sampled_from([EvoPromptGA, EvoPromptDE]), st.integers(3, 5), st.integers(0, 2), st.integers(0, 5), st.booleans()
)
def test_expected_bounds_what_is_spent(
    tmp_path_factory: pytest.TempPathFactory, kind: type[EvoPrompt], size: int, rounds: int, seeds: int, good: bool
) -> None:
    texts = tuple(f"Seed {number}." for number in range(seeds))
    optimizer = kind(population=size, generations=rounds, examples=3, seeds=texts)
    result = search(tmp_path_factory.mktemp("bound"), optimizer, proposer=inventive if good else lambda _: "{}")
    bound, spent = optimizer.upper_bounds(10), result.steps[-1].spent
    assert spent.evaluations <= bound.evaluations
    assert result.spent.proposer_calls <= bound.proposer_calls
    if good:
        assert spent.evaluations == bound.evaluations


@pytest.mark.skipif("evoprompt-de" not in names("optimizers"), reason="the package is not installed")
def test_settings_from_the_command_line() -> None:
    shared = {"population": "6", "rewrite.sampling.temperature": "0.9", "seeds": "Answer.,Reply."}
    rewrite = Rewriting(sampling=Sampling(0.9, 0.95, 1000))
    assert build_optimizer("evoprompt-ga", {**shared, "parents": "random", "update": "std"}) == EvoPromptGA(
        population=6, parents="random", update="std", seeds=("Answer.", "Reply."), rewrite=rewrite
    )
    assert build_optimizer("evoprompt-de", {**shared, "variant": "v3", "donor": "random"}) == EvoPromptDE(
        population=6, variant="v3", donor="random", seeds=("Answer.", "Reply."), rewrite=rewrite
    )
    with pytest.raises(ConfigError, match=r"evoprompt-de\.variant"):
        build_optimizer("evoprompt-de", {"variant": "v4"})


@pytest.mark.parametrize("kind", [EvoPromptGA, EvoPromptDE])
@pytest.mark.parametrize(("name", "value"), [("generations", -1), ("examples", 0), ("seeds", ("Answer.", " "))])
def test_unusable_settings_are_refused(kind: type[EvoPrompt], name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=repr(name)):
        kind(**{name: value})  # pyright: ignore
