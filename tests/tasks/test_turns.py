"""Demonstrations as turns of the conversation: where they stand, what is shared, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.errors import ConfigError, DataError
from promptopt.tasks.inline import in_context, inlined
from promptopt.tasks.layout import ChatRole, Layout, Turns
from promptopt.tasks.task import Task
from promptopt.types import Content, Example, Message, Prompt

FIRST = Layout("chat", messages=(("user", "{instruction}\n\n{demos}Q: {text}\nA:"),), demos=Turns())
SYSTEM = Layout("system", messages=(("system", "{instruction}"), ("user", "{demos}{text}")), demos=Turns())
AFTER = Layout("after", messages=(("user", "{demos}{text}\n{instruction}"),), demos=Turns())
DEMOS = [Example.of("4", text="2+2"), Example.of("6", text="3+3")]
anything = st.text() | st.sampled_from(["{instruction}", "{demos}{target}", "{text}", "{solution}", "\u202e", ""])


def render(layout: Layout, prompt: Prompt, example: Example) -> tuple[Content, int]:
    return layout.compile(prompt, ("text",), {})(example)


def spoken(layout: Layout, prompt: Prompt, text: str) -> list[tuple[str, str]]:
    content, _ = render(layout, prompt, Example.of("", text=text))
    assert not isinstance(content, str)
    return [(message.role, message.content) for message in content]


def test_the_instruction_opens_the_first_turn_and_later_turns_have_the_form_of_the_input() -> None:
    assert spoken(FIRST, Prompt.of("Add.", DEMOS), "1+1") == [
        ("user", "Add.\n\nQ: 2+2\nA:"),
        ("assistant", "4"),
        ("user", "Q: 3+3\nA:"),
        ("assistant", "6"),
        ("user", "Q: 1+1\nA:"),
    ]


def test_after_a_system_message_every_turn_is_the_bare_input() -> None:
    assert spoken(SYSTEM, Prompt.of("Add.", DEMOS[:1]), "1+1") == [
        ("system", "Add."), ("user", "2+2"), ("assistant", "4"), ("user", "1+1"),
    ]  # fmt: skip


def test_an_instruction_after_the_input_is_a_part_of_every_turn() -> None:
    assert spoken(AFTER, Prompt.of("Add.", DEMOS[:1]), "1+1") == [
        ("user", "2+2\nAdd."), ("assistant", "4"), ("user", "1+1\nAdd."),
    ]  # fmt: skip


def test_an_instruction_around_the_input_is_filled_with_each_demonstration_s_own() -> None:
    for pattern in ("{demos}{instruction}", "{instruction}", "{instruction}{demos}!"):
        layout = Layout("own", messages=(("user", pattern),), demos=Turns())
        rendering = layout.compile(Prompt.of("Given {text}, add.", DEMOS), ("text",), {"instruction": ("text",)})
        content, shared = rendering(Example.of("", text="{text}"))
        end = "!" if pattern.endswith("!") else ""
        assert [message.content for message in content if isinstance(message, Message)] == [
            f"Given 2+2, add.{end}", "4", f"Given 3+3, add.{end}", "6", f"Given {{text}}, add.{end}",
        ]  # fmt: skip
        assert shared == len(f"Given 2+2, add.{end}4Given 3+3, add.{end}6Given ")


def test_white_space_between_instruction_and_input_is_the_first_turn_s_alone() -> None:
    layout = Layout("own", messages=(("user", "{instruction}{demos}\nText: {text}"),), demos=Turns())
    assert [text for _, text in spoken(layout, Prompt.of("Add.", DEMOS[:1]), "1+1")] == [
        "Add.\nText: 2+2", "4", "Text: 1+1",
    ]  # fmt: skip


@pytest.mark.parametrize("layout", [FIRST, SYSTEM, AFTER], ids=lambda layout: layout.name)
@settings(deadline=None)
@given(instruction=anything, texts=st.lists(anything, min_size=1, max_size=3), target=anything)
def test_without_demonstrations_nothing_differs_from_the_text_form(
    layout: Layout, instruction: str, texts: list[str], target: str
) -> None:
    written = Layout(layout.name, messages=layout.messages, demo="{text} {target}\n")
    for text in texts:
        example = Example.of(target, text=text)
        assert render(layout, Prompt.of(instruction), example) == render(written, Prompt.of(instruction), example)


@pytest.mark.parametrize("layout", [FIRST, SYSTEM, AFTER], ids=lambda layout: layout.name)
@settings(deadline=None)
@given(instruction=anything, shown=anything, target=anything, inputs=st.lists(anything, min_size=2, max_size=4))
def test_all_turns_before_the_input_are_shared_and_users_and_assistant_alternate(
    layout: Layout, instruction: str, shown: str, target: str, inputs: list[str]
) -> None:
    prompt = Prompt.of(instruction, [Example.of(target, text=shown), DEMOS[0]])
    prefixes = set[str]()
    for text in inputs:
        content, shared = render(layout, prompt, Example.of("", text=text))
        assert not isinstance(content, str)
        turns = [message.role for message in content if message.role != "system"]
        assert turns == ["user", "assistant", "user", "assistant", "user"]
        assert (content[-4].content, content[-2].content) == (target, "4")
        assert text in content[-1].content
        prefixes.add("".join(message.content for message in content)[:shared])
        assert shared >= sum(len(message.content) for message in content[:-1])
    assert len(prefixes) == 1


def test_a_worked_solution_is_what_the_assistant_says() -> None:
    solved = Example.of("4", (), (), "Two and two make 4.", text="2+2")
    assert spoken(SYSTEM, Prompt.of("Add.", [solved, DEMOS[1]]), "x")[1:5] == [
        ("user", "2+2"), ("assistant", "Two and two make 4."), ("user", "3+3"), ("assistant", "6"),
    ]  # fmt: skip
    written = Layout("text", text="{instruction}\n{demos}{text}", demo="{text} {solution} ({target})\n")
    assert render(written, Prompt.of("Add.", [solved, DEMOS[1]]), Example.of("", text="x"))[0] == (
        "Add.\n2+2 Two and two make 4. (4)\n3+3 6 (6)\nx"
    )


def test_turns_may_have_patterns_of_their_own() -> None:
    layout = Layout("own", messages=(("user", "{instruction}\n{demos}Now: {text}"),),
                    demos=Turns("Once: {text} [{instruction}]", "{solution} So {target}."))  # fmt: skip
    solved = Example.of("4", (), (), "Two twos.", text="2+2")
    assert spoken(layout, Prompt.of("Add.", [solved, DEMOS[1]]), "1+1") == [
        ("user", "Add.\nOnce: 2+2 [Add.]"),
        ("assistant", "Two twos. So 4."),
        ("user", "Once: 3+3 [Add.]"),
        ("assistant", "6 So 6."),
        ("user", "Now: 1+1"),
    ]


def test_without_a_place_for_them_turns_come_before_the_last_message() -> None:
    layout = Layout("own", messages=(("system", "{text}"), ("user", "{instruction}")), demos=Turns("{text}"))
    assert spoken(layout, Prompt.of("Add.", DEMOS[:1]), "1+1") == [
        ("system", "1+1"), ("user", "2+2"), ("assistant", "4"), ("user", "Add."),
    ]  # fmt: skip


def test_an_input_that_is_called_solution_comes_first() -> None:
    layout = Layout("own", messages=(("user", "{instruction} {solution}"),), demos=Turns("", "{solution}: {target}"))
    prompt = Prompt.of("Mark.", [Example((("solution", "x=2"),), "right", solution="because")])
    content, _ = layout.compile(prompt, ("solution",), {})(Example((("solution", "x=3"),)))
    assert [message.content for message in content if isinstance(message, Message)] == [
        "Mark. x=2", "x=2: right", "Mark. x=3",
    ]  # fmt: skip


USER: tuple[tuple[ChatRole, str], ...] = (("user", "{instruction} {text}"),)


@pytest.mark.parametrize(
    ("layout", "why"),
    [
        ({"text": "{instruction} {text}"}, "is one text to be continued"),
        ({"messages": USER, "demo": "{text} {target}"}, "a pattern for demonstrations in the text too"),
        ({"messages": (*USER, ("assistant", "So:"))}, "ends with a message of role 'assistant'"),
        ({"messages": (("system", "{demos}"), *USER)}, "before its last message"),
        ({"messages": (("user", "{demos}{instruction}{demos}{text}"),)}, "more than once"),
        ({"messages": USER, "demos": Turns("{demos}{text}")}, "inside a turn"),
        ({"messages": USER, "demos": Turns("{text}", "{answer}")}, "neither {target} nor {solution}"),
    ],
)
def test_layouts_that_cannot_hold_turns_are_refused(layout: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Layout("odd", **{"demos": Turns(), **layout})  # type: ignore[arg-type]


def test_a_demonstration_without_an_input_is_named() -> None:
    with pytest.raises(DataError, match="has no field 'text', only 'question'"):
        render(SYSTEM, Prompt.of("x", [Example.of("y", question="z")]), Example.of("", text="c"))


def pair_task(layout: Layout, *others: Layout, demos: tuple[Example, ...] = ()) -> Task:
    examples = [Example.of("yes", premise=f"p{number}", hypothesis=f"h{number}") for number in range(12)]
    return Task.from_examples(examples, prompt=Prompt.of("Judge.", demos), layout=[layout, *others], name="pairs")


def test_every_input_stands_in_the_message_whose_form_turns_take() -> None:
    apart: tuple[tuple[ChatRole, str], ...] = (("system", "{instruction} {premise}"), ("user", "{hypothesis}"))
    with pytest.raises(ConfigError, match=r"form of its last message, which lacks \{premise\}"):
        pair_task(Layout("apart", messages=apart, demos=Turns()))
    own = Layout("apart", messages=apart, demos=Turns("{premise}/{hypothesis}"))
    assert pair_task(own).demos_as_turns


def test_tasks_of_a_user_s_own_show_turns_in_every_chat_layout() -> None:
    examples = [Example.of("yes", question=f"q{number}") for number in range(12)]
    for prompt in ("Answer.", "Answer it.\nQ: {question}\nA:", "Given {question}, answer."):
        task = Task.from_examples(examples, prompt=prompt)
        assert task.demos_as_turns
        content, _ = task.render(task.initial.with_demos(examples[:1]), examples[1])
        assert [message.role for message in content if isinstance(message, Message)] == ["user", "assistant", "user"]
        assert not task.with_layout("one-message").demos_as_turns
        assert not task.with_layout("text").demos_as_turns


def test_a_user_s_own_place_for_demonstrations_stays_in_the_text() -> None:
    examples = [Example.of("yes", question=f"q{number}") for number in range(12)]
    task = Task.from_examples(examples, prompt="Answer as here:\n{demos}Q: {question}\nA:")
    assert not task.demos_as_turns
    assert task.with_layout("turns").demos_as_turns


def test_pruning_writes_turns_into_the_text_as_another_layout_of_the_task_does() -> None:
    turns = Layout("turns", messages=(("user", "{instruction}\n{demos}{premise}|{hypothesis}"),), demos=Turns())
    written = Layout("written", messages=turns.messages, demo="{premise}|{hypothesis}={target}\n")
    whole = inlined(pair_task(turns, written))
    found = in_context(whole, [Example.of("no", premise="a", hypothesis="b")])
    assert found is not None
    assert found["instruction"] == "Judge.\na|b=no\n{premise}|{hypothesis}"
    assert in_context(inlined(pair_task(turns)), whole.train) is None


def test_a_start_with_turns_of_its_own_is_pruned_beside_them() -> None:
    turns = Layout("turns", messages=(("user", "{instruction}\n{demos}{premise}|{hypothesis}"),), demos=Turns())
    written = Layout("written", messages=turns.messages, demo="{premise}|{hypothesis}={target}\n")
    task = pair_task(turns, written, demos=(Example.of("no", premise="a", hypothesis="b"),))
    whole = inlined(task)
    assert whole.render(whole.initial, task.test[0]) == task.render(task.initial, task.test[0])
    assert whole.initial["instruction"] == "{premise}|{hypothesis}"
    assert in_context(whole, task.train) is None
