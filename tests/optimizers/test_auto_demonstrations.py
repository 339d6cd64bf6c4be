"""Demonstrations in `auto`: one more, another, or one less; as turns of a conversation twice or half as many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.operators.demos import with_target
from promptopt.optimizers.auto.credit import Credit
from promptopt.optimizers.auto.operators import Operators
from promptopt.optimizers.auto.search import _unshown  # pyright: ignore[reportPrivateUsage]
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.tasks.layout import Layout, Turns
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Prompt, Proposal

IN_TEXT = Layout("text", text="{instruction}\n\n{demos}Q: {question}\nA:", demo="Q: {question}\nA: {target}\n\n")
AS_TURNS = Layout(
    "turns",
    messages=(("system", "{instruction}"), ("user", "{question}")),
    demos=Turns(user="{question}", assistant="{target}"),
)
NAMES = ("critic", "rewrite", "cross", "history", "guess", "prune", "demo")


@dataclass
class Demonstrating:
    """An optimizer that makes children by demonstrations alone, of prompts that show so many."""

    shown: Sequence[int]
    count: int = 60
    most: int | None = None
    made: dict[int, list[tuple[Prompt, Proposal]]] = field(default_factory=dict)
    train: tuple[Example, ...] = ()

    def optimize(self, run: Run) -> None:
        self.train = tuple(run.train)
        credit = Credit({name: float(name == "demo") for name in NAMES})
        for shown in self.shown:
            parent = run.initial.with_demos([with_target(each) for each in run.train[:shown]])
            operators = Operators(run, 400, self.most, [run.initial])
            self.made[shown] = [(parent, child) for child in operators.children(credit, self.count, [parent], {})]


def made(
    home: Path,
    layout: Layout,
    method: Demonstrating,
    train: int = 60,
    labels: Sequence[str] = ("no", "yes"),
    model: Scripted | None = None,
) -> Demonstrating:
    answers = labels if labels else ("no", "yes")
    examples = [Example.of(answers[n % len(answers)], question=f"question {n}") for n in range(train + 8)]
    task = Task.from_examples(
        examples, prompt="Answer.", labels=labels, metric="exact", layout=layout, splits=Splits(train, 4, 4)
    )
    model = Scripted(lambda _: "yes", name="model") if model is None else model
    optimize(task, method, model=Models(model, proposer=model), store=home / "store.db", budget=Budget(evaluations=40))
    return method


def changed(parent: Prompt, child: Proposal) -> tuple[str, int, int]:
    """What the note says was done; how many more are shown, and how many of the parent's still are."""
    inputs = [demo.fields for demo in child.prompt.demos]
    assert len(set(inputs)) == len(inputs), "nothing is shown twice"
    stayed = sum(demo.fields in inputs for demo in parent.demos)
    action, _, told = child.note.partition(": ")
    assert told == f"{len(inputs)} shown"
    return action, len(inputs) - len(parent.demos), stayed


def test_in_the_text_one_is_added_exchanged_or_dropped(tmp_path: Path) -> None:
    found = made(tmp_path, IN_TEXT, Demonstrating((0, 1, 2, 4)))
    steps = {shown: Counter(changed(*each) for each in children) for shown, children in found.made.items()}
    assert set(steps[0]) == {("add", 1, 0)}
    # Without its one demonstration it would be the start again.
    assert set(steps[1]) == {("add", 1, 1), ("exchange", 0, 0)}
    assert set(steps[2]) == {("add", 1, 2), ("exchange", 0, 1), ("drop", -1, 1)}
    # Four are all that a text shows: in the place of a fifth one is exchanged.
    assert set(steps[4]) == {("exchange", 0, 3), ("drop", -1, 3)}
    # Half of the draws add one, a quarter drop one, of which two different ones are left; but equal children are one.
    assert steps[2]["add", 1, 2] > steps[2]["drop", -1, 1] == 2


def test_the_most_that_a_user_sets_stays(tmp_path: Path) -> None:
    found = made(tmp_path, IN_TEXT, Demonstrating((2,), most=2))
    assert {changed(*each)[0] for each in found.made[2]} == {"exchange", "drop"}


def test_half_of_the_training_examples_may_be_shown_and_where_all_are_one_is_dropped(tmp_path: Path) -> None:
    found = made(tmp_path, IN_TEXT, Demonstrating((0,), most=9), train=8)
    shown = {demo.fields for _, child in found.made[0] for demo in child.prompt.demos}
    assert len(shown) == 4


def test_as_turns_the_first_set_is_eight_sixteen_or_all_and_is_doubled_or_halved(tmp_path: Path) -> None:
    found = made(tmp_path, AS_TURNS, Demonstrating((0, 3), count=40), train=120)
    first = [child.prompt.demos for _, child in found.made[0]]
    assert {len(demos) for demos in first} == {8, 16, 32}
    assert all(2 * sum(demo.target == "yes" for demo in demos) == len(demos) for demos in first)
    assert {changed(*each) for each in found.made[3]} == {("add", 3, 3), ("exchange", 0, 2), ("drop", -2, 1)}
    # Those that stay are the first ones.
    for parent, child in found.made[3]:
        if child.note.startswith("drop"):
            assert child.prompt.demos == parent.demos[:1]


@pytest.mark.parametrize(("labels", "sizes"), [(10, {10, 20, 32}), (0, {1, 2, 4})])
def test_as_turns_a_first_set_has_one_for_every_answer_and_without_labels_is_small(
    tmp_path: Path, labels: int, sizes: set[int]
) -> None:
    names = [f"label {number}" for number in range(labels)]
    found = made(tmp_path, AS_TURNS, Demonstrating((0,), count=20), train=120, labels=names)
    first = [child.prompt.demos for _, child in found.made[0]]
    assert {len(demos) for demos in first} == sizes
    assert all({demo.target for demo in demos} >= set(names) for demos in first)


class Short(Scripted):
    """A model that holds four demonstrations beside the input, and not eight; a token is a word."""

    context = 8 + 16 * (8 + 2)


def test_as_turns_a_set_that_does_not_fit_is_halved_until_it_does(tmp_path: Path) -> None:
    model = Short(lambda _: "yes", name="model")
    found = made(tmp_path, AS_TURNS, Demonstrating((0,), count=20), train=120, model=model)
    assert {len(child.prompt.demos) for _, child in found.made[0]} == {4}


@pytest.mark.slow
def test_as_turns_thirty_two_are_the_most(tmp_path: Path) -> None:
    found = made(tmp_path, AS_TURNS, Demonstrating((20, 32), count=12), train=160)
    assert {changed(*each) for each in found.made[20]} == {("add", 12, 20), ("exchange", 0, 19), ("drop", -10, 10)}
    assert {changed(*each) for each in found.made[32]} == {("exchange", 0, 31), ("drop", -16, 16)}


def test_a_generation_is_not_looked_at_on_what_one_of_it_shows_unless_all_is_shown() -> None:
    train = [Example.of("yes", question=f"question {number}") for number in range(4)]
    run = cast(Any, SimpleNamespace(train=train))
    bare = Prompt.of("Answer.")
    # What stands in a prompt may have another target, and be the same question all the same.
    shown = [bare.with_demos((Example.of("no", question="question 1"),)), bare.with_demos(tuple(train[2:3]))]
    assert _unshown(run, [bare]) == train
    assert _unshown(run, [bare, *shown]) == [train[0], train[3]]
    assert _unshown(run, [bare.with_demos(tuple(train))]) == train


@dataclass
class Writing:
    """An optimizer that has children written, so many calls each."""

    writings: int
    most: int | None = None
    shown: int = 0
    scored: int = 0
    """Training examples that the parent is scored on before."""
    made: list[Proposal] = field(default_factory=list[Proposal])

    def optimize(self, run: Run) -> None:
        run.evaluate([run.initial], run.train[: self.scored])
        credit = Credit({name: float(name == "rewrite") for name in NAMES})
        operators = Operators(run, 400, self.most, [run.initial], writings=self.writings)
        parent = run.initial.with_demos([with_target(each) for each in run.train[: self.shown]])
        self.made = operators.children(credit, 40, [parent], {})


def written(home: Path, layout: Layout, method: Writing, reply: str = "yes") -> list[int]:
    """How many demonstrations each child shows."""
    texts = iter(f"<prompt>Answer, as number {number} says.</prompt>" for number in range(1_000))
    examples = [Example.of(("no", "yes")[n % 2], question=f"question {n}") for n in range(128)]
    task = Task.from_examples(
        examples, prompt="Answer.", labels=("no", "yes"), metric="exact", layout=layout, splits=Splits(120, 4, 4)
    )
    models = Models(Scripted(lambda _: reply, name="model"), proposer=Scripted(lambda _: next(texts), name="proposer"))
    optimize(task, method, model=models, store=home / "store.db", budget=Budget(evaluations=400))
    assert len(method.made) == 40
    return [len(child.prompt.demos) for child in method.made]


def test_where_children_are_written_twice_half_of_them_begin_with_a_set_of_turns(tmp_path: Path) -> None:
    method = Writing(2)
    counts = Counter(written(tmp_path, AS_TURNS, method))
    assert set(counts) == {0, 8, 16, 32}
    assert 12 <= counts[0] <= 28
    for child in method.made:
        assert 2 * sum(demo.target == "yes" for demo in child.prompt.demos) == len(child.prompt.demos)


def test_a_first_set_has_no_more_than_a_user_lets_a_prompt_show(tmp_path: Path) -> None:
    assert set(written(tmp_path, AS_TURNS, Writing(2, most=4))) == {0, 4}


def test_a_first_set_shows_the_replies_that_the_parent_was_right_with(tmp_path: Path) -> None:
    method = Writing(2, scored=120)
    written(tmp_path, AS_TURNS, method, "The answer is yes.")
    shown = {demo.target for child in method.made for demo in child.prompt.demos}
    # Of what it was wrong on there is the bare answer.
    assert shown == {"The answer is yes.", "no"}


@pytest.mark.parametrize(
    ("layout", "method", "shown"),
    [
        (AS_TURNS, Writing(1), 0),
        (IN_TEXT, Writing(2), 0),
        (AS_TURNS, Writing(2, most=0), 0),
        (AS_TURNS, Writing(2, shown=2), 2),
    ],
)
def test_no_other_child_does(tmp_path: Path, layout: Layout, method: Writing, shown: int) -> None:
    assert set(written(tmp_path, layout, method)) == {shown}
