"""What is kept of a history that is too long: its end, cut where a server takes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptopt.errors import DataError
from promptopt.tasks.reading.chat_turns import read_chats
from promptopt.types import Message


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def steps(count: int, *, result: str = "found 7 " * 100, side_by_side: int = 1) -> list[dict[str, Any]]:
    """So many steps of an agent: calls side by side, and their results."""
    found: list[dict[str, Any]] = []
    for step in range(count):
        ids = [f"c{step}-{each}" for each in range(side_by_side)]
        calls = [{"id": id, "type": "function", "function": {"name": "look", "arguments": json.dumps({"at": step})}}
                 for id in ids]  # fmt: skip
        found += [{"role": "assistant", "content": None, "tool_calls": calls}]
        found += [{"role": "tool", "tool_call_id": id, "content": f"{step}: {result}"} for id in ids]
    return found


def history(*said: dict[str, Any]) -> tuple[tuple[Message, ...], str]:
    messages = [*said, {"role": "assistant", "content": "done"}]
    examples, remarks = read_chats(Path("log.jsonl"), [{"messages": messages}], (), "last", 0)
    assert examples[0].target == "done"
    return examples[0].messages, "\n".join(remarks)


@pytest.mark.parametrize("side_by_side", [1, 3])
def test_a_long_run_of_an_agent_keeps_the_question_and_its_last_calls_with_their_results(side_by_side: int) -> None:
    kept, said = history(user("Mend the test."), *steps(60, side_by_side=side_by_side))

    assert kept[0] == Message("user", "Mend the test.")
    asked = [call.id for message in kept for call in message.tool_calls]
    assert [message.tool_call_id for message in kept if message.role == "tool"] == asked
    assert asked[-1] == f"c59-{side_by_side - 1}"
    assert kept[1].tool_calls
    assert 3 < len(kept) < 60 * (1 + side_by_side)
    # As many as fit: another step would be too much.
    size = sum(len(message.written) for message in kept) / 4
    assert 8_000 - 220 * side_by_side < size <= 8_000
    assert "1 history cut within the last turn, to what the user asked and the last calls with their results" in said
    assert "left out" not in said


def test_turns_before_a_long_one_go_first() -> None:
    kept, said = history(user("hi"), {"role": "assistant", "content": "hello"}, user("Mend it."), *steps(60))

    assert [message.content for message in kept if message.role == "user"] == ["Mend it."]
    assert "cut within the last turn" in said


def test_whole_turns_are_cut_where_the_last_one_fits() -> None:
    kept, said = history(user("Mend the first."), *steps(60), user("And the second."), *steps(3))

    assert kept[0].content == "And the second."
    assert len(kept) == 7
    assert "1 history cut to the last turns" in said


@pytest.mark.parametrize(
    "said",
    [
        [user("word " * 8_000), *steps(3)],
        [user("Read it."), *steps(1, result="word " * 8_000)],
        [user("word " * 4_000), *steps(2, result="word " * 4_000)],
    ],
)
def test_what_fits_by_no_cut_is_left_out(said: list[dict[str, Any]]) -> None:
    with pytest.raises(DataError, match=r"could be scored \(1 reply left out: the turn before alone has more than"):
        history(*said)
