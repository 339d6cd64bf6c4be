"""What is said where a form of export cannot carry a prompt, or cannot give it back."""

from __future__ import annotations

import pytest

from promptopt.binding.suite import several_tasks
from promptopt.reports.carried import not_carried
from promptopt.reports.export import FORMATS, Format, export_of
from promptopt.tasks.layout import Layout
from promptopt.tasks.parts import with_user_prompts
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Prompt


def task(name: str = "red", **more: object) -> Task:
    examples = [Example.of(("yes", "no")[number % 2], question=f"{name} {number}") for number in range(20)]
    return Task.from_examples(examples, prompt=f"Answer {name}.", name=name, splits=Splits(8, 6, 6), **more)  # type: ignore[arg-type]


def said(of: Task, prompt: Prompt, form: Format) -> str:
    return not_carried(of, export_of(of, prompt), form)


@pytest.mark.parametrize("form", FORMATS)
def test_user_prompts_that_a_form_has_no_place_for_are_named(form: Format) -> None:
    whole = with_user_prompts(several_tasks([task(), task("blue")]))
    part = whole.editables[1]
    found = said(whole, whole.initial.replace(part, whole.initial[part].replace("Answer", "Say")), form)
    if form in ("json", "toml"):
        assert found == ""
    elif form == "txt":
        assert found.startswith("as text its parts are not told apart, so --prompt cannot read it back")
    else:
        assert found == (
            "this form has no place for the user prompt of blue and user prompt of red; export as json, toml or text "
            "for that"
        )


def test_a_part_that_a_layout_does_not_show_is_named() -> None:
    hidden = task(layout=Layout("bare", messages=(("user", "{instruction}\n{question}"),)))
    prompt = Prompt.of("Answer.", note="Never seen.")
    assert said(hidden, prompt, "python").startswith("this form has no place for the note; export as json, toml or")
    assert said(hidden, prompt, "txt").endswith("export as json or toml")


@pytest.mark.parametrize("form", ["txt", "python", "json", "openai"])
def test_of_a_prompt_that_is_carried_whole_nothing_is_said(form: Format) -> None:
    plain = task()
    assert said(plain, plain.initial.replace("instruction", "Answer in one word.\n\nBe exact."), form) == ""


def test_demonstrations_that_text_cannot_give_back_are_told() -> None:
    plain = task()
    shown = Prompt(plain.initial.texts, (plain.train[0],))
    assert said(plain, shown, "python") == said(plain, shown, "json") == ""
    assert said(plain, shown, "txt") == (
        "as text its demonstrations stand among the rest, so --prompt cannot read it back; export as json for that"
    )
