"""The acceptance checks of APE by the paper's rule, by number; 12 (hash seeds) is in the contract."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.ape.method import APE, Filtering, Proposing
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, planted_model, planted_task
from promptopt.types import Example, Reply, Request, digest
from tests.optimizers.ape.ape_searches import (
    SMALL,
    START,
    asked_of,
    author,
    guesses,
    guessing,
    inventive,
    search,
    shown,
    text_of,
)


class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test, a planted gain."""

    optimizer = replace(SMALL, resampling=1)
    budget = Budget(evaluations=700)
    sizes = (40, 90, 170, 250)

    def propose(self, request: Request) -> str:
        return author(request)


@pytest.mark.slow
def test_five_distinct_requests_of_five_pairs_that_are_not_scored_on(tmp_path: Path) -> None:
    proposer, model = Scripted(inventive, name="inventive"), planted_model(lambda _: 0.5)
    result = search(tmp_path, APE(), proposer=proposer, model=model)
    requests = Counter(text_of(request) for request in proposer.log)
    assert list(requests.values()) == [10] * 5
    subsets = [frozenset(shown(text)) for text in requests]
    assert len(set(subsets)) == 5
    assert {len(subset) for subset in subsets} == {5}
    train = {example["question"] for example in planted_task().train}
    scored = {question for questions in asked_of(model).values() for question in questions} & train
    assert frozenset().union(*subsets) <= train - scored
    assert len(scored) == 30
    assert len(guesses(result)) == 50


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("<prompt>Answer  the question.\n</prompt>", "written before"),
        ("<prompt>Guess.</prompt>", "written before"),
        ("<prompt> </prompt>", "empty"),
        (Reply("<prompt>Answer the question in", "length"), "cut at length"),
        ("<prompt>" + "Answer. " * 201 + "</prompt>", "too long"),
        ("<prompt>If you are asked {number} of 0, answer yes.</prompt>", "unresolved placeholder"),
    ],
)
def test_what_is_of_no_use_is_not_scored_and_asked_for_once_more(tmp_path: Path, reply, reason: str) -> None:
    first: list[str] = []

    def answer(request: Request) -> str | Reply:
        first[:] = first if first else shown(text_of(request))
        return "<prompt>Guess.</prompt>" if shown(text_of(request)) == first else reply

    proposer = Scripted(answer, name="idle")
    result = search(tmp_path, SMALL, proposer=proposer)
    assert guesses(result) == ["Guess."]
    assert any(reason in why for why in result.rejected)
    # Twelve guesses, once more as fewer than six are of use; none lacks tags, so none is asked for again.
    assert proposer.calls == 24
    assert {estimate.prompt["instruction"] for step in result.steps for estimate in step.pool} == {START, "Guess."}


def test_a_guess_that_quotes_a_pair_is_dropped(tmp_path: Path) -> None:
    examples = [Example.of(f"the {number} colours of day {number}", text=f"item {number}") for number in range(90)]
    task = Task.from_examples(examples, prompt=START, metric="exact", answer="text", splits=Splits(30, 30, 30))

    def quoting(request: Request) -> str:
        output = text_of(request).split("Expected output: ")[1].split("\n")[0]
        return f"<prompt>Say {output} {request.seed}</prompt>"

    result = search(tmp_path, SMALL, proposer=quoting, task=task, model=Scripted(lambda _: "x"))
    assert guesses(result) == []
    assert result.rejected == {"proposer: quotes an example": 24}


def test_enough_guesses_are_not_asked_for_again(tmp_path: Path) -> None:
    def half(request: Request) -> str:
        return inventive(request) if next(turn) % 2 else "<prompt></prompt>"

    turn = iter(range(1000))
    proposer = Scripted(half, name="half")
    assert len(guesses(search(tmp_path, SMALL, proposer=proposer))) == 6
    assert proposer.calls == 12


def test_a_stage_scores_all_left_on_one_fresh_subset(tmp_path: Path) -> None:
    model = planted_model(lambda _: 0.5)
    settings = APE(propose=Proposing(candidates=16), filter=Filtering(subset=5, finalists=2))
    result = search(tmp_path, settings, model=model)
    train = [example["question"] for example in planted_task().train]
    asked = {prompt: [each for each in questions if each in train] for prompt, questions in asked_of(model).items()}
    start = asked.pop(START)
    fallen = Counter(len(questions) for questions in asked.values())
    stages = [{estimate.count for estimate in step.pool} for step in result.steps]
    assert stages == [{5}, {10}, {15}, {30}]
    assert [len(step.pool) - 1 for step in result.steps] == [16, 8, 4, 2]
    dropped = {count: fallen[count] for count in (5, 10, 15)}
    assert dropped == {5: 8, 10: 4, 15: 2}
    by_count: dict[int, set[tuple[str, ...]]] = {}
    for questions in asked.values():
        assert len(set(questions)) == len(questions)
        for count in (5, 10, 15):
            if len(questions) >= count:
                by_count.setdefault(count, set()).add(tuple(sorted(questions[:count])))
    # All that reach a stage have seen the same examples by then.
    assert {count: len(seen) for count, seen in by_count.items()} == {5: 1, 10: 1, 15: 1}
    assert len(start) >= 30


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("train", [2, 5, 60])
def test_few_candidates_and_few_examples(tmp_path: Path, count: int, train: int) -> None:
    task = planted_task(train=train)
    replies = [f"<prompt>Guess {number}.</prompt>" for number in range(count)]
    turn = iter(range(1000))
    result = search(
        tmp_path,
        APE(propose=Proposing(candidates=6), filter=Filtering(finalists=1)),
        proposer=lambda _: replies[next(turn) % count],
        task=task,
    )
    assert len(guesses(result)) == count
    assert result.steps[-1].pool[0].count == train - train // 2
    assert result.status == "finished"


def test_one_training_example_is_refused_and_two_are_enough(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="another to score it on"):
        search(tmp_path, APE(), task=planted_task(train=1))
    assert search(tmp_path, SMALL, task=planted_task(train=2)).steps[-1].pool[0].count == 1


def test_the_winner_is_best_on_all_of_the_scoring_set(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, filter=Filtering(subset=6, finalists=3)), proposer=author)
    final = result.steps[-1]
    assert {estimate.count for estimate in final.pool} == {30}
    assert len(final.pool) == 4
    means = [estimate.mean for estimate in final.pool]
    assert means == sorted(means, reverse=True)
    assert means[0] > means[-1]
    assert final.kept == (final.pool[0].prompt,)


def test_ties_go_to_the_shorter_then_to_the_earlier(tmp_path: Path) -> None:
    replies = ["Guess it right away.", "Say yes.", "Say so!!"]
    turn = iter(range(1000))
    result = search(
        tmp_path,
        APE(propose=Proposing(candidates=3)),
        proposer=lambda _: f"<prompt>{replies[next(turn) % 3]}</prompt>",
        model=Scripted(lambda _: "yes"),
    )
    order = [estimate.prompt["instruction"] for estimate in result.steps[-1].pool]
    assert order == ["Say yes.", "Say so!!", START, "Guess it right away."]


def test_names_of_placeholders_are_plain_text(tmp_path: Path) -> None:
    odd = "{pairs} {words} {placeholders} {section}"
    examples = [Example.of(f"{odd} out {number}", question=f"{odd} in {number}") for number in range(90)]
    task = Task.from_examples(examples, prompt=START, metric="exact", answer="text", splits=Splits(30, 30, 30))
    proposer = Scripted(lambda r: inventive(r).replace("</", ' as {"a": [1]} or {}</'), name="braces")
    model = Scripted(lambda _: "x", name="odd")
    result = search(tmp_path, replace(SMALL, resampling=1), proposer=proposer, task=task, model=model)
    requests = [text_of(request) for request in proposer.log]
    assert all(text.count(f"{odd} in ") == text.count(f"{odd} out ") == 5 for text in requests if guessing(text))
    varied = [text for text in requests if not guessing(text)]
    assert any('as {"a": [1]} or {}\n"""' in text for text in varied)
    assert all(text.endswith(' as {"a": [1]} or {}') for text in guesses(result))
    assert any('as {"a": [1]} or {}\n\n' in text_of(request) for request in model.log)


def test_a_start_with_placeholders_says_where_the_input_goes(tmp_path: Path) -> None:
    examples = [Example.of("yes", question=f"question {number}") for number in range(90)]
    task = Task.from_examples(
        examples, prompt="Given {question}, answer briefly.", metric="exact", answer="text", splits=Splits(30, 30, 30)
    )
    proposer = Scripted(lambda r: f"<prompt>To {{question}} say {r.seed}</prompt>", name="slots")
    result = search(tmp_path, SMALL, proposer=proposer, task=task, model=Scripted(lambda _: "yes"))
    assert len(guesses(result)) == 12
    assert all("It has {question}, spelt like that, where the input goes." in text_of(r) for r in proposer.log)


def test_resampling_keeps_the_originals_and_never_loses_the_best(tmp_path: Path) -> None:
    settings = replace(SMALL, resampling=3)
    result = search(tmp_path, settings, proposer=author)
    finals = [step for step in result.steps if {each.count for each in step.pool} == {30}]
    assert len(finals) == 4
    best = [step.pool[0].mean for step in finals]
    operators = {each.prompt: each.proposal for each in result.candidates()}
    firsts = [step for step, before in zip(result.steps[1:], result.steps, strict=False) if before in finals]
    known = {each.prompt for each in result.steps[0].pool}
    for first, before in zip(firsts, finals, strict=False):
        pool = {each.prompt for each in first.pool}
        assert {each.prompt for each in before.pool} <= pool
        new = pool - known
        assert new
        assert {operators[prompt].operator for prompt in new} == {"paraphraser"}
        assert all(operators[prompt].parents[0] in pool for prompt in new)
        known |= pool
    # The common final evaluation is over all of D_score, and the best of the rounds so far is known to the run.
    assert best == sorted(best)
    assert best[-1] == max(each.search.mean for each in result.candidates() if each.search.count == 30)


def test_garbled_replies_keep_the_start_with_one_warning(tmp_path: Path) -> None:
    proposer = Scripted(lambda _: "???", name="garbled")
    result = search(tmp_path, SMALL, proposer=proposer)
    assert result.prompt == planted_task().initial
    assert result.status == "finished"
    assert sum("no usable candidate" in warning for warning in result.warnings) == 1
    assert proposer.calls == SMALL.upper_bounds(60).proposer_calls


@pytest.mark.parametrize("reply", ["", "<prompt>Answer the question.</prompt>"])
def test_a_proposer_that_returns_nothing_or_the_start(tmp_path: Path, reply: str) -> None:
    result = search(tmp_path, SMALL, proposer=lambda _: reply)
    assert result.prompt == planted_task().initial
    assert result.start.test is not None


@pytest.mark.slow
def test_where_the_budget_ends_the_last_complete_stage_decides(tmp_path: Path) -> None:
    settings = APE(preset="paper", propose=Proposing(candidates=8), filter=Filtering(subset=10, finalists=2))
    whole = search(tmp_path / "whole", settings, model=planted_model(uniform_quality, common=1.0))
    # 97 are set aside for the verdict. The start takes 30 and the first stage 80; 10 of 40 are left for the second.
    result = search(
        tmp_path / "cut", settings, model=planted_model(uniform_quality, common=1.0), budget=Budget(evaluations=217)
    )
    assert result.status == "budget"
    assert result.spent.evaluations <= 217
    (stage,) = result.steps
    assert stage.pool == whole.steps[0].pool
    # One candidate saw twenty examples, and is compared on the ten that all have seen.
    assert {each.search.count for each in result.candidates()} == {10}
    best = {each.prompt for each in stage.pool[:3]}
    assert stage.pool[0].mean > result.search.start
    assert result.prompt in best - {result.start.prompt}


def uniform_quality(instruction: str) -> float:
    return int(digest(instruction)[:2], 16) / 256


@pytest.mark.parametrize("evaluations", [10, 20, 40])
def test_a_budget_below_the_first_stage_returns_the_start(tmp_path: Path, evaluations: int) -> None:
    proposer = Scripted(inventive, name="inventive")
    result = search(tmp_path, replace(SMALL, preset="paper"), proposer=proposer, budget=Budget(evaluations=evaluations))
    assert result.prompt == planted_task().initial
    assert result.status == "budget"
    assert result.spent.evaluations <= evaluations
