"""Align-Pro as a search: its contract, its guard, its refusals, and a budget that ends in the middle of a round."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.settings import build_optimizer
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.operators.training import Policy
from promptopt.optimizers.align_pro.method import AlignPro
from promptopt.optimizers.align_pro.settings import TrainingSettings
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, feature_accuracy, planted_model, planted_task
from promptopt.types import Example, Request, UpperBounds

WORDS = ("carefully", "exactly", "twice")


def author(request: Request) -> str:
    text = str(request.content)
    draw = random.Random(f"{text}{request.seed}")
    return f"<prompt>Answer the question {draw.choice(WORDS)}, {draw.choice((*WORDS, 'soon'))}.</prompt>"


class TestContract(OptimizerContract):
    optimizer = AlignPro(rewrites=6, examples=16, rounds=2, bound=3.0)
    budget = Budget(evaluations=1_000)

    def propose(self, request: Request) -> str:
        return author(request)


def search(
    home: Path,
    method: AlignPro,
    *,
    propose: Callable[[Request], str] = author,
    model: Scripted | None = None,
    task: Task | None = None,
    budget: Budget | None = None,
) -> Result:
    planted = planted_model(feature_accuracy(WORDS, base=0.3, each=0.2)) if model is None else model
    return optimize(
        planted_task() if task is None else task, method,
        model=Models(planted, proposer=Scripted(propose, name="author")),
        budget=Budget() if budget is None else budget, store=home / "store.db",
    )  # fmt: skip


def test_a_rewrite_that_was_lucky_once_does_not_pass_the_guard(tmp_path: Path) -> None:
    method = AlignPro(rewrites=3, examples=10, noise_correction=False)
    asked: list[str] = []

    def answer(request: Request) -> str:
        text = str(request.content)
        question = text.rsplit("question ", 1)[1]
        if question not in asked:
            asked.append(question)
        # The first ten questions are the batch: there the rewrite is always right, on fresh ones never.
        return "yes" if ("exactly" in text) == (asked.index(question) < 10) else "no"

    result = search(
        tmp_path, method, propose=lambda _: "<prompt>Answer exactly.</prompt>", model=Scripted(answer, name="fickle")
    )
    assert "guard on 20 fresh examples: 0.000 against 1.000" in result.steps[-1].note
    assert "0 wins, 20 losses, 0 ties" in result.steps[-1].note
    assert result.steps[-1].kept == (result.start.prompt,)
    assert result.best.text == "Answer the question."


def test_a_rewrite_that_does_as_well_on_fresh_examples_does_not_replace_what_a_person_wrote(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: Request) -> str:
        text = str(request.content)
        question = text.rsplit("question ", 1)[1]
        if question not in asked:
            asked.append(question)
        # The rewrite is right on all, the start on all but the batch.
        return "yes" if "exactly" in text or asked.index(question) >= 10 else "no"

    result = search(
        tmp_path, AlignPro(rewrites=3, examples=10), propose=lambda _: "<prompt>Answer exactly.</prompt>",
        model=Scripted(answer, name="fickle"),
    )  # fmt: skip
    assert result.steps[0].kept[0]["instruction"] == "Answer exactly."
    assert "guard on 20 fresh examples: 1.000 against 1.000, 0 wins, 0 losses, 20 ties" in result.steps[-1].note
    assert result.steps[-1].kept == (result.start.prompt,)


@pytest.mark.parametrize(("right", "best"), [("", "Answer the question."), ("exactly", "Answer exactly now.")])
def test_of_equal_weights_the_prompt_itself_is_taken_and_else_the_shorter(
    tmp_path: Path, right: str, best: str
) -> None:
    drawn = iter(["Answer exactly, and do so at once.", "Answer exactly now."] * 9)
    model = Scripted(lambda request: "yes" if right in str(request.content) else "no", name="even")
    result = search(
        tmp_path, AlignPro(rewrites=2, examples=10, guard=False), propose=lambda _: f"<prompt>{next(drawn)}</prompt>",
        model=model,
    )  # fmt: skip
    assert [prompt["instruction"] for prompt in result.steps[-1].kept] == [best]


def test_further_rounds_begin_at_the_best_of_the_one_before_and_end_where_nothing_is_better(tmp_path: Path) -> None:
    shown: list[str] = []

    def propose(request: Request) -> str:
        section = str(request.content[-1].content).split('"""')[1].strip()  # type: ignore[union-attr]
        shown.append(section)
        return f"<prompt>{section} {WORDS[min(2, len(section.split()) - 3)]}</prompt>"

    # Each of two words makes half of the difference; a third one none.
    result = search(
        tmp_path, AlignPro(rewrites=1, examples=10, rounds=5, bound=None, strength=0.01, guard=False), propose=propose,
        model=planted_model(feature_accuracy(WORDS[:2], base=0.0, each=0.5)),
    )  # fmt: skip
    assert list(dict.fromkeys(shown)) == [
        "Answer the question.", "Answer the question. carefully", "Answer the question. carefully exactly",
    ]  # fmt: skip
    assert [step.kept[0]["instruction"] for step in result.steps] == [
        "Answer the question. carefully", *["Answer the question. carefully exactly"] * 2,
    ]  # fmt: skip


def test_a_reward_that_goes_with_length_is_told(tmp_path: Path) -> None:
    def answer(request: Request) -> str:
        text = str(request.content)
        right = "exactly" in text and len(text.rsplit("question ", 1)[1]) % 2
        return f"yes{' ' * 40}" if right else "no"

    def reward(answer: str, example: Example) -> float:
        return float(answer.startswith("yes"))

    examples = [Example.of("yes", question=f"question {'x' * (number % 7)}{number}") for number in range(90)]
    task = Task.from_examples(examples, prompt="Say it.", metric=reward, splits=Splits(60, 15, 15))
    propose = "<prompt>Say it exactly.</prompt>"
    result = search(tmp_path, AlignPro(rewrites=2), propose=lambda _: propose, task=task, model=Scripted(answer))
    assert any("goes with their length (correlation 1.00 over 40 answers)" in warning for warning in result.warnings)


@pytest.mark.slow
def test_the_record_says_which_reference_kl_is_measured_against(tmp_path: Path) -> None:
    def reference(method: AlignPro, home: str) -> str:
        return search(tmp_path / home, method).steps[0].note.split("reference ", 1)[1].split()[0]

    one = AlignPro(rewrites=2, guard=False)
    assert reference(one, "a") == reference(replace(one, examples=5), "b")
    assert reference(one, "a") != reference(replace(one, sampling=replace(one.sampling, temperature=0.5)), "c")


def test_refusals_are_left_out_and_without_rewrites_the_prompt_stays(tmp_path: Path) -> None:
    result = search(tmp_path, AlignPro(rewrites=4), propose=lambda _: "I'm sorry, but I can't help with that.")
    assert result.best.text == "Answer the question."
    assert result.steps == ()
    assert any("no rewrite could be used" in warning for warning in result.warnings)
    assert result.status != "suspended"


@pytest.mark.parametrize("reply", ["yes", "Yes.", ' "YES" '])
def test_an_answer_is_no_rewrite(tmp_path: Path, reply: str) -> None:
    result = search(tmp_path, AlignPro(rewrites=4), propose=lambda _: f"<prompt>{reply}</prompt>")
    assert result.rejected == {"rewriter: answers instead of rewriting": 4}
    assert result.best.text == "Answer the question."


def test_a_budget_that_ends_inside_a_round_weighs_what_was_fully_rewarded(tmp_path: Path) -> None:
    def numbered(request: Request) -> str:
        return f"<prompt>Answer exactly {request.seed}.</prompt>"

    result = search(tmp_path, AlignPro(rewrites=8, examples=20), propose=numbered, budget=Budget(evaluations=260))
    step = result.steps[-1]
    assert step.note.startswith(f"partial: {len(step.pool)} of 9 rewarded")
    assert all(each.count == 20 for each in step.pool)
    assert result.start.prompt in [each.prompt for each in step.pool]
    assert result.status == "budget"


def test_equal_rewrites_are_scored_once_and_weigh_by_their_number(tmp_path: Path) -> None:
    drawn = iter(["soon", "soon", "soon", "twice"] * 10)
    result = search(
        tmp_path, AlignPro(rewrites=4, examples=10, guard=False, strength=1e9, bound=None),
        propose=lambda _: f"<prompt>Answer {next(drawn)}.</prompt>",
    )  # fmt: skip
    (step,) = result.steps
    assert len(step.pool) == 3
    # Weights are counts at such a lambda: 1, 3 and 1 of 5.
    assert step.kept[0]["instruction"] == "Answer soon."
    assert "spread over 2.3" in step.note


@pytest.mark.parametrize(("budget", "differ"), [(Budget(evaluations=300), 14), (Budget(calls=300), 11)])
def test_a_budget_pays_for_rewrites_that_differ_and_what_repeats_itself_ends_the_round(
    tmp_path: Path, budget: Budget, differ: int
) -> None:
    said = iter(range(1_000))
    twice = search(
        tmp_path, AlignPro(), propose=lambda _: f"<prompt>Answer as number {next(said) // 2}.</prompt>", budget=budget
    )  # fmt: skip
    assert len(twice.steps[0].pool) == differ
    assert (twice.spent.calls if budget.calls else twice.spent.evaluations) <= 300
    again = search(tmp_path / "again", AlignPro(), propose=lambda _: "<prompt>Answer soon.</prompt>", budget=budget)
    assert len(again.steps[0].pool) == 2
    assert again.spent.proposer_calls < 2 * differ + 2


def test_the_reward_never_sees_the_rewrite(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []

    def metric(answer: str, example: Example) -> float:
        seen.append((answer, example["question"]))
        return float(answer == example.target)

    examples = [Example.of("yes", question=f"question {number}") for number in range(60)]
    task = Task.from_examples(examples, prompt="Say it.", metric=metric, splits=Splits(30, 15, 15))
    search(tmp_path, AlignPro(rewrites=2, examples=5), task=task, model=Scripted(lambda _: "yes", name="model"))
    assert {question for _, question in seen} <= {example["question"] for example in examples}


def test_a_reward_off_the_scale_is_refused_before_anything_is_weighed(tmp_path: Path) -> None:
    examples = [Example.of("yes", question=f"question {number}") for number in range(60)]
    task = Task.from_examples(examples, prompt="Say it.", metric="exact", splits=Splits(30, 15, 15))
    with pytest.raises(ConfigError, match=r"a reward is 1, and the scale is from 0 to 0\.5; set scale"):
        search(tmp_path, AlignPro(scale=(0.0, 0.5)), task=task, model=Scripted(lambda _: "yes", name="model"))


def test_rounds_add_up_their_kl_and_stop_at_the_bound(tmp_path: Path) -> None:
    result = search(tmp_path, AlignPro(rewrites=6, rounds=5, bound=0.8, guard=False))
    rounds = [step for step in result.steps if "KL" in step.note]
    spent = [float(step.note.split("KL ")[1].split()[0]) for step in rounds]
    assert spent == sorted(spent)
    assert spent[-1] <= 0.8 + 1e-3


@pytest.mark.slow
def test_a_draw_by_the_weights_is_the_same_for_a_seed(tmp_path: Path) -> None:
    method = AlignPro(mode="tilt", guard=False)
    one, two = search(tmp_path / "a", method), search(tmp_path / "b", method)
    assert one.steps[0].kept == two.steps[0].kept


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"strength": "0.1"}, "one of the two"),
        ({"bound": "none"}, "one of the two"),
        ({"bound": "none", "strength": "0"}, "set it above 0"),
        ({"bound": "none", "strength": "inf"}, "set it above 0"),
        ({"scale": "1,0"}, "the least and the most"),
        ({"rewrites": "0"}, "1 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        build_optimizer("align-pro", settings)


def test_upper_bounds_hold(tmp_path: Path) -> None:
    method = AlignPro(rewrites=3, examples=10, rounds=2, bound=5.0)
    bounds, result = method.upper_bounds(60), search(tmp_path, method)
    assert result.steps[-1].spent.evaluations <= bounds.evaluations
    assert result.steps[-1].spent.proposer_calls <= bounds.proposer_calls
    assert replace(method, guard=False).upper_bounds(60).evaluations < bounds.evaluations


class Untaught:
    """A writer that nobody opens."""

    def open(self, settings: TrainingSettings, seed: int) -> Policy:
        raise AssertionError


def test_bounds_count_rewrites_rounds_and_the_guard_on_what_examples_there_are() -> None:
    method = AlignPro(rewrites=6, examples=10, rounds=3)
    # Six rewrites and the prompt itself a round; the guard has twice as many examples for two prompts.
    assert method.upper_bounds(60) == UpperBounds(3 * 7 * 10 + 2 * 20, 2 * 3 * 6, 2 * 3 * 6 * 1024)
    assert replace(method, guard=False).upper_bounds(60).evaluations == 3 * 7 * 10
    assert method.upper_bounds(4).evaluations == 3 * 7 * 4 + 2 * 8
    trained = AlignPro(rewrites=6, examples=10, writer=Untaught(), train=TrainingSettings(steps=4))
    # The first draws, those of four steps, the start, and the likeliest text at the end; nothing of a proposer.
    assert trained.upper_bounds(60) == UpperBounds((5 * 6 + 2) * 10 + 2 * 20, 0, 0)
    fitted = replace(trained, guard=False, train=TrainingSettings(steps=4, stages="weights"))
    assert fitted.upper_bounds(60).evaluations == (6 + 2) * 10


def test_what_was_not_seen_to_differ_is_not_told_apart_by_noise(tmp_path: Path) -> None:
    # Right by chance on some: the rewrites are worth the same, and no lambda that small may say otherwise.
    model = planted_model(feature_accuracy([], base=0.5), common=0.0)
    result = search(tmp_path, AlignPro(rewrites=6, examples=10, bound=1.7, guard=False), model=model)
    spread = float(result.steps[0].note.split("spread over ")[1])
    assert spread > len(result.steps[0].pool) / 2
