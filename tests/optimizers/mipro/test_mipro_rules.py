"""What MIPRO chooses from, looked at by itself: instructions, sets, what is shown and scored on, and combinations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import EvaluatorError
from promptopt.models.scripted import Scripted
from promptopt.operators.bootstrapping import Teaching
from promptopt.optimizers.mipro.method import MIPRO, Proposing, _combined, _split
from promptopt.run import Run
from promptopt.selection.minibatches import Minibatches
from promptopt.selection.parzen import Parzen
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import planted_task
from promptopt.types import Example, Prompt, Request

START = "Answer the question."
METHOD = MIPRO(sets=4, propose=Proposing(instructions=3, summary=False), teach=Teaching(bootstrapped=2, labelled=2))


def within(home: Path, look: Callable[[Run], Any], task: Task) -> Any:
    """What `look` sees within a run of a model that is always right; proposals are numbered."""
    found: list[Any] = []

    class Method:
        def optimize(self, run: Run) -> None:
            found.append(look(run))

    said = iter(range(1_000))
    writer = Scripted(lambda _: f"<prompt>Take way {next(said)}.</prompt>", name="writer")
    models = Models(Scripted(lambda _: "yes", name="target"), proposer=writer)
    optimize(task, Method(), model=models, store=home / "store.db")
    return found[0]


def test_choice_0_is_the_start_s_own_instruction_byte_for_byte_with_its_own_demonstrations(tmp_path: Path) -> None:
    odd = Prompt.of(f"  {START}  ", demos=[Example.of("yes", question="mine")])

    def look(run: Run) -> Any:
        plan = METHOD.plan(run.room)
        shown, _ = _split(run, plan)
        sets, written = METHOD._sets(run, plan, shown)
        texts = METHOD._instructions(run, plan, shown, written)
        return texts, sets, _combined(run, texts, sets, (0, 0))

    texts, sets, first = within(tmp_path, look, replace(planted_task(), initial=odd))
    assert texts["instruction"][0] == odd["instruction"]
    assert len(texts["instruction"]) == 3
    assert sets[0] == odd.demos
    assert first == odd


def test_a_combination_takes_of_every_text_its_own_choice(tmp_path: Path) -> None:
    examples = [Example.of("yes", question=f"question {number}") for number in range(160)]
    layout = Layout("both", text="{system}\n{instruction}\n\n{question}")
    prompt = Prompt.of(START, system="You help.")
    task = Task.from_examples(examples, prompt=prompt, layout=layout, metric="exact", splits=Splits(60, 40, 60))
    texts = {"system": ["You help.", "S1", "S2"], "instruction": [START, "I1", "I2"]}
    found = within(tmp_path, lambda run: _combined(run, texts, [()], (1, 2, 0)), task.editing("system", "instruction"))
    assert (found["system"], found["instruction"]) == ("S1", "I2")


def test_what_is_shown_is_drawn_and_not_what_stands_first(tmp_path: Path) -> None:
    shown, scored, train = within(
        tmp_path, lambda run: (*_split(run, METHOD.plan(run.room)), list(run.train)), planted_task()
    )
    assert not {*shown} & {*scored}
    assert {*shown} != {*train[: len(shown)]}
    assert {*shown} != {*train[-len(shown) :]}


def test_the_mean_of_a_prompt_counts_an_example_once_however_often_it_was_drawn(tmp_path: Path) -> None:
    def look(run: Run) -> Any:
        first, second, third = run.train[:3]
        table = Minibatches(run, run.train)
        means = [table.score(run.initial, examples) for examples in ([first, second], [second, third])]
        return means, table.mean(run.initial), [each.count for each in table.estimates()]

    task = planted_task()
    worth = {example.id: value for example, value in zip(task.train, (1.0, 0.0, 0.5), strict=False)}
    task = replace(task, metric=lambda answer, example: worth.get(example.id, 0.0))
    means, mean, counts = within(tmp_path, look, task)
    assert (means, mean, counts) == ([0.5, 0.25], 0.5, [3])


def test_a_failure_in_a_trial_is_no_score(tmp_path: Path) -> None:
    task = planted_task()
    train = {example.id for example in task.train}

    def broken(answer: str, example: Example) -> float:
        if example.id in train:
            raise ValueError("broken")
        return 1.0

    def say(request: Request) -> str:
        return "yes"

    with pytest.raises(EvaluatorError, match="broken"):
        optimize(
            replace(task, metric=broken),
            replace(METHOD, sets=1, propose=Proposing(instructions=1)),
            model=Scripted(say, name="target"),
            store=tmp_path / "store.db",
        )


@pytest.mark.parametrize("seed", [0, 7])
def test_equal_seeds_suggest_the_same_trials_and_0_is_one(seed: int) -> None:
    samplers = [Parzen({"instruction": 50, "demonstrations": 50}, seed, 10) for _ in range(2)]
    assert [samplers[0].suggest() for _ in range(1)] == [samplers[1].suggest() for _ in range(1)]
