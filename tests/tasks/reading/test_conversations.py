"""Chat messages as data sets publish them: contents in parts, calls of tools, ShareGPT."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptopt.tasks.reading.columns import ColumnRoles, Columns
from promptopt.tasks.reading.conversations import message_in
from promptopt.tasks.reading.files import FileContents, examples_from, read_examples, read_rows

CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
ASKED = {"role": "user", "content": "Is it warm in Paris?"}
TOOL = {"role": "tool", "content": "18 degrees"}
SEEN = 'user: Is it warm in Paris?\n\nassistant: weather({"city": "Paris"})\n\ntool: 18 degrees'


def chats_in(path: Path) -> FileContents:
    return examples_from(path, read_rows(path), ColumnRoles.of("chat", "chat"))


@pytest.mark.parametrize("name", ["chat.jsonl", "chat.csv"])
@pytest.mark.parametrize(
    "messages",
    [
        [ASKED, {"role": "assistant", "content": None, "tool_calls": [CALL]}, TOOL],
        [ASKED, {"role": "assistant", "tool_calls": [CALL]}, {**TOOL, "name": "weather"}],
        [ASKED, {"role": "assistant", "content": "", "function_call": CALL["function"]},
         {"role": "tool", "content": [{"type": "text", "text": "18 degrees"}]}],
        [{"role": "user", "content": [{"type": "text", "text": "Is it warm in Paris?"}]},
         {"role": "assistant", "content": [{"type": "tool_use", "name": "weather", "input": {"city": "Paris"}}]},
         {"role": "tool", "content": [{"type": "tool_result", "content": "18 degrees"}]}],
    ],
)  # fmt: skip
def test_a_call_of_a_tool_is_written_out_and_told(tmp_path: Path, messages: list[object], name: str) -> None:
    cell = [*messages, {"role": "assistant", "content": "Yes."}]
    path = tmp_path / name
    if name.endswith("csv"):
        quoted = json.dumps(cell).replace('"', '""')
        path.write_text(f'chat\n"{quoted}"\n')
    else:
        path.write_text(json.dumps({"chat": cell}) + "\n")
    found = chats_in(path)
    (example,) = found.examples
    assert (example["chat"], example.target) == (SEEN, "Yes.")
    assert any("calls a tool" in warning for warning in found.warnings)


def test_a_call_may_be_the_reply(tmp_path: Path) -> None:
    cell = [ASKED, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
    (tmp_path / "a.jsonl").write_text(json.dumps({"chat": cell}))
    (example,) = chats_in(tmp_path / "a.jsonl").examples
    assert (example["chat"], example.target) == ("Is it warm in Paris?", 'weather({"city": "Paris"})')


def test_sharegpt_names_and_parts_that_are_no_text(tmp_path: Path) -> None:
    rows = [
        {"chat": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "Hi"},
                  {"from": "gpt", "value": "Ho"}]},
        {"chat": [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, {"type": "image_url"}]},
                  {"role": "assistant", "content": "A cat"}]},
    ]  # fmt: skip
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, second = chats_in(tmp_path / "a.jsonl").examples
    assert (first["chat"], first.target) == ("system: Be brief.\n\nuser: Hi", "Ho")
    assert (second["chat"], second.target) == ("What is it?\n[image_url]", "A cat")


def test_lists_of_other_objects_stay_json(tmp_path: Path) -> None:
    cell = [{"role": "user", "age": 3}]
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": cell, "label": "x"}))
    (example,) = read_examples(tmp_path / "a.jsonl", Columns(input="text", target="label")).examples
    assert json.loads(example["text"]) == cell


def test_a_turn_that_a_system_message_shows_is_whose_it_shows() -> None:
    assert message_in({"role": "system", "name": "example_user", "content": "1+1"}) == ("user", "1+1")
    assert message_in({"role": "system", "name": "example_assistant", "content": "2"}) == ("assistant", "2")
    assert message_in({"role": "user", "name": "example_assistant", "content": "2"}) == ("user", "2")
