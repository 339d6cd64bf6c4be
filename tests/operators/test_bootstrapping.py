"""What a teacher is asked, which of its replies become demonstrations, and what fills a set up."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from promptopt.errors import ConfigError
from promptopt.operators.bootstrapping import Teacher, Teaching, labelled, teacher_of
from promptopt.types import Abilities, Example, Prompt, Proposal, Score, ScoreMatrix

EXAMPLES = [Example.of(f"answer {number}", question=f"question {number}") for number in range(6)]
Reply = Callable[[Example, int], Score]


def right(example: Example, _: int) -> Score:
    return Score(1.0, f"I say {example.target}", example.target)


class FakeRun:
    """Keeps what was asked: ("evaluate", numbers) or ("rescore", numbers, temperature, draw, role)."""

    initial = Prompt.of("Start.")
    abilities = Abilities(forces=False, contrasts=False, sums=False, stands_in=False)

    def __init__(self, reply: Reply = right, *, named: Sequence[str] = ("task",), most: int = 99, through: int = 99):
        self.reply, self.named, self.most, self.through = reply, named, most, through
        self.asked: list[tuple[Any, ...]] = []
        self.shown: list[list[int]] = []
        self.admits = True
        self.warnings: list[str] = []

    def names(self, role: str) -> bool:
        return role in self.named

    def rng(self, stream: str) -> random.Random:
        return random.Random(stream)

    def crowded(self, prompt: Prompt) -> str | None:
        return None if len(prompt.demos) <= self.most else "too long"

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def admit(self, proposals: Sequence[Proposal]) -> list[Prompt]:
        self.shown += [list(map(number_of, each.prompt.demos)) for each in proposals]
        return [each.prompt for each in proposals] if self.admits else []

    def evaluate(self, prompts: Sequence[Prompt], examples: Sequence[Example]) -> ScoreMatrix:
        self.asked.append(("evaluate", *map(number_of, examples)))
        return ScoreMatrix(examples, {prompt: [self.reply(each, 0) for each in examples] for prompt in prompts})

    def rescore(
        self, prompt: Prompt, examples: Sequence[Example], temperature: float | None, draw: int, role: str
    ) -> list[Score]:
        self.asked.append(("rescore", *map(number_of, examples), temperature, draw, role))
        return [self.reply(each, draw) for each in examples][: self.through]


def number_of(example: Example) -> int:
    return int(example["question"].split()[1])


def teacher(run: FakeRun, **settings: Any) -> Teacher:
    return Teacher(run, Teaching(**{"labelled": 0, **settings}), EXAMPLES)  # pyright: ignore[reportArgumentType]


def test_the_first_try_of_the_task_model_is_an_evaluation_and_every_other_a_draw_at_the_heat() -> None:
    run = FakeRun(lambda example, draw: Score(float(draw == 2), "said", "said"))
    assert list(teacher(run, tries=3, heat=0.7).solved(EXAMPLES[:2], 2)) == EXAMPLES[:2]
    assert run.asked == [("evaluate", 0, 1), ("rescore", 0, 1, 0.7, 1, "task"), ("rescore", 0, 1, 0.7, 2, "task")]


def test_another_model_is_drawn_from_as_the_task_is_sampled_and_then_at_the_heat() -> None:
    run = FakeRun(lambda example, draw: Score(float(draw), "said", "said"), named=("task", "teacher"))
    assert len(teacher(run, tries=2).solved(EXAMPLES[:1], 1)) == 1
    assert run.asked == [("rescore", 0, None, 0, "teacher"), ("rescore", 0, 1.0, 1, "teacher")]


def test_whose_replies_become_demonstrations() -> None:
    assert teacher_of(FakeRun(named=("task", "teacher"))) == "teacher"  # pyright: ignore[reportArgumentType]
    assert teacher_of(FakeRun()) == "task"  # pyright: ignore[reportArgumentType]
    run = FakeRun(named=("task", "teacher"))
    teacher(run, teacher="task").solved(EXAMPLES[:1], 1)
    assert run.asked == [("evaluate", 0)]
    with pytest.raises(ConfigError, match="no teacher is named"):
        teacher(FakeRun(), teacher="teacher")


def test_no_more_are_tried_than_are_missing_and_nothing_is_asked_twice() -> None:
    run = FakeRun(lambda example, _: Score(float(number_of(example) % 2), "said", "said"))
    asks = teacher(run)
    assert list(map(number_of, asks.solved(EXAMPLES, 2))) == [1, 3]
    # Two are missing, then one, and one again.
    assert run.asked == [("evaluate", 0, 1), ("evaluate", 2), ("evaluate", 3)]
    assert list(map(number_of, asks.solved(EXAMPLES, 3))) == [1, 3, 5]
    assert run.asked[3:] == [("evaluate", 4), ("evaluate", 5)]
    assert list(map(number_of, asks.solved(EXAMPLES, 4))) == [1, 3, 5]
    assert len(run.asked) == 5
    assert asks.solved(EXAMPLES, 0) == {}


def test_only_those_that_are_not_solved_are_tried_again() -> None:
    run = FakeRun(lambda example, draw: Score(float(draw >= number_of(example)), f"try {draw}", "said"))
    found = teacher(run, tries=3).solved(EXAMPLES[:3], 3)
    assert [each.target for each in found.values()] == ["try 0", "try 1", "try 2"]
    assert [each[:-3] if each[0] == "rescore" else each for each in run.asked] == [
        ("evaluate", 0, 1, 2), ("rescore", 1, 2), ("rescore", 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("score", "solved"),
    [
        (Score(0.5, "said", "said"), True),
        (Score(0.49, "said", "said"), False),
        (Score(1.0, "said", "", parsed=False), False),
        (Score(1.0, " \n", ""), False),
    ],
)
def test_an_example_is_solved_from_the_threshold_on_by_a_reply_that_says_something(score: Score, solved: bool) -> None:
    found = teacher(FakeRun(lambda *_: score), threshold=0.5).solved(EXAMPLES[:1], 1)
    assert found == ({EXAMPLES[0]: Example(EXAMPLES[0].fields, "said")} if solved else {})


def test_the_teacher_is_shown_bare_examples_but_never_the_one_it_is_asked() -> None:
    run = FakeRun()
    teacher(run, labelled=3).solved(EXAMPLES, 6)
    own = [number_of(each) for each in labelled(run, EXAMPLES, 3, "teacher")]  # pyright: ignore[reportArgumentType]
    assert len(own) == 3
    asked = [number for _, *numbers in run.asked for number in numbers]
    assert sorted(asked) == list(range(6))
    for (_, *numbers), shown in zip(run.asked, run.shown, strict=True):
        if len(numbers) == 1:
            assert shown == [each for each in own if each != numbers[0]]
        else:
            # Those that are not among them share one prompt.
            assert shown == own
            assert set(numbers) == set(range(6)) - set(own)


def test_a_set_begins_with_what_was_solved_and_is_filled_up_with_bare_others() -> None:
    run = FakeRun(lambda example, _: Score(float(number_of(example) > 1), f"I say {example.target}", "said"))
    made = teacher(run, labelled=4).demonstrations(EXAMPLES, 2)
    assert [each.target for each in made[:2]] == ["I say answer 2", "I say answer 3"]
    assert len(made) == 4
    rest = list(map(number_of, made[2:]))
    assert len(set(rest)) == 2
    assert set(rest) <= {0, 1, 4, 5}
    assert all(each.target == f"answer {number_of(each)}" for each in made[2:])
    # More solved than a set holds in all stay, and nothing is added.
    assert len(teacher(FakeRun(), labelled=1).demonstrations(EXAMPLES, 3)) == 3


def test_what_does_not_fit_is_left_out_from_the_end_and_told() -> None:
    run = FakeRun(most=3)
    made = teacher(run, labelled=5).demonstrations(EXAMPLES, 2)
    assert [each.target.startswith("I say") for each in made] == [True, True, False]
    assert run.warnings
    enough = FakeRun(most=5)
    assert len(teacher(enough, labelled=5).demonstrations(EXAMPLES, 2)) == 5
    assert enough.warnings == []


def test_a_prompt_that_is_not_admitted_and_what_a_cap_cuts_off_solve_nothing() -> None:
    run = FakeRun()
    run.admits = False
    assert teacher(run).solved(EXAMPLES, 6) == {}
    assert run.asked == []
    cut = FakeRun(named=("task", "teacher"), through=2)
    asks = teacher(cut)
    assert list(map(number_of, asks.solved(EXAMPLES[:3], 3))) == [0, 1]


def test_an_impossible_score_solves_nothing() -> None:
    run = FakeRun(lambda *_: Score(-math.inf, "said", "said"))
    assert teacher(run, threshold=-1e9).solved(EXAMPLES, 6) == {}
