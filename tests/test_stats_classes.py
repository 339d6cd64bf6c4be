"""F1 by label: what cannot be read is no label more, and labels that nobody gives or asks for are worth nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.suite import several_tasks
from promptopt.evaluation import evaluate
from promptopt.models.scripted import Scripted
from promptopt.optimizers.sprig.method import Sprig
from promptopt.outcome.result import Result
from promptopt.run.budget import Budget
from promptopt.stats.classes import f1_of, macro_f1
from promptopt.tasks import Splits, Task
from promptopt.types import Example, Request

BALANCED = [(label, label) for label in ("yes", "no") for _ in range(10)]


def test_one_unreadable_answer_of_twenty_costs_its_label_alone() -> None:
    answered = [("yes", None), *BALANCED[1:]]
    # 2 * 9 / (2 * 9 + 1), and all of the other: as a third label it would cost a third.
    assert f1_of("yes", answered) == pytest.approx(18 / 19)
    assert f1_of("no", answered) == 1.0
    found = macro_f1(("yes", "no"), answered)
    assert found == pytest.approx((18 / 19 + 1) / 2)
    assert found > 0.95  # type: ignore[operator]


@pytest.mark.parametrize(
    "answered",
    [
        # Nothing can be read, though there are positives; neither label is there; the other label throughout.
        [(right, None) for right, _ in BALANCED],
        [("maybe", "maybe")] * 4,
        [("yes", "no")] * 3 + [("no", "yes")] * 3,
    ],
)
def test_where_no_label_is_hit_it_is_nothing_and_no_error(answered: list[tuple[str, str | None]]) -> None:
    assert f1_of("yes", answered) == f1_of("no", answered) == 0.0
    assert macro_f1(("yes", "no"), answered) == 0.0


def test_without_labels_or_answers_there_is_none() -> None:
    assert macro_f1((), BALANCED) is None
    assert macro_f1(("yes", "no"), []) is None


def test_a_label_that_is_neither_right_nor_answered_anywhere_takes_nothing_off() -> None:
    assert macro_f1(("yes", "no", "maybe"), BALANCED) == 1.0
    # Answered once it is there, and nobody was right by it.
    assert macro_f1(("yes", "no", "maybe"), [*BALANCED[1:], ("yes", "maybe")]) == pytest.approx((18 / 19 + 1 + 0) / 3)


def test_a_label_that_is_always_said_of_a_rare_other_is_seen() -> None:
    answered = [("no", "no")] * 18 + [("yes", "no")] * 2
    assert macro_f1(("yes", "no"), answered) == pytest.approx(36 / 38 / 2)


def yes_or_no(name: str = "a", count: int = 60) -> Task:
    rows = [Example.of(("yes", "no")[number % 2], text=f"{name} item {number}") for number in range(count)]
    return Task.from_examples(rows, prompt="Say yes or no.", labels=("yes", "no"), name=name,
                              splits=Splits(count // 3, count // 3, count // 3))  # fmt: skip


def number_in(request: Request) -> int:
    return int(str(request.content).rpartition("item ")[2].split("\\")[0].split("'")[0])


def test_a_prompt_s_macro_f1_is_measured_beside_its_accuracy(tmp_path: Path) -> None:
    task = yes_or_no()
    lost = number_in_first(task, "yes")

    def answer(request: Request) -> str:
        number = number_in(request)
        return "hm" if number == lost else ("yes", "no")[number % 2]

    found = evaluate(task, model=Scripted(answer), split="test", store=tmp_path / "s.db")
    counts = {label: sum(each.target == label for each in task.test) for label in ("yes", "no")}
    wanted = (2 * (counts["yes"] - 1) / (2 * (counts["yes"] - 1) + 1) + 1) / 2

    assert found.measured.unreadable == 1
    assert found.measured.macro_f1 == pytest.approx(wanted)
    assert found.figures()["macro_f1"] == pytest.approx(wanted)


def number_in_first(task: Task, label: str) -> int:
    return next(int(each["text"].split()[-1]) for each in task.test if each.target == label)


def searched(home: Path, task: Task, answer: Callable[[Request], str]) -> Result:
    method = Sprig(components=("Please answer exactly now.",), rephrasings=0, steps=1)
    return optimize(task, method, model=Scripted(answer), budget=Budget(evaluations=400), store=home / "s.db")


def test_a_report_tells_it_of_start_and_winner_and_is_read_back(tmp_path: Path) -> None:
    def answer(request: Request) -> str:
        number = number_in(request)
        return ("yes", "no")[number % 2] if "exactly" in str(request.content) else "no"

    result = searched(tmp_path, yes_or_no(), answer)
    result.save(tmp_path / "r.json")
    again = Result.load(tmp_path / "r.json")

    assert result.start.test is not None
    assert result.best.test is not None
    assert result.best.test.macro_f1 == 1.0
    assert result.start.test.macro_f1 == pytest.approx(result.start.test.score * 2 / (1 + result.start.test.score) / 2)
    assert again.best.test == result.best.test
    assert "macro-F1" in result.report()


def test_of_several_tasks_the_unreadable_replies_are_told_by_task(tmp_path: Path) -> None:
    def answer(request: Request) -> str:
        text = str(request.content)
        if "b item" in text and "exactly" not in text:
            return "hm"
        return ("yes", "no")[number_in(request) % 2] if "exactly" in text else "no"

    result = searched(tmp_path, several_tasks([yes_or_no("a"), yes_or_no("b")], system="Answer."), answer)
    first, second = result.members

    assert (first.unreadable, second.unreadable) == ((0, 0), (second.n, 0))
    assert f"unreadable: {second.n} of the start's replies, 0 of the winner's" in result.report()
    assert type(second).from_json(second.to_json()) == second
