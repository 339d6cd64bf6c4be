"""Checks of `operators/drafts.py`: what can stand in for the text it was made from."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from promptopt.operators.drafts import Drafts, edit_limit, placeholders, unusable
from promptopt.operators.replies import UNKNOWN_FORM
from promptopt.testing import planted_task

PARENT = "Answer {name} in {{ language }}: \\boxed{x}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('Reply to {name} in {language}, \\boxed{answer}, x^{n}, {"a": 1}, {}', None),
        ("  ", "empty"),
        ("42", "no words"),
        ("1.", "no words"),
        ("---\n***", "no words"),
        ("用 {name} 和 {language} 回答", None),
        ("Answer  {name} in\n{{ language }}: \\boxed{x} ", "same as its parent"),
        ("{name} {language} </ Instruction>", "tags in the text"),
        ("{name} {language} <|im_end|>", "reads as chat structure"),
        ("{name} {language} [INST] b", "reads as chat structure"),
        ("{name} {language} <｜User｜>", "reads as chat structure"),
        ("Reply in {language}", "lost placeholder"),
        ("I'm sorry, but I can't answer {name} in {language}", "refusal"),
        ("{name} {language} {section}", "unresolved placeholder"),
        ("{name} {language}\n- If ...", "form not filled in"),
        (
            "{name} {language}\nText that stands beside the instruction and never changes:\nAnswer.",
            "repeats the request",
        ),
        ("{name} {language}" + " word" * 9, "too long"),
    ],
)
def test_why_a_text_is_unusable(text: str, why: str | None) -> None:
    found = unusable(
        text, PARENT, most=10, tags=("instruction",), form=UNKNOWN_FORM, count_tokens=lambda text: len(text.split())
    )
    assert found == why


def test_a_long_section_may_grow_by_a_quarter() -> None:
    count = lambda text: len(text.split())  # noqa: E731
    assert [edit_limit("word " * words, 100, count) for words in (10, 80, 81, 84)] == [100, 100, 101, 105]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{a} {{ b }} {a} \\boxed{x} x^{n} {1} {}", ["{a}", "{{ b }}"]),
        ("no slots", []),
        ("请用{language}回答{{ question }}。", ["{language}", "{{ question }}"]),
    ],
)
def test_placeholders_are_names_in_braces_each_once(text: str, found: list[str]) -> None:
    assert placeholders(text) == found


def test_drafts_are_usable_texts_each_once_with_who_wrote_the_first() -> None:
    task, rejected = planted_task(), Counter[str]()
    run: Any = SimpleNamespace(
        task=task, count_tokens=lambda text: len(text.split()), reject=lambda why: rejected.update([why])
    )
    drafts = Drafts(run, task.initial, 5, ("prompt",), UNKNOWN_FORM)
    drafts.add(["Say it.", "Say  it.", "one two three four five six", "<prompt>x"], "critic", "a reason")
    drafts.add(["Say it.", "Say so."], "other", "another")
    assert drafts.sections() == [("Say it.", "a reason"), ("Say so.", "another")]
    assert [(each.prompt["instruction"], each.parents, each.operator, each.note) for each in drafts.proposals()] == [
        ("Say it.", (task.initial,), "critic", "a reason"), ("Say so.", (task.initial,), "other", "another")
    ]  # fmt: skip
    assert rejected == {"critic: too long": 1, "critic: tags in the text": 1}
