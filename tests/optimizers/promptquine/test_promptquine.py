"""PromptQuine's cohorts: who is born, who lives on, when it ends, and what the strings are.

TAPruning's tests are in test_tapruning.py, the recast task's in tests/tasks/test_inline.py, mutation's in
test_genes.py beside it, and those of answers out of replies in tests/evaluators.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.promptquine import reproduction
from promptopt.optimizers.promptquine.genes import LIGHT, elements_of, prune_lightly
from promptopt.optimizers.promptquine.history import PrunedPrompt
from promptopt.optimizers.promptquine.method import PromptQuine
from promptopt.optimizers.promptquine.selection import tournament
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import uniform
from promptopt.text import words
from promptopt.types import Cell, Example, Prompt
from tests.optimizers.promptquine.pruning_search import (
    GENERATIONAL,
    LENGTH,
    SMALL,
    STEADY,
    Pruned,
    Scored,
    agreeing,
    by_text,
    generations,
    search,
    texts,
    word_task,
    zero_shot,
)


class TestContract(Pruned):
    optimizer = SMALL


def test_a_generation_is_one_batch_of_children_and_its_fittest_are_the_next_parents(tmp_path: Path) -> None:
    batches: list[list[Cell]] = []
    result = search(tmp_path, GENERATIONAL, by_text, batches=batches)
    first, second, third, *_ = generations(result)
    assert [len(batch) for batch in batches[1:3]] == [len(first.pool), len(second.pool)]
    # Of fifty, a few are alike.
    assert 45 <= len(first.pool) <= 50
    for step in (first, second, third):
        ranked = sorted(step.pool, key=lambda each: -each.mean)
        assert [each.prompt for each in ranked[:30]] == list(step.kept)
    parents = {c.prompt: c.proposal.parents for c in result.candidates()}
    assert {parents[each.prompt] for each in first.pool} == {(result.start.prompt,)}
    assert {parent for each in second.pool for parent in parents[each.prompt]} <= set(first.kept)
    assert not set(second.kept) & set(first.kept)


@pytest.mark.slow
def test_no_parent_survives_and_the_best_of_all_is_still_found(tmp_path: Path) -> None:
    chosen = texts(generations(search(tmp_path / "once", GENERATIONAL, by_text))[0].pool)[7]

    def worth(text: str, _: Example) -> float:
        return 10.0 if text == chosen else uniform(text)

    result = search(tmp_path / "twice", GENERATIONAL, worth)
    first, second, *_ = generations(result)
    assert first.kept[0]["instruction"] == chosen
    assert chosen not in texts(second.pool)
    assert chosen not in [prompt["instruction"] for prompt in second.kept]
    assert result.best.text == chosen


def test_a_child_can_be_a_parent_at_once(tmp_path: Path) -> None:
    def worth(text: str, _: Example) -> float:
        return -float(len(text))

    batches: list[list[Cell]] = []
    result = search(tmp_path, STEADY, worth, batches=batches)
    parents = {c.prompt: c.proposal.parents for c in result.candidates()}
    first = generations(result)[0]
    children = {each.prompt for each in first.pool}
    assert any(parent in children for child in children for parent in parents[child])
    assert {len(batch) for batch in batches[1:41]} == {1}


def test_tournaments_grow_with_the_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pools: list[int] = []

    def recorded(rng: random.Random, pool: Sequence[PrunedPrompt], share: float) -> PrunedPrompt:
        pools.append(len(pool))
        return tournament(rng, pool, share)

    monkeypatch.setattr(reproduction, "tournament", recorded)
    search(tmp_path, STEADY, by_text)
    assert pools[0] == 30
    assert pools[:50] == sorted(pools[:50])
    assert pools[49] >= 75
    assert pools[50] == 30


@pytest.mark.parametrize(("pool", "entrants"), [(30, 6), (80, 16), (35, 7), (4, 1), (1, 1)])
def test_a_fifth_of_the_pool_enters_and_the_first_of_the_fittest_wins(pool: int, entrants: int) -> None:
    class Recorded(random.Random):
        drawn: list[PrunedPrompt]

        def choices(self, population: Any, *_: Any, k: int = 1, **__: Any) -> Any:
            self.drawn = super().choices(population, k=k)
            return self.drawn

    rng = Recorded(1)
    entries = [PrunedPrompt((), Prompt.of(str(number)), float(number % 3), 1, 1) for number in range(pool)]
    winner = tournament(rng, entries, 0.2)
    assert len(rng.drawn) == entrants
    assert winner is next(each for each in rng.drawn if each.fitness == max(other.fitness for other in rng.drawn))


def test_copies_cost_one_evaluation_and_pruned_ones_one_each(tmp_path: Path) -> None:
    batches: list[list[Cell]] = []
    copies = replace(GENERATIONAL, evolve=replace(GENERATIONAL.evolve, most=1))
    search(tmp_path / "copies", copies, by_text, batches=batches)
    scored = [cell.prompt for cell in batches[0]]
    assert len(scored) == 1
    pruned = replace(GENERATIONAL, begin="pruned", evolve=replace(GENERATIONAL.evolve, shortest=90))
    result = search(tmp_path / "pruned", pruned, by_text, task=word_task(90))
    population = result.steps[1].pool
    assert len(population) == 30
    lengths = [len(text.split()) for text in texts(population)]
    assert 90 * 0.65 <= min(lengths) < 90 * 0.9 < max(lengths) <= 90


def test_a_light_pruning_has_one_of_ten_rates() -> None:
    drawn: list[float] = []

    class Recorded(random.Random):
        def choice(self, seq: Any) -> Any:
            drawn.append(super().choice(seq))
            return drawn[-1]

    genes = elements_of("a b c d", (), words)
    for _ in range(200):
        prune_lightly(Recorded(len(drawn)), genes)
    assert sorted(set(drawn)) == sorted(LIGHT)
    assert (LIGHT[0], LIGHT[9]) == (0.05, pytest.approx(0.2))
    steps = [after - before for before, after in pairwise(LIGHT)]
    assert steps == pytest.approx([0.15 / 9] * 9)


@pytest.mark.parametrize("optimizer", [GENERATIONAL, STEADY])
def test_it_ends_where_prompts_are_short_on_average(tmp_path: Path, optimizer: PromptQuine) -> None:
    result = search(tmp_path, optimizer, by_text)
    means = [
        sum(len(prompt["instruction"].split()) for prompt in step.kept) / len(step.kept) for step in generations(result)
    ]
    assert means[-1] <= 10 < min(means[:-1])
    assert result.status == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [GENERATIONAL, STEADY, replace(GENERATIONAL, variant="random")])
@pytest.mark.parametrize("most", [1, 2, 73, 100])
def test_the_cap_is_never_passed(tmp_path: Path, optimizer: PromptQuine, most: int) -> None:
    optimizer = replace(optimizer, evolve=replace(optimizer.evolve, most=most))
    batches: list[list[Cell]] = []
    search(tmp_path, optimizer, by_text, batches=batches, task=word_task(examples=2))
    assert len({cell.prompt for batch in batches for cell in batch}) == most


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["generational", "steady-state", "random"])
@pytest.mark.parametrize("text", ["a {question}", "a b c {question}", "{question} a b"])
def test_it_ends_where_nothing_can_be_dropped(tmp_path: Path, variant, text: str) -> None:
    layout = Layout("text", text=f"{{instruction}}{'x' * 3}", demo="{question} {target}")
    optimizer = zero_shot(variant=variant, gene="word", evolve={"shortest": 0.0})
    rows = [Example.of("yes", question=f"question {number}") for number in range(24)]
    task = Task.from_examples(rows, prompt=Prompt.of(text), metric="exact", splits=Splits(4, 10, 10), layout=layout)
    result = search(tmp_path, optimizer, by_text, task=task)
    assert result.status == "finished"
    if variant != "random":
        assert any("nothing more could be dropped" in warning for warning in result.warnings)
        assert len(generations(result)) <= 5


def test_a_prompt_of_an_input_alone_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    rows = [Example.of("yes", question=f"question {number}") for number in range(24)]
    layout = Layout("text", text="{instruction}")
    task = Task.from_examples(rows, prompt="{question}", metric="exact", splits=Splits(4, 10, 10), layout=layout)
    batches: list[list[Cell]] = []
    with pytest.raises(ConfigError, match="the prompt is empty, and this method drops words"):
        search(tmp_path, zero_shot(gene="word"), by_text, batches=batches, task=task)
    assert not batches


@pytest.mark.parametrize("population", [1, 2, 3])
@pytest.mark.parametrize("variant", ["generational", "steady-state"])
def test_tiny_populations_end_too(tmp_path: Path, variant, population: int) -> None:
    optimizer = zero_shot(variant=variant, evolve={"population": population, "offspring": 1, "shortest": 0.0})
    result = search(tmp_path, optimizer, lambda text, _: float(len(text)), task=word_task(6))
    assert result.status == "finished"


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "low", "high"), [(GENERATIONAL, 1_100, 1_500), (STEADY, 600, 1_250)])
def test_how_many_prompts_a_search_scores(tmp_path: Path, optimizer: PromptQuine, low: int, high: int) -> None:
    counts = [
        # The five slots of the check are one here, so the mean at which it ends is five less.
        len(search(tmp_path / str(seed), optimizer, by_text, task=word_task(70), seed=seed).candidates())
        for seed in range(1)
    ]
    assert all(low <= count <= high for count in counts), counts


@pytest.mark.slow
def test_it_beats_random_pruning(tmp_path: Path) -> None:
    found: dict[str, list[float]] = {}
    for seed in range(3):
        keep = frozenset(random.Random(f"hidden {seed}").sample(range(LENGTH), 20))
        worth = agreeing(keep)
        for variant in ("generational", "steady-state", "random"):
            optimizer = zero_shot(variant=variant, evolve={"most": 2_000})
            result = search(tmp_path / f"{variant}{seed}", optimizer, worth, seed=seed)
            best = max(each.mean for step in result.steps for each in step.pool)
            found.setdefault(variant, []).append(best)
    means = {variant: sum(values) / len(values) for variant, values in found.items()}
    assert min(found["generational"]) >= 0.80
    assert means["generational"] >= 0.84
    assert means["generational"] >= means["random"] + 0.08
    assert means["steady-state"] >= 0.78


def test_masks_with_one_string_are_one_prompt_and_lengths_are_the_strings(tmp_path: Path) -> None:
    class Spelling(Scripted):
        """Tokens are letters; a text counts one token more than it has letters."""

        def pieces(self, text: str) -> list[str]:
            return list(text)

        def count_tokens(self, text: str) -> int:
            return len(text) + 1

    layout = Layout("text", text="{instruction}{question}")
    task = word_task(text="aaaaaaaa", layout=layout)
    batches: list[list[Cell]] = []
    optimizer = zero_shot(variant="generational", evolve={"shortest": 0.0, "halving": False})
    result = optimize(
        task, optimizer, model=Spelling([]), evaluator=Scored(by_text, batches), store=tmp_path / "store.db"
    )
    assert set(texts([each for step in result.steps for each in step.pool])) <= {
        "a" * count + "{question}" for count in range(9)
    }
    asked = [(cell.prompt, cell.example, cell.repetition) for batch in batches for cell in batch]
    assert len(asked) == len(set(asked))


def test_tokens_that_do_not_give_the_text_back_are_replaced_by_words(tmp_path: Path) -> None:
    class Lossy(Scripted):
        def pieces(self, text: str) -> list[str]:
            return text.split()

    result = optimize(word_task(), STEADY, model=Lossy([]), evaluator=Scored(by_text, []), store=tmp_path / "store.db")
    assert any("do not give the text back" in warning for warning in result.warnings)
    assert len(generations(result)) > 3
