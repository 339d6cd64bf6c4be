"""Marks in prompts: what a policy reads around one, and what a model reads in its place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.errors import ConfigError
from promptopt.operators.policy_marks import around, filled, mark_in, mark_of, refuse_unfilled, state_of
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.types import Example, Message, digest

MARK = mark_of(digest("a policy"))
LAYOUTS = (
    Layout("text", text="{instruction} Item: {text} Answer:"),
    Layout("system", messages=(("system", "{instruction}"), ("user", "{text}"))),
    Layout("user", messages=(("user", "{text}\n\n{instruction}"),)),
)


def task(layout: Layout) -> Task:
    examples = [Example.of("good", text=f"item {number}") for number in range(6)]
    return Task.from_examples(examples, prompt="start", labels=("good", "bad"), layout=layout, splits=Splits(2, 2, 2))


def test_a_mark_says_which_policy_it_is() -> None:
    assert state_of(MARK) == digest("a policy")
    assert mark_in(f"before {MARK} after") == MARK
    assert (mark_in("[[policy x]]"), mark_in(""), state_of("no mark")) == ("", "", "")


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@settings(max_examples=15, deadline=None)
@given(text=st.text(min_size=1).filter(str.strip), item=st.text(min_size=1).filter(str.strip))
def test_a_filled_mark_is_what_the_prompt_itself_would_be(layout: Layout, text: str, item: str) -> None:
    bound, example = task(layout), Example.of("good", text=item)
    content, _ = bound.render(bound.initial.replace("instruction", MARK), example)
    written, _ = bound.render(bound.initial.replace("instruction", text), example)
    assert filled(content, MARK, text) == written
    # What a policy reads holds the input, and neither mark nor prompt.
    assert item in around(content, MARK)
    assert not mark_in(around(content, MARK).replace(item, ""))


def test_a_chat_is_read_in_lines_without_the_messages_that_nothing_is_left_of() -> None:
    chat = (Message("system", MARK), Message("user", "Where is it?"), Message("assistant", "On its way."))
    assert around(chat, MARK) == "Where is it?\nOn its way."


def test_a_model_that_fills_no_marks_is_refused_a_prompt_with_one() -> None:
    refuse_unfilled(["no mark", "[[policy]]"], "hf/x")
    refuse_unfilled([MARK], f"rewritten/policy/x@1{MARK}::hf/x")
    with pytest.raises(ConfigError, match="is another policy"):
        refuse_unfilled([MARK], f"rewritten/policy/x@1{mark_of('0' * 16)}::hf/x")
    with pytest.raises(ConfigError, match=r"'hf/x' would read it as it is; write the policy with `promptopt runs"):
        refuse_unfilled(["first", f"then {MARK}"], "hf/x")
