"""PMPO: losses, the cost of an iteration, parts and hard examples, gains."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.evaluators.loss import Loss
from promptopt.evaluators.preference import Preference
from promptopt.models.scripted import Scripted
from promptopt.optimizers.pmpo.method import PMPO, Masking, Rewriting
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, feature_accuracy, planted_model
from promptopt.types import Content, Example, Likelihoods, Reply, Request, ScoreRequest
from tests.optimizers.pmpo.pmpo_search import (
    RULES,
    SMALL,
    WORDS,
    always,
    author,
    favouring,
    flat,
    inventive,
    marked,
    preference_task,
    preferences,
    rewriter_texts,
    said,
    search,
    section_of,
    segmenting,
    shown,
    text_of,
    word_task,
)


class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test and a planted gain, by the method's own evaluator."""

    optimizer = replace(SMALL, mask=Masking(most=2))
    budget = Budget(evaluations=700)

    def propose(self, request: Request) -> str:
        return author(request)

    def task_model(self) -> Scripted:
        accuracy = feature_accuracy(self.words, base=self.base, each=self.each)
        planted = planted_model(accuracy)

        def answer(request: Request) -> Reply:
            ((_, reply),) = planted.generate([request])
            return reply

        def scores(content: Content, text: str) -> list[float]:
            return [math.log(accuracy(said(content)))] * (len(text.split()) + 1)

        return Scripted(answer, name="planted", scores=scores)


@pytest.mark.slow
def test_the_same_search_goes_by_accuracy(tmp_path: Path) -> None:
    class ByAccuracy(TestContract):
        evaluator = "generation"

    contract = ByAccuracy()
    contract.test_beats_its_start_on_a_planted_landscape(tmp_path / "whole")
    contract.test_replay_pays_nothing(tmp_path / "again")


@pytest.mark.parametrize(("reduction", "loss"), [("sum", 1.5), ("token_mean", 0.5)])
def test_only_target_tokens_count(tmp_path: Path, reduction, loss: float) -> None:
    def scores(content: Content, text: str) -> list[float]:
        assert text == "three words here"
        return [-0.5] * 3

    task = word_task(target=lambda _: "three words here")
    evaluator = Loss(task, reduction=reduction, ends=False)
    result = search(tmp_path, SMALL, task, scores, evaluator=evaluator)
    lengths = {len(estimate.prompt["instruction"]) for step in result.steps for estimate in step.pool}
    assert len(lengths) > 5
    assert {-estimate.mean for step in result.steps for estimate in step.pool} == {loss}


class Merging(Scripted):
    """Its tokenizer joins the last character of the content with the first one of the target."""

    def score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Likelihoods]]:
        for index, found in super().score(requests, stopping):
            yield index, replace(found, merged=True)


def test_a_token_across_the_boundary_is_scored_and_told_once(tmp_path: Path) -> None:
    task = word_task(target=lambda _: "two words")
    model = Merging(lambda _: "yes", scores=flat)
    result = search(tmp_path, SMALL, task, model=model)
    assert result.steps[0].pool[0].mean == -1.0
    assert sum("token reaches" in warning for warning in result.warnings) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("good", "bad", "loss"),
    [(-2.0, -5.0, 0.048587), (-5.0, -2.0, 3.048587), (-1.0, -1001.0, 0.0), (-1001.0, -1.0, 1e3)],
)
def test_the_preference_value(tmp_path: Path, good: float, bad: float, loss: float) -> None:
    task = preference_task()
    result = search(tmp_path, SMALL, task, preferences(good, bad), evaluator=Preference(task))
    assert -result.steps[0].pool[0].mean == pytest.approx(loss, abs=1e-6)


def test_four_options_are_one_request_of_four_texts_and_no_reply(tmp_path: Path) -> None:
    labels = ("red", "green", "blue", "black")
    examples = [Example.of(labels[number % 4], question=f"Which is number {number}?") for number in range(60)]
    task = Task.from_examples(examples, prompt="Answer.", labels=labels, name="colours", splits=Splits(16, 20, 20))
    model = Scripted(lambda _: "red", scores=lambda _, text: [-float(len(text))])
    result = search(tmp_path, SMALL, task, model=model, evaluator=Preference(task))
    assert all(isinstance(request, ScoreRequest) for request in model.log)
    assert {len(request.continuations) for request in model.log if isinstance(request, ScoreRequest)} == {4}
    pairs = {
        label: [math.log1p(math.exp(len(label) - len(other))) for other in labels if other != label] for label in labels
    }
    losses = [sum(pairs[example.target]) / 3 for example in task.train]
    assert -result.steps[0].pool[0].mean == pytest.approx(sum(losses) / len(losses))


@pytest.mark.slow
def test_the_cost_of_an_iteration(tmp_path: Path) -> None:
    proposer = Scripted(inventive, name="inventive")
    task = word_task(70)
    model = Scripted(lambda _: "yes", scores=flat)
    result = search(tmp_path, PMPO(iterations=2), task, proposer=proposer, model=model)
    first, second = (step.spent for step in result.steps)
    # Eight cells of the start are scored again, for the noise.
    assert first.evaluations == 50 + 8 + 5 * 50 + 12 * 50
    assert first.calls - first.proposer_calls == first.evaluations
    assert first.proposer_calls == 1 + 12
    assert len(Counter(text_of(request) for request in proposer.log[:13])) == 1 + 3
    assert second.evaluations - first.evaluations == 12 * 50
    assert second.calls - first.calls == 12 * 50 + 12
    bound = PMPO(iterations=2).upper_bounds(70)
    assert second.evaluations <= bound.evaluations
    assert second.proposer_calls <= bound.proposer_calls


def test_what_helps_and_what_hurts_reaches_the_rewriter_with_its_numbers(tmp_path: Path) -> None:
    def scores(content: Content, text: str) -> list[float]:
        read = said(content)
        return [-2.0 + 0.25 * ("one word" in read) - 0.125 * ("snow" in read)]

    proposer = Scripted(author, name="author")
    search(tmp_path, replace(SMALL, iterations=1), word_task(), scores, proposer=proposer)
    for text in rewriter_texts(proposer):
        assert '"- Say it in one word.": +0.2500 ± 0.0000 without it: it helps' in text
        assert '"- Think of snow.": -0.1250 ± 0.0000 without it: it hurts' in text
        assert '"- Be kind and warm.": +0.0000 ± 0.0000 without it: no clear effect' in text
        assert text.index("one word") < text.index("kind and warm") < text.index("Think of snow.")


def altered(section: str) -> str:
    return f"<prompt>{marked(section).replace('one', 'a')}</prompt>"


def nested(section: str) -> str:
    return f"<prompt>{section.replace('- Be', '<mask>- Be <mask>').replace('warm.', '</mask>warm.</mask>')}</prompt>"


def six(section: str) -> str:
    return f"<prompt><mask>Answer</mask> the question.{marked(section).removeprefix('Answer the question.')}</prompt>"


@pytest.mark.slow
@pytest.mark.parametrize("broken", [altered, nested, six, lambda _: "", lambda _: "<prompt></prompt>"])
def test_a_bad_copy_is_asked_for_once_more_and_then_parts_are_cut_by_rule(tmp_path: Path, broken) -> None:
    def propose(request: Request) -> str:
        text = text_of(request)
        return broken(section_of(text)) if segmenting(text) else author(request)

    proposer = Scripted(propose, name="sloppy")
    result = search(tmp_path, replace(SMALL, iterations=1), word_task(), proposer=proposer)
    assert sum(segmenting(text_of(request)) for request in proposer.log) == 2
    assert result.rejected["segmenter: not a marked copy of the prompt"] == 2
    assert result.steps[0].pool[0].prompt["instruction"] == RULES
    parts = [c.proposal.note for c in result.candidates() if c.proposal.operator == "ablation"]
    assert parts == RULES.split("\n")[1:]
    assert all(section_of(text) == RULES for text in rewriter_texts(proposer))


def test_the_hardest_examples_are_shown_and_found_anew_after_a_gain(tmp_path: Path) -> None:
    def scores(content: Content, text: str) -> list[float]:
        number = int(text.removeprefix("word"))
        # Without the word, the higher numbers are harder; with it, the lower ones are.
        return [-1.0 - number * 0.01] if "exactly" not in said(content) else [-0.9 + number * 0.01]

    task = word_task(12)
    proposer = Scripted(always("<prompt>Answer the question exactly.</prompt>"), name="once")
    result = search(
        tmp_path, replace(SMALL, iterations=2, rewrite=Rewriting(hard=3, samples=1)), task, scores, proposer=proposer
    )
    asked = [shown(text) for text in rewriter_texts(proposer)]
    order = sorted((example["question"] for example in task.train), key=lambda text: int(text.split()[-1][:-1]))
    assert result.steps[0].kept[0]["instruction"] == "Answer the question exactly."
    # The engine is asked in another order than the method asks, iteration by iteration.
    assert sorted(asked[:3]) == sorted(order[-3:])
    assert sorted(asked[3:]) == sorted(order[:3])


def test_a_long_easy_example_is_not_harder_than_a_short_hard_one(tmp_path: Path) -> None:
    def scores(_: Content, text: str) -> list[float]:
        return [-0.1] * len(text.split()) if " " in text else [-2.0]

    task = word_task(target=lambda number: f"word{number}" if number % 5 == 0 else "long " * 40 + str(number))
    hard = {example["question"] for example in task.train if " " not in example.target}
    assert hard
    proposer = Scripted(author, name="author")
    evaluator = Loss(task, reduction="token_mean", ends=False)
    settings = PMPO(iterations=1, rewrite=Rewriting(hard=len(hard), samples=1))
    search(tmp_path, settings, task, scores, proposer=proposer, evaluator=evaluator)
    assert {shown(text) for text in rewriter_texts(proposer)} == hard


@pytest.mark.slow
@pytest.mark.parametrize(("gain", "accepted"), [(0.0, False), (1e-4, False), (2.0e-4, False), (3e-4, True)])
def test_a_gain_must_exceed_the_smallest_that_counts(tmp_path: Path, gain: float, accepted: bool) -> None:
    # 1e-4 of a loss of 2 nats.
    proposer = always("<prompt>Answer the question well.</prompt>")
    scores = favouring("well", base=2.0, each=gain)
    result = search(tmp_path, replace(SMALL, iterations=1), word_task(), scores, proposer=proposer)
    assert (result.steps[0].kept[0]["instruction"] == "Answer the question well.") is accepted


@pytest.mark.slow
def test_the_loss_of_the_prompt_in_use_never_rises(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, iterations=8), word_task(), favouring(*WORDS, each=0.2))
    losses = [
        -next(estimate.mean for estimate in step.pool if estimate.prompt == step.kept[0]) for step in result.steps
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
    for before, after in zip(result.steps, result.steps[1:], strict=False):
        assert after.pool[0].prompt == before.kept[0]


def test_what_was_scored_before_is_not_scored_again(tmp_path: Path) -> None:
    rewrites = ["Answer now.", "Answer \n now.", RULES, RULES.replace("\n- End.", "")]

    def propose(request: Request) -> str:
        text = text_of(request)
        return author(request) if segmenting(text) else f"<prompt>{rewrites[(request.seed or 0) % 4]}</prompt>"

    settings = PMPO(iterations=4, rewrite=Rewriting(hard=3, samples=4))
    result = search(tmp_path, settings, word_task(10), proposer=propose)
    assert result.rejected["rewriter: same as its parent"] + result.rejected["rewriter: scored before"] > 30
    assert [step.spent.evaluations for step in result.steps] == [10 + 8 + 5 * 10 + 10] * 4
