"""Exports whose inputs have names that other programs use themselves, and prompts that YAML cannot hold as they are."""

from __future__ import annotations

import json
from string import Template
from typing import Any

import pytest

from promptopt.reports.export import Format, export, export_of
from promptopt.tasks.layout import Layout
from promptopt.tasks.task import Task
from promptopt.types import Example, Prompt

HARD = 'a\u2028b\u2029c\x85d\x7f\x9f\ufeff\ufffe """t""" \\n {x} {{y}} $z\r\n\tend $'


def task_of(*names: str) -> Task:
    """Each input is followed by a word, with nothing between them."""
    asked = "".join(f"{{{name}}}word " for name in names)
    layout = Layout("chat", messages=(("system", "{instruction}"), ("user", asked + "{instruction}")))
    examples = [Example.of(("yes", "no")[n % 2], **{name: f"{name} {n}" for name in names}) for n in range(30)]
    return Task.from_examples(examples, prompt=Prompt.of("Say."), labels=["yes", "no"], layout=[layout])


def exported(task: Task, form: Format, text: str = HARD) -> tuple[str, list[str]]:
    """The export, and the two contents that the model reads where the n-th input is "<n $v {w}>"."""
    prompt = task.initial.replace("instruction", text)
    values = [(name, value(n)) for n, (name, _) in enumerate(task.train[0].fields)]
    content, _ = task.render(prompt, Example(tuple(values)))
    assert not isinstance(content, str)
    return export(export_of(task, prompt, "openai/small"), form), [message.content for message in content]


def value(number: int) -> str:
    return f"<{number} $v {{w}}>"


def filled(template: str, own: list[str]) -> str:
    return Template(template).substitute({name: value(n) for n, name in enumerate(own)})


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("openai/small", "small"),
        ("openai/org/small@http://127.0.0.1:8000/v1", "org/small"),
        ("openai/small@lab-gpu", "small"),
        ("vertex_ai/claude@20240620", "claude@20240620"),
        ("anthropic/claude@https://gate.example/v1", "claude"),
    ],
)
def test_a_request_names_the_model_as_its_server_does(name: str, known: str) -> None:
    task = task_of("text")
    body = json.loads(export(export_of(task, task.initial, name), "openai"))
    assert body["model"] == known
    config = json.loads(export(export_of(task, task.initial, name), "promptfoo"))
    assert config["providers"][0]["id"] == f"openai:chat:{known}"


@pytest.mark.parametrize("form", ["promptfoo", "llm", "langchain", "openai"])
def test_what_is_read_as_yaml_is_what_is_read_as_json(form: Format) -> None:
    yaml = pytest.importorskip("yaml", reason="needs a YAML reader")
    written, _ = exported(task_of("text"), form)
    assert yaml.safe_load(written) == json.loads(written)


@pytest.mark.parametrize(
    ("names", "own"),
    [
        (["text"], ["input"]),
        (["città"], ["input"]),
        (["città", "имя"], ["input_1", "input_2"]),
        (["input", "name"], ["input_1", "name"]),
        (["my name", "class"], ["my_name", "input_2"]),
    ],
)
def test_llm_is_given_names_that_its_templates_take_and_words_may_follow(names: list[str], own: list[str]) -> None:
    written, wanted = exported(task_of(*names), "llm")
    made = json.loads(written)
    assert [filled(made["system"], []), filled(made["prompt"], own)] == wanted


@pytest.mark.parametrize("names", [["true", "none"], ["null", "False"], ["set", "not"], ["range", "text"]])
def test_names_that_are_values_in_templates_of_promptfoo_are_changed(names: list[str]) -> None:
    jinja2 = pytest.importorskip("jinja2", reason="needs the extra `report`")
    written, wanted = exported(task_of(*names), "promptfoo", "Say {{text}}.")
    contents = [each["content"] for each in json.loads(json.loads(written)["prompts"][0]["raw"])]
    environment = jinja2.Environment(keep_trailing_newline=True)
    own = [part.partition("}}")[0].strip() for part in contents[1].split("{{")[1 : 1 + len(names)]]
    given = {name: value(n) for n, name in enumerate(own)}
    assert [environment.from_string(each).render(given) for each in contents] == wanted


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["answer", "config", "fields", "instructions", "lm", "model_config", "new_signature", "self", "signature", "_x"],
)
def test_dspy_takes_inputs_whose_names_it_uses_itself(name: str) -> None:
    dspy: Any = pytest.importorskip("dspy", reason="needs dspy", exc_type=ImportError)
    asked: list[Any] = []

    class Model(dspy.BaseLM):
        def __call__(self, prompt: Any = None, messages: Any = None, **_: Any) -> list[str]:
            asked.append(messages)
            return ["yes"]

    written, wanted = exported(task_of(name), "dspy")
    space: dict[str, Any] = {}
    exec(compile(written, "exported", "exec"), space)
    with dspy.context(lm=Model("stub")):
        assert space["Program"]()(**{f"{name.lstrip('_')}_input": value(0)}).answer == "yes"
    assert [each["content"] for each in asked[-1]] == wanted
