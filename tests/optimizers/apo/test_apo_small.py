"""APO where calls are few: what a criticism is used for, what is scored, and what finding mistakes may cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.apo.method import APO, Expansion
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.selection.lineage import TellingFirst
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Estimate, Example, Prompt, Request, Room, digest
from tests.optimizers.apo.test_apo_budget import Blind, author, loss_task, text_of, who

CALLS = Room(None, 240, 1, 120, 40)
"""What a cap of 400 calls leaves a search."""


def several(request: Request) -> str:
    """As many new texts as are asked for."""
    text = text_of(request)
    if who(text) == "critic":
        return author(request)
    count = 3 if "in 3 different ways" in text else 1
    role = who(text)
    return "".join(
        f"<instruction>Answer {role} {digest([text, request.seed, number])}.</instruction>" for number in range(count)
    )


def small(
    home: Path,
    method: APO,
    *,
    proposer: Scripted | None = None,
    model: Scripted | None = None,
    budget: Budget = Budget(calls=400),  # noqa: B008
    loss: bool = False,
) -> Result:
    task = loss_task() if loss else planted_task()
    evaluator = Loss(task, reduction="sum", ends=False) if loss else None
    return optimize(
        task, method,
        model=Models(
            planted_model(feature_accuracy(("editor", "paraphraser"), base=0.3)) if model is None else model,
            proposer=Scripted(several, name="several") if proposer is None else proposer,
        ),
        budget=budget, evaluator=evaluator, check_evaluator=evaluator, store=home / "store.db",
    )  # fmt: skip


def asked(proposer: Scripted, role: str) -> list[str]:
    found = [text_of(each) for each in proposer.log if isinstance(each, Request)]
    return [text for text in found if who(text) == role]


def operators(result: Result) -> Counter[str]:
    return Counter(each.proposal.operator for each in result.candidates())


def test_few_calls_make_three_edits_of_a_criticism_each_put_in_other_words() -> None:
    plan = APO().plan(CALLS)
    assert (plan.groups, plan.edits, plan.writings, plan.paraphrases, plan.children) == (1, 3, 2, 0, 3)
    # A critic, an editor, and three paraphrasers, for each of two parents; eight prompts at a depth of 0.8 * 240^(1/4).
    assert plan.calls(Expansion()) == 1 + 1 + 3
    assert plan.cells == int(240 / (1 + 2 * 5 / (0.8 * 240**0.25 * 8))) == 171
    # By evaluations nobody has granted them, and what has 360 of these has time for small steps.
    for room in (Room(plan.cells, None, 1, 120, 40), replace(CALLS, calls=700)):
        other = APO().plan(room)
        assert (other.edits, other.writings, other.paraphrases) == (1, 1, 1)
    least = min(calls for calls in range(300, 700) if APO().plan(replace(CALLS, calls=calls)).writings == 1)
    assert APO(expand=Expansion(edits=1, paraphrases=1)).plan(replace(CALLS, calls=least)).cells == 360


def test_what_is_set_is_done_in_a_small_search_too() -> None:
    def planned(expand: Expansion) -> tuple[int, int, int, int, int]:
        plan = APO(expand=expand).plan(CALLS)
        return plan.groups, plan.edits, plan.writings, plan.paraphrases, plan.children

    assert planned(Expansion(edits=2)) == (1, 2, 2, 0, 2)
    assert planned(Expansion(edits=1, groups=4)) == (4, 1, 2, 0, 2)
    assert planned(Expansion(children=8)) == (3, 3, 2, 0, 8)
    assert planned(Expansion(paraphrases=1)) == (1, 1, 1, 1, 2)
    # Of three edits and a paraphrase of each and of the parent there are seven.
    assert planned(Expansion(paraphrases=1, edits=3, children=7)) == (1, 3, 1, 1, 7)
    assert APO("paper", expand=Expansion(edits=2)).plan(CALLS).edits == 2
    assert APO("paper").plan(CALLS).edits == APO("paper").plan(CALLS).writings == 1


@pytest.mark.slow
def test_of_an_edit_only_its_paraphrase_is_scored(tmp_path: Path) -> None:
    proposer = Scripted(several, name="several")
    result = small(tmp_path, APO(), proposer=proposer)
    made = [each for each in result.candidates() if each.prompt != planted_task().initial]
    assert len(made) > 12
    assert all(each.prompt["instruction"].startswith("Answer paraphraser") for each in made)
    # The reason that led to the edit is the paraphrase's.
    assert all(each.proposal.note.startswith("The instruction does not say") for each in made)
    # What the paraphraser was shown was an edit each time, and no parent.
    assert all(text.split('"""')[1].startswith("\nAnswer editor") for text in asked(proposer, "paraphraser"))
    # The start is alone, and has the children of two.
    assert [len(step.pool) for step in result.steps[:2]] == [1 + 6, 2 + 6]
    assert all(len(asked(proposer, role)) >= 2 for role in ("critic", "editor"))


@pytest.mark.slow
def test_an_edit_that_nothing_was_made_of_is_scored_itself(tmp_path: Path) -> None:
    def mute(request: Request) -> str:
        return "" if who(text_of(request)) == "paraphraser" else several(request)

    result = small(tmp_path, APO(rounds=1), proposer=Scripted(mute, name="mute"))
    assert operators(result) == {"start": 1, "editor": 6}

    # One that was put in the words of another is, too: two children in the place of one.
    def repeating(request: Request) -> str:
        same = "<instruction>Answer in the paraphraser's words.</instruction>"
        return same if who(text_of(request)) == "paraphraser" else several(request)

    result = small(tmp_path / "same", APO(rounds=1), proposer=Scripted(repeating, name="repeating"))
    assert operators(result) == {"start": 1, "paraphraser": 1, "editor": 5}


@pytest.mark.slow
def test_by_a_loss_an_edit_is_scored_as_it_is(tmp_path: Path) -> None:
    model = Scripted(lambda _: "yes", scores=lambda _, text: [-float(len(text))], name="scorer")
    result = small(tmp_path, APO(rounds=1), model=model, loss=True)
    assert operators(result) == {"start": 1, "editor": 6}


@pytest.mark.slow
def test_a_parent_without_mistakes_has_as_many_children_in_other_words(tmp_path: Path) -> None:
    proposer = Scripted(several, name="several")
    right = Scripted(lambda request: "yes", name="right")
    [step] = small(tmp_path, APO(rounds=1), proposer=proposer, model=right).steps
    assert not asked(proposer, "critic")
    assert len(step.pool) == 1 + 3


@pytest.mark.parametrize(("errors", "groups", "enough"), [(1, 1, 1), (2, 1, 2), (4, 1, 2), (4, 2, 3)])
def test_a_parent_is_asked_no_further_than_to_its_second_mistake(
    tmp_path: Path, errors: int, groups: int, enough: int
) -> None:
    missed = [example["question"] for example in planted_task().train[::3]]

    def errs(text: str) -> bool:
        return any(f"{question}\n" in text for question in missed)

    model = Scripted(lambda request: "no" if errs(text_of(request)) else "yes", name="wrong on a third")
    method = APO(rounds=1, beam=1, minibatch=30, selector=Blind(), expand=Expansion(errors=errors, groups=groups))
    [step] = small(tmp_path, method, model=model, budget=Budget(evaluations=500)).steps
    wrong = [errs(text_of(each)) for each in model.log[: step.spent.evaluations]]
    assert sum(wrong) == enough
    assert wrong[-1]


def test_a_parent_that_hardly_errs_is_asked_a_minibatch_at_most(tmp_path: Path) -> None:
    right = Scripted(lambda _: "yes", name="right")
    [step] = small(tmp_path, APO(rounds=1, beam=1, selector=Blind()), model=right, budget=Budget(evaluations=500)).steps
    assert step.spent.evaluations == 8


def test_parents_that_know_enough_of_their_mistakes_are_not_asked_with_the_others(tmp_path: Path) -> None:
    wrong = Scripted(lambda _: "no", name="wrong")
    steps = small(tmp_path, APO(rounds=3, beam=2, selector=Blind()), model=wrong, budget=Budget(evaluations=500)).steps
    # The start's three, as it has two critics, then the two of the child beside it.
    assert [step.spent.evaluations for step in steps] == [3, 5, 5]


class Newest(Blind):
    """Ranks the last first, and looks at nothing."""

    def select(self, run: Run, prompts: Sequence[Prompt], examples: Sequence[Example], keep: int) -> list[Estimate]:
        return [Estimate(prompt, 0.0, 0) for prompt in reversed(prompts)]


@pytest.mark.slow
def test_parents_that_err_on_different_examples_each_stop_at_their_second_mistake(tmp_path: Path) -> None:
    def errs(text: str) -> bool:
        return int(digest(text), 16) % 3 == 0

    model = Scripted(lambda request: "no" if errs(text_of(request)) else "yes", name="wrong on a third of each")
    method = APO(rounds=6, beam=2, minibatch=40, selector=Newest())
    steps = small(tmp_path, method, model=model, budget=Budget(evaluations=900)).steps
    texts = [text_of(each) for each in model.log[: steps[-1].spent.evaluations]]
    by_parent: dict[str, list[bool]] = {}
    for text in texts:
        by_parent.setdefault(text.partition(".")[0], []).append(errs(text))
    assert len(by_parent) == 11
    first, *later = by_parent.values()
    assert (sum(first), first[-1]) == (3, True)
    assert all((sum(wrong), wrong[-1]) == (2, True) for wrong in later)


@pytest.mark.slow
@pytest.mark.parametrize(("budget", "telling"), [(Budget(calls=400), True), (Budget(evaluations=400), False)])
def test_examples_that_tell_come_first_where_calls_are_few(
    tmp_path: Path, budget: Budget, telling: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[int] = []
    select = TellingFirst.select

    def noted(self: TellingFirst, run: Run, *rest: object) -> object:
        chosen.append(self.budget)
        return select(self, run, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(TellingFirst, "select", noted)
    small(tmp_path, APO(rounds=2), budget=budget)
    assert bool(chosen) is telling
