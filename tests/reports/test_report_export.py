"""Exports: the whole pattern, exactly as the model reads it, whatever the prompt and the data hold."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import ConfigError, DataError
from promptopt.reports.export import Exported, export, export_of, format_for
from promptopt.reports.given import from_text, prompt_from_parts
from promptopt.tasks.layout import Layout, Turns
from promptopt.tasks.task import Task
from promptopt.types import Example, Message, Prompt, Sampling

EXAMPLES = tuple(Example.of(("yes", "no")[n % 2], text=f"text {n}", name=f"name {n}") for n in range(60))
CHAT = Layout(
    "chat",
    messages=(("system", "{instruction}"), ("user", "{demos}{name}: {text}\nAnswer:")),
    demo="{name}: {text}\nAnswer: {target}\n\n",
)
TEXT = Layout("text", text="{name} says {text}. {instruction}\nAnswer:")
NASTY = "Mind \"quotes\", {text}-like {braces}, \\n, ''' and % signs\u2028…\x7f"


@pytest.fixture(scope="module")
def task() -> Task:
    return Task.from_examples(EXAMPLES, prompt=Prompt.of("Say yes or no."), labels=["yes", "no"], layout=[CHAT, TEXT])


def rendered(exported: Exported, code: str, **fields: str) -> Any:
    space: dict[str, Any] = {}
    exec(code, space)
    return space["messages" if exported.pieces[0].role else "text"](**fields)


@pytest.mark.parametrize("layout", ["chat", "text"])
@pytest.mark.parametrize("text", ["Say it.", NASTY])
def test_python_gives_exactly_what_the_model_reads(task: Task, layout: str, text: str) -> None:
    laid_out = task.with_layout(layout)
    prompt = task.initial.replace("instruction", text)
    exported = export_of(laid_out, prompt, "embedded/small")
    for value in ("plain", NASTY, "{name}", "<<text:0>>", ""):
        content, _ = laid_out.render(prompt, Example.of("yes", text=value, name="Ann"))
        found = rendered(exported, export(exported, "python"), text=value, name="Ann")
        expected = content if isinstance(content, str) else [{"role": m.role, "content": m.content} for m in content]
        assert found == expected


def test_demonstrations_are_part_of_it(task: Task) -> None:
    prompt = task.initial.with_demos([EXAMPLES[0], Example.of("no", text="a {text}", name="b")])
    exported = export_of(task, prompt)
    text = export(exported, "txt")
    assert "name 0: text 0\nAnswer: yes\n\n" in text
    # The demonstration says {text} itself, so the input is spelt otherwise.
    assert exported.placeholders() == {"text": "{text_}", "name": "{name}"}
    assert text.endswith("{name}: {text_}\nAnswer:")


TURNS = Layout("turns", messages=CHAT.messages, demos=Turns())


def test_turns_are_exported_as_messages_in_every_format(task: Task) -> None:
    shown = replace(task, layouts=(TURNS, CHAT), layout=TURNS)
    prompt = task.initial.with_demos([EXAMPLES[0], Example.of("no", text="a {text}", name="b")])
    exported = export_of(shown, prompt, "embedded/small")
    content, _ = shown.render(prompt, Example.of("", text="T", name="N"))
    expected = [{"role": each.role, "content": each.content} for each in content if isinstance(each, Message)]
    assert [each["role"] for each in expected] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert rendered(exported, export(exported, "python"), text="T", name="N") == expected
    messages = [*expected[:-1], {"role": "user", "content": "{name}: {text_}\nAnswer:"}]
    assert json.loads(export(exported, "messages")) == messages
    written = json.loads(export(exported, "json"))
    assert (written["messages"], len(written["demos"])) == (messages, 2)
    assert from_text(shown, json.dumps(written), exported=True)[1] == prompt
    text = export(exported, "txt")
    assert text.endswith("\n\n[user]\nb: a {text}\nAnswer:\n\n[assistant]\nno\n\n[user]\n{name}: {text_}\nAnswer:")
    with pytest.raises(ConfigError, match=r"shows demonstrations as turns, .* export it as JSON"):
        from_text(shown, text)


def test_json_holds_everything_and_reads_back(task: Task) -> None:
    prompt = task.initial.replace("instruction", NASTY).with_demos(EXAMPLES[:2])
    text = export(export_of(task, prompt, "embedded/small"), "json")
    data = json.loads(text)
    assert data["model"] == "embedded/small"
    assert data["sampling"] == {"temperature": 0.0, "top_p": 1.0, "max_tokens": 16, "stop": []}
    assert [message["role"] for message in data["messages"]] == ["system", "user"]
    assert from_text(task, text, exported=True)[1] == prompt


@pytest.mark.parametrize("layout", ["chat", "text"])
@pytest.mark.parametrize("text", ["a", "a. b {c} <a>", "{}", "}\n\n{a", ".a\n<b"])
def test_a_plain_text_reads_back(task: Task, layout: str, text: str) -> None:
    reads_back(task, layout, text)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["chat", "text"])
@given(text=st.text(alphabet="abc.{}<> \n", min_size=1, max_size=40).map(str.strip).filter(bool))
def test_any_plain_text_reads_back(task: Task, layout: str, text: str) -> None:
    reads_back(task, layout, text)


def reads_back(task: Task, layout: str, text: str) -> None:
    prompt = task.initial.replace("instruction", text)
    written = export(export_of(task.with_layout(layout), prompt), "txt")
    for saved in (written, written + "\n"):
        again, found = from_text(task, saved)
        assert found == prompt
        assert again.layout is not None
        assert again.layout.name == layout


def test_an_instruction_alone_is_one(task: Task) -> None:
    assert from_text(task, "Only this.")[1] == task.initial.replace("instruction", "Only this.")


@pytest.mark.parametrize("text", ["no json", "[]", "{}", '{"parts": {"system": "x"}}'])
def test_json_of_another_kind_is_refused(task: Task, text: str) -> None:
    with pytest.raises(DataError):
        from_text(task, text, exported=True)


@pytest.mark.parametrize(
    ("beside", "why"),
    [
        ({"parts": {"instruction": 5}}, "has 5 as 'instruction' of its 'parts'"),
        ({"parts": {"instruction": "a", "system": None}}, "has None as 'system' of its 'parts'"),
        ({"demos": None}, "has None as 'demos'"),
        ({"demos": {"text": "t"}}, "write a list of demonstrations"),
        ({"demos": [5]}, "a demonstration is 5"),
        (
            {"demos": [{"fields": {"text": "t"}, "target": "a", "accepted": "b"}]},
            "'accepted' of a demonstration is 'b'",
        ),
    ],
)
def test_an_exported_prompt_that_was_edited_into_something_else_is_a_sentence(
    task: Task, beside: dict[str, Any], why: str
) -> None:
    with pytest.raises(DataError, match=why):
        from_text(task, json.dumps({"parts": {"instruction": "a"}, **beside}), exported=True)


def test_formats_by_ending() -> None:
    assert [format_for(path, None) for path in (None, "a.txt", "a.JSON", "a.py", "a")] == [
        "txt",
        "txt",
        "json",
        "python",
        "txt",
    ]
    assert format_for("a.txt", "messages") == "messages"
    for path, chosen in (("a.docx", None), (None, "yaml")):
        with pytest.raises(ConfigError):
            format_for(path, chosen)


def test_inputs_with_odd_names_become_arguments() -> None:
    examples = [Example((("the text", f"t{n}"), ("class", f"c{n}")), "x") for n in range(30)]
    layout = Layout("text", text="{the text} {class} {instruction}")
    odd = Task.from_examples(examples, prompt=Prompt.of("Say."), layout=layout)
    code = export(export_of(odd, odd.initial), "python")
    assert "def text(the_text: str, input_2: str)" in code


def test_stops_are_said(task: Task) -> None:
    exported = Exported(Prompt.of("a"), (), (), Sampling(stop=("\n",)))
    assert exported.sampling.stop == ("\n",)
    with_stop = replace(task, sampling=Sampling(max_tokens=8, stop=("\n",)))
    code = export(export_of(with_stop, task.initial), "python")
    assert "max_tokens=8" in code
    space: dict[str, Any] = {}
    exec(code, space)
    assert "stop=['\\n']" in space["__doc__"]


def test_prompt_of() -> None:
    assert prompt_from_parts({"instruction": "a", "system": "b"}, [{"text": "t", "target": "x"}]) == Prompt.of(
        "a", demos=[Example.of("x", text="t")], system="b"
    )


def test_a_demonstration_comes_back_with_all_its_answers(task: Task) -> None:
    full = Example.of("yes", ["yeah"], ["no"], "So yes.", **dict(EXAMPLES[0].fields))
    prompt = task.initial.with_demos([full, EXAMPLES[1]])
    stored = json.loads(export(export_of(task, prompt), "json"))
    again = prompt_from_parts(stored["parts"], stored["demos"])
    assert again == prompt
    assert again.id == prompt.id


@pytest.mark.parametrize(
    "names",
    [
        ("a b", "a-b"),
        ("a b", "a_b", "a-b"),
        ("ﬁle", "file"),
        ("1", "input_1", "2"),
        ("__debug__", "None"),
        ("str", "list"),
        ("?", "!"),
    ],
)
@pytest.mark.parametrize("plain", [True, False])
def test_columns_that_python_would_take_for_the_same_stay_apart(names: tuple[str, ...], plain: bool) -> None:
    examples = [Example.of("ab"[n % 2], **{name: f"{name} {n}" for name in names}) for n in range(60)]
    shown = " ".join(f"{{{name}}}" for name in names)
    layout = Layout("l", text=f"{{instruction}} {shown}") if plain else Layout("l", (("user", f"{shown} {{demos}}"),))
    layout = layout if plain else replace(layout, messages=(("system", "{instruction}"), *layout.messages))
    laid_out = Task.from_examples(examples, prompt=Prompt.of("Say."), labels=["a", "b"], layout=layout)
    exported = export_of(laid_out, laid_out.initial)
    space: dict[str, Any] = {}
    exec(export(exported, "python"), space)
    values = [f"<{number}>" for number in range(len(names))]
    found = space["text" if plain else "messages"](*values)
    text = found if plain else found[-1]["content"]
    assert text.endswith(" ".join(values)) or text.strip().endswith(" ".join(values))


@pytest.mark.parametrize("said", ['""";ran.append(1);"""', '"', '\\"""', "\0\n", '"""\nran.append(1)\n"""', "\\"])
def test_names_and_stop_texts_become_no_code(task: Task, said: str) -> None:
    stopped = replace(task, sampling=Sampling(max_tokens=4, stop=(said,)))
    code = export(export_of(stopped, stopped.initial, f"model {said}"), "python")
    space: dict[str, Any] = {"ran": []}
    exec(code, space)
    assert space["ran"] == []
    assert "Ask with" in space["__doc__"]
