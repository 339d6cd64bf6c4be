"""The acceptance checks of promptquine.md, by number; TAPruning's are in test_tapruning.py, the recast task's in
tests/tasks/test_inline.py, mutation in tests/operators/test_genes.py, and answers out of replies in tests/evaluators.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.config import adjust
from promptopt.errors import ConfigError, EvaluatorError
from promptopt.evaluators.labels import Labels
from promptopt.evaluators.style_transfer import Joint, first_sentence
from promptopt.models.scripted import Scripted
from promptopt.optimizers.promptquine import method as promptquine
from promptopt.optimizers.promptquine.genes import LIGHT, cut, prune_lightly
from promptopt.optimizers.promptquine.history import Individual
from promptopt.optimizers.promptquine.method import Evolution, PromptQuine, Scoring, tournament
from promptopt.optimizers.promptquine.reranking import Reranking, elites
from promptopt.outcome.result import Result
from promptopt.protocols import Ask
from promptopt.run.budget import Budget
from promptopt.tasks.layout import Layout
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, uniform
from promptopt.text import words
from promptopt.types import Cell, Content, Example, Prompt, Reply, Request, Score, Token

LENGTH = 40
FLAT = Layout("text", text="{instruction}{question}", demo="{question} {target}; ")
Worth = Callable[[str, Example], float]


@dataclass(frozen=True)
class Scored:
    """Worth what a function says of prompt and example; asks no model. `batches`: what it was given at a time."""

    worth: Worth
    batches: list[list[Cell]]
    calls_per_cell = 1

    def score(self, cells: Sequence[Cell], _: Ask) -> list[Score]:
        self.batches.append(list(cells))
        return [Score(self.worth(cell.prompt["instruction"], cell.example)) for cell in cells]

    def fingerprint(self) -> Mapping[str, Any]:
        return {"evaluator": "scripted"}


def numbered(length: int) -> str:
    return " ".join(f"w{number:02}" for number in range(length))


def word_task(length: int = LENGTH, *, examples: int = 4, layout: Layout = FLAT, text: str | None = None) -> Task:
    rows = [Example.of("yes", question=f"question {number}") for number in range(examples + 20)]
    prompt = numbered(length) if text is None else text
    return Task.from_examples(
        rows, prompt=prompt, name="words", metric="exact", train=examples, dev=10, test=10, layout=layout
    )


def search(
    home: Path,
    optimizer: PromptQuine,
    worth: Worth,
    *,
    task: Task | None = None,
    budget: Budget | None = None,
    seed: int = 0,
    batches: list[list[Cell]] | None = None,
) -> Result:
    return optimize(
        word_task() if task is None else task,
        optimizer,
        model=Scripted([]),
        evaluator=Scored(worth, [] if batches is None else batches),
        budget=budget,
        seed=seed,
        store=home / "store.db",
    )


def by_text(text: str, _: Example) -> float:
    """Another number for every text."""
    return uniform(text)


def agreeing(keep: frozenset[int], length: int = LENGTH) -> Worth:
    """The share of words that are kept and dropped as a hidden mask has it."""

    def worth(text: str, _: Example) -> float:
        found = {int(number) for number in re.findall(r"w(\d\d)", text)}
        return sum((number in found) == (number in keep) for number in range(length)) / length

    return worth


def texts(estimates: Sequence[Any]) -> list[str]:
    return [estimate.prompt["instruction"] for estimate in estimates]


def zero_shot(**changes: Any) -> PromptQuine:
    evolve = {"population": 30, "offspring": 50, "shortest": 10.0, **changes.pop("evolve", {})}
    score = Scoring(most=1)
    return PromptQuine(**{"shots": 0, "evolve": Evolution(**evolve), "score": score, **changes})


GENERATIONAL = zero_shot(variant="generational", evolve={"halving": False})
STEADY = zero_shot(variant="steady-state")


def generations(result: Result) -> list[Any]:
    """The steps between the first, which is the prompt itself, and the last, which is the re-ranking."""
    return list(result.steps[1:-1])


# --- the contract: replay, crashes, hash seeds, exact budgets, the sealed test (checks 14 and 15) ---


class Pruned(OptimizerContract):
    words = ("Answer", "the", "nothing")
    base = 0.9
    each = -0.2
    budget = Budget(evaluations=900)

    def propose(self, request: Request) -> str:
        raise AssertionError("pruning asks no proposer")

    def task_model(self) -> Scripted:
        def answer(request: Request) -> str:
            text = str(request.content)
            question = re.findall(r"question \d+ of", text)[-1]
            accuracy = self.base + self.each * sum(word in text for word in self.words)
            return "yes" if uniform(question, "difficulty") < accuracy else "no"

        return Scripted(answer, name="planted")


SMALL = PromptQuine(
    evolve=Evolution(population=4, offspring=6, shortest=6),
    score=Scoring(most=8),
    rerank=Reranking(examples=12, most=3),
)


class TestContract(Pruned):
    optimizer = SMALL


class Generational(Pruned):
    """With halving, which is on for a task without labels."""

    optimizer = replace(SMALL, variant="generational", begin="pruned", gene="word")


def test_generations_keep_the_contract_too(tmp_path: Path) -> None:
    contract = Generational()
    contract.test_replay_pays_nothing(tmp_path / "replay")
    contract.test_budget_is_exact(tmp_path / "budget")
    contract.test_beats_its_start_on_a_planted_landscape(tmp_path / "beats")


def test_a_reserve_changes_what_a_raised_budget_asks_and_no_replay_diverges(tmp_path: Path) -> None:
    contract = Generational()
    whole = contract.conduct(tmp_path / "whole")
    for size in range(150, 420, 30):
        cut_short = contract.conduct(tmp_path / "grown", budget=Budget(evaluations=size))
        assert cut_short.spent.evaluations <= size
    assert contract.conduct(tmp_path / "grown").to_json()["candidates"] == whole.to_json()["candidates"]


# --- 2 and 3: cohorts ---


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

    def recorded(rng: random.Random, pool: Sequence[Individual], share: float) -> Individual:
        pools.append(len(pool))
        return tournament(rng, pool, share)

    monkeypatch.setattr(promptquine, "tournament", recorded)
    search(tmp_path, STEADY, by_text)
    assert pools[0] == 30
    assert pools[:50] == sorted(pools[:50])
    assert pools[49] >= 75
    assert pools[50] == 30


@pytest.mark.parametrize(("pool", "entrants"), [(30, 6), (80, 16), (35, 7), (4, 1), (1, 1)])
def test_a_fifth_of_the_pool_enters_and_the_first_of_the_fittest_wins(pool: int, entrants: int) -> None:
    class Recorded(random.Random):
        drawn: list[Individual]

        def choices(self, population: Any, *_: Any, k: int = 1, **__: Any) -> Any:
            self.drawn = super().choices(population, k=k)
            return self.drawn

    rng = Recorded(1)
    entries = [Individual((), Prompt.of(str(number)), float(number % 3), 1, 1) for number in range(pool)]
    winner = tournament(rng, entries, 0.2)
    assert len(rng.drawn) == entrants
    assert winner is next(each for each in rng.drawn if each.fitness == max(other.fitness for other in rng.drawn))


# --- 4: the first population ---


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

    genes = cut("a b c d", (), words)
    for _ in range(200):
        prune_lightly(Recorded(len(drawn)), genes)
    assert sorted(set(drawn)) == sorted(LIGHT)
    assert (LIGHT[0], LIGHT[9]) == (0.05, pytest.approx(0.2))
    steps = [after - before for before, after in pairwise(LIGHT)]
    assert steps == pytest.approx([0.15 / 9] * 9)


# --- 5 and 6: how long it goes on ---


@pytest.mark.parametrize("optimizer", [GENERATIONAL, STEADY])
def test_it_ends_where_prompts_are_short_on_average(tmp_path: Path, optimizer: PromptQuine) -> None:
    result = search(tmp_path, optimizer, by_text)
    means = [
        sum(len(prompt["instruction"].split()) for prompt in step.kept) / len(step.kept) for step in generations(result)
    ]
    assert means[-1] <= 10 < min(means[:-1])
    assert result.status == "finished"


@pytest.mark.parametrize("optimizer", [GENERATIONAL, STEADY, replace(GENERATIONAL, variant="random")])
@pytest.mark.parametrize("most", [1, 2, 73, 100])
def test_the_cap_is_never_passed(tmp_path: Path, optimizer: PromptQuine, most: int) -> None:
    optimizer = replace(optimizer, evolve=replace(optimizer.evolve, most=most))
    batches: list[list[Cell]] = []
    search(tmp_path, optimizer, by_text, batches=batches, task=word_task(examples=2))
    assert len({cell.prompt for batch in batches for cell in batch}) == most


@pytest.mark.parametrize("variant", ["generational", "steady-state", "random"])
@pytest.mark.parametrize("text", ["{question}", "a {question}", "a b c {question}", "{question} a b"])
def test_it_ends_where_nothing_can_be_dropped(tmp_path: Path, variant, text: str) -> None:
    layout = Layout("text", text=f"{{instruction}}{'x' * 3}", demo="{question} {target}")
    if text == "{question}":
        layout = Layout("text", text="{instruction}")
    optimizer = zero_shot(variant=variant, gene="word", evolve={"shortest": 0.0})
    rows = [Example.of("yes", question=f"question {number}") for number in range(24)]
    task = Task.from_examples(rows, prompt=Prompt.of(text), metric="exact", train=4, dev=10, test=10, layout=layout)
    result = search(tmp_path, optimizer, by_text, task=task)
    assert result.status == "finished"
    if variant != "random":
        assert any("nothing more could be dropped" in warning for warning in result.warnings)
        assert len(generations(result)) <= 5


@pytest.mark.parametrize("population", [1, 2, 3])
@pytest.mark.parametrize("variant", ["generational", "steady-state"])
def test_tiny_populations_end_too(tmp_path: Path, variant, population: int) -> None:
    optimizer = zero_shot(variant=variant, evolve={"population": population, "offspring": 1, "shortest": 0.0})
    result = search(tmp_path, optimizer, lambda text, _: float(len(text)), task=word_task(6))
    assert result.status == "finished"


@pytest.mark.parametrize(("optimizer", "low", "high"), [(GENERATIONAL, 1_100, 1_500), (STEADY, 600, 1_250)])
def test_how_many_prompts_a_search_scores(tmp_path: Path, optimizer: PromptQuine, low: int, high: int) -> None:
    counts = [
        # The five slots of the check are one here, so the mean at which it ends is five less.
        len(search(tmp_path / str(seed), optimizer, by_text, task=word_task(70), seed=seed).candidates())
        for seed in range(2)
    ]
    assert all(low <= count <= high for count in counts), counts


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


# --- 10: strings ---


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


# --- 11: the piecewise reward ---

SENTIMENT = ("terrible", "great")


def labelled_task(count: int = 60) -> Task:
    rows = [Example.of(SENTIMENT[number % 2], text=f"film {number}") for number in range(count + 40)]
    return Task.from_examples(
        rows, prompt="Judge the film.", labels=SENTIMENT, name="films", train=count, dev=20, test=20
    )


def label_model(share: Callable[[str, str], float], **settings: Any) -> Scripted:
    """`share` gives the probability of "great" for what is read and the film's number."""

    def scores(content: Content, text: str) -> list[float]:
        read = content if isinstance(content, str) else content[0].content
        great = share(read, re.findall(r"film (\d+)", read)[-1])
        return [math.log(great if "great" in text else 1.0 - great)]

    def answer(request: Request) -> Reply:
        read = request.content if isinstance(request.content, str) else request.content[0].content
        great = share(read, re.findall(r"film (\d+)", read)[-1])
        top = (("great", math.log(great)), ("terrible", math.log(1 - great)))
        text = "great" if great >= 0.5 else "terrible"
        return Reply(text, tokens=(Token(text, 0.0, top),), served="labels")

    return Scripted(answer, name="labels", scores=scores, **settings)


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


# --- 12: halving ---


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


def test_halving_is_refused_where_it_does_not_apply(tmp_path: Path) -> None:
    for variant in ("steady-state", "random", "auto"):
        with pytest.raises(ConfigError, match=r"halving.*variant is"):
            PromptQuine(variant=variant, evolve=Evolution(halving=True))
    forced = PromptQuine(variant="generational", evolve=Evolution(halving=True))
    with pytest.raises(ConfigError, match="without labels"):
        optimize(labelled_task(), forced, model=label_model(lambda *_: 0.5), store=tmp_path / "store.db")


# --- style transfer ---


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
        metric=Joint(kept, kind, whole), answer=first_sentence, train=16, dev=10, test=14,
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


# --- 13: re-ranking ---


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


def test_the_prompt_itself_is_kept_where_pruning_harms(tmp_path: Path) -> None:
    result = search(tmp_path, GENERATIONAL, lambda text, _: float(len(text)))
    assert result.best.prompt == result.start.prompt


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
    tied = [Individual((), Prompt.of(str(number)), 0.5, 100 - number, 16) for number in range(100)]
    found = elites(tied, 16, Reranking())
    assert [each.length for each in found] == list(range(1, 16))
    half = [replace(each, count=8, fitness=1.0) for each in tied[:50]]
    assert not set(half) & set(elites([*half, *tied[50:]], 16, Reranking()))
    assert len(elites(tied, 16, Reranking(most=3))) == 3
    assert elites(tied, 16, Reranking(share=0.0)) == []


# --- 14: budgets ---


def test_the_reserve_stays_and_the_cut_generation_counts(tmp_path: Path) -> None:
    optimizer = replace(GENERATIONAL, score=Scoring(most=4), rerank=Reranking(examples=8, most=5))
    task = word_task(examples=12)
    whole = search(tmp_path / "whole", optimizer, by_text, task=task)
    third = whole.steps[3].spent.evaluations
    # Three generations and 0.4 of one, five elites and the prompt itself again, and what the run sets aside.
    size = third + 4 * 20 + (5 + 2) * 8 + 3 * 10 + 2 * 10
    result = search(tmp_path / "cut", optimizer, by_text, task=task, budget=Budget(evaluations=size))
    assert result.status == "budget"
    assert result.spent.evaluations <= size
    assert [len(step.pool) for step in result.steps[1:4]] == [len(step.pool) for step in whole.steps[1:4]]
    cut_short = result.steps[4]
    assert 1 <= len(cut_short.pool) <= 20
    assert {each.count for each in cut_short.pool} == {4}
    assert texts(cut_short.pool) == texts(whole.steps[4].pool)[: len(cut_short.pool)]
    ranking = result.steps[-1]
    assert {each.count for each in ranking.pool} == {8}
    assert len(ranking.pool) == 6


def test_a_budget_below_the_first_generation_keeps_the_start_scored(tmp_path: Path) -> None:
    optimizer = replace(GENERATIONAL, score=Scoring(most=4), rerank=Reranking(examples=8))
    result = search(tmp_path, optimizer, by_text, task=word_task(examples=12), budget=Budget(evaluations=30))
    assert result.status == "budget"
    assert result.best.prompt == result.start.prompt
    assert result.best.test is not None
    assert result.spent.evaluations <= 30


def answer_or_refuse(refused: Callable[[str, str], bool]) -> Callable[[Request], str | Reply]:
    """A task model that is right half of the time, and takes no request that `refused` says so of."""

    def answer(request: Request) -> str | Reply:
        text, question = str(request.content).rsplit("question", 1)
        if refused(text, question):
            return Reply("", finish="rejected", served="planted")
        return "yes" if uniform(text, question) < 0.5 else "no"

    return answer


def test_what_cannot_be_scored_costs_its_prompt_alone(tmp_path: Path) -> None:
    optimizer = replace(GENERATIONAL, score=Scoring(most=4), evolve=replace(GENERATIONAL.evolve, most=20))

    def conduct(name: str, refused: Callable[[str, str], bool]) -> Result:
        model = Scripted(answer_or_refuse(refused), name="planted")
        return optimize(word_task(examples=12), optimizer, model=model, store=tmp_path / f"{name}.db")

    whole = conduct("whole", lambda *_: False)
    victim = next(each.prompt for each in whole.steps[1].pool if each.mean > 0)
    literal = victim["instruction"].removesuffix("{question}")
    hurt = conduct("hurt", lambda text, question: text == literal and uniform(text, question) < 0.5)
    before, after = ({each.prompt: each.mean for each in run.steps[1].pool} for run in (whole, hurt))
    assert after == before | {victim: 0.0}
    assert hurt.status == "finished"


def test_a_search_that_an_error_stopped_goes_on_as_if_there_had_been_none(tmp_path: Path) -> None:
    optimizer = replace(GENERATIONAL, score=Scoring(most=4), evolve=replace(GENERATIONAL.evolve, most=20))
    answer = answer_or_refuse(lambda *_: False)

    def conduct(name: str, model: Scripted) -> Result:
        return optimize(word_task(examples=12), optimizer, model=model, store=tmp_path / f"{name}.db")

    whole = conduct("whole", Scripted(answer, name="planted"))
    assert conduct("hurt", Scripted(answer, name="planted", fail_at=30)).status == "suspended"
    assert conduct("hurt", Scripted(answer, name="planted")).to_json()["candidates"] == whole.to_json()["candidates"]


# --- bad input ---


@pytest.mark.parametrize("value", [0.0, -3.0, 1.0, -math.inf])
@pytest.mark.parametrize("optimizer", [GENERATIONAL, STEADY])
def test_equal_scores_whatever_they_are(tmp_path: Path, optimizer: PromptQuine, value: float) -> None:
    result = search(tmp_path, optimizer, lambda *_: value)
    assert result.status == "finished"
    assert len(generations(result)) > 3


@pytest.mark.parametrize(
    "method", ["plum-hc", "plum-ga-c", "plum-hs", "promptquine", "tapruning", "evoprompt-de", "random"]
)
def test_a_score_that_is_no_number_is_refused_with_its_cell(tmp_path: Path, method: str) -> None:
    evaluator = Scored(lambda *_: math.nan, [])
    with pytest.raises(EvaluatorError, match="gave NaN; a score must be a number"):
        optimize(word_task(), method, model=Scripted([]), evaluator=evaluator, store=tmp_path / "store.db")


def test_a_layout_without_a_place_for_demonstrations_prunes_the_start(tmp_path: Path) -> None:
    task = word_task(layout=Layout("text", text="{instruction}{question}"))
    result = search(tmp_path, replace(STEADY, shots=1), by_text, task=task)
    assert any("no place for demonstrations" in warning for warning in result.warnings)
    assert result.steps[0].pool[0].prompt == result.start.prompt


def test_demonstrations_are_one_of_each_label_and_never_scored_on(tmp_path: Path) -> None:
    model = label_model(lambda *_: 0.6)
    optimizer = replace(SMALL, evolve=replace(SMALL.evolve, most=1), shots=2)
    result = optimize(labelled_task(), optimizer, model=model, store=tmp_path / "store.db")
    prompt = result.steps[0].pool[0].prompt["instruction"]
    assert re.findall(r"Answer: (\w+)", prompt) == ["terrible", "great"] * 2
    shown = re.findall(r"film \d+", prompt)
    assert len(set(shown)) == 4
    asked = {re.findall(r"film \d+", str(request.content))[-1] for request in model.log}
    assert asked.isdisjoint(shown)


def test_an_example_that_names_an_input_is_no_demonstration(tmp_path: Path) -> None:
    rows = [Example.of("yes", question=f"what is {{question}} {number}") for number in range(24)]
    task = Task.from_examples(rows, prompt=numbered(12), metric="exact", train=4, dev=10, test=10, layout=FLAT)
    result = search(tmp_path, replace(STEADY, shots=1), by_text, task=task)
    assert any("holds the name of an input" in warning for warning in result.warnings)
    assert result.steps[0].pool[0].prompt == result.start.prompt


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"shots": -1}, "shots"),
        ({"evolve.population": 0}, "population"),
        ({"evolve.offspring": 0}, "offspring"),
        ({"evolve.tournament": 1.5}, "tournament"),
        ({"evolve.drops": 0}, "drops"),
        ({"evolve.most": 0}, "most"),
        ({"score.per_class": 0}, "per_class"),
        ({"rerank.examples": 0}, "examples"),
        ({"rerank.share": math.nan}, "share"),
        ({"rerank.most": -1}, "most"),
        ({"gene": "sentence"}, "gene"),
        ({"variant": "islands"}, "variant"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        adjust(PromptQuine(), settings, "promptquine")


def test_it_stays_within_what_it_expects(tmp_path: Path) -> None:
    optimizer = replace(SMALL, evolve=replace(SMALL.evolve, most=40))
    expected = optimizer.upper_bounds(60)
    result = search(tmp_path, optimizer, by_text, task=word_task(examples=60))
    assert result.spent.evaluations - 4 * 10 - 2 * 10 <= expected.evaluations
    assert (expected.proposer_calls, expected.completion_tokens) == (0, 0)


def test_the_methods_own_choice_of_evaluator() -> None:
    task = labelled_task()
    chosen = PromptQuine().evaluator_for(task)
    assert isinstance(chosen, Labels)
    assert chosen.value == "piecewise"
    assert PromptQuine().evaluator_for(word_task()) == "generation"
