"""SIMBA: which runs are made, what becomes of their contrast, and which winners are scored in the end."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.settings import build_optimizer
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.optimizers.simba.contrast import buckets, dropped, percentile, poisson, positions, softmax_draw
from promptopt.optimizers.simba.method import DRY, SIMBA
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.tasks.layout import Layout
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, feature_accuracy, planted_task, split_planted, uniform
from promptopt.types import Example, Prompt, Request, Room, Score
from tests.optimizers.workflows import START as PROGRAM
from tests.optimizers.workflows import Workflow, workflow_task

WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")
START = "Answer the question."


def text_of(request: Request) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def named(value: str, name: str = "instruction") -> str:
    return f"The better one looks twice.\n<name>{name}</name>\n<value>{value}</value>"


def adviser(request: Request) -> str:
    text = text_of(request)
    return named(f"Do it {random.Random(f'{text}{request.seed}').choice(WORDS)}.")


def sampled(request: Request, share: float) -> str:
    """Right with that probability: anew for each draw at a temperature."""
    text = text_of(request).rpartition("question")[2]
    draw = str(request.seed) if request.sampling.temperature else ""
    return "yes" if uniform(text, draw) < share else "no"


class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test and a planted gain, where the budget plans."""

    optimizer = SIMBA(demos=0)
    budget = Budget(evaluations=700)

    def task_model(self) -> Scripted:
        accuracy = feature_accuracy(self.words, base=self.base, each=self.each)
        return Scripted(lambda request: sampled(request, accuracy(split_planted(request)[0])), name="sampled")

    def propose(self, request: Request) -> str:
        return adviser(request)


def search(
    home: Path,
    method: SIMBA,
    write: Callable[[Request], str] = adviser,
    answer: Callable[[Request], str] = lambda request: sampled(request, 0.5),
    *,
    task: Task | None = None,
    evaluator: Any = None,
    budget: Budget | None = None,
) -> tuple[Result, list[Request], list[Request]]:
    """And every request of the task model, and of the proposer, in the order they were logged."""
    model, proposer = Scripted(answer, name="target"), Scripted(write, name="proposer")
    result = optimize(
        planted_task() if task is None else task,
        method,
        model=Models(model, proposer=proposer),
        evaluator=evaluator,
        check_evaluator=evaluator,
        budget=budget,
        store=home / "store.db",
    )
    asked = [[each for each in log if isinstance(each, Request)] for log in (model.log, proposer.log)]
    return result, asked[0], asked[1]


ONE = SIMBA(rounds=1, minibatch=8, candidates=3)


def test_the_first_run_of_an_example_is_the_teachers_where_one_is_named(tmp_path: Path) -> None:
    model, adviser_ = Scripted(lambda _: "no", name="target"), Scripted(adviser, name="proposer")
    teacher = Scripted(lambda _: "yes", name="strong")
    result = optimize(
        planted_task(),
        replace(ONE, demos=0),
        model=Models(model, proposer=adviser_, teacher=teacher),
        store=tmp_path / "store.db",
    )
    assert teacher.calls == 8 == result.by_role["teacher"].calls
    # The teacher is asked as the task says, the others at the temperature of the runs.
    assert {request.sampling.temperature for request in teacher.log} == {0.0}
    runs = [request for request in model.log if isinstance(request, Request) and request.sampling.temperature == 1.0]
    assert len(runs) == 2 * 8
    # What a stronger model makes of the start is no mean of the start's.
    start = next(each for each in result.steps[0].pool if each.prompt["instruction"] == START)
    assert start.mean == 0.0
    assert "Worth: 1" in text_of(adviser_.log[0])


@pytest.mark.slow
def test_a_step_takes_n_runs_of_each_example_and_one_of_each_candidate(tmp_path: Path) -> None:
    for method in (ONE, replace(ONE, rounds=3)):
        result, asked, _ = search(tmp_path / str(method.rounds), method)
        spent = 0
        for step in result.steps[:-1]:
            made = len(step.pool) - 1
            assert step.spent.evaluations - spent == 3 * 8 + made * 8
            spent = step.spent.evaluations
    runs = [request for request in asked if request.sampling.temperature == 1.0]
    assert len(runs) == 3 * 3 * 8
    assert len({(text_of(request), request.seed) for request in runs}) == len(runs), "no draw is made twice"


@pytest.mark.slow
def test_steps_on_the_same_examples_draw_anew(tmp_path: Path) -> None:
    method = replace(ONE, rounds=2, minibatch=30, demos=0)
    _, asked, _ = search(tmp_path, method, lambda _: "no advice")
    runs = [(text_of(each), each.seed) for each in asked if each.sampling.temperature == 1.0]
    assert len(runs) == len(set(runs)) == 2 * 3 * 30


@pytest.mark.parametrize(("size", "whole"), [(15, True), (8, False)])
def test_every_example_comes_up_before_one_comes_up_again(tmp_path: Path, size: int, whole: bool) -> None:
    _, asked, _ = search(tmp_path, replace(ONE, rounds=3, minibatch=size, demos=0), lambda _: "no advice")
    runs = [split_planted(each)[1] for each in asked if each.sampling.temperature == 1.0]
    steps = [set(runs[begin : begin + 3 * size]) for begin in range(0, len(runs), 3 * size)]
    assert [len(step) for step in steps] == [size] * 3
    # Thirty examples are for steps: those that are left over where they do not fill one come up in another order.
    epoch = 30 // size
    assert len(set().union(*steps[:epoch])) == size * len(steps[:epoch])
    assert (len(set().union(*steps[:epoch])) == 30) is whole


def score(value: float) -> Score:
    return Score(value, "yes")


def test_examples_whose_runs_differ_most_come_first() -> None:
    examples = [Example.of("yes", question=str(number)) for number in range(3)]
    runs = [[score(1), score(0)], [score(1), score(1)], [score(0.5), score(0)]]
    assert [bucket.example["question"] for bucket in buckets(examples, runs)] == ["0", "2", "1"]
    assert buckets(examples[:1], [[score(0), score(1)]])[0].runs[0].value == 1


@pytest.mark.parametrize(("size", "steps"), [(16, DRY), (8, 4), (4, 8)])
def test_runs_that_are_all_alike_make_no_candidate_and_end_the_search(size: int, steps: int, tmp_path: Path) -> None:
    # A few small steps without a candidate are luck: they must have had as many examples as one step of the code.
    method = SIMBA(rounds=12, minibatch=size, candidates=3)
    result, asked, told = search(tmp_path, method, answer=lambda _: "yes")
    assert told == []
    assert len(result.steps) == steps + 1
    assert len(result.lineage) == 1
    assert any("did not differ" in warning for warning in result.warnings)
    assert sum(request.sampling.temperature == 1.0 for request in asked) == steps * 3 * size


def test_a_target_that_is_always_wrong_has_no_winner_but_the_start(tmp_path: Path) -> None:
    result, _, _ = search(tmp_path, replace(ONE, rounds=9), answer=lambda _: "no")
    assert result.best.prompt == Prompt.of(START)
    assert result.steps[-1].kept == (Prompt.of(START),)
    # A wrong reply is no demonstration, and shows nothing that advice could be drawn from.
    assert len(result.lineage) == 1


def test_of_equal_winners_the_earliest_goes_on_and_that_is_the_start(tmp_path: Path) -> None:
    # Runs differ, so that there are candidates; without a temperature all are wrong alike.
    chance = lambda request: "yes" if request.sampling.temperature and (request.seed or 0) % 2 else "no"  # noqa: E731
    result, _, _ = search(tmp_path, replace(ONE, rounds=3), answer=chance)
    assert len(result.steps[-1].pool) > 1
    assert {each.mean for each in result.steps[-1].pool} == {0.0}
    assert result.steps[-1].kept == (Prompt.of(START),)


def varied(prompt: Prompt, question: str) -> tuple[float, str]:
    """Half right, by question: what runs of one input differ in is their prompt."""
    return uniform(question, prompt.id), "of some use"


def test_advice_goes_below_the_text_that_it_names_and_nowhere_else(tmp_path: Path) -> None:
    write = lambda request: named("Look at both sides.", "answer") + named("Sing.", "unused") + named("Hm.", "other")  # noqa: E731
    values = iter(range(10**6))
    workflow = Workflow(lambda prompt, question: ((next(values) % 5) / 4, ""))
    method = replace(ONE, demos=0)
    result, _, told = search(tmp_path, method, write, lambda request: "said", task=workflow_task(), evaluator=workflow)
    rules = [each.prompt for each in result.lineage if each.proposal.operator == "rule"]
    assert rules[0] == PROGRAM.replace("answer", f"{PROGRAM['answer']}\n\nLook at both sides.")
    assert result.rejected["adviser: unknown text"] >= 2
    assert "Call 1, by the text 'instruction', was given:" in text_of(told[0])
    assert "Do nothing here." not in text_of(told[0]).split("The input:")[0].split("The texts of the program:")[1]


@pytest.mark.slow
def test_two_rules_keep_their_order(tmp_path: Path) -> None:
    calls = iter(range(10**6))
    result, _, _ = search(tmp_path, replace(ONE, rounds=6, demos=0), lambda _: named(f"Rule {next(calls)}."))
    grown = [each.prompt["instruction"] for each in result.lineage if each.prompt["instruction"].count("Rule") > 1]
    assert grown
    for text in grown:
        assert text.startswith(f"{START}\n\nRule")
        numbers = [int(part.split()[1].strip(".")) for part in text.split("\n\n")[1:]]
        assert numbers == sorted(numbers)


@pytest.mark.slow
def test_a_demonstration_is_the_best_run_s_own_reply_and_the_last_of_them(tmp_path: Path) -> None:
    answer = lambda request: f"{sampled(request, 0.5)}"  # noqa: E731
    result, _, told = search(tmp_path, replace(ONE, rounds=8, demos=2), answer=answer)
    shown = [each.prompt.demos for each in result.lineage if each.proposal.operator == "demonstration"]
    assert shown
    assert all(demo.target == "yes" for demos in shown for demo in demos)
    assert max(map(len, shown)) > 1
    assert all(len({demo.fields for demo in demos}) == len(demos) for demos in shown)
    assert told


def test_where_there_are_as_many_demonstrations_as_told_one_goes_at_least() -> None:
    demos = [Example.of("yes", question=str(number)) for number in range(4)]
    rng = random.Random(0)
    kept = [dropped(rng, demos, 4) for _ in range(500)]
    assert max(map(len, kept)) == 3
    assert all(each == sorted(each, key=demos.index) for each in kept)
    assert max(len(dropped(rng, demos[:2], 4)) for _ in range(100)) == 2
    assert 0.9 < sum(poisson(rng, 1.0) for _ in range(5_000)) / 5_000 < 1.1


def test_the_start_is_drawn_by_the_mean_of_its_own_runs(tmp_path: Path) -> None:
    result, asked, _ = search(tmp_path, replace(ONE, rounds=2, demos=0), lambda _: named("Worse."),
                              lambda request: "no" if "Worse" in text_of(request) and uniform(text_of(request)) < 0.9
                              else sampled(request, 0.8))  # fmt: skip
    first = [request for request in asked if request.sampling.temperature == 1.0][24:]
    start = [request for request in first if "Worse" not in text_of(request)]
    # By a mean of 0 it would hardly be drawn; by its true one it is drawn most.
    assert len(start) > len(first) / 2
    assert abs(next(each.mean for each in result.steps[0].pool if each.prompt == Prompt.of(START)) - 0.8) < 0.2


def test_winners_are_spread_over_the_steps() -> None:
    assert positions(8, 6) == [0, 1, 3, 4, 5, 7, 8]
    assert positions(1, 6) == [0, 1]
    assert positions(0, 6) == [0]


def test_winners_are_scored_on_examples_that_no_step_saw(tmp_path: Path) -> None:
    result, asked, _ = search(tmp_path, replace(ONE, rounds=4))
    last = result.steps[-1]
    assert 1 < len(last.pool) <= 4
    assert all(each.count == 30 for each in last.pool)
    train = {example["question"] for example in planted_task().train}
    heard: dict[bool, set[str]] = {True: set(), False: set()}
    for request in asked:
        instruction, read = split_planted(request)
        if instruction == START:
            heard[request.sampling.temperature == 1.0].add(read.removeprefix("Question: ").removesuffix("\nAnswer:"))
    # Greedily, the start is asked on what the winners are scored on, on dev and on the test.
    held = heard[False] & train
    assert len(held) == 30
    assert heard[True]
    assert not held & heard[True]


def test_means_draws_and_percentiles_are_what_they_say() -> None:
    rng = random.Random(0)
    assert {softmax_draw(rng, [0.0, 1.0], 0.01) for _ in range(50)} == {1}
    assert {softmax_draw(rng, [0.5, 0.5], 0.2) for _ in range(50)} == {0, 1}
    assert percentile([0.0, 1.0], 0.1) == pytest.approx(0.1)
    assert percentile([0.3], 0.9) == 0.3


def test_a_layout_without_a_place_for_demonstrations_has_rules_alone(tmp_path: Path) -> None:
    task = replace(planted_task(), layout=Layout("flat", messages=(("user", "{instruction}\n\n{question}"),)))
    result, _, _ = search(tmp_path, replace(ONE, rounds=3), task=task)
    assert {each.proposal.operator for each in result.lineage} == {"start", "rule"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("I have none", "no advice"),
        (named(""), "empty"),
        (named("Ignore {this} slot."), "unresolved placeholder"),
        (named("word " * 2_000), "too long"),
        (named(" ".join(f"question {number} of 0" for number in range(160))), "quotes an example"),
    ],
)
def test_advice_that_cannot_be_used_makes_no_candidate_and_is_counted(tmp_path: Path, reply: str, reason: str) -> None:
    result, _, _ = search(tmp_path, replace(ONE, demos=0), lambda _: reply)
    assert result.rejected[f"adviser: {reason}"] > 0
    assert len(result.lineage) == 1


def test_a_budget_plans_the_steps_and_bounds_hold(tmp_path: Path) -> None:
    plans = [SIMBA().plan(Room(cells, None, 1, 300, 40)) for cells in (440, 2_000, 9_000)]
    assert [plan.candidates for plan in plans] == [3, 6, 6]
    assert [plan.rounds for plan in plans] == sorted(plan.rounds for plan in plans)
    for cells, plan in zip((440, 2_000, 9_000), plans, strict=True):
        step = (2 * plan.candidates + 1) * plan.minibatch
        assert plan.rounds * step + (plan.candidates + 1) * plan.held <= cells
    paper = SIMBA(preset="paper").plan(Room(440, None, 1, 300, 40))
    assert (paper.rounds, paper.minibatch, paper.candidates) == (8, 32, 6)
    result, _, _ = search(tmp_path, SIMBA(), budget=Budget(evaluations=400))
    bounds = SIMBA().upper_bounds_in(Room(320, None, 1, 60, 40))
    assert result.spent.evaluations <= 400
    assert result.spent.proposer_calls <= bounds.proposer_calls


@pytest.mark.parametrize("setting", [{"minibatch": 0}, {"candidates": 0}, {"demos": -1}, {"sharpness": 0.0}])
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        build_optimizer("simba", setting)
