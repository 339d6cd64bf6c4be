from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.errors import ConfigError, DataError
from promptopt.tasks.layout import Layout
from promptopt.types import Content, Example, Message, Prompt

CHAT = Layout(
    "chat",
    messages=(("system", "{system}"), ("user", "{instruction}\n\n{demos}Q: {text}\nA:")),
    demo="Q: {text}\nA: {target}\n\n",
)
PLAIN = Layout("text", text="{instruction}\n{demos}Q: {text}\nA:", demo="Q: {text}\nA: {target}\n\n")
NASTY = [
    "{instruction}",
    "{demos}{target}",
    "{{text}}",
    "{% raw %}",
    "\x00\x07\x1b",
    "\u202eright\u200bto left",
    "%s $x {0}",
]

anything = st.text() | st.sampled_from(NASTY)


def render(layout: Layout, prompt: Prompt, example: Example) -> tuple[Content, int]:
    return layout.compile(prompt, ("text",), {})(example)


def joined(content: Content) -> str:
    return content if isinstance(content, str) else "".join(message.content for message in content)


def test_chat_messages_are_filled_in_order() -> None:
    prompt = Prompt.of("Answer.", system="Be terse.", demos=[Example.of("4", text="2+2")])
    content, shared = render(CHAT, prompt, Example.of("6", text="3+3"))
    assert content == (
        Message("system", "Be terse."),
        Message("user", "Answer.\n\nQ: 2+2\nA: 4\n\nQ: 3+3\nA:"),
    )
    assert joined(content)[:shared] == "Be terse.Answer.\n\nQ: 2+2\nA: 4\n\nQ: "


def test_an_empty_system_part_sends_no_system_message() -> None:
    content, shared = render(CHAT, Prompt.of("Answer.", system=""), Example.of(text="x"))
    assert [message.role for message in content if isinstance(message, Message)] == ["user"]
    assert shared == len("Answer.\n\nQ: ")


def test_a_message_that_holds_only_an_empty_field_is_dropped() -> None:
    layout = Layout("chat", messages=(("user", "{instruction}"), ("assistant", "{text}")))
    assert render(layout, Prompt.of("Go."), Example.of(text=""))[0] == (Message("user", "Go."),)


@settings(deadline=None)
@given(instruction=anything, text=anything, other=anything, shown=anything, target=anything)
def test_values_reach_the_model_byte_for_byte(instruction: str, text: str, other: str, shown: str, target: str) -> None:
    prompt = Prompt.of(instruction, demos=[Example.of(target, text=shown)])
    rendering = PLAIN.compile(prompt, ("text",), {})
    expected = f"{instruction}\nQ: {shown}\nA: {target}\n\nQ: "
    for value in (text, other):
        content, shared = rendering(Example.of(text=value))
        assert content == f"{expected}{value}\nA:"
        assert content[:shared] == expected


@settings(deadline=None)
@given(pattern=st.text(alphabet="ab{}%\n ") | anything, text=anything, others=st.lists(anything, max_size=3))
def test_the_shared_prefix_is_the_same_for_every_example(pattern: str, text: str, others: list[str]) -> None:
    layout = Layout(
        "chat", messages=(("system", "{instruction}"), ("user", f"{pattern}{{text}}{pattern}"), ("assistant", "So:"))
    )
    rendering = layout.compile(Prompt.of("Do it."), ("text",), {})
    prefixes = set[str]()
    for value in (text, *others):
        content, shared = rendering(Example.of(text=value))
        prefixes.add(joined(content)[:shared])
        assert value in joined(content)
    assert len(prefixes) == 1


def test_placeholders_inside_a_part_are_filled_and_others_are_not() -> None:
    layout = Layout("text", text="{instruction}")
    prompt = Prompt.of("Given {question}, {context} and {question}.")
    rendering = layout.compile(prompt, ("question", "context"), {"instruction": ("question",)})
    assert rendering(Example.of(question="{context}", context="c")) == (
        "Given {context}, {context} and {context}.",
        len("Given "),
    )


def test_field_names_may_hold_spaces_and_punctuation() -> None:
    example = Example((("customer message (raw)", "hi"),))
    layout = Layout("text", text="{instruction}: {customer message (raw)}!")
    assert layout.compile(Prompt.of("Read"), ("customer message (raw)",), {})(example)[0] == "Read: hi!"


def test_demonstrations_without_a_place_are_refused() -> None:
    layout = Layout("bare", text="{instruction} {text}")
    with pytest.raises(ConfigError, match=r"1 demonstration, and layout 'bare' has no place"):
        render(layout, Prompt.of("x", demos=[Example.of("a", text="b")]), Example.of(text="c"))


def test_a_part_that_the_prompt_lacks_is_named() -> None:
    with pytest.raises(ConfigError, match="shows the part 'system', which the prompt lacks"):
        CHAT.compile(Prompt.of("x"), ("text",), {"system": (), "instruction": ()})


def test_an_example_without_the_field_is_named() -> None:
    with pytest.raises(DataError, match="has no field 'text', only 'question'"):
        render(PLAIN, Prompt.of("x"), Example.of(question="c"))


def test_a_layout_is_chat_or_text() -> None:
    with pytest.raises(ConfigError, match="either messages or a text"):
        Layout("both", messages=(("user", "x"),), text="y")
    with pytest.raises(ConfigError, match="either messages or a text"):
        Layout("neither")
