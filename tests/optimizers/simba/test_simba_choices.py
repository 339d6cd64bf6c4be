"""Which steps SIMBA takes, which of their candidates win, who is offered in the end, and what advice is asked on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.optimizers.simba.method import SIMBA
from promptopt.optimizers.simba.plan import SIMBAPlan
from promptopt.outcome.result import Result
from promptopt.programs import ModelHandle, program_task
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.testing import planted_task, split_planted, uniform
from promptopt.types import Example, Prompt, Request, Room
from tests.optimizers.simba.test_simba import ONE, adviser, named, sampled, search, text_of

STEP, ENDING = (2 * 3 + 1) * 8, (3 + 1) * 30
"""What a step of `ONE` takes at most, and its end: of 60 training examples 30 are for the winners."""


def question_of(request: Request) -> str:
    return split_planted(request)[1].removeprefix("Question: ").removesuffix("\nAnswer:")


@pytest.mark.parametrize(("spare", "steps"), [(-1, 0), (0, 1), (23, 1), (24, 2)])
def test_a_step_is_taken_where_it_and_the_whole_end_are_paid_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spare: int, steps: int
) -> None:
    # The end alone compares winners of different batches: a cap that cuts it would choose by what few were scored on.
    monkeypatch.setattr(Run, "evaluations_left", lambda run: STEP + ENDING + spare - run.spent.evaluations)
    # Without advice a step asks for its 24 runs alone.
    result, asked, _ = search(tmp_path, replace(ONE, rounds=3, demos=0), lambda _: "no advice")
    assert sum(request.sampling.temperature == 1.0 for request in asked) == 24 * steps
    assert [each.count for each in result.steps[-1].pool] == [30]


@dataclass(frozen=True)
class Watched:
    """SIMBA, and what it left of its budget each time."""

    inner: SIMBA
    left: list[int | None]

    def plan(self, room: Room) -> SIMBAPlan:
        return self.inner.plan(room)

    def least(self, room: Room) -> int:
        return self.inner.least(room)

    def optimize(self, run: Run) -> None:
        self.inner.optimize(run)
        self.left.append(run.evaluations_left())


def within_cap(tmp_path: Path, cap: int) -> tuple[Result, int]:
    """What a search of so many evaluations found, and what it left of them."""
    watched = Watched(SIMBA(demos=0), [])
    model = Scripted(lambda request: sampled(request, 0.5), name="target")
    found = optimize(
        planted_task(), watched, model=Models(model, proposer=Scripted(adviser, name="proposer")),
        budget=Budget(evaluations=cap), store=tmp_path / "store.db",
    )  # fmt: skip
    assert watched.left[0] is not None
    return found, watched.left[0]


@pytest.mark.parametrize("cap", [55, 100, pytest.param(400, marks=pytest.mark.slow)])
def test_a_search_by_its_budget_goes_on_with_smaller_steps_until_too_little_is_left(tmp_path: Path, cap: int) -> None:
    # Eight steps that found less than they might once left half of a budget unspent, and below 100 there was none.
    found, left = within_cap(tmp_path, cap)
    steps = [step for step in found.steps[:-1] if len(step.pool) > 1]
    assert steps
    # Less than a step on two examples: three runs of each, and up to four candidates.
    assert left < 2 * (3 + 4)


@pytest.mark.parametrize("cap", [20, 40, 60])
def test_a_cap_too_small_for_a_step_of_three_runs_goes_to_steps_of_two(tmp_path: Path, cap: int) -> None:
    # They left 40 to 53 % of such a cap unspent, and asked the proposer nothing.
    found, left = within_cap(tmp_path, cap)
    assert len(found.lineage) > 1
    # Less than two runs of an example and the candidate that comes of them.
    assert left < 2 + 1


def test_a_larger_budget_by_which_a_step_is_a_whole_one_goes_on_with_the_same_run(tmp_path: Path) -> None:
    smaller, larger = (
        search(tmp_path, SIMBA(demos=0), lambda _: "no advice", budget=Budget(evaluations=cap))[0] for cap in (109, 110)
    )
    assert smaller.run_id == larger.run_id
    # What advice that was none leaves goes to further steps.
    assert [step.pool[0].count for step in smaller.steps[:-1]] == [4, 4, 3, 3]
    assert [step.pool[0].count for step in larger.steps[:-1]] == [4, 4, 4, 2, 2]


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_best_candidate_of_a_step_wins_it_and_no_other_reaches_dev(tmp_path: Path, seed: int) -> None:
    # Candidates of one step were scored on the same examples, so there the best is known to be better than the others.
    calls = iter(range(10**6))

    def answer(request: Request) -> str:
        instruction = split_planted(request)[0]
        number = instruction.rpartition("Rule ")[2].strip(".")
        shares = (0.4, 0.95, 0.1, 0.3)
        share = shares[(int(number) + seed) % 4] if number.isdigit() else 0.4
        if request.sampling.temperature:
            return sampled(request, share)
        return "yes" if uniform(number, question_of(request)) < share else "no"

    result, asked, _ = search(tmp_path, replace(ONE, demos=0), lambda _: named(f"Rule {next(calls)}."), answer)
    made = [each for each in result.steps[0].pool if "Rule" in each.prompt["instruction"]]
    assert len({each.mean for each in made}) > 1
    best = max(made, key=lambda each: each.mean).prompt
    assert {each.prompt for each in result.steps[-1].pool} == {Prompt.of("Answer the question."), best}
    dev = {example["question"] for example in planted_task().dev}
    heard = {split_planted(request)[0] for request in asked if question_of(request) in dev}
    assert heard == {"Answer the question.", best["instruction"]}


@pytest.mark.parametrize("always", ["yes", "no"])
def test_no_advice_is_asked_on_an_example_whose_runs_are_all_good_or_all_bad(tmp_path: Path, always: str) -> None:
    # There is nothing to learn from two runs that went the same way; a rule of it would only lengthen the text.
    def answer(request: Request) -> str:
        same = uniform("same", question_of(request)) < 0.5
        return always if same else sampled(request, 0.5)

    _, _, told = search(tmp_path, replace(ONE, minibatch=30, demos=0), lambda _: "no advice", answer)
    assert told
    assert all("Worth: 1\n" in f"{text_of(request)}\n" and "Worth: 0\n" in f"{text_of(request)}\n" for request in told)


def test_a_run_that_asked_nothing_does_not_keep_advice_from_one_that_did(tmp_path: Path) -> None:
    # A shortcut took one run of the input: the text had its part in the other, which advice on it may mend.
    runs = iter(range(10**6))

    def program(prompt: Prompt, example: Example, ask: ModelHandle) -> str:
        if next(runs) % 2:
            return "no"
        return ask(f"{prompt['answer']} {example['question']}", part="answer").text

    task = program_task(
        planted_task().train, prompt={"answer": "Answer it."}, program=program, splits=Splits(20, 10, 10)
    )
    _, _, told = search(tmp_path, replace(ONE, demos=0), lambda _: "no advice", lambda _: "yes", task=task)
    assert told
