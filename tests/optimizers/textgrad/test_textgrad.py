"""TextGrad: which criticisms are asked for, what becomes of them, and when a step is taken back."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from promptopt.binding.settings import build_optimizer
from promptopt.errors import ConfigError
from promptopt.optimizers.textgrad.backward import Criticism, criticisms_of, within_words
from promptopt.optimizers.textgrad.method import DRY, SAMPLING, TextGrad
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, planted_task
from promptopt.types import Example, Prompt, Reply, Request, Room, Sampling, Score, UpperBounds, digest
from tests.optimizers import graph_searches
from tests.optimizers.graph_searches import BEGIN, WORDS, section_of, text_of
from tests.optimizers.workflows import START, Workflow, workflow_task


def who(text: str) -> str:
    if "is to be criticised" in text:
        return "backward"
    return "reduce" if text.startswith("This is the criticism") else "update"


def author(request: Request) -> str:
    text = text_of(request)
    if who(text) != "update":
        return f"<feedback>It lacks {digest(text)[:6]}.</feedback>"
    return f"<prompt>{section_of(text)} {random.Random(text).choice(WORDS)}</prompt>"


class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test and a planted gain, where the budget plans."""

    optimizer = TextGrad()
    budget = Budget(evaluations=500)

    def propose(self, request: Request) -> str:
        return author(request)


def search(
    home: Path, method: TextGrad, write: Callable[[Request], str] = author, *args: Any, **settings: Any
) -> tuple[Result, list[str]]:
    """What came of it, and every request of the proposer as text (`graph_searches.search`)."""
    result, asked = graph_searches.search(home, method, write, *args, **settings)
    return result, [text_of(request) for request in asked]


ONE = TextGrad(rounds=1, validation=10)


def calls(asked: list[str]) -> Counter[str]:
    return Counter(map(who, asked))


def test_a_prompt_of_one_call_takes_two_criticisms_an_example_and_one_update(tmp_path: Path) -> None:
    _, asked = search(tmp_path, ONE)
    assert calls(asked) == {"backward": 6, "update": 1}
    assert sum("How the output was judged: score 0" in text for text in asked) == 3
    assert sum("The output was criticised: It lacks" in text for text in asked) == 3


def test_an_example_with_full_marks_is_not_criticised(tmp_path: Path) -> None:
    seen: list[str] = []

    def right(instruction: str, question: str) -> bool:
        seen.append(question)
        return len(seen) == 12

    _, asked = search(tmp_path / "one", ONE, right=right)
    assert calls(asked) == {"backward": 4, "update": 1}
    _, asked = search(tmp_path / "all", ONE, right=lambda *_: True)
    assert asked == []


def test_criticism_goes_back_through_every_call_to_the_texts_that_were_used(tmp_path: Path) -> None:
    workflow = Workflow(lambda prompt, question: (0.0, "it is wrong"))
    _, asked = search(tmp_path, replace(ONE, minibatch=1), task=workflow_task(), evaluator=workflow)
    # To the reply, to its text and to the reply before, and from there to that one's text.
    assert calls(asked) == {"backward": 4, "update": 2}
    roles = [text.split("The value is ")[1].split(":")[0] for text in asked if who(text) == "backward"]
    assert roles == [
        "the program's output",
        'a text of the program, named "answer"',
        "what the model said in an earlier call",
        'a text of the program, named "instruction"',
    ]
    assert "it is wrong" in asked[0]
    assert not any(START["unused"] in text.split("It was used here")[0].split("---")[1] for text in asked[:4])


@pytest.mark.parametrize(("feedback", "told"), [("", 1), ("it is wrong", 1), ("answered no, expected yes", 0)])
def test_who_criticises_an_output_is_told_the_right_answer_once(tmp_path: Path, feedback: str, told: int) -> None:
    workflow = Workflow(lambda prompt, question: (0.0, feedback))
    _, asked = search(tmp_path, replace(ONE, minibatch=1), task=workflow_task(), evaluator=workflow)
    assert [text.count("The right answer: yes") for text in asked] == [told] + [0] * 5
    assert "How the output was judged: score 0" in asked[0]


def test_an_empty_criticism_is_none_and_a_text_without_any_stays(tmp_path: Path) -> None:
    def mute(request: Request) -> str:
        return "<feedback></feedback>" if 'named "answer"' in text_of(request) else author(request)

    workflow = Workflow(lambda prompt, question: (0.0, ""))
    result, asked = search(tmp_path, replace(ONE, minibatch=1), mute, task=workflow_task(), evaluator=workflow)
    assert calls(asked)["update"] == 1
    child = result.lineage[1].prompt
    assert (child["instruction"] != START["instruction"], child["answer"]) == (True, START["answer"])


def test_a_reply_that_nobody_criticised_passes_nothing_on(tmp_path: Path) -> None:
    def content(request: Request) -> str:
        return "<feedback></feedback>" if "the program's output" in text_of(request) else author(request)

    workflow = Workflow(lambda prompt, question: (0.0, ""))
    _, asked = search(tmp_path, replace(ONE, minibatch=1), content, task=workflow_task(), evaluator=workflow)
    assert calls(asked) == {"backward": 1}


def test_criticisms_stand_once_each_in_the_order_of_the_examples(tmp_path: Path) -> None:
    _, asked = search(tmp_path, ONE)
    told = [f"It lacks {digest(text)[:6]}." for text in asked[3:6]]
    assert [asked[-1].count(each) for each in told] == [1, 1, 1]
    task, replies = planted_task(), count()
    run: Any = SimpleNamespace(
        task=task, generate=lambda texts, sampling: [Reply(f"<feedback>said {next(replies)}</feedback>") for _ in texts]
    )
    pairs = [(example, Score(0.0, "no", feedback=f"wrong {n}")) for n, example in enumerate(task.train[:3])]
    found = criticisms_of(run, task.initial, ("instruction",), pairs, Sampling(), summed=False)
    assert [(each.text, each.judged) for each in found["instruction"]] == [
        (f"said {3 + number}", f"score 0; wrong {number}") for number in range(3)
    ]


def test_a_summary_is_one_more_call_and_its_text_is_what_is_used(tmp_path: Path) -> None:
    _, asked = search(tmp_path, replace(ONE, reduce="summary"))
    assert calls(asked) == {"backward": 6, "reduce": 1, "update": 1}
    assert f"It lacks {digest(asked[6])[:6]}." in asked[7]
    assert not any(f"It lacks {digest(text)[:6]}." in asked[7] for text in asked[3:6])


@pytest.mark.parametrize(("momentum", "shown"), [(3, [0, 1, 2, 3, 3]), (0, [0] * 5)])
def test_past_values_are_shown_with_their_criticism_as_many_as_told(
    tmp_path: Path, momentum: int, shown: list[int]
) -> None:
    _, asked = search(tmp_path, replace(ONE, rounds=5, momentum=momentum))
    updates = [text for text in asked if who(text) == "update"]
    assert [text.count('"""') // 2 - 1 for text in updates] == shown
    if momentum:
        values = [section_of(text) for text in updates]
        assert [value in updates[4].split("The text before")[1] for value in values[1:4]] == [True] * 3
        assert f'"""\n{BEGIN}\n"""' not in updates[4]


def test_what_a_text_must_keep_to_is_told(tmp_path: Path) -> None:
    _, asked = search(tmp_path, replace(ONE, constraints=("Stay under ten words.",)))
    assert "- Stay under ten words." in asked[-1]


@pytest.mark.parametrize(("new", "revert", "kept"), [(0.6, "falls", True), (0.5, "falls", False), (0.5, "never", True)])
def test_a_step_is_taken_back_where_the_mean_falls_and_an_equal_one_stays(
    tmp_path: Path, new: float, revert: str, kept: bool
) -> None:
    workflow = Workflow(lambda prompt, question: (0.6 if prompt == START else new, ""))
    method = replace(ONE, revert=revert)  # type: ignore[arg-type]
    result, _ = search(tmp_path, method, task=workflow_task(), evaluator=workflow)
    assert (result.steps[0].kept[0] != START) is kept


def test_an_update_without_tags_is_asked_for_once_more_and_the_text_stays(tmp_path: Path) -> None:
    mute = lambda request: "I would not know" if who(text_of(request)) == "update" else author(request)  # noqa: E731
    result, asked = search(tmp_path, TextGrad(validation=10), mute, budget=Budget(evaluations=2_000))
    assert calls(asked)["update"] == 2 * DRY
    assert result.rejected["optimizer: no tags"] == 2 * DRY
    assert any("no text was changed" in warning for warning in result.warnings)


@pytest.mark.slow
def test_what_a_step_is_judged_by_is_never_shown(tmp_path: Path) -> None:
    judges: list[str] = []

    def right(instruction: str, question: str) -> bool:
        judges.append(question)
        return False

    _, asked = search(tmp_path, replace(ONE, rounds=12), right=right)
    text = "\n".join(asked) + "\n"
    assert not [question for question in judges[:10] if f"{question}\n" in text]
    assert any(f"{question}\n" in text for question in judges[10:])


def test_a_budget_that_ends_on_the_way_back_leaves_no_update(tmp_path: Path) -> None:
    method = replace(ONE, validation=2)
    _, whole = search(tmp_path / "whole", method)
    # The cap of the search that lets some of the six criticisms through, and not all.
    for cap in range(20, 60):
        result, asked = search(tmp_path / f"cap{cap}", method, budget=Budget(calls=cap))
        if 2 <= len(asked) < 6:
            break
    assert set(map(who, asked)) == {"backward"}
    assert set(asked) <= set(whole)
    assert (result.status, result.best.prompt) == ("budget", Prompt.of(BEGIN))
    assert len(result.lineage) == 1


@pytest.mark.slow
def test_a_step_begins_only_with_room_for_those_that_judge_it(tmp_path: Path) -> None:
    method = TextGrad(validation=10)
    found = [search(tmp_path / str(cap), method, budget=Budget(evaluations=cap))[0].reason for cap in range(60, 84, 4)]
    ends = " left are too few for another step, which takes up to 13", " spent, and another step takes up to 13"
    assert all(reason.endswith(ends) for reason in found)


def test_too_much_criticism_is_cut_to_one_for_each_judgement_the_worst_first() -> None:
    def said(words: int, judged: str, score: float) -> Criticism:
        return Criticism("word " * words, "", judged, score)

    few = [said(10, "a", 0.5), said(10, "a", 0.5)]
    assert within_words(few, 20) == few
    many = [said(10, "a", 0.5), said(10, "a", 0.5), said(10, "b", 0.0), said(10, "c", 0.9)]
    assert within_words(many, 20) == [many[0], many[2]]


@pytest.mark.slow
def test_a_budget_plans_steps_and_validation_and_bounds_hold(tmp_path: Path) -> None:
    plans = [TextGrad().plan(Room(cells, None, 1, 300, 40)) for cells in (100, 400, 2_000)]
    assert [plan.validation for plan in plans] == [10, 16, 50]
    assert TextGrad().plan(Room(None, None, 1, 300, 40)).rounds == 12
    assert TextGrad().plan(Room(400, None, 1, 10, 40)).validation == 5
    result, _ = search(tmp_path, TextGrad(), budget=Budget(evaluations=250))
    assert result.spent.evaluations <= 250
    assert result.spent.proposer_calls <= TextGrad().upper_bounds_in(Room(206, None, 1, 60, 40)).proposer_calls


@pytest.mark.parametrize(
    ("room", "rounds", "validation"),
    [
        # A twenty-fifth of the evaluations judges, ten at least, fifty and half of the examples at most; a step takes
        # three examples beside those.
        (Room(400, None, 1, 300, 40), (400 - 16) // 19, 16),
        (Room(100, None, 1, 300, 40), (100 - 10) // 13, 10),
        (Room(5_000, None, 1, 300, 40), (5_000 - 50) // 53, 50),
        (Room(5_000, None, 1, 41, 40), (5_000 - 20) // 23, 20),
        (Room(20, None, 1, 300, 40), 1, 10),
        # Two calls of the proposer for an example and one for the text: 1,050 / (1 + 7 / 45) evaluations.
        (Room(None, 1_050, 1, 300, 40), (908 - 42) // 45, 42),
        # Without a cap the numbers of the code.
        (Room(None, None, 1, 300, 40), 12, 50),
        (Room(None, None, 1, 1, 40), 12, 1),
    ],
)
def test_a_budget_pays_for_the_judging_examples_and_then_for_steps(room: Room, rounds: int, validation: int) -> None:
    plan = TextGrad().plan(room)
    assert (plan.rounds, plan.minibatch, plan.validation) == (rounds, 3, validation)
    given = TextGrad(rounds=5, minibatch=2, validation=7).plan(room)
    assert (given.rounds, given.minibatch, given.validation) == (5, 2, min(7, max(1, room.train // 2)))
    assert TextGrad().least(room) == validation + 3 * (validation + 3)


def test_the_bounds_are_all_steps_and_two_calls_for_an_example_and_for_the_text() -> None:
    room = Room(400, None, 1, 300, 40)
    # Steps that cost less than planned leave room for three times as many.
    assert TextGrad().upper_bounds_in(room) == UpperBounds(400, 3 * 20 * 8, 3 * 20 * 8 * SAMPLING.max_tokens)
    assert TextGrad(reduce="summary").upper_bounds_in(room).proposer_calls == 3 * 20 * 10
    assert TextGrad(rounds=5).upper_bounds_in(room).proposer_calls == 5 * 8
    assert TextGrad(rounds=5).upper_bounds(300).evaluations == 50 + 5 * 53
    assert TextGrad(preset="paper").plan(room).rounds == 12


@pytest.mark.parametrize("setting", [{"minibatch": 0}, {"validation": 0}, {"momentum": -1}, {"longest": 0}])
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        build_optimizer("textgrad", setting)


@pytest.mark.parametrize(("temperature", "spent"), [(0.0, 1), (0.7, 1 + DRY)])
def test_what_was_drawn_once_is_free_at_temperature_zero_and_drawn_anew_above_it(
    tmp_path: Path, temperature: float, spent: int
) -> None:
    # One example judges, and is all that a step can go by; it is right each time.
    examples = [Example.of("yes", question=f"question {number} of 0") for number in range(31)]
    task = Task.from_examples(examples, prompt=BEGIN, metric="exact", answer="text", splits=Splits(1, 15, 15))
    task = replace(task, sampling=replace(task.sampling, temperature=temperature))
    result, asked = search(tmp_path, TextGrad(rounds=9), right=lambda *_: True, task=task)
    assert asked == []
    assert len(result.steps) == DRY
    assert result.steps[-1].spent.evaluations == spent
