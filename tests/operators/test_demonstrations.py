"""What a demonstration says: the model's own right reply, else the data's worked solution, else the bare answer."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.models.scripted import Scripted
from promptopt.operators.demos import (
    demonstrate,
    draw,
    fitting,
    inherit,
    set_aside,
    shows_demos,
    trimmed_reply,
    unlike,
    with_target,
)
from promptopt.run import Run
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Abilities, Example, Message, Prompt, Request, Score, ScoreMatrix

EXAMPLES = [
    Example.of(str(number), (f"{number}.0",), ("0",), f"It says {number}. So {number}.", text=f"n{number}")
    for number in range(1, 31)
]  # fmt: skip


def answer(request: Request) -> str:
    """Right on even numbers."""
    assert not isinstance(request.content, str)
    number = int(request.content[-1].content.partition("Text: n")[2].split()[0])
    return f"I read {number}. So {number}." if number % 2 == 0 else "So 0."


class Shows:
    """Makes demonstrations of all of train, and keeps what the model would read of two of them."""

    shown: tuple[str, ...] = ()

    def optimize(self, run: Run) -> None:
        assert shows_demos(run.task)
        demos = demonstrate(run, run.initial, run.train)
        for example, demo in zip(run.train, demos, strict=True):
            if int(example.target) % 2 == 0:
                assert demo == Example(example.fields, f"I read {example.target}. So {example.target}.")
            else:
                assert demo == Example(example.fields, example.target, solution=example.solution)
        content, _ = run.task.render(run.initial.with_demos(demos[:2]), run.dev[0])
        self.shown = tuple(each.content for each in content if isinstance(each, Message) and each.role == "assistant")


def test_own_right_replies_stand_in_the_place_of_worked_solutions(tmp_path: Path) -> None:
    task = Task.from_examples(EXAMPLES, prompt="Read the number.", metric="number", splits=Splits(10, 10, 10))
    method = Shows()
    optimize(task, method, model=Scripted(answer), store=tmp_path / "store.db")
    expected = [
        f"I read {each.target}. So {each.target}." if int(each.target) % 2 == 0 else each.solution
        for each in task.train[:2]
    ]
    assert method.shown == tuple(expected)


def test_a_bare_demonstration_keeps_the_worked_solution_and_nothing_else() -> None:
    assert with_target(EXAMPLES[0]) == Example.of("1", (), (), EXAMPLES[0].solution, text="n1")
    assert with_target(Example.of("1", ("one",), text="n1")) == Example.of("1", text="n1")


def told(most: int) -> tuple[Any, list[str]]:
    """A run whose model has room for so many demonstrations, and what the user is told."""
    warnings: list[str] = []
    crowded = lambda prompt: None if len(prompt.demos) <= most else "too long"  # noqa: E731
    knows = Abilities(forces=False, contrasts=False, sums=False, stands_in=False)
    return SimpleNamespace(crowded=crowded, warn=warnings.append, abilities=knows), warnings


def test_demonstrations_that_fit_stay_and_the_user_is_told_of_none_but_those_left_out() -> None:
    run, warnings = told(3)
    assert fitting(run, Prompt.of("Read."), EXAMPLES[:3]) == EXAMPLES[:3]
    assert warnings == []
    assert fitting(run, Prompt.of("Read."), EXAMPLES[:5]) == EXAMPLES[:3]
    assert len(warnings) == 1


def test_of_demonstrations_with_one_input_the_first_stays() -> None:
    other = Example.of("another", text="n1")
    assert unlike([EXAMPLES[1], EXAMPLES[0], other]) == [EXAMPLES[1], EXAMPLES[0]]


def test_a_child_has_half_of_both_lists_rounded_down_and_not_more_than_it_may() -> None:
    first, second = (Prompt.of("Read.").with_demos(each) for each in (EXAMPLES[:3], EXAMPLES[3:7]))
    assert len(inherit(random.Random(0), first, second, 9)) == 3
    assert len(inherit(random.Random(0), first, second, 2)) == 2
    assert len(inherit(random.Random(0), first, first, 9)) == 3
    assert len(draw(random.Random(0), EXAMPLES[:2], 5)) == 2


@pytest.mark.parametrize(
    ("train", "scored", "aside"),
    [
        (100, 100, 10), (101, 101, 11), (100, 80, 20), (100, 91, 10), (1_000, 1_000, 100), (5_000, 4_990, 200),
        (10, 0, 9), (2, 2, 1), (1, 1, 0), (1, 0, 0),
    ],
)  # fmt: skip
def test_a_tenth_is_for_demonstrations_or_what_is_not_scored_and_one_example_stays(
    train: int, scored: int, aside: int
) -> None:
    assert set_aside(train, scored) == aside


@pytest.mark.parametrize(
    ("score", "own"),
    [
        (Score(0.5, "I read 1.", "1"), True),
        (Score(0.4, "I read 1.", "1"), False),
        (Score(0.5, "I read 1.", "", parsed=False), False),
        (Score(0.5, " ", "1"), False),
    ],
)
def test_a_reply_is_shown_from_the_threshold_on_where_it_was_read_and_says_something(score: Score, own: bool) -> None:
    asked: list[Prompt] = []

    def evaluate(prompts: list[Prompt], examples: list[Example]) -> ScoreMatrix:
        asked.extend(prompts)
        return ScoreMatrix(examples, {prompt: [score] * len(examples) for prompt in prompts})

    run: Any = SimpleNamespace(evaluate=evaluate, admit=lambda proposals: [each.prompt for each in proposals])
    prompt = Prompt.of("Read.").with_demos(EXAMPLES[5:6])
    shown = demonstrate(run, prompt, EXAMPLES[:2], 0.5)
    assert shown == ([Example(each.fields, "I read 1.") if own else with_target(each) for each in EXAMPLES[:2]])
    # The reply is the one to the prompt without demonstrations.
    assert asked == [prompt.with_demos(())]
    assert demonstrate(run, prompt, [], 0.5) == []
    refuses: Any = SimpleNamespace(admit=lambda proposals: [])
    assert demonstrate(refuses, prompt, EXAMPLES[:2]) == [with_target(each) for each in EXAMPLES[:2]]
    assert trimmed_reply(Score(1.0, "<think>Hm.</think>\n yes ")) == "yes"
