"""Exports of a chatbot's prompt: what they send is what was measured, calls of tools and all."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from typing import Any

import pytest

from promptopt.errors import ConfigError
from promptopt.reports.export import export, export_of
from promptopt.tasks.layout import Layout, Turns
from promptopt.tasks.task import Task
from promptopt.types import Example, Message, Prompt, ToolCall, messages_to_json, transcript

TOOL = '{"function":{"name":"find","parameters":{"properties":{},"type":"object"}},"type":"function"}'
SPOKEN = (
    Message("assistant", "Hello {name}!"),
    Message("user", "Where is H7?"),
    Message("assistant", "", (ToolCall.of("find", '{"order":"H7"}', "c"),)),
    Message("tool", '{"city": "Graz"}', tool_call_id="c"),
)
PROMPT = "You are the assistant of Acme, and talk to {{name}}. Write {braces} and $5."


def chats(tools: tuple[str, ...], *more: Layout) -> Task:
    examples = [Example.chat(SPOKEN, f"In Graz, {n}.", f"chat {n}", tools, name="Ann") for n in range(40)]
    task = Task.from_examples(examples, prompt=PROMPT)
    return replace(task, layouts=(*task.layouts, *more))


def measured(task: Task, prompt: Prompt) -> list[dict[str, Any]]:
    content, _ = task.render(prompt, task.train[0])
    assert not isinstance(content, str)
    return messages_to_json(content)


@pytest.mark.parametrize("tools", [(), (TOOL,)])
@pytest.mark.parametrize("layout", ["chat", "one-message", "demos"])
def test_the_function_gives_the_messages_of_a_request(tools: tuple[str, ...], layout: str) -> None:
    turns = Layout("demos", (("system", "{instruction}"), ("user", "{history}")), demos=Turns("{history}", "{target}"))
    task = chats(tools, turns).with_layout(layout)
    demos = [Example.of("Ho", history="Hi {name}", name="B")] if layout == "demos" else []
    prompt = task.initial.with_demos(demos)
    space: dict[str, Any] = {}
    exec(export(export_of(task, prompt), "python"), space)
    history = transcript(SPOKEN) if layout == "one-message" else messages_to_json(SPOKEN)
    assert space["messages"](history=history, name="Ann") == measured(task, prompt)
    assert space.get("TOOLS", []) == [json.loads(tool) for tool in tools]


def test_tools_that_all_requests_offer_are_part_of_a_request_and_others_are_not() -> None:
    task = chats((TOOL,))
    for form in ("openai", "json"):
        assert json.loads(export(export_of(task, task.initial), form))["tools"] == [json.loads(TOOL)]
    mixed = replace(task, train=(*task.train[:-1], replace(task.train[-1], tools=())))
    for each in (mixed, chats(())):
        assert "tools" not in json.loads(export(export_of(each, each.initial), "openai"))


def test_a_request_has_the_history_where_it_stood() -> None:
    task = chats(())
    body = json.loads(export(export_of(task, task.initial), "openai"))
    place = body["messages"].index({"role": "user", "content": "{history}"})
    body["messages"][place : place + 1] = messages_to_json(SPOKEN)
    body["messages"][0]["content"] = body["messages"][0]["content"].replace("{{name}}", "Ann")
    assert body["messages"] == measured(task, task.initial)


def test_langchain_is_given_a_place_for_messages() -> None:
    task = chats(())
    made = json.loads(export(export_of(task, task.initial), "langchain"))["kwargs"]["messages"]
    assert [each["id"][-1] for each in made] == ["SystemMessagePromptTemplate", "MessagesPlaceholder"]
    assert made[1]["kwargs"] == {"variable_name": "history"}


def test_langchain_is_told_roles_that_it_has_no_template_for() -> None:
    layout = Layout("developer", (("developer", "{instruction}"), ("user", "{history}")))
    task = chats((), layout).with_layout("developer")
    first, _ = json.loads(export(export_of(task, task.initial), "langchain"))["kwargs"]["messages"]
    assert (first["id"][-1], first["kwargs"]["role"]) == ("ChatMessagePromptTemplate", "developer")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_langchain_sends_what_was_measured() -> None:
    pytest.importorskip("langchain_core", reason="needs langchain-core")
    load = importlib.import_module("langchain_core.load").loads
    convert = importlib.import_module("langchain_core.messages").convert_to_messages
    written = importlib.import_module("langchain_core.messages").convert_to_openai_messages
    task = chats(())
    template = load(export(export_of(task, task.initial), "langchain"))
    sent = written(template.format_messages(history=convert(messages_to_json(SPOKEN)), name="Ann"))

    def told(messages: list[dict[str, Any]]) -> list[Any]:
        calls = [[call["function"] for call in each.get("tool_calls", ())] for each in messages]
        # It writes the arguments of calls anew.
        read = [[(call["name"], json.loads(call["arguments"])) for call in listed] for listed in calls]
        texts = [(each["role"], each.get("content") or "") for each in messages]
        return list(zip(texts, read, strict=True))

    assert told(sent) == told(measured(task, task.initial))


def test_promptfoo_has_no_place_for_messages_and_one_for_a_transcript() -> None:
    task = chats((TOOL,))
    with pytest.raises(ConfigError, match="variable of promptfoo is a text"):
        export(export_of(task, task.initial), "promptfoo")
    inside = task.with_layout("one-message")
    config = json.loads(export(export_of(inside, inside.initial), "promptfoo"))
    assert "{{history}}" in config["prompts"][0]["raw"]
    assert config["providers"][0]["config"]["tools"] == [json.loads(TOOL)]
