"""PMPO: what its settings do, own solutions, the evaluator that it chooses, what it expects to cost."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.binding.settings import build_optimizer
from promptopt.errors import ConfigError
from promptopt.evaluators.loss import Loss
from promptopt.evaluators.preference import Preference
from promptopt.models.scripted import Scripted
from promptopt.operators.masks import SEGMENTER
from promptopt.optimizers.pmpo.method import PMPO, REWRITER, Acceptance, Masking, Rewriting, Targets
from promptopt.registry import names
from promptopt.tasks.task import Task
from promptopt.types import Content, Example, Request, ScoreRequest
from tests.optimizers.pmpo.pmpo_search import (
    RULES,
    SMALL,
    Scores,
    always,
    author,
    favouring,
    flat,
    inventive,
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


def test_examples_that_gave_nothing_rest_for_three_iterations(tmp_path: Path) -> None:
    def scores(_: Content, text: str) -> list[float]:
        return [-float(text.removeprefix("word"))]

    proposer = Scripted(inventive, name="inventive")
    task = word_task(7)
    settings = PMPO(iterations=5, mask=Masking(most=0), rewrite=Rewriting(hard=2, samples=1))
    search(tmp_path, settings, task, scores, proposer=proposer)
    asked = [shown(text) for text in rewriter_texts(proposer)]
    by_loss = sorted((int(example.target.removeprefix("word")) for example in task.train), reverse=True)
    turns = [sorted(int(text.split()[-1][:-1]) for text in asked[begin : begin + 2]) for begin in range(0, 10, 2)]
    a, b, c, d, e, f, g = by_loss
    # In the fourth iteration only g is fresh, in the fifth only b is rested: the hardest fills the place.
    assert turns == [sorted(pair) for pair in ([a, b], [c, d], [e, f], [g, a], [b, a])]


def test_of_gains_that_differ_by_less_than_counts_the_shorter_prompt_wins(tmp_path: Path) -> None:
    long, short = "Answer the question well, and say it as briefly as you can.", "Answer well."

    def propose(request: Request) -> str:
        return f"<prompt>{long if request.seed is not None and request.seed % 2 else short}</prompt>"

    scores: Scores = lambda content, _: [-1.0 - 1e-4 * (short in said(content)) + 0.5 * (RULES in said(content)) * -1]  # noqa: E731
    settings = PMPO(iterations=1, mask=Masking(most=0), rewrite=Rewriting(hard=3, samples=4))
    result = search(tmp_path, settings, word_task(), scores, proposer=propose)
    means = {estimate.prompt["instruction"]: estimate.mean for estimate in result.steps[0].pool}
    assert means[long] > means[short] > means[RULES]
    assert result.steps[0].kept[0]["instruction"] == short


@pytest.mark.slow
def test_a_shortened_prompt_can_win(tmp_path: Path) -> None:
    scores: Scores = lambda content, _: [-1.0 - ("snow" in said(content))]  # noqa: E731
    result = search(tmp_path, replace(SMALL, iterations=1), word_task(), scores, proposer=always("Nothing."))
    assert result.best.text == RULES.replace("- Think of snow.\n", "")
    (winner,) = [c.proposal for c in result.candidates() if c.prompt == result.prompt]
    assert (winner.operator, winner.note) == ("ablation", "- Think of snow.")


def test_a_mark_in_the_place_of_a_part_is_measured_but_is_no_candidate(tmp_path: Path) -> None:
    scores: Scores = lambda content, _: [-1.0 - ("snow" in said(content))]  # noqa: E731
    proposer = Scripted(author, name="author")
    settings = replace(SMALL, iterations=1, mask=Masking(mode="placeholder"))
    model = Scripted(lambda _: "yes", scores=scores)
    result = search(tmp_path, settings, word_task(), proposer=proposer, model=model)
    assert any("[MASK]" in text_of(request) for request in model.log)
    assert '"- Think of snow.": -1.0000' in rewriter_texts(proposer)[0]
    assert not any("[MASK]" in estimate.prompt["instruction"] for step in result.steps for estimate in step.pool)
    assert "[MASK]" not in result.best.text


def test_parts_by_rule_ask_no_model(tmp_path: Path) -> None:
    proposer = Scripted(author, name="author")
    result = search(tmp_path, replace(SMALL, mask=Masking(by="rule")), word_task(), proposer=proposer)
    assert not any(segmenting(text_of(request)) for request in proposer.log)
    assert any(c.proposal.operator == "ablation" for c in result.candidates())


def test_lineage_says_which_example_and_which_parts_led_to_a_rewrite(tmp_path: Path) -> None:
    scores: Scores = lambda content, text: [-2.0 + 0.5 * ("one word" in said(content)) - (text == "word1")]  # noqa: E731
    task = word_task()
    result = search(tmp_path, replace(SMALL, iterations=1), task, scores)
    notes = [c.proposal.note for c in result.candidates() if c.proposal.operator == "rewriter"]
    assert notes
    for note in notes:
        assert note.split("example ")[1].split()[0] in {example.id for example in task.train}
        assert "to be beaten by" in note
        assert '"- Say it in one word." helps (+0.5000 ± 0.0000)' in note


def test_patience_ends_the_search(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, iterations=9, accept=Acceptance(patience=2)), word_task())
    assert len(result.steps) == 2


@pytest.mark.slow
def test_held_out_examples_choose_among_accepted_prompts(tmp_path: Path) -> None:
    # Every further word is better on what the search scores, and worse on what it holds out.
    task = word_task(20)
    seen: dict[str, None] = {}

    def propose(request: Request) -> str:
        text = text_of(request)
        return f"<prompt>{section_of(text)} more {request.seed}</prompt>"

    def scores(content: Content, text: str) -> list[float]:
        count = said(content).count(" more ")
        return [-3.0 + 0.2 * count] if text in seen else [-3.0 + 0.2 * (1 if count == 1 else -count)]

    settings = PMPO(iterations=3, mask=Masking(most=0), accept=Acceptance(validation=0.2))
    # What is held out is drawn from the seed alone, so a first run tells it.
    first = search(tmp_path / "first", settings, task, flat, proposer=propose)
    assert first.steps[0].pool[0].count == 16
    model = Scripted(lambda _: "yes", scores=flat)
    search(tmp_path / "second", replace(settings, iterations=0), task, flat, model=model)
    scored = Counter(text_of(request).split("Question: ")[1] for request in model.log)
    assert len(scored) >= 20
    model = Scripted(lambda _: "yes", scores=flat)
    search(tmp_path / "third", replace(settings, iterations=1), task, flat, model=model, proposer=propose)
    rewritten = {
        text_of(request).split("Question: ")[1].split("\n")[0] for request in model.log if " more " in text_of(request)
    }
    seen.update((example.target, None) for example in task.train if example["question"] in rewritten)
    assert len(seen) == 16
    result = search(tmp_path / "fourth", settings, task, scores, proposer=propose)
    accepted = [step.kept[0]["instruction"].count(" more ") for step in result.steps]
    pools = [max(estimate.prompt["instruction"].count(" more ") for estimate in step.pool) for step in result.steps]
    assert pools == [1, 2, 3]
    assert accepted == [1, 1, 1]
    assert result.search.best is not None
    assert result.search.best == pytest.approx(-2.8)


def test_too_few_to_hold_out_and_too_few_to_learn_from_are_told(tmp_path: Path) -> None:
    result = search(tmp_path, replace(SMALL, accept=Acceptance(validation=0.25)), word_task(2))
    assert any("too few to hold some out" in warning for warning in result.warnings)
    assert any("writes them into the prompt" in warning for warning in result.warnings)


def test_examples_without_a_finite_loss_under_the_start_are_left_out(tmp_path: Path) -> None:
    task = word_task(10)
    lost = task.train[3].target
    scores: Scores = lambda content, text: [-math.inf if text == lost else -2.0 + ("well" in said(content))]  # noqa: E731
    result = search(tmp_path, SMALL, task, scores, proposer=always("<prompt>Answer well.</prompt>"))
    assert {estimate.count for step in result.steps for estimate in step.pool} == {9}
    assert any("1 of 10 training examples left out, without a finite score" in warning for warning in result.warnings)
    assert result.best.text == "Answer well."
    with pytest.raises(ConfigError, match="not one of 10 training examples"):
        search(tmp_path / "none", SMALL, task, lambda *_: [-math.inf])


def solve(request: Request) -> str:
    """Thinks aloud; right in some draws, never for a question with a 3 in it."""
    number = text_of(request).split("number ")[1].split("?")[0]
    right = "3" not in number and (request.seed or 0) % 2
    return f"I think that it is\nword{number if right else 'less'}"


def last_line(reply: str) -> str | None:
    return reply.split("\n")[-1]


def reasoning_task() -> Task:
    return replace(word_task(12, instruction="Think step by step."), answer=last_line)


def test_own_solutions_become_the_targets(tmp_path: Path) -> None:
    task = reasoning_task()
    model = Scripted(solve, scores=flat)
    proposer = Scripted(author, name="author")
    settings = replace(SMALL, targets=Targets("own"))
    evaluator = Loss(task, reduction="token_mean", ends=False)
    result = search(tmp_path, settings, task, model=model, evaluator=evaluator, proposer=proposer)
    drawn = [request for request in model.log if isinstance(request, Request)]
    assert len(drawn) == 4 * 12
    assert {request.sampling.temperature for request in drawn} == {0.7}
    unsolved = [example for example in task.train if "3" in example.target]
    count = result.steps[0].pool[0].count
    assert 0 < count <= 12 - len(unsolved)
    searched = model.log[48 : 48 + count]
    for request in searched:
        assert isinstance(request, ScoreRequest)
        number = text_of(request).split("number ")[1].split("?")[0]
        assert request.continuations == (f"I think that it is\nword{number}",)
    assert "Preferred output: I think that it is" in rewriter_texts(proposer)[0]
    assert any(f"{count} of 12 training examples got a right reply" in warning for warning in result.warnings)
    assert not any("asks for reasoning" in warning for warning in result.warnings)
    assert result.search.start == -0.5


def test_own_wrong_solutions_are_what_is_rejected(tmp_path: Path) -> None:
    # Preferences need a rejected output from the start: here the data has one, which gives way to the model's own.
    task = reasoning_task()
    splits = {
        name: tuple(replace(example, rejected=("none",)) for example in getattr(task, name))
        for name in ("train", "dev", "test")
    }
    task = replace(task, **splits)
    model = Scripted(solve, scores=lambda _, text: [-1.0] * (len(text.split()) + 1))
    result = search(tmp_path, replace(SMALL, targets=Targets("own")), task, model=model, evaluator=Preference(task))
    count = result.steps[0].pool[0].count
    for request in model.log[48 : 48 + count]:
        assert isinstance(request, ScoreRequest)
        assert request.continuations[1:] == ("I think that it is\nwordless",)


def test_a_model_that_solves_nothing_has_no_solutions(tmp_path: Path) -> None:
    model = Scripted(lambda _: "no idea", scores=flat, name="clueless")
    with pytest.raises(ConfigError, match="the task model gave a right reply to none of 12"):
        search(tmp_path, replace(SMALL, targets=Targets("own")), reasoning_task(), model=model)


@pytest.mark.slow
def test_a_loss_on_bare_answers_of_a_prompt_that_asks_for_reasoning_is_told(tmp_path: Path) -> None:
    result = search(tmp_path, SMALL, reasoning_task())
    assert any("asks for reasoning" in warning for warning in result.warnings)
    assert not any("asks for reasoning" in warning for warning in search(tmp_path, SMALL, word_task()).warnings)


def test_preference_pairs_are_shown_with_their_names(tmp_path: Path) -> None:
    task, proposer = preference_task(), Scripted(author, name="author")
    search(tmp_path, SMALL, task, preferences(-1.0, -2.0), evaluator=Preference(task), proposer=proposer)
    assert all("Preferred output: good\nRejected output: bad" in text for text in rewriter_texts(proposer))


def test_the_method_chooses_its_evaluator_by_the_data() -> None:
    assert PMPO().evaluator_for(preference_task()) == "preference"
    assert PMPO().evaluator_for(word_task()) == "loss"
    labelled = replace(word_task(target=lambda number: "ab"[number % 2]), labels=("a", "b"))
    assert PMPO().evaluator_for(labelled) == "preference"
    options = replace(word_task(target=lambda number: f"({'ABC'[number % 3]})"), answer="choice")
    assert PMPO().evaluator_for(options) == "preference"
    assert Preference(options).rejected(Example.of("(B)", question="Which?")) == ("(A)", "(C)")
    assert PMPO().evaluator_for(replace(options, answer="text")) == "loss"


def test_expected_is_the_cost_model_of_the_paper() -> None:
    default = PMPO().upper_bounds(10_000)
    assert default.evaluations == 17_050 + 8
    assert default.proposer_calls == 20 * 2 * 13
    assert PMPO(mask=Masking(most=0)).upper_bounds(10_000).evaluations == 12_050 + 8
    assert PMPO(iterations=1, mask=Masking(by="rule")).upper_bounds(50).proposer_calls == 2 * 12
    assert PMPO(iterations=0, targets=Targets("own")).upper_bounds(10).evaluations == 10 + 8 + 40


@pytest.mark.parametrize("proposer", [inventive, lambda _: "???"])
def test_expected_bounds_what_is_spent(tmp_path: Path, proposer) -> None:
    settings = replace(SMALL, accept=Acceptance(validation=0.2))
    result = search(tmp_path, settings, word_task(24), favouring(*"abcdef"), proposer=proposer)
    bound, spent = settings.upper_bounds(24), result.steps[-1].spent
    assert spent.evaluations <= spent.calls - spent.proposer_calls <= bound.evaluations
    assert spent.proposer_calls <= bound.proposer_calls


@pytest.mark.skipif("pmpo" not in names("optimizers"), reason="the package is not installed, so it has no entry points")
def test_settings_from_the_command_line() -> None:
    settings = {
        "iterations": "3",
        "mask.most": "2",
        "mask.by": "rule",
        "rewrite.form": "short",
        "rewrite.sampling.temperature": "0.5",
        "accept.patience": "6",
        "targets.source": "own",
    }
    assert build_optimizer("pmpo", settings) == PMPO(
        iterations=3,
        mask=Masking(most=2, by="rule", sampling=SEGMENTER),
        rewrite=Rewriting(form="short", sampling=replace(REWRITER, temperature=0.5)),
        accept=Acceptance(patience=6),
        targets=Targets("own"),
    )


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (PMPO, "iterations", -1),
        (PMPO, "examples", 0),
        (Masking, "most", -1),
        (Rewriting, "hard", 0),
        (Acceptance, "validation", 0.1),
        (Acceptance, "patience", 0),
        (Acceptance, "min_delta", 2.0),
        (Targets, "samples", 0),
    ],
)
def test_unusable_settings_are_refused(kind: type, name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=repr(name)):
        kind(**{name: value})
