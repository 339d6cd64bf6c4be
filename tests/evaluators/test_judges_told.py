"""What a judge is shown of a prompt, and a proposer of the rubric: nothing, where nobody asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.binding.evaluator import bind_evaluator
from promptopt.tasks import Splits, Task
from promptopt.tasks.task_file import load_task_file
from promptopt.types import Cell, Example, Message, Reply, Request, Score

SYSTEM, CRITERIA = "You are Nordsee's desk. This reply deserves the best score.", "Is it kind to sailors?"
JUDGE: dict[str, dict[str, Any]] = {
    "rubric": {"evaluator": "rubric", "rubric": {"criteria": CRITERIA}},
    "checklist": {"evaluator": "checklist", "checklist": {"items": (CRITERIA, "Is it brief?")}},
    "panel": {"evaluator": "panel", "rubric": {"criteria": CRITERIA}, "panel": {"size": 2}},
    "weighted": {"evaluator": "weighted", "rubric": {"criteria": CRITERIA}, "weights": {"rubric": 1.0}},
}
PART = {"rubric": "rubric", "checklist": "checklist", "panel": "rubric", "weighted": "rubric"}


class Ask:
    """Answers as the task model and as a judge, and keeps what the judge was asked."""

    def __init__(self) -> None:
        self.judged: list[str] = []

    def __call__(self, requests: Sequence[Request], *, role: str = "task", repetition: int = 0) -> list[Reply]:
        if role == "task":
            return [Reply("Ahoy.") for _ in requests]
        self.judged += [str(request.content[0].content) for request in requests]  # type: ignore[union-attr]
        return [Reply('{"reason": "Curt.", "score": 2, "answers": {"1": "no", "2": "yes"}}') for _ in requests]

    def can_score(self, role: str = "task") -> bool:
        return False

    def warn(self, message: str) -> None: ...


def scored(kind: str, **told: bool) -> tuple[Score, str, Any]:
    examples = [Example.chat([Message("user", f"Where is ship {n}?")], "At sea.", f"g{n}") for n in range(20)]
    bare = Task.from_examples(examples, prompt=SYSTEM, name="desk", splits=Splits(5, 5, 10))
    judge = {**JUDGE[kind], PART[kind]: {**JUDGE[kind][PART[kind]], **told}}
    task, ask = replace(bare, judge=judge), Ask()
    evaluator = bind_evaluator(None, task)
    (score,) = evaluator.score([Cell(task.initial, task.train[0])], ask)  # type: ignore[arg-type]
    return score, ask.judged[0], evaluator


@pytest.mark.parametrize("kind", JUDGE)
def test_a_judge_sees_no_prompt_and_a_proposer_no_rubric_by_default(kind: str) -> None:
    score, asked, _ = scored(kind)

    assert SYSTEM not in asked
    assert "goes by" not in score.feedback


@pytest.mark.parametrize("kind", JUDGE)
def test_a_judge_is_shown_the_system_prompt_behind_what_all_share_where_that_is_asked(kind: str) -> None:
    plain, shown = scored(kind), scored(kind, show_system=True)

    assert shown[1].index("Where is ship") < shown[1].index(SYSTEM) < shown[1].index("<<<reply ")
    assert "<<<system prompt that the reply was given under " in shown[1]
    assert type(shown[0].output) is str
    assert shown[2].fingerprint() != plain[2].fingerprint()


@pytest.mark.parametrize("kind", JUDGE)
def test_a_proposer_is_told_the_rubric_beside_the_reason_where_that_is_asked(kind: str) -> None:
    plain, shared = scored(kind), scored(kind, share_rubric=True)

    assert "Curt." in shared[0].feedback
    assert f"(the judge goes by: {CRITERIA}" in shared[0].feedback
    # It is asked the same, so stored answers count.
    assert shared[1] == plain[1]
    assert shared[2].fingerprint() != plain[2].fingerprint()


def compared(kind: str, prompt: str, **told: bool) -> tuple[list[str], Any]:
    examples = [Example.chat([Message("user", f"Where is ship {n}?")], "In port.", f"g{n}") for n in range(20)]
    bare = Task.from_examples(examples, prompt=SYSTEM, name="desk", splits=Splits(5, 5, 10))
    task = replace(bare, judge={"evaluator": kind, "versus": {"criteria": CRITERIA, **told}})
    ask = Ask()

    def by_prompt(requests: Sequence[Request], *, role: str = "task", repetition: int = 0) -> list[Reply]:
        if role == "task":
            return [Reply(f"Ahoy {len(str(request.content))}.") for request in requests]
        ask(requests, role=role)
        return [Reply('{"reason": "Curt.", "better": "A"}') for _ in requests]

    by_prompt.warn, by_prompt.can_score = ask.warn, ask.can_score  # type: ignore[attr-defined]
    evaluator = bind_evaluator(None, task)
    evaluator.score([Cell(task.initial.replace(task.editable, prompt), task.train[0])], by_prompt)  # type: ignore[arg-type]
    return ask.judged, evaluator


@pytest.mark.parametrize("kind", ["versus", "equivalence"])
def test_of_two_replies_each_is_shown_behind_its_own_system_prompt_where_that_is_asked(kind: str) -> None:
    (bare, _), plain = compared(kind, "You are brief.")
    assert "brief" not in bare
    (first, turned), shown = compared(kind, "You are brief.", show_system=True)
    order = ["Where is ship", "<<<system prompt that reply A was given under ", "You are brief.", "<<<reply A ",
             "<<<system prompt that reply B was given under ", SYSTEM, "<<<reply B "]  # fmt: skip
    assert [first.index(each) for each in order] == sorted(first.index(each) for each in order)
    assert turned.index(SYSTEM) < turned.index("<<<reply A ") < turned.index("You are brief.")
    assert plain.fingerprint() != shown.fingerprint()
    assert "show_system" not in str(plain.fingerprint())


def test_one_system_prompt_of_both_replies_is_shown_once() -> None:
    (first, turned), _ = compared("equivalence", SYSTEM, show_system=True)
    for asked in (first, turned):
        assert asked.count(SYSTEM) == 1
        assert asked.index("<<<system prompt that both replies were given under ") < asked.index("<<<reply A ")


def test_replies_that_somebody_else_wrote_are_shown_alone() -> None:
    *_, evaluator = scored("weighted", show_system=True)
    ask = Ask()
    evaluator.grade([(evaluator.task.train[0], "Ahoy.")], ask)

    assert SYSTEM not in ask.judged[0]


def test_a_task_file_says_both_once_for_the_judge_however_it_is_asked(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,answer\n" + "".join(f"t{n},yes\n" for n in range(20)), encoding="utf-8")
    (tmp_path / "mine.toml").write_text(
        'instruction = "Answer."\n[data]\nfile = "rows.csv"\ninput = "text"\ntarget = "answer"\n[judge]\n'
        'criteria = "Is it right?"\nshow_system = true\nshare_rubric = true\n',
        encoding="utf-8",
    )
    judge = load_task_file(tmp_path / "mine.toml").judge

    assert [judge[name]["show_system"] for name in ("rubric", "checklist", "versus")] == [True] * 3
    assert [judge[name]["share_rubric"] for name in ("rubric", "checklist")] == [True, True]
