"""What pruning starts from: which examples are shown, which are scored on, and what the user is told of both."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from promptopt.optimizers.promptquine.in_context import divide, draw_evenly, start_with, starts_with
from promptopt.tasks.inline import inlined
from promptopt.tasks.layout import Layout
from promptopt.tasks.task import Task
from promptopt.types import Example, Prompt, Proposal
from tests.optimizers.promptquine.pruning_search import SENTIMENT, labelled_task, word_task

ROOMY = Layout("text", text="{instruction} {demos}{question}", demo="{question} {target}; ")


def words(examples: int = 8) -> Task:
    """A task whose layout has a place for demonstrations."""
    return word_task(4, examples=examples, layout=ROOMY)


class FakeRun:
    """A task, streams, and what the user is told."""

    def __init__(self, task: Task, *, admits: bool = True) -> None:
        self.task, self.admits = inlined(task), admits
        self.train, self.initial = self.task.train, self.task.initial
        self.told: list[str] = []
        self.proposed: list[Proposal] = []
        self._rngs: dict[str, random.Random] = {}

    def rng(self, stream: str) -> random.Random:
        return self._rngs.setdefault(stream, random.Random(stream))

    def warn(self, text: str) -> None:
        self.told.append(text)

    def admit(self, proposals: Sequence[Proposal]) -> list[Prompt]:
        self.proposed += proposals
        return [each.prompt for each in proposals] if self.admits else []


def fake(task: Task, *, admits: bool = True) -> Any:
    return FakeRun(task, admits=admits)


def shown_in(run: Any, prompt: Prompt) -> list[Example]:
    return [each for each in run.train if f"{each['question']} {each.target}; " in prompt[run.task.editable]]


def test_demonstrations_are_shown_and_not_scored_on_and_the_user_is_told_nothing() -> None:
    run = fake(words())
    start = start_with(run, 3)
    shown = shown_in(run, start.prompt)
    assert len(shown) == 3
    assert start.unseen == tuple(each for each in run.train if each not in shown)
    assert [each.note for each in run.proposed] == ["3 training examples"]
    assert run.told == []


def test_without_shots_the_start_is_pruned_as_it_is_and_that_is_no_news() -> None:
    run = fake(words())
    start = start_with(run, 0)
    assert (start.prompt, start.unseen, run.told, run.proposed) == (run.initial, run.train, [], [])


@pytest.mark.parametrize(
    ("task", "admits", "told"),
    [
        (replace(words(), train=(Example.of("yes", question="what is {question}?"),)), True, "in braces"),
        (word_task(layout=Layout("flat", text="{instruction}{question}")), True, "no place for demonstrations"),
        (words(), False, "breaks the task's contract"),
    ],
)
def test_where_none_can_be_shown_the_start_is_pruned_and_the_user_is_told_why(
    task: Task, admits: bool, told: str
) -> None:
    run = fake(task, admits=admits)
    start = start_with(run, 1)
    assert (start.prompt, start.unseen) == (run.initial, run.train)
    [warning] = run.told
    assert told in warning


def test_where_all_examples_are_shown_prompts_are_scored_on_them_and_the_user_is_told() -> None:
    run = fake(words(3))
    start = start_with(run, 5)
    assert len(shown_in(run, start.prompt)) == 3
    assert start.unseen == run.train
    [warning] = run.told
    assert "all training examples are demonstrations" in warning


def test_with_labels_there_are_so_many_of_each() -> None:
    run = fake(labelled_task(20))
    start = start_with(run, 2)
    shown = [each for each in run.train if each not in start.unseen]
    assert sorted(each.target for each in shown) == sorted(SENTIMENT * 2)


def test_starts_differ_and_no_example_is_scored_on_that_one_of_them_shows() -> None:
    run = fake(words(12))
    prompts, unseen = starts_with(run, 1, 3)
    shown = {each for prompt in prompts for each in shown_in(run, prompt)}
    assert len(prompts) == 3
    assert set(unseen) == set(run.train) - shown
    assert run.told == []


def test_fewer_starts_than_were_drawn_and_nothing_unseen_are_told() -> None:
    run = fake(words(1))
    prompts, unseen = starts_with(run, 1, 2)
    assert (len(prompts), unseen) == (1, run.train)
    assert "2 draws of demonstrations gave 1 different prompts to begin with" in run.told
    # Each start alone shows a part; all of them together show everything.
    run = fake(words(2))
    prompts, unseen = starts_with(run, 1, 9)
    assert (len(prompts), unseen) == (2, run.train)
    assert "all training examples are demonstrations" in run.told[-1]


@pytest.mark.parametrize(("count", "most", "scored"), [(10, 99, 5), (11, 99, 6), (10, 4, 4), (1, 9, 1)])
def test_the_search_scores_on_half_of_the_examples_at_most(count: int, most: int, scored: int) -> None:
    run = fake(words(20))
    pool = run.train[:count]
    first, second = divide(run, pool, 9, most, 3)
    assert len(first) == scored
    assert len(second) == (min(3, count - scored) if count > scored else scored)
    assert set(second) <= set(pool)
    assert set(first).isdisjoint(second) or count == scored
    assert bool(run.told) is (count == scored)


def test_with_labels_the_search_scores_on_so_many_of_each() -> None:
    run = fake(labelled_task(20))
    first, second = divide(run, run.train, 3, 99, 8)
    assert sorted(each.target for each in first) == sorted(SENTIMENT * 3)
    assert len(second) == 8


def test_a_cap_on_all_takes_from_every_label_alike() -> None:
    run = fake(labelled_task(20))
    drawn = draw_evenly(run, "examples", run.train, 4, 5)
    # In turn, in the order of the labels.
    assert [each.target for each in drawn] == [*SENTIMENT, *SENTIMENT, SENTIMENT[0]]
    lone = [each for each in run.train if each.target == SENTIMENT[1]][:2]
    assert len(draw_evenly(run, "examples", lone, 4, 5)) == 2
