"""Prompts that name the layout they are read in."""

from __future__ import annotations

import pytest

from promptopt.errors import UnknownName
from promptopt.tasks.inline import inlined
from promptopt.tasks.layout import Layout
from promptopt.tasks.layouts import layout_of, layouts_said, read_apart
from promptopt.tasks.task import Task
from promptopt.types import Example, Message, Prompt

EXAMPLES = tuple(Example.of(("yes", "no")[n % 2], text=f"text {n}") for n in range(40))
PLAIN = Layout("plain", text="{instruction}\n{text}")


def task(*layouts: Layout) -> Task:
    return Task.from_examples(
        EXAMPLES, prompt=Prompt.of("Say yes or no."), labels=["yes", "no"], layout=layouts if layouts else None
    )


def test_a_prompt_is_read_in_the_layout_that_it_names() -> None:
    made = task()
    shown = EXAMPLES[0]
    for layout in made.layouts:
        there = made.initial.in_layout(layout.name)
        assert layout_of(made, there) == layout
        assert made.render(there, shown) == made.with_layout(layout.name).render(made.initial, shown)
    assert isinstance(made.render(made.initial.in_layout("text"), shown)[0], str)
    assert made.render(made.initial, shown)[0] == made.render(made.initial.in_layout("chat"), shown)[0]


def test_a_layout_that_the_task_lacks_is_named_with_those_it_has() -> None:
    with pytest.raises(UnknownName, match="chat"):
        task().render(task().initial.in_layout("chta"), EXAMPLES[0])


def test_the_layout_is_part_of_what_a_prompt_is_and_stays_with_its_children() -> None:
    start = Prompt.of("Say it.")
    there = start.in_layout("text")
    assert there != start
    assert there.id != start.id
    assert there.in_layout("") == start
    assert there.replace("instruction", "Say it now.").layout == "text"
    assert there.with_demos(EXAMPLES[:1]).layout == "text"
    assert start.id == Prompt((("instruction", "Say it."),), ()).id


def test_layouts_that_read_alike_without_demonstrations_are_named_as_one() -> None:
    made = task()
    alike = read_apart(made, made.initial)
    assert alike == {"chat": "chat", "system": "system", "one-message": "chat", "text": "text"}
    assert next(iter(read_apart(made.with_layout("one-message"), made.initial))) == "one-message"
    shown = made.initial.with_demos(EXAMPLES[:1])
    assert dict.fromkeys(read_apart(made, shown).values()) == dict.fromkeys(["chat", "system", "one-message", "text"])
    assert read_apart(task(PLAIN, Layout("more", text="{instruction}: {text}\n{demos}", demo="{target}")), shown) == {
        "more": "more"
    }


def test_a_start_that_names_a_layout_is_inlined_as_it_is_read() -> None:
    made = task(Layout("asked", messages=(("user", "{instruction}\n{text}"),)), PLAIN)
    start = made.initial.in_layout("plain")
    moved = Task("moved", start, made.layouts, made.train, labels=made.labels)
    whole = inlined(moved)
    assert whole.render(whole.initial, EXAMPLES[0])[0] == f"Say yes or no.\n{EXAMPLES[0]['text']}"
    assert made.render(made.initial, EXAMPLES[0])[0] == (Message("user", f"Say yes or no.\n{EXAMPLES[0]['text']}"),)
    assert (
        moved.fingerprint()["layout"] != Task("moved", made.initial, made.layouts, made.train).fingerprint()["layout"]
    )


def test_what_is_said_of_layouts_changes_with_each_of_them() -> None:
    one, other = (
        task(PLAIN, Layout("b", text="{instruction} {text}")),
        task(PLAIN, Layout("b", text="{text} {instruction}")),
    )
    assert layouts_said(one)["plain"] == layouts_said(other)["plain"]
    assert layouts_said(one)["b"] != layouts_said(other)["b"]
