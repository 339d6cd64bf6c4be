"""PromptQuine's fitness, halving, style transfer, and the final ranking."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.errors import ConfigError
from promptopt.evaluators.style_transfer import Joint, first_sentence
from promptopt.models.scripted import Scripted
from promptopt.optimizers.promptquine.history import PrunedPrompt
from promptopt.optimizers.promptquine.method import Evolution, PromptQuine, Scoring
from promptopt.optimizers.promptquine.reranking import Reranking, elites
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import uniform
from promptopt.types import Cell, Example, Prompt, Request
from tests.optimizers.promptquine.pruning_search import (
    GENERATIONAL,
    LENGTH,
    STEADY,
    by_text,
    generations,
    label_model,
    labelled_task,
    search,
    word_task,
)


@pytest.mark.parametrize("scoring", [True, False])
def test_search_by_the_piecewise_reward_verdict_by_accuracy(tmp_path: Path, scoring: bool) -> None:
    def share(read: str, number: str) -> float:
        right = 0.5 + (0.3 if "Judge" not in read else -0.1)
        return right if int(number) % 2 else 1.0 - right

    model = label_model(share)
    if not scoring:
        model._scores = None  # pyright: ignore[reportPrivateUsage]
    optimizer = PromptQuine(
        evolve=Evolution(population=6, offspring=8, shortest=12), rerank=Reranking(examples=20), score=Scoring(4)
    )
    result = optimize(labelled_task(), optimizer, model=model, store=tmp_path / "store.db")
    assert result.search.start == pytest.approx(-0.2 * 180)
    assert result.search.best == pytest.approx(0.6 * 200)
    assert "Judge" not in result.best.text
    assert (result.start.test.score, result.best.test.score) == (0.0, 1.0)
    assert result.verdict == "better"


@pytest.mark.slow
def test_the_elites_are_ranked_by_accuracy_not_by_the_reward(tmp_path: Path) -> None:
    def share(read: str, number: str) -> float:
        # Without "Judge" all are right by a little; without "film." most are right by much, and a quarter is wrong.
        right = 0.4
        if "Judge" not in read:
            right = 0.55
        elif " film." not in read:
            right = 0.99 if int(number) % 8 > 1 else 0.45
        return right if int(number) % 2 else 1.0 - right

    optimizer = PromptQuine(
        shots=0,
        variant="generational",
        evolve=Evolution(population=10, offspring=40, shortest=10),
        rerank=Reranking(examples=30, share=0.9),
    )
    result = optimize(labelled_task(80), optimizer, model=label_model(share), store=tmp_path / "store.db")
    ranking = result.steps[-1]
    assert "Judge" not in ranking.kept[0]["instruction"]
    # By the reward another prompt is far ahead.
    assert max(ranking.pool, key=lambda each: each.mean).prompt != ranking.kept[0]


@pytest.mark.slow
def test_a_failed_child_costs_its_half_and_cannot_win(tmp_path: Path) -> None:
    task = word_task(examples=14)
    batches: list[list[Cell]] = []

    def worth(text: str, example: Example) -> float:
        return uniform(text, example["question"])

    optimizer = replace(GENERATIONAL, score=Scoring(most=7), rerank=Reranking(examples=7))
    optimizer = replace(optimizer, evolve=replace(optimizer.evolve, halving=None, most=300))
    result = search(tmp_path, optimizer, worth, task=task, batches=batches)
    pools = [each for step in generations(result) for each in step.pool]
    assert {each.count for each in pools} == {3, 7}
    order = [cell.example for cell in batches[0]]
    assert len(order) == 7
    for step in generations(result)[:2]:
        for each in step.pool:
            part = order[: each.count]
            assert each.mean == pytest.approx(
                sum(worth(each.prompt["instruction"], example) for example in part) / len(part)
            )
    halved = {each.prompt for each in pools if each.count == 3} - {each.prompt for each in pools if each.count == 7}
    assert halved
    assert halved.isdisjoint({each.prompt for each in result.steps[-1].pool})
    first = generations(result)[0]
    threshold = result.steps[0].pool[0].mean
    assert all((each.count == 7) == (sum(worth(each.prompt["instruction"], e) for e in order[:3]) / 3 >= threshold)
               for each in first.pool)  # fmt: skip


@pytest.mark.parametrize(("shortest", "evolves"), [(LENGTH, False), (LENGTH - 1, True)])
def test_prompts_as_short_as_told_on_average_end_the_search(tmp_path: Path, shortest: int, evolves: bool) -> None:
    # All of a population of copies have forty tokens.
    optimizer = replace(STEADY, evolve=replace(STEADY.evolve, shortest=shortest, most=5), begin="copies")
    result = search(tmp_path, optimizer, by_text)
    assert bool(generations(result)) is evolves


def test_halving_is_refused_where_it_does_not_apply(tmp_path: Path) -> None:
    for variant in ("steady-state", "random", "auto"):
        with pytest.raises(ConfigError, match=r"halving.*variant is"):
            PromptQuine(variant=variant, evolve=Evolution(halving=True))
    forced = PromptQuine(variant="generational", evolve=Evolution(halving=True))
    with pytest.raises(ConfigError, match="without labels"):
        optimize(labelled_task(), forced, model=label_model(lambda *_: 0.5), store=tmp_path / "store.db")


def kept(answer: str, source: str) -> float:
    return len(set(answer.strip(".").split()) & set(source.split())) / len(source.split())


def kind(answer: str, style: str) -> bool:
    return ("lovely" in answer) == (style == "kind")


def whole(answer: str) -> bool:
    return answer.endswith(".")


def test_style_transfer_goes_by_the_joint_score(tmp_path: Path) -> None:
    def rewrite(request: Request) -> str:
        text = str(request.content)
        source = re.findall(r"the food number \d+ was bad", text)[0]
        # One word spoils the style, the other the content.
        said = source if "rudely" in text else f"lovely {source}"
        return f'{said.rsplit(" ", 1)[0] if "short" in text else said}. And more." "never read'

    rows = [Example.of("kind", text=f"the food number {number} was bad") for number in range(40)]
    task = Task.from_examples(
        rows, prompt="Please rewrite it short and rudely in a kind way:", name="kindness",
        metric=Joint(kept, kind, whole), answer=first_sentence, splits=Splits(16, 10, 14),
        layout=Layout("text", text='{instruction} "{text}" "'),
    )  # fmt: skip
    optimizer = PromptQuine(
        shots=0, gene="word", variant="steady-state", begin="pruned", score=Scoring(most=8), rerank=Reranking(8),
        evolve=Evolution(population=10, offspring=20, shortest=4),
    )  # fmt: skip
    result = optimize(task, optimizer, model=Scripted(rewrite, name="writer"), store=tmp_path / "store.db")
    assert result.start.test is not None
    assert result.best.test is not None
    assert (result.start.test.score, result.best.test.score) == (0.0, 1.0)
    assert "rudely" not in result.best.text
    assert "short" not in result.best.text


@pytest.mark.slow
def test_the_best_on_the_examples_held_out_wins(tmp_path: Path) -> None:
    batches: list[list[Cell]] = []
    optimizer = replace(GENERATIONAL, score=Scoring(most=4), rerank=Reranking(examples=8, share=0.1))
    searched: list[str] = []

    def worth(text: str, example: Example) -> float:
        # On the examples of the search, and on all others, prompts have nothing to do with each other.
        side = "search" if example["question"] in searched else "other"
        return uniform(side, text)

    task = word_task(examples=12)
    search(tmp_path / "first", optimizer, worth, task=task, batches=batches)
    searched += [cell.example["question"] for cell in batches[0]]
    result = search(tmp_path / "second", optimizer, worth, task=task)
    history = {each.prompt: each.mean for step in result.steps[:-1] for each in step.pool}
    ranking = result.steps[-1]
    ranked = {each.prompt: each.mean for each in ranking.pool}
    cut_off = sorted(history.values(), reverse=True)[math.ceil(0.1 * len(history)) - 1]
    assert set(ranked) == {prompt for prompt, mean in history.items() if mean >= cut_off} | {result.start.prompt}
    assert {each.count for each in ranking.pool} == {8}
    assert ranking.kept == (max(ranked, key=ranked.__getitem__),)
    assert result.best.prompt == ranking.kept[0]
    # What was not ranked again is no finalist, however well the search thought of it.
    assert {c.prompt for c in result.candidates() if c.dev.count} <= set(ranked)


def test_halving_goes_by_the_worst_of_the_population_not_by_the_best(tmp_path: Path) -> None:
    """Once parents differ, children between the worst and the best of them are scored whole."""

    def worth(text: str, example: Example) -> float:
        return uniform(text, example["question"])

    optimizer = replace(GENERATIONAL, score=Scoring(most=8), rerank=Reranking(examples=8))
    optimizer = replace(optimizer, evolve=replace(optimizer.evolve, halving=None, most=200))
    batches: list[list[Cell]] = []
    result = search(tmp_path, optimizer, worth, task=word_task(examples=16), batches=batches)
    order = [cell.example for cell in batches[0]]
    first, second, *_ = generations(result)
    parents = {each.prompt: each.mean for each in first.pool}
    low, high = (pick(parents[prompt] for prompt in first.kept) for pick in (min, max))
    assert low < high
    between = 0
    for each in second.pool:
        half = sum(worth(each.prompt["instruction"], example) for example in order[:4]) / 4
        assert (each.count == 8) == (half >= low)
        between += low <= half < high
    assert between


@pytest.mark.slow
def test_the_in_context_prompt_is_ranked_though_it_is_no_elite(tmp_path: Path) -> None:
    """It is the worst on the examples of the search, and by far the best on those held out."""
    task = word_task(examples=24, layout=Layout("text", text="{demos}{instruction}{question}", demo="{question}; "))
    searched: list[str] = []

    def worth(text: str, example: Example) -> float:
        whole = "; " in text and len(re.findall(r"w\d\d", text)) == LENGTH
        if example["question"] in searched:
            return 0.0 if whole else uniform(text)
        return 1.0 if whole else 0.5 * uniform(text)

    optimizer = replace(STEADY, shots=1, score=Scoring(most=4), rerank=Reranking(examples=8))
    optimizer = replace(optimizer, evolve=replace(optimizer.evolve, most=100))
    batches: list[list[Cell]] = []
    search(tmp_path / "first", optimizer, worth, task=task, batches=batches)
    searched += [cell.example["question"] for cell in batches[0]]
    result = search(tmp_path / "second", optimizer, worth, task=task)
    whole = result.steps[0].pool[0].prompt
    assert result.steps[-1].kept == (whole,)
    assert result.best.prompt == whole


@pytest.mark.slow
def test_the_prompt_itself_is_kept_where_pruning_harms(tmp_path: Path) -> None:
    result = search(tmp_path, GENERATIONAL, lambda text, _: float(len(text)))
    assert result.best.prompt == result.start.prompt


@pytest.mark.slow
def test_overlap_is_told_and_others_are_disjoint(tmp_path: Path) -> None:
    alone = search(tmp_path / "alone", STEADY, by_text, task=word_task(examples=1))
    assert any("1 of 1 examples" in warning for warning in alone.warnings)
    batches: list[list[Cell]] = []
    many = search(
        tmp_path / "many", replace(STEADY, score=Scoring(most=3)), by_text, task=word_task(examples=9), batches=batches
    )
    assert not any("are those of the search" in warning for warning in many.warnings)
    first = {cell.example for cell in batches[0]}
    seen = {cell.example for batch in batches for cell in batch if cell.example in set(word_task(examples=9).train)}
    assert (len(first), len(seen - first)) == (3, 6)


def test_ties_are_capped_and_go_to_the_shorter() -> None:
    tied = [PrunedPrompt((), Prompt.of(str(number)), 0.5, 100 - number, 16) for number in range(100)]
    found = elites(tied, 16, Reranking())
    assert [each.length for each in found] == list(range(1, 16))
    half = [replace(each, count=8, fitness=1.0) for each in tied[:50]]
    assert not set(half) & set(elites([*half, *tied[50:]], 16, Reranking()))
    assert len(elites(tied, 16, Reranking(most=3))) == 3
    assert elites(tied, 16, Reranking(share=0.0)) == []
