"""What `tpe` promises by the paper's rule: the stages of MIPROv2, and that pairs scored in full come first."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.models.scripted import Scripted
from promptopt.operators.grounded import TIPS
from promptopt.optimizers.tpe.method import Bootstrapping, Proposing, Scoring
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, feature_accuracy, planted_model, planted_task, uniform
from promptopt.types import Example, Reply, Request
from tests.optimizers.tpe.tpe_searches import (
    SMALL,
    START,
    WORDS,
    author,
    demo_fond,
    flat_task,
    inventive,
    search,
    section_of,
    text_of,
    word_task,
)


class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test, a planted gain."""

    optimizer = SMALL
    budget = Budget(evaluations=400)
    sizes = (40, 90, 170, 250)

    def propose(self, request: Request) -> str:
        return author(request)


def test_the_start_is_scored_in_full_before_anything_else(tmp_path: Path) -> None:
    model, proposer = planted_model(lambda _: 0.5), Scripted(inventive, name="inventive")
    task = planted_task()
    search(tmp_path, model=model, proposer=proposer, task=task)
    first = [text_of(request) for request in model.log[:50]]
    questions = {example["question"] for example in task.train if any(f"{example['question']}\n" in t for t in first)}
    # A fifth of the training examples, capped at what the sets can hold, is not scored on.
    assert len(questions) == 50
    assert all(text.startswith(f"{START}\n\nQuestion: ") for text in first)


@pytest.mark.slow
def test_no_pair_is_scored_on_what_it_was_made_from(tmp_path: Path) -> None:
    task, proposer, model = word_task(), Scripted(inventive, name="inventive"), Scripted(demo_fond)
    result = search(tmp_path, task=task, proposer=proposer, model=model)
    shown = {
        example["question"]
        for example in task.train
        if any(f"question: {example['question']}\n" in text_of(request) for request in proposer.log)
    }
    demos = {demo["question"] for each in result.candidates() for demo in each.prompt.demos}
    train = {example["question"] for example in task.train}
    searched = model.log[: result.steps[-1].spent.calls - result.steps[-1].spent.proposer_calls]
    asked = Counter(text_of(request).rpartition("Question: ")[2].split("\n")[0] for request in searched)
    scored = {question for question, count in asked.items() if count > 1}
    assert shown | demos <= train
    assert demos
    assert scored.isdisjoint(shown | demos)
    assert len(scored) == 50


@pytest.mark.slow
def test_the_requests_hold_the_task_three_examples_and_a_tip(tmp_path: Path) -> None:
    task = replace(word_task(200), description="Say whether it is so.")
    proposer = Scripted(inventive, name="inventive")
    settings = replace(SMALL, propose=Proposing(instructions=41))
    result = search(tmp_path, settings, task=task, proposer=proposer, model=Scripted(demo_fond))
    texts = [text_of(request) for request in proposer.log]
    assert len(texts) == 40
    tips = [next((tip for tip in TIPS[1:] if tip in text), "") for text in texts]
    assert set(tips) == set(TIPS)
    for text in texts:
        assert "Task: Say whether it is so." in text
        assert section_of(text) == START
        assert text.count("question: question ") == text.count("Expected output: yes") == 3
        assert text.endswith("<prompt>\n...\n</prompt>")
    notes = [each.proposal.note for each in result.candidates() if each.proposal.operator == "proposer"]
    assert Counter(notes) == Counter(tip.strip() for tip in tips)


@pytest.mark.slow
def test_sets_are_none_bare_and_bootstrapped(tmp_path: Path) -> None:
    settings = replace(SMALL, trials=60, bootstrap=Bootstrapping(sets=8, demos=3, share=0.4))
    result = search(tmp_path, settings, task=word_task(), model=Scripted(demo_fond))
    by_set: dict[str, tuple[Example, ...]] = {}
    for each in result.candidates():
        if each.proposal.operator == "demonstrations":
            number = each.proposal.note.split(",")[0]
            assert by_set.setdefault(number, each.prompt.demos) == each.prompt.demos
            assert each.proposal.parents[0].demos == ()
            assert each.proposal.parents[0]["instruction"] == each.prompt["instruction"]
    assert set(by_set) == {f"set {number}" for number in range(1, 8)}
    assert {demo.target for demo in by_set["set 1"]} == {"yes"}
    targets = [[demo.target for demo in by_set[f"set {number}"]] for number in range(2, 8)]
    assert targets[0] == ["Let me think. yes"] * 3
    for each in targets:
        # The task model's own right replies, one at least, and then bare targets.
        own = each.count("Let me think. yes")
        assert each == ["Let me think. yes"] * own + ["yes"] * (3 - own)
        assert own >= 1
    assert len({len([target for target in each if target != "yes"]) for each in targets}) > 1
    assert all(len({demo["question"] for demo in demos}) == 3 for demos in by_set.values())


def test_demonstrations_are_found_where_they_help(tmp_path: Path) -> None:
    result = search(tmp_path, task=word_task(), model=Scripted(demo_fond), proposer=lambda _: "???")
    assert len(result.prompt.demos) == 2
    assert result.verdict == "better"


def test_a_trial_is_a_minibatch_and_a_full_score_follows_every_few(tmp_path: Path) -> None:
    model = planted_model(lambda text: uniform(text), common=0.5)
    result = search(tmp_path, model=model, task=flat_task(), proposer=inventive)
    # Ten trials, a full score after 3, 6, 9 and at the end.
    assert len(result.steps) == 4
    full = [sum(each.count == 50 for each in step.pool) for step in result.steps]
    assert full[0] == 2
    assert full == sorted(full)
    for step in result.steps:
        best = max((each for each in step.pool if each.count == 50), key=lambda each: each.mean)
        assert step.kept == (best.prompt,)
        assert best == step.pool[0]
    assert result.steps[0].spent.evaluations <= 50 + 3 * 8 + 50


def quality(answer: str, example: Example) -> float:
    return float(answer)


@pytest.mark.slow
def test_the_best_of_the_rest_is_scored_in_full(tmp_path: Path) -> None:
    examples = [Example.of("-", text=f"item {number}") for number in range(160)]
    task = Task.from_examples(examples, prompt=START, metric=quality, answer="text", splits=Splits(60, 40, 60))
    model = Scripted(lambda request: str(uniform(text_of(request).rpartition("Text: ")[0])), name="noiseless")
    result = search(tmp_path, replace(SMALL, trials=12), task=task, model=model)
    full = [{each.prompt for each in step.pool if each.count == 50} for step in result.steps]
    assert [len(prompts) for prompts in full] == [2, 3, 4, 5]
    for before, after, step in zip([{result.start.prompt}, *full], full, result.steps, strict=False):
        (chosen,) = after - before
        means = {each.prompt: each.mean for each in step.pool}
        assert means[chosen] == max(mean for prompt, mean in means.items() if prompt not in before)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_what_is_scored_in_full_wins_over_what_saw_a_minibatch(tmp_path: Path, seed: int) -> None:
    result = search(tmp_path, model=planted_model(uniform, common=0.0), seed=seed)
    complete = {each.prompt for each in result.steps[-1].pool if each.count == 50}
    assert len(complete) < len(result.steps[-1].pool)
    assert result.prompt in complete


def test_minibatches_are_drawn_anew_for_each_trial(tmp_path: Path) -> None:
    model = planted_model(lambda _: 0.5)
    search(tmp_path, replace(SMALL, trials=3, score=Scoring(minibatch=8, full_every=3)), model=model, task=flat_task())
    asked = [text_of(request).rpartition("\n\n") for request in model.log[50:74]]
    trials = [asked[begin : begin + 8] for begin in (0, 8, 16)]
    assert [len({instruction for instruction, _, _ in trial}) for trial in trials] == [1, 1, 1]
    assert len({frozenset(question for _, _, question in trial) for trial in trials}) == 3


def test_without_a_place_for_demonstrations_instructions_are_searched(tmp_path: Path) -> None:
    model = planted_model(feature_accuracy(WORDS, base=0.3))
    result = search(tmp_path, task=flat_task(), proposer=author, model=model)
    assert all(each.prompt.demos == () for each in result.candidates())
    assert sum("no place for demonstrations" in warning for warning in result.warnings) == 1
    assert len(result.candidates()) > 1


@pytest.mark.slow
def test_a_start_with_demonstrations_of_its_own_keeps_them_among_the_sets(tmp_path: Path) -> None:
    own = (Example.of("Let me think. yes", question="one of its own"),)
    task = word_task()
    task = replace(task, initial=task.initial.with_demos(own))
    result = search(tmp_path, replace(SMALL, trials=40), task=task, model=Scripted(demo_fond))
    sets = {each.prompt.demos for each in result.candidates()}
    assert own in sets
    assert () in sets
    assert len(sets) == 5
    assert {each.prompt.demos for each in result.candidates() if each.proposal.operator == "proposer"} == {own}


@pytest.mark.slow
@pytest.mark.parametrize("reply", ["", "???", f"<prompt>{START}</prompt>", Reply("<prompt>Answer the", "length")])
def test_no_usable_instruction_leaves_the_demonstrations(tmp_path: Path, reply) -> None:
    result = search(tmp_path, proposer=lambda _: reply, task=word_task(), model=Scripted(demo_fond))
    assert {each.prompt["instruction"] for each in result.candidates()} == {START}
    assert len(result.candidates()) > 1
    assert result.status == "finished"


@pytest.mark.parametrize("task", [flat_task(), planted_task()])
def test_a_search_space_of_one_keeps_the_start(tmp_path: Path, task: Task) -> None:
    settings = replace(SMALL, bootstrap=Bootstrapping(sets=1))
    result = search(tmp_path, settings, proposer=lambda _: "???", task=task)
    assert result.prompt == task.initial
    assert sum("no usable candidate" in warning for warning in result.warnings) == 1
    assert result.spent.evaluations == 56 + 40 + 60
    assert result.status == "finished"


def test_an_instruction_that_quotes_an_example_is_dropped(tmp_path: Path) -> None:
    examples = [Example.of(f"the {number} colours of day {number}", text=f"item {number}") for number in range(160)]
    task = Task.from_examples(examples, prompt=START, metric="exact", answer="text", splits=Splits(60, 40, 60))

    def quoting(request: Request) -> str:
        return f"<prompt>Say {text_of(request).split('Expected output: ')[1].splitlines()[0]} soon</prompt>"

    result = search(tmp_path, proposer=quoting, task=task, model=Scripted(lambda _: "x"))
    assert result.rejected == {"proposer: quotes an example": 3}


def test_names_of_slots_in_the_data_are_plain_text(tmp_path: Path) -> None:
    odd = "{task} {section} {examples} {tip} {words}"
    examples = [Example.of("yes", question=f"{odd} in {number}") for number in range(160)]
    task = Task.from_examples(examples, prompt=START, metric="exact", answer="text", splits=Splits(60, 40, 60))
    proposer = Scripted(inventive, name="inventive")
    search(tmp_path, task=task, proposer=proposer, model=Scripted(lambda _: "yes"))
    assert [text_of(request).count(f"{odd} in ") for request in proposer.log] == [3, 3, 3]


@pytest.mark.slow
@pytest.mark.parametrize("train", [1, 2, 3, 7])
def test_fewer_examples_than_a_minibatch(tmp_path: Path, train: int) -> None:
    result = search(tmp_path, task=word_task(train), model=Scripted(demo_fond))
    scored = train - max(train // 5, int(train > 1))
    assert result.status == "finished"
    assert {each.count for each in result.steps[-1].pool} == {scored}
    assert result.steps[-1].spent.evaluations <= SMALL.upper_bounds(train).evaluations


@pytest.mark.parametrize("evaluations", [10, 40, 80])
def test_a_budget_below_the_first_full_score_returns_the_start(tmp_path: Path, evaluations: int) -> None:
    result = search(tmp_path, replace(SMALL, preset="paper"), budget=Budget(evaluations=evaluations))
    assert result.prompt == planted_task().initial
    assert result.status == "budget"
    assert result.spent.evaluations <= evaluations
    assert result.start.test is not None
