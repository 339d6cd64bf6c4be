"""Which replies of a log are scored, what precedes them, and what is said of the rest."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from promptopt.errors import DataError
from promptopt.tasks.reading.chat_rows import Reading
from promptopt.tasks.reading.chat_turns import LONGEST_HISTORY, Remarks, ScoredTurns, read_chats, refusals, usable
from promptopt.types import Example

CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}


def turn(role: str, content: str | None, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def read(
    *conversations: list[dict[str, Any]], scored: ScoredTurns = "all", **row: Any
) -> tuple[tuple[Example, ...], str]:
    rows = [{"messages": messages, **row} for messages in conversations]
    examples, said = read_chats(Path("log.jsonl"), rows, (), scored, 0)
    return examples, "\n".join(said)


THREE = [
    turn("system", "S"),
    *(turn(role, f"{role} {number}") for number in (1, 2, 3) for role in ("user", "assistant")),
]


def test_each_reply_is_an_example_behind_what_was_logged_and_all_are_one_group() -> None:
    examples, _ = read(THREE)

    assert [example.target for example in examples] == ["assistant 1", "assistant 2", "assistant 3"]
    assert [message.content for message in examples[1].messages] == ["user 1", "assistant 1", "user 2"]
    assert len({example.group for example in examples}) == 1
    assert [example.target for example in read(THREE, scored="last")[0]] == ["assistant 3"]


def test_what_the_assistant_sends_in_a_row_is_one_reply() -> None:
    in_pieces = [turn("user", "Where?"), turn("assistant", "In Graz."), turn("assistant", "Anything else?")]
    calling = turn("assistant", "", tool_calls=[CALL])
    examples, said = read([*in_pieces, turn("user", "No."), turn("assistant", "Bye."), calling], scored="all")

    assert [example.target for example in examples] == ["In Graz.\n\nAnything else?", "Bye.\nfind({})"]
    assert [message.role for message in examples[1].messages] == ["user", "assistant", "user"]
    assert "2 messages joined to the one before" in said
    # A call is answered by its result, and pieces that weigh otherwise are learned from otherwise.
    result = turn("tool", "Graz", tool_call_id="c1")
    assert len(read([turn("user", "Where?"), calling, result, turn("assistant", "In Graz.")])[0]) == 2
    in_pieces[1]["weight"], in_pieces[2]["weight"] = 0, 1
    assert [example.target for example in read(in_pieces, scored="weighted")[0]] == ["Anything else?"]


def test_weights_say_which_replies_count() -> None:
    weighed = [dict(message) for message in THREE]
    weighed[2]["weight"], weighed[4]["weight"], weighed[6]["weight"] = 0, 1, 0

    assert [example.target for example in read(weighed, scored="weighted")[0]] == ["assistant 2"]


def test_empty_turns_are_left_out_and_counted() -> None:
    examples, said = read([turn("user", "hi"), turn("assistant", "  "), turn("user", ""), turn("assistant", "hello")])

    assert [message.content for message in examples[0].messages] == ["hi"]
    assert "2 empty turns left out" in said


def test_what_a_user_says_last_has_no_reply() -> None:
    examples, said = read([*THREE, turn("user", "bye")])

    assert examples[-1].target == "assistant 3"
    assert "1 conversation cut after the last reply" in said


def test_a_conversation_without_any_reply_is_left_out_beside_others_and_kept_where_all_are_so() -> None:
    examples, said = read(THREE, [turn("user", "anybody?")], scored="last")
    alone, _ = read([turn("user", "anybody?")], [turn("user", "hello?")], scored="last")

    assert len(examples) == 1
    assert "1 conversation left out without a reply" in said
    assert [(example["history"], example.target) for example in alone] == [("anybody?", ""), ("hello?", "")]


def test_a_call_without_a_result_ends_the_conversation_and_is_itself_scored() -> None:
    examples, said = read([turn("user", "hi"), turn("assistant", None, tool_calls=[CALL]), turn("user", "well?"),
                           turn("assistant", "sorry")])  # fmt: skip

    assert [example.target for example in examples] == ["find({})"]
    assert "1 conversation cut at a call of a tool that has no result" in said


def test_a_result_that_nobody_asked_for_is_left_out() -> None:
    examples, said = read([turn("user", "hi"), turn("tool", "7", tool_call_id="c9"), turn("assistant", "hello")])

    assert [message.role for message in examples[0].messages] == ["user"]
    assert "1 result of a tool left out" in said


def test_results_without_an_id_belong_to_the_calls_in_their_order() -> None:
    calls = [{"function": {"name": name, "arguments": "{}"}} for name in ("a", "b")]
    examples, _ = read([turn("user", "hi"), turn("assistant", None, tool_calls=calls), turn("tool", "1"),
                        turn("tool", "2"), turn("assistant", "done")], scored="last")  # fmt: skip
    asked, first, second = examples[0].messages[1:]

    assert [call.id for call in asked.tool_calls] == [first.tool_call_id, second.tool_call_id]


def test_a_greeting_answers_nothing_and_is_not_scored() -> None:
    examples, said = read([turn("assistant", "Welcome!"), turn("user", "hi"), turn("assistant", "hello")])

    assert [example.target for example in examples] == ["hello"]
    assert "1 reply not scored, since nobody had asked anything" in said


def test_what_the_assistant_says_before_anybody_asks_is_never_scored() -> None:
    hello = [turn("assistant", "Welcome!"), turn("assistant", "Anybody there?")]
    examples, _ = read([*hello, turn("user", "hi"), turn("assistant", "hello")])

    assert [example.target for example in examples] == ["hello"]
    with pytest.raises(DataError, match=r"could be scored \(1 reply not scored, since nobody had asked"):
        read(hello, scored="all")


@pytest.mark.parametrize("character", ["word ", "日本"])
def test_a_long_history_loses_whole_turns_from_its_beginning(character: str) -> None:
    long = [turn(role, f"{number} {character * 1000}") for number in range(12) for role in ("user", "assistant")]
    (example,), said = read([*long, turn("user", "and now?"), turn("assistant", "yes")], scored="last")

    assert example.messages[0].role == "user"
    assert example.messages[-1].content == "and now?"
    assert 1 < len(example.messages) < 25
    assert len(example["history"]) <= 5 * LONGEST_HISTORY
    assert "1 history cut to the last turns" in said


def test_a_turn_that_is_too_long_by_itself_is_left_out() -> None:
    with pytest.raises(DataError, match=r"could be scored \(1 reply left out: the turn before alone has more than"):
        read([turn("user", "x " * 5 * LONGEST_HISTORY), turn("assistant", "yes")])


def test_times_that_cannot_be_read_are_told_with_a_row() -> None:
    rows = [{"chat_id": "a", "role": role, "content": role, "time": "3 pm"} for role in ("user", "assistant")]
    _, said = read_chats(Path("log.jsonl"), rows, (), "last", 0)

    assert said == ("log.jsonl: the turns of 1 conversation, such as that of row 1, stay in the order of the rows: "
                    "their times are neither numbers nor dates as 2026-11-27 09:05",)  # fmt: skip


def test_a_variable_that_a_conversation_lacks_is_named_with_its_row() -> None:
    rows = [{"messages": THREE, "variables": {"name": "Ann"}}, {"messages": THREE}]

    with pytest.raises(DataError, match="row 2: the conversation has no value for 'name'"):
        read_chats(Path("log.jsonl"), rows, ("name",), "last", 0)


def test_a_file_of_nothing_but_refused_rows_says_why() -> None:
    row = {"messages": [turn("user", None), {"role": "bogus", "content": "x"}]}

    with pytest.raises(DataError, match="in row 1, the speaker 'bogus' is unknown"):
        read_chats(Path("log.jsonl"), [row], (), "last", 0)


def test_a_row_alone_reads_as_json_writes_it() -> None:
    examples, _ = read(
        json.loads(json.dumps(THREE)), scored="last", tools=[{"type": "function", "function": {"name": "f"}}]
    )

    assert json.loads(examples[0].tools[0])["function"]["name"] == "f"


def test_what_is_left_out_twice_is_told_in_the_plural_and_a_number_for_a_text_is_named(tmp_path: Path) -> None:
    remarks = Remarks(Counter({"orphan": 2, "long": 2, "greeting": 1}))
    said = " ".join(remarks.sentences("a"))
    assert all(each in said for each in ("2 results of tools left", "2 histories cut", "1 reply not"))
    row = {"messages": [{"role": "user", "content": 7}, {"role": "assistant", "content": "r"}]}
    with pytest.raises(DataError, match="the content of a message is 7, and no text"):
        read_chats(tmp_path / "a.jsonl", [row], (), "last", 0)


@pytest.mark.parametrize(("name", "row"), [("log.jsonl", 3), ("log.csv", 4), ("log.tsv", 4), ("log.parquet", 3)])
def test_a_row_of_a_log_is_told_as_a_spreadsheet_counts_it(name: str, row: int) -> None:
    reading = Reading((), {"it is archived": (3,)}, (3,))
    left_out, unordered = refusals(Path(name), reading)
    assert left_out == f"{name}: 1 row left out, such as row {row}: it is archived"
    assert f"such as that of row {row}, stay" in unordered
    with pytest.raises(DataError, match=f"in row {row}, it is archived"):
        usable(Path(name), reading, Remarks())


def test_results_without_an_id_go_to_the_calls_that_they_name() -> None:
    calls = [{"function": {"name": name, "arguments": "{}"}} for name in ("find", "stock", "find")]
    results = [
        turn("tool", said, name=name) for said, name in (("4 left", "stock"), ("late", "find"), ("here", "find"))
    ]
    spoken = [turn("user", "Where?"), turn("assistant", None, tool_calls=calls), *results, turn("assistant", "Late.")]
    parts: list[dict[str, Any]] = [
        {"role": "user", "parts": [{"text": "Where?"}]},
        {"role": "model", "parts": [{"functionCall": each["function"]} for each in calls]},
        {"role": "user", "parts": [{"functionResponse": {"name": each["name"], "response": each["content"]}}
                                   for each in results]},
        {"role": "model", "parts": [{"text": "Late."}]},
    ]  # fmt: skip

    for log in (spoken, parts):
        (example,), _ = read(log, scored="last")
        called, *given = example.messages[1:]
        named = {call.id: call.name for call in called.tool_calls}
        assert [(named[each.tool_call_id], each.content) for each in given] == [
            ("stock", "4 left"), ("find", "late"), ("find", "here"),
        ]  # fmt: skip
        assert [each.tool_call_id for each in given] == ["call_2", "call_1", "call_3"]


def test_a_turn_that_a_prompt_shows_in_a_system_message_is_whose_it_shows_and_is_not_scored() -> None:
    shown = [turn("system", "1+1", name="example_user"), turn("system", "2", name="example_assistant")]
    for scored in ("all", "last"):
        examples, _ = read([turn("system", "Add."), *shown, turn("user", "2+2"), turn("assistant", "4")], scored=scored)
        assert [(said.role, said.content) for said in examples[0].messages] == [
            ("user", "1+1"), ("assistant", "2"), ("user", "2+2"),
        ]  # fmt: skip
        assert [example.target for example in examples] == ["4"]


def test_where_nothing_can_be_scored_times_that_cannot_be_read_are_told_of() -> None:
    rows = [
        {"conversation_id": f"c{at}", "speaker": said, "text": f"{said} {at}", "time": f"1/2/2026 {hour}:05 PM"}
        for at in range(3)
        for said, hour in (("agent", 2), ("customer", 1))
    ]
    with pytest.raises(DataError, match=r"and that times are numbers or dates as 2026-11-27 09:05"):
        read_chats(Path("log.csv"), rows, (), "last", 0)
