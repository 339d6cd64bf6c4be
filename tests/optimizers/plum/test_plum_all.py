"""What holds for all six methods of Plum: the bank, bad input, the budget, no text twice, labels."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import ConfigError
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.plum.neighbours import Editing, Editor
from promptopt.optimizers.plum.patience import Stopping
from promptopt.optimizers.plum.points import ScoreSet, Scoring
from promptopt.optimizers.plum.population import CrossoverGA, HarmonySearch, MutationGA
from promptopt.optimizers.plum.single import HillClimbing, SimulatedAnnealing, TabuSearch
from promptopt.run import Run
from promptopt.selection.generations import Fixed
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Content, Example, Request
from tests.optimizers.plum.phrase_search import (
    BARS,
    PROMPT,
    Drawn,
    Injected,
    kept_texts,
    lengthen,
    mute,
    operators,
    phrase_of,
    search,
    table,
    task_of,
    text_of,
    within_run,
)

OTHERS = (SimulatedAnnealing, TabuSearch, MutationGA, CrossoverGA)
"""Hill climbing stands for those with one candidate, harmony search for those with a population."""
ALL = pytest.mark.parametrize(
    "kind", [HillClimbing, HarmonySearch, *(pytest.param(kind, marks=pytest.mark.slow) for kind in OTHERS)]
)


@ALL
def test_what_no_accepted_edit_deleted_is_never_added(tmp_path: Path, kind: type[Any]) -> None:
    if kind in (CrossoverGA, HarmonySearch):
        # There a mutant or a harmony is accepted as long as the population has room for it.
        method = kind(**{"population" if kind is CrossoverGA else "memory": 1}, edit=BARS, stop=Stopping(6, 6))
    else:
        method = kind(edit=BARS, stop=Stopping(6, 6))
    losing = {"acceptance": Drawn(1 - 2**-53)}
    result = search(tmp_path, Injected(method, losing), "a|b|c|d", table({"a|b|c|d": 0.9}, 0.1), proposer=lengthen)
    deleted = [candidate for candidate in result.candidates() if "del: " in candidate.proposal.note]
    assert deleted
    assert not any("add: " in candidate.proposal.note for candidate in result.candidates())


@ALL
def test_what_an_accepted_edit_deleted_comes_back(tmp_path: Path, kind: type[Any]) -> None:
    method = kind(edit=BARS, stop=Stopping(10, 10))
    result = search(tmp_path, method, "aa|bb|cc|dd", lambda text: 0.9 - 0.1 * len(text.split("|")))
    added = [c.proposal.note for c in result.candidates() if "add: " in c.proposal.note]
    assert added
    deleted = {note.split("del: ")[1][:2] for c in result.candidates() if "del: " in (note := c.proposal.note)}
    assert {note.split("add: ")[1][:2] for note in added} <= deleted


class Broken:
    def spans(self, text: str, rng: random.Random) -> list[tuple[int, int]]:
        raise AttributeError("'Tensor' object has no attribute 'shape'")


def same(request: Request) -> str:
    return json.dumps([phrase_of(request)])


def nothing(_: Request) -> str:
    return ""


@pytest.mark.slow
@ALL
@pytest.mark.parametrize("prompt", ["Answer", "a.", "请把评论分为", "{question}"])
@pytest.mark.parametrize("proposer", [nothing, same])
def test_a_prompt_of_one_phrase(
    tmp_path: Path, kind: type[Any], prompt: str, proposer: Callable[[Request], str]
) -> None:
    if prompt == "{question}":
        # The whole text is the task's: there is nothing to edit in it.
        task = replace(task_of("Answer."), initial=task_of("Answer.").initial.replace("instruction", "{context}"))
    else:
        task = task_of(prompt)
    result = search(tmp_path, kind(stop=Stopping(9, 2)), "", lambda _: 0.5, proposer=proposer, task=task)
    assert result.status == "finished"
    assert len(result.steps) == 2
    assert result.prompt == task.initial
    assert result.start.test is not None
    if kind is not HarmonySearch:
        batches = 20 if kind is CrossoverGA else 2
        failed = {reason: count for reason, count in result.rejected.items() if not reason.startswith("paraphraser")}
        assert 0 < sum(failed.values()) <= 50 * batches
    assert any("had no neighbour that could be used (" in warning for warning in result.warnings)


def test_an_empty_prompt_is_refused_before_there_is_a_run() -> None:
    with pytest.raises(ConfigError, match="empty"):
        task_of(" ")


@ALL
def test_a_cjk_prompt_is_searched(tmp_path: Path, kind: type[Any]) -> None:
    prompt = "请把评论分为正面或负面。只用一个词回答。"
    result = search(tmp_path, kind(stop=Stopping(5, 5)), prompt, lambda text: 1 / len(text), proposer=mute)
    assert len(result.best.text) < len(prompt)
    assert result.status == "finished"


@ALL
def test_a_chunker_that_raises_is_told_and_replaced(tmp_path: Path, kind: type[Any]) -> None:
    method = kind(edit=Editing(neighbours=4, chunker=Broken()), stop=Stopping(2, 2))
    result = search(tmp_path, method, PROMPT, lambda _: 0.5, proposer=lengthen)
    assert result.status == "finished"
    assert [w for w in result.warnings if "chunker Broken failed" in w and "'Tensor' object" in w] != []
    assert len(result.candidates()) > 3


@pytest.mark.slow
@ALL
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_scores_equal(tmp_path: Path, kind: type[Any], value: float) -> None:
    result = search(tmp_path, kind(stop=Stopping(20, 3)), PROMPT, lambda _: value, proposer=lengthen)
    assert len(result.steps) == 3
    assert {kept_texts(result, number)[0] for number in range(3)} == {PROMPT}


def loss_of(text: str) -> float:
    return -3.0 + 0.2 * ("carefully" in text) - 0.01 * len(text.split())


def text_of_content(content: Content) -> str:
    return content if isinstance(content, str) else content[0].content


@pytest.mark.slow
@ALL
def test_a_search_by_losses_which_are_negative(tmp_path: Path, kind: type[Any]) -> None:
    labels = ("good", "bad")
    examples = [Example.of(labels[number % 2], text=f"item {number}") for number in range(40)]
    task = Task.from_examples(examples, prompt=PROMPT, labels=labels, splits=Splits(10, 15, 15))
    model = Scripted(lambda _: "good", name="scorer", scores=lambda read, _: [loss_of(text_of_content(read))])
    evaluator = Loss.for_task(task)
    result = optimize(
        task,
        kind(edit=Editing(neighbours=10), stop=Stopping(6, 6)),
        model=Models(model, proposer=Scripted(lengthen, name="paraphraser")),
        evaluator=evaluator,
        check_evaluator=evaluator,
        store=tmp_path / "store.db",
    )
    assert all(estimate.mean < -2 for step in result.steps for estimate in step.pool)
    assert "carefully" in result.best.text


@ALL
def test_a_start_without_any_probability_is_left_behind(tmp_path: Path, kind: type[Any]) -> None:
    examples = [Example.of("good", text=f"item {number}") for number in range(40)]
    task = Task.from_examples(examples, prompt=PROMPT, answer="text", splits=Splits(10, 15, 15))

    def scores(content: Content, text: str) -> list[float]:
        read = text_of_content(content)
        return [loss_of(read) if "carefully" in read else -math.inf, 0.0]

    result = optimize(
        task,
        kind(edit=Editing(neighbours=6), stop=Stopping(6, 6)),
        model=Models(
            Scripted(lambda _: "good", name="scorer", scores=scores), proposer=Scripted(lengthen, name="paraphraser")
        ),
        evaluator=Loss.for_task(task),
        store=tmp_path / "store.db",
    )
    assert result.status == "finished"
    assert any("carefully" in estimate.prompt["instruction"] for estimate in result.steps[-1].pool)


@dataclass(frozen=True)
class Watched:
    """A method that shows its run."""

    method: Any
    seen: list[Run]

    def optimize(self, run: Run) -> None:
        self.seen.append(run)
        self.method.optimize(run)


@ALL
def test_a_budget_that_ends_within_a_batch(tmp_path: Path, kind: type[Any]) -> None:
    method = kind(edit=replace(BARS, neighbours=10), score=Scoring(examples=4), stop=Stopping(9, 9))
    if kind is CrossoverGA:
        method = replace(method, offspring=0, mutation=1.0)
    scarce = Injected(method, evaluations=4 + 3 * 4 + 2)
    equal = search(tmp_path / "equal", scarce, "a|b|c|d|e", lambda _: 0.5)
    start, *neighbours = [candidate for candidate in equal.candidates() if candidate.search.count]
    assert [candidate.search.count for candidate in neighbours] == [4, 4, 4, 2]
    first, second, third, fourth = (candidate.prompt["instruction"] for candidate in neighbours)

    # The same neighbours again: the second is better, the fourth, which is cut off, is better still, and dev shows it.
    worths = {start.prompt["instruction"]: 0.5, first: 0.2, second: 0.7, third: 0.3, fourth: 1.0}
    model = Scripted(lambda request: repr(worths.get(text_of(request).rpartition("\n\n")[0], 0.0)), name="world")
    seen: list[Run] = []
    watched = replace(scarce, method=Watched(method, seen))
    result = search(tmp_path / "unequal", watched, "a|b|c|d|e", table(worths, 0.0), model=model)
    assert result.status == "budget"
    assert result.steps == ()
    assert sum(candidate.search.count for candidate in result.candidates()) == 4 + 3 * 4 + 2
    assert result.best.text == fourth
    ranked = [each.prompt["instruction"] for each in seen[0].ranked()]
    # What was scored in full goes by its points, and comes before what was not.
    assert ranked[:4] == [second, start.prompt["instruction"], third, first]


@ALL
@pytest.mark.parametrize("evaluations", [1, 3])
def test_a_budget_smaller_than_the_score_of_the_start(tmp_path: Path, kind: type[Any], evaluations: int) -> None:
    result = search(tmp_path, Injected(kind(), evaluations=evaluations), PROMPT, lambda _: 0.5)
    assert result.status == "budget"
    assert result.best.text == PROMPT
    assert result.best.test is not None


@ALL
def test_no_text_is_sent_twice(tmp_path: Path, kind: type[Any]) -> None:
    sent: list[str] = []

    def answer(request: Request) -> str:
        sent.append(text_of(request))
        return "0.5"

    model = Scripted(answer, name="counting")
    search(tmp_path, kind(edit=BARS, stop=Stopping(5, 5)), "a|b|c", lambda _: 0.5, model=model)
    assert len(sent) == len(set(sent))


def by_halves() -> tuple[Task, Scripted]:
    """Answering "good" to everything is right more often than answering by halves, as "carefully" does."""
    truths = ["good", "good", "good", "bad"] * 20
    examples = [Example.of(truth, text=f"item {number}") for number, truth in enumerate(truths)]
    task = Task.from_examples(examples, prompt="Say good or bad.", labels=("good", "bad"), splits=Splits(40, 20, 20))

    def answer(request: Request) -> str:
        text = text_of(request)
        number = int(text.split("item ")[1].split()[0])
        return ("bad" if number % 4 in (2, 3) else "good") if "carefully" in text else "good"

    return task, Scripted(answer, name="model")


@pytest.mark.slow
def test_tasks_with_labels_go_by_balanced_accuracy_and_entropy(tmp_path: Path) -> None:
    points: dict[bool, float] = {}

    def watched(run: Run) -> None:
        scores = ScoreSet(run, Scoring(), Fixed(1, 20, 100))
        found = scores.score(Editor(run, Editing()).neighbours(run.initial, (), 20))
        for each in [scores.start(), *found]:
            points["carefully" in each.prompt["instruction"]] = each.points

    task, model = by_halves()
    within_run(tmp_path / "points", "", watched, proposer=lengthen, model=model, task=task)
    assert points[False] == 50.0
    assert points[True] > 80


@pytest.mark.slow
@ALL
def test_what_balanced_accuracy_finds_better_goes_on(tmp_path: Path, kind: type[Any]) -> None:
    task, model = by_halves()
    result = search(tmp_path, kind(stop=Stopping(6, 6)), "", lambda _: 0.5, proposer=lengthen, model=model, task=task)
    assert any("carefully" in text for text in kept_texts(result, len(result.steps) - 1))


@ALL
def test_one_class_and_an_entropy_bonus_do_not_go_together(tmp_path: Path, kind: type[Any]) -> None:
    examples = [Example.of("good", text=f"item {number}") for number in range(40)]
    task = Task.from_examples(examples, prompt="Say good or bad.", labels=("good", "bad"), splits=Splits(10, 15, 15))
    model = Scripted(lambda _: "good", name="model")
    with pytest.raises(ConfigError, match=r"score\.entropy_weight=0"):
        search(tmp_path / "on", kind(), "", lambda _: 0.5, model=model, task=task)
    off = kind(score=Scoring(entropy_weight=0), stop=Stopping(1, 1))
    assert search(tmp_path / "off", off, "", lambda _: 0.5, model=model, task=task).status == "finished"


@ALL
def test_lineage_names_the_edit_and_the_parent(tmp_path: Path, kind: type[Any]) -> None:
    result = search(
        tmp_path, kind(edit=BARS, stop=Stopping(6, 6)), "a|b|c|d", lambda text: len(text) / 999, proposer=lengthen
    )
    known = {result.candidates()[0].prompt}
    for candidate in result.candidates()[1:]:
        assert candidate.proposal.parents
        assert set(candidate.proposal.parents) <= known
        assert candidate.proposal.note
        known.add(candidate.prompt)
    assert set(operators(result)) <= {"del", "swap", "sub", "add", "crossover", "harmony"}


@pytest.mark.slow
@ALL
def test_a_frozen_text_and_a_cap_in_tokens_are_kept(tmp_path: Path, kind: type[Any]) -> None:
    task = task_of("Read the review, and answer with one word. Be kind.")
    task = replace(task, contract=replace(task.contract, frozen=("answer with one word",), max_tokens=12))
    result = search(tmp_path, kind(stop=Stopping(8, 8)), "", lambda text: len(text) / 999, proposer=lengthen, task=task)
    texts = [candidate.prompt["instruction"] for candidate in result.candidates()]
    assert all("answer with one word" in text and len(text.split()) <= 12 for text in texts)
    assert len(texts) > 5
    assert result.rejected["longer than 12 tokens"] > 0
    assert "lost frozen text 'answer with one word'" not in result.rejected
