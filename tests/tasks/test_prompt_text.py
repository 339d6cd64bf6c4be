from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from promptopt.errors import ConfigError
from promptopt.tasks.layout import Turns
from promptopt.tasks.prompt_text import default_layouts, own_layouts, take_apart
from promptopt.tasks.task import Task
from promptopt.types import Example, Prompt


@pytest.mark.parametrize(
    ("text", "instruction", "pattern"),
    [
        ("Classify it.", "Classify it.", None),
        ("Classify it.\n\nMessage: {text}\nLabel:", "Classify it.", "{instruction}\n\n{demos}Message: {text}\nLabel:"),
        ("\nA.\n\nB: c.\n{text}", "A.\n\nB: c.", "\n{instruction}\n{demos}{text}"),
        ("Is the message spam? Message: {text}", "Is the message spam?", "{instruction}{demos} Message: {text}"),
        ("Read it all. Is it spam? Mail: {text}", "Read it all. Is it spam?", "{instruction}{demos} Mail: {text}"),
        ("Classify this review: {text}\nLabel:", "Classify this review:", "{instruction}{demos} {text}\nLabel:"),
        ("Given {text}, answer yes or no.", "Given {text}, answer yes or no.", "{demos}{instruction}"),
        ("Q: {text}\nA:", "Q: {text}\nA:", "{demos}{instruction}"),
        ("这条消息 是 垃圾邮件吗？{text}", "这条消息 是 垃圾邮件吗？", "{instruction}{demos}{text}"),
        ("Do it.\n{demos}\n{text}", "Do it.", "{instruction}\n{demos}\n{text}"),
        ('Reply as {"label": …}.\n{text}', 'Reply as {"label": …}.', "{instruction}\n{demos}{text}"),
        ("Do it.\r\n\r\n{text}", "Do it.", "{instruction}\n\n{demos}{text}"),
    ],
)
def test_instruction_and_layout_part_by_the_rule(text: str, instruction: str, pattern: str | None) -> None:
    start = take_apart(text, ("text",))
    assert (start.instruction, start.pattern) == (instruction, pattern)


@settings(deadline=None)
@given(
    head=st.text(alphabet="ab .:?\n{}", max_size=40),
    tail=st.text(alphabet="ab .:?\n{}", max_size=20),
    value=st.text(max_size=10),
)
def test_the_start_prompt_is_rendered_exactly_as_written(head: str, tail: str, value: str) -> None:
    # Two braces on each side are one mark of the input.
    assume(not (head.endswith("{") and tail.startswith("}")))
    example = Example.of("yes", text=value)
    start = take_apart(f"{head}{{text}}{tail}", ("text",))
    task = Task("t", Prompt.of(start.instruction), own_layouts(start), train=(example,))
    assert task.with_layout("text").render(task.initial, example)[0] == head + value + tail


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the prompt is empty"),
        (" \n ", "the prompt is empty"),
        ("Classify.\n{txt}", r"\{txt\}, which is not a field of the data; did you mean \{text\}\?"),
        ("Classify.\n{Text}", r"did you mean \{text\}\?"),
        ("Classify: {input}", r"has \{input\}, but the input of this task is \{text\}"),
        ("{demos}{text}", r"has \{demos\} and no instruction before its slots"),
        ("Follow {instruction} on\n{text}", r"holds \{instruction\}, the mark of the part that is edited"),
        ("Classify.\n{demos}", r"lacks the input slot \{text\}"),
    ],
)
def test_a_prompt_without_its_input_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        take_apart(text, ("text",))


def test_every_input_has_to_be_shown() -> None:
    with pytest.raises(ConfigError, match=r"lacks the input slot \{context\}"):
        take_apart("Answer.\n{question}", ("question", "context"))


def test_default_layouts_put_the_input_last_and_show_every_part() -> None:
    for layout in default_layouts(("context", "user_question"), ("instruction", "answer_format")):
        assert layout.slots(("instruction", "answer_format", "demos", "context", "user_question")) == (
            "instruction", "answer_format", "demos", "context", "user_question",
        )  # fmt: skip
        assert layout.shows_demos
        assert layout.demos == Turns() or "User question: {user_question}\nAnswer: {target}" in layout.demo
