"""`{history}` stands for the messages of an example, and for their transcript where it is a part of a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.tasks import Task
from promptopt.tasks.layout import Layout
from promptopt.types import Example, Message, Prompt, ToolCall

CHAT = Layout("chat", messages=(("system", "{instruction}"), ("user", "{history}")))
TEXT = Layout("text", text="{instruction}\n\n{history}\nassistant:")
SPOKEN = (
    Message("user", "Where is 7?"),
    Message("assistant", "", (ToolCall.of("find", {"order": 7}, "c1"),)),
    Message("tool", "{history} {instruction}", tool_call_id="c1"),
    Message("user", "{% raw %}"),
)


def test_the_messages_are_sent_as_they_were_spoken() -> None:
    example = Example.chat(SPOKEN, "soon")
    content, shared = CHAT.compile(Prompt.of("Be kind."), ("history",), {})(example)

    assert content == (Message("system", "Be kind."), *SPOKEN)
    assert shared == len("Be kind.")


def test_an_empty_prompt_sends_no_system_message_and_keeps_calls_without_a_text() -> None:
    content, _ = CHAT.compile(Prompt.of(""), ("history",), {})(Example.chat(SPOKEN))

    assert content == SPOKEN


def test_tools_stand_on_the_first_message() -> None:
    content, _ = CHAT.compile(Prompt.of("Be kind."), ("history",), {})(
        Example.chat(SPOKEN, "", "", ('{"type":"function"}',))
    )

    assert isinstance(content, tuple)
    assert [message.tools for message in content] == [('{"type":"function"}',), (), (), (), ()]


def test_in_a_text_it_is_the_transcript() -> None:
    content, _ = TEXT.compile(Prompt.of("Be kind."), ("history",), {})(Example.chat(SPOKEN))

    assert content == (
        'Be kind.\n\nuser: Where is 7?\n\nassistant: find({"order":7})\n\ntool: {history} {instruction}\n\n'
        "user: {% raw %}\nassistant:"
    )


def test_an_ordinary_field_of_that_name_is_a_text_as_ever() -> None:
    content, _ = CHAT.compile(Prompt.of("Be kind."), ("history",), {})(Example.of("", history="hello"))

    assert content == (Message("system", "Be kind."), Message("user", "hello"))


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4), st.text())
def test_whatever_a_user_says_arrives_byte_for_byte(texts: list[str], name: str) -> None:
    spoken = [Message("user", text) for text in texts]
    layout = CHAT.compile(Prompt.of("You talk to {name}."), ("name", "history"), {"instruction": ("name",)})
    content, _ = layout(Example.chat(spoken, "t", "", (), name=name))

    assert content == (Message("system", f"You talk to {name}."), *spoken)


@pytest.mark.parametrize(
    "spoken", ["{{name}}", "{name} {order}", "${name} $name", "{% if vip %}{{ name }}{% endif %}", "{# {history}"]
)
def test_templates_in_what_a_user_says_or_is_called_are_no_templates(spoken: str) -> None:
    turns = [Message("user", f"I am {spoken}."), Message("assistant", spoken), Message("user", f"{spoken}\r\n")]
    examples = [Example.chat(turns, "Hello.", f"c{at}", (), name=f"{spoken} {at}", order="7") for at in range(40)]
    task = Task.from_examples(examples, prompt="Hi {{name}}, your order is {{order}}.")
    for number, example in enumerate(examples):
        content, _ = task.render(task.initial, example)
        assert content == (Message("system", f"Hi {spoken} {number}, your order is 7."), *turns)


def test_chats_given_as_examples_get_the_layout_of_chats_and_keep_the_spelling_of_variables() -> None:
    examples = [
        Example.chat([Message("user", f"question {number}")], f"answer {number}", f"c{number}", (), name="Ann")
        for number in range(40)
    ]
    task = Task.from_examples(examples, prompt="You talk to {{name}}. Be kind.")
    content, _ = task.render(task.initial, task.train[0])

    assert content == (Message("system", "You talk to Ann. Be kind."), *task.train[0].messages)
    assert task.marks == (("name", "{{name}}"),)
