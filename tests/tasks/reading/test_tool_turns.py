"""Calls of tools and their results, as logs have them and as a server takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptopt.tasks.reading.chat_turns import read_chats
from promptopt.types import Message

CALLS = {"find": ("a", "In Graz."), "price": ("b", "5 euros")}


def turn(role: str, content: str | None, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def calling(*named: str, ids: tuple[str, ...] = (), text: str | None = None) -> dict[str, Any]:
    places = ids if ids else tuple(CALLS[name][0] for name in named)
    calls = [{"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}}
             for name, id in zip(named, places, strict=True)]  # fmt: skip
    return turn("assistant", text, tool_calls=calls)


def result(name: str, id: str | None = None) -> dict[str, Any]:
    return turn("tool", CALLS[name][1], tool_call_id=CALLS[name][0] if id is None else id)


def history(*said: dict[str, Any]) -> tuple[tuple[Message, ...], str]:
    """What stands before the last reply, and what is said of the log."""
    messages = [turn("user", "Where is it?"), *said, turn("assistant", "It is in Graz.")]
    examples, remarks = read_chats(Path("log.jsonl"), [{"messages": messages}], (), "last", 0)
    assert examples[0].target.endswith("It is in Graz.")
    return examples[0].messages, "\n".join(remarks)


def taken(messages: tuple[Message, ...]) -> bool:
    """Whether a server takes these: an id for each call, and the results of a message's calls right behind it."""
    ids = [call.id for message in messages for call in message.tool_calls]
    for place, message in enumerate(messages):
        behind = [said.tool_call_id for said in messages[place + 1 : place + 1 + len(message.tool_calls)]]
        if sorted(behind) != sorted(call.id for call in message.tool_calls):
            return False
    return len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "said",
    [
        [calling("find", text="Wait."), turn("user", "Hurry!"), result("find")],
        [calling("find"), turn("assistant", "One moment."), result("find")],
        [calling("find"), calling("price"), result("price"), result("find")],
        [calling("find", "price"), turn("user", "And?"), result("price"), turn("user", "Well?"), result("find")],
        [calling("find"), turn("system", "The line is bad."), result("find")],
    ],
)
def test_a_result_stands_behind_its_call_whatever_was_said_in_between(said: list[dict[str, Any]]) -> None:
    messages, remarks = history(*said)

    assert taken(messages)
    assert {message.content for message in messages if message.role == "tool"} <= {"In Graz.", "5 euros"}
    assert "moved up behind the call: other messages stood between" in remarks
    assert "cut at a call" not in remarks


def test_results_that_stand_behind_their_calls_are_not_said_to_have_been_moved() -> None:
    messages, remarks = history(calling("find", "price"), result("price"), result("find"))

    assert [message.content for message in messages if message.role == "tool"] == ["5 euros", "In Graz."]
    assert taken(messages)
    assert not remarks


@pytest.mark.parametrize(
    ("said", "given"),
    [
        # Programs that count calls anew in each turn; one id for two calls side by side; a count of ours that is taken.
        ([calling("find", ids=("call_0",)), result("find", "call_0"), calling("price", ids=("call_0",)),
          result("price", "call_0")], ["call_0", "call_2"]),
        ([calling("find", "price", ids=("a", "a")), result("find", "a"), result("price", "a")], ["a", "call_2"]),
        ([calling("find", ids=("",)), result("find", ""), calling("price", ids=("call_1",)),
          result("price", "call_1")], ["call_2", "call_1"]),
    ],
)  # fmt: skip
def test_no_two_calls_have_one_id(said: list[dict[str, Any]], given: list[str]) -> None:
    messages, remarks = history(*said)

    assert [call.id for message in messages for call in message.tool_calls] == given
    assert [message.content for message in messages if message.role == "tool"] == ["In Graz.", "5 euros"]
    assert taken(messages)
    assert not remarks


def test_a_call_that_no_result_answers_is_not_given_that_of_another() -> None:
    said = [turn("assistant", "Hello."), turn("user", "Now?"), calling("find", "price"), result("price")]
    messages = [turn("user", "Where is it?"), *said, turn("user", "And?"), turn("assistant", "In Graz.")]
    examples, remarks = read_chats(Path("log.jsonl"), [{"messages": messages}], (), "last", 0)

    assert examples[0].target == "find({})\nprice({})"
    assert remarks == ("log.jsonl: 1 conversation cut at a call of a tool that has no result",)
