"""Rows of one conversation are one group, whether they name it, its trace, or say nothing of it."""

from __future__ import annotations

from typing import Any

import pytest

from promptopt.tasks.reading.chat_rows import conversations_of
from promptopt.tasks.reading.grouping import unpacked


def groups(*rows: dict[str, Any]) -> list[str]:
    return [each.id for each in conversations_of(list(enumerate(rows, start=1))).conversations]


def turns(*texts: str) -> list[dict[str, Any]]:
    roles = ("user", "assistant")
    return [{"role": roles[place % 2], "content": text} for place, text in enumerate(texts)]


HELLO = turns("Hi", "Hello!")


@pytest.mark.parametrize(
    ("row", "group"),
    [
        ({"run_type": "llm", "trace_id": "t", "session_id": "project"}, "t"),
        ({"run_type": "llm", "trace_id": "t", "session_id": "project", "extra": {"metadata": {"thread_id": "s"}}}, "s"),
        ({"run_type": "llm", "session_id": "project"}, "row 1"),
        ({"trace_id": "t", "session_id": "s"}, "s"),
        ({"traceId": "t"}, "t"),
        ({"span_attributes": {"type": "llm"}, "root_span_id": "r"}, "r"),
        ({"conversation": {"id": "s"}, "output": "x"}, "s"),
        ({"session": "s"}, "s"),
        ({"request_properties": {"Helicone-Session-Id": "s"}}, "s"),
        ({"params": {"metadata": {"conversation_id": "s"}}}, "s"),
    ],
)
def test_a_conversation_goes_by_its_session_and_else_by_its_trace(row: dict[str, Any], group: str) -> None:
    assert groups({"messages": HELLO, **row}) == [group]


def test_a_log_of_each_turn_anew_is_one_conversation() -> None:
    whole = turns("Hi", "Hello!", "Where is 7?", "In Graz.", "Thanks", "You are welcome.")
    system = [{"role": "system", "content": "Be kind."}]
    rows = [{"messages": whole[:2]}, {"messages": [*system, *whole]}, {"messages": whole[:4]}]

    assert groups(*rows, {"messages": turns("Where is 8?", "In Linz.")}) == ["row 1", "row 1", "row 1", "row 4"]


def test_a_greeting_that_conversations_share_does_not_join_them() -> None:
    seven, eight = (turns("Hi", "Hello!", f"Where is {number}?", "In Graz.") for number in (7, 8))

    assert groups({"messages": HELLO}, {"messages": seven}, {"messages": eight}) == ["row 1", "row 2", "row 3"]
    assert groups({"messages": seven}, {"messages": [*seven, *turns("When?", "Soon.")]}, {"messages": [
        *seven, *turns("Why?", "So.")]}) == ["row 1"] * 3  # fmt: skip


def test_what_many_ask_alike_is_not_joined_and_a_longer_conversation_logged_twice_is() -> None:
    longer = [*HELLO, *turns("Where is 7?", "In Graz.")]
    assert groups({"messages": HELLO}, {"messages": HELLO}) == ["row 1", "row 2"]
    assert groups({"messages": longer}, {"messages": longer}) == ["row 1", "row 1"]


def test_rows_that_name_their_conversation_are_not_joined_by_what_was_said() -> None:
    longer = [*HELLO, *turns("Where is 7?", "In Graz.")]
    assert groups({"session_id": "a", "messages": HELLO}, {"session_id": "b", "messages": longer}) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("[{'role': 'user', 'content': \"I'm {here}\"}]", [{"role": "user", "content": "I'm {here}"}]),
        ("[{'role': 'user', 'content': 'a\\n{b'}\n {'role': 'assistant', 'content': None}]",
         [{"role": "user", "content": "a\n{b"}, {"role": "assistant", "content": None}]),
        ("{'a': [1, True]}", {"a": [1, True]}),
        ('[{"role": "user"}]', [{"role": "user"}]),
        ("[{'role': 'user'", "[{'role': 'user'"),
        ("[{'role': __import__('os')}]", "[{'role': __import__('os')}]"),
        ("[10:05] Agent: hello", "[10:05] Agent: hello"),
        ("['a', 'b']", "['a', 'b']"),
        ("[{'" + "[" * 10_000, "[{'" + "[" * 10_000),
    ],
)  # fmt: skip
def test_a_cell_that_pandas_wrote_is_read_as_the_messages_that_it_shows(text: str, read: object) -> None:
    assert unpacked(text) == read


def test_the_runs_of_a_chain_are_of_the_thread_that_the_chain_says_it_is_of() -> None:
    def trace(number: int) -> dict[str, Any]:
        said = {"messages": [{"role": "assistant", "content": "a"}]}
        run = {"trace_id": f"r{number}", "session_id": "project"}
        inner = {**run, "id": f"l{number}", "run_type": "llm", "inputs": {"messages": turns("q")}, "outputs": said}
        thread = {"metadata": {"thread_id": f"t{number // 2}"}}
        return {**run, "id": f"r{number}", "run_type": "chain", "extra": thread, "child_runs": [inner]}

    assert groups(*map(trace, range(4))) == ["t0", "t0", "t1", "t1"]
