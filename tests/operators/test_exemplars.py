"""Which examples a proposer is shown, and how the place of the instruction is."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from promptopt.operators.exemplars import Choice, exemplars, inputs_inside, most_wrong, show_place
from promptopt.operators.reflect import FIELD
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Estimate, Example, Prompt

EXAMPLES = [Example.of("yes", question=f"question {number}") for number in range(6)]
A, B = Prompt.of("a"), Prompt.of("b")


def run_with(means: Mapping[tuple[Prompt, Example], float]) -> Any:
    rngs: dict[str, random.Random] = {}

    def estimate(prompt: Prompt, examples: Sequence[Example]) -> Estimate:
        known = [means[prompt, each] for each in examples if (prompt, each) in means]
        return Estimate(prompt, sum(known) / len(known) if known else float("nan"), len(known))

    return SimpleNamespace(rng=lambda stream: rngs.setdefault(stream, random.Random(stream)), estimate=estimate)


def test_examples_that_lack_most_come_first_and_unknown_scores_lack_nothing() -> None:
    first, second, third, unknown = EXAMPLES[:4]
    run = run_with({(A, first): 0.0, (A, second): 1.0, (A, third): 0.5, (B, third): 0.25, (B, second): 1.0})
    # first lacks 1, third 0.5 + 0.75, the others nothing.
    assert most_wrong(run, [A, B], EXAMPLES[:4])[:2] == [third, first]
    assert most_wrong(run, [A], EXAMPLES[:4])[:2] == [first, third]
    assert set(most_wrong(run, [A, B], EXAMPLES[:4])[2:]) == {second, unknown}


def test_equals_are_in_an_order_of_chance_anew_each_time() -> None:
    run = run_with({})
    orders = {tuple(most_wrong(run, [A], EXAMPLES)) for _ in range(8)}
    assert len(orders) > 5
    assert all(set(order) == set(EXAMPLES) for order in orders)


@pytest.mark.parametrize(
    ("choice", "first"), [("wrong-so-far", EXAMPLES[4]), ("wrong-of-shown", EXAMPLES[2]), ("constant", EXAMPLES[0])]
)
def test_the_choice_says_whose_mistakes_count(choice: Choice, first: Example) -> None:
    run = run_with({(A, EXAMPLES[2]): 0.0, (B, EXAMPLES[4]): -1.0})
    found = exemplars(run, choice, 3, [A], [A, B], EXAMPLES)
    assert found[0] == first
    assert len(found) == 3
    if choice == "constant":
        assert found == EXAMPLES[:3]


@pytest.mark.parametrize("choice", ["random", "wrong-so-far", "wrong-of-shown", "constant"])
def test_there_are_no_more_than_the_task_has(choice: Choice) -> None:
    run = run_with({})
    assert sorted(exemplars(run, choice, 9, [A], [A], EXAMPLES), key=EXAMPLES.index) == EXAMPLES
    assert exemplars(run, choice, 0, [A], [A], EXAMPLES) == []


def shown(layout: Layout, prompt: str, example: Example) -> str:
    task = Task.from_examples(
        [example, *(Example.of("no", question=str(number)) for number in range(5))], prompt=prompt, layout=layout,
        metric="exact", answer="text", splits=Splits(2, 2, 2),
    )  # fmt: skip
    run: Any = SimpleNamespace(task=task, initial=task.initial, base=task.initial, train=task.train)
    return show_place(run, example)


def test_the_place_of_the_instruction_is_marked_and_what_is_right_comes_after() -> None:
    layout = Layout("chat", messages=(("system", "{instruction}"), ("user", "Q: {question}")))
    example = Example.of("yes", question="is it")
    assert shown(layout, "Answer.", example) == "input:\n<INS>\nQ: is it\noutput:\nyes"
    assert shown(layout, "Answer.", Example.of("", question="is it")) == "input:\n<INS>\nQ: is it"
    long = shown(layout, "Answer.", Example.of("y" * 5_000, question="q" * 5_000))
    assert len(long) < 3 * FIELD


def test_fields_inside_the_instruction_are_named_before_it() -> None:
    layout = Layout("text", text="{instruction}")
    assert shown(layout, "Answer {question} now.", Example.of("yes", question="is it")) == (
        "input:\nquestion: is it\n<INS>\noutput:\nyes"
    )
    task: Any = SimpleNamespace(editable="instruction")
    run: Any = SimpleNamespace(task=task, initial=Prompt.of("Answer {question}."), train=EXAMPLES)
    assert inputs_inside(run) == ["question"]
