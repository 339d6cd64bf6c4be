"""Logs that are known by their form, whatever their names: envelopes, parts, orders, trees and texts of one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptopt.tasks.reading.chat_rows import NO_MESSAGES, Reading, conversations_of, is_log
from promptopt.tasks.reading.files import read_rows

Rows = list[dict[str, Any]]
ASKED, ANSWERED, THEN, LAST = "Where is H7?", "In Graz.", "When does it come?", "On Monday."
TWO = [("user", ASKED), ("assistant", ANSWERED)]
FOUR = [*TWO, ("user", THEN), ("assistant", LAST)]
CITY = '{"city":"Graz"}'
CALL = [("user", ASKED), ("assistant", 'find({"order":"H7"})'), ("tool", CITY), ("assistant", ANSWERED)]
KIND = ("system", "Be kind.")
ASKS, REPLY = {"role": "user", "content": ASKED}, {"role": "assistant", "content": ANSWERED}
PROMPTED = [{"role": "system", "content": "Be kind."}, ASKS]
CHOICES = {"choices": [{"index": 0, "message": REPLY}]}


def read(rows: Rows) -> Reading:
    return conversations_of(list(enumerate(rows, start=1)))


def said(rows: Rows) -> list[list[tuple[str, str]]]:
    return [[(m.role, m.written) for m in each.messages] for each in read(rows).conversations]


def model_call(**more: Any) -> dict[str, Any]:
    return {"run_type": "llm", "inputs": {"messages": PROMPTED}, "outputs": CHOICES, **more}


FLAT = [{"message.role": each["role"], "message.content": each["content"]} for each in PROMPTED]
PARTS: Rows = [{"role": "user", "blocks": [{"block_type": "text", "text": ASKED}]},
         {"role": "assistant", "blocks": [{"block_type": "thinking", "content": "h"},
                                          {"block_type": "text", "text": ANSWERED}]}]  # fmt: skip
HAYSTACK: Rows = [
    {"role": "user", "content": [{"text": ASKED}]},
    {"role": "assistant", "content": [{"tool_call": {"tool_name": "find", "arguments": {"order": "H7"}, "id": "c"}}]},
    {"role": "tool", "content": [{"tool_call_result": {"result": CITY, "origin": {"tool_name": "find", "id": "c"}}}]},
    {"role": "assistant", "content": [{"text": ANSWERED}]},
]
PYDANTIC = [
    {"kind": "request", "parts": [{"part_kind": "system-prompt", "content": "Be kind."},
                                  {"part_kind": "user-prompt", "content": ASKED}]},
    {"kind": "response", "parts": [{"part_kind": "tool-call", "tool_name": "find", "args": '{"order": "H7"}',
                                    "tool_call_id": "c"}]},
    {"kind": "request", "parts": [{"part_kind": "tool-return", "tool_name": "find", "content": {"city": "Graz"},
                                   "tool_call_id": "c"}]},
    {"kind": "response", "parts": [{"part_kind": "text", "content": ANSWERED}]},
]  # fmt: skip
TREE: dict[str, Any] = {"text": ASKED, "role": "prompter", "replies": [
    {"text": LAST, "role": "assistant", "rank": 1, "replies": []},
    {"text": ANSWERED, "role": "assistant", "rank": 0, "replies": []}]}  # fmt: skip
TREE_ROWS: Rows = [
    {"message_id": "1", "parent_id": None, "message_tree_id": "1", "text": ASKED, "role": "prompter"},
    {"message_id": "2", "parent_id": "1", "message_tree_id": "1", "text": ANSWERED, "role": "assistant", "rank": 0},
    {"message_id": "3", "parent_id": "1", "message_tree_id": "1", "text": LAST, "role": "assistant", "rank": 1},
]
TELEGRAM: Rows = [
    {"type": "message", "from": "Ann", "from_id": "user5", "text": ["Where is ", {"type": "bold", "text": "H7"}, "?"]},
    {"type": "service", "actor": "Ann", "action": "pin_message", "text": ""},
    {"type": "message", "from": "Clerk", "from_id": "user77", "text": ANSWERED},
]
EVENTS = [{"content": ASKED, "role": "user", "event.name": "gen_ai.user.message"},
          {"index": 0, "message": REPLY, "event.name": "gen_ai.choice"}]  # fmt: skip
MLFLOW = {"mlflow.spanType": "CHAT_MODEL", "mlflow.spanInputs": json.dumps({"messages": PROMPTED}),
          "mlflow.spanOutputs": json.dumps(CHOICES)}  # fmt: skip
CONNECT = [{"Type": "MESSAGE", "ParticipantRole": "CUSTOMER", "Content": ASKED},
           {"Type": "EVENT", "ParticipantRole": "AGENT"},
           {"Type": "MESSAGE", "ParticipantRole": "AGENT", "Content": ANSWERED}]  # fmt: skip
COPILOT: Rows = [{"type": "message", "from": {"role": 1}, "text": ASKED}, {"type": "trace", "value": {}},
           {"type": "message", "from": {"role": 0}, "text": ANSWERED}]  # fmt: skip
TEAMS = [{"messageType": "message", "from": {"user": {"id": "u"}}, "body": {"content": ASKED}},
         {"messageType": "message", "from": {"application": {"id": "b"}}, "body": {"content": ANSWERED}}]  # fmt: skip
PIECES = ((ASKED, "incoming"), (ANSWERED, "outgoing"))
BOTPRESS = [{"direction": way, "payload": {"type": "text", "text": text}} for text, way in PIECES]
GUESTS = [{"id": "c1", "type": "customer"}, {"id": "bo", "type": "agent"}]
CHAT_EVENTS = [{"type": "message", "text": text, "author_id": who} for text, who in ((ASKED, "c1"), (ANSWERED, "bo"))]


BY_FORM: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"meta": {"kind": "llm", "input": {"messages": PROMPTED}, "output": {"messages": [REPLY]}}}, [KIND, *TWO]),
    ({"messages": {}, "response": CHOICES, "proxy_server_request": {"messages": PROMPTED}}, [KIND, *TWO]),
    ({"blueprint": {"template": {"messages": [*PROMPTED, REPLY]}}}, [KIND, *TWO]),
    ({"properties": {"$ai_input": PROMPTED, "$ai_output_choices": [REPLY]}}, [KIND, *TWO]),
    ({"utterances": [{"speaker": "USER", "text": ASKED}, {"speaker": "ASSISTANT", "text": ANSWERED}]}, TWO),
    ({"original": [["customer", ASKED], ["agent", ANSWERED]]}, TWO),
    ({"messages": {"object": "list", "data": [ASKS]}, **CHOICES}, TWO),
    ({"content": json.dumps({"activities": COPILOT})}, TWO),
    ({"Transcript": CONNECT}, TWO),
    ({"users": GUESTS, "thread": {"events": CHAT_EVENTS}}, TWO),
    ({"messages": TEAMS}, TWO), ({"messages": BOTPRESS}, TWO),
    ({"type": "bot_chat", "id": 77, "messages": TELEGRAM}, TWO),
    ({"messages": PARTS}, TWO), ({"messages": HAYSTACK}, CALL), ({"messages": PYDANTIC}, [KIND, *CALL]),
    ({"messages": [{"_role": "user", "_content": [{"text": ASKED}]},
                   {"_role": "assistant", "_content": [{"text": ANSWERED}]}]}, TWO),
    ({"messages": [{"source": "user", "content": ASKED}, {"source": "assistant", "content": ANSWERED}]}, TWO),
    ({"run_type": "chain", "trace_id": "t", "inputs": {"input": ASKED}, "outputs": {"output": ANSWERED},
      "child_runs": [{"run_type": "chain", "child_runs": [model_call()]}]}, [KIND, *TWO]),
    ({"info": {}, "data": {"spans": [{"attributes": MLFLOW}]}}, [KIND, *TWO]),
    ({"attributes.llm.input_messages": json.dumps(FLAT), "response": CHOICES}, [KIND, *TWO]),
    ({"attributes": {"gen_ai.operation.name": "chat", "events": json.dumps(EVENTS)}}, TWO),
    ({"attributes": {"request_data": json.dumps({"messages": [ASKS]}),
                     "response_data": json.dumps({"message": REPLY})}}, TWO),
    ({"contents": [{"parts": [{"text": ASKED}]}], "config": {"system_instruction": "Be kind."},
      "response": {"candidates": [{"content": {"parts": [{"text": ANSWERED}]}}]}}, [KIND, *TWO]),
    ({"session": {"instructions": "Be kind."}, "items": [ASKS, REPLY]}, [KIND, *TWO]),
    ({"items": [{"role": "user", "content": [{"type": "input_audio", "transcript": ASKED}]}, REPLY]}, TWO),
    ({"message": THEN, "chat_history": [ASKS, REPLY], "text": LAST}, FOUR),
    ({"instruction": "When does it", "input": "come?", "history": [[ASKED, ANSWERED]], "output": LAST},
     [*TWO, ("user", "When does it\ncome?"), ("assistant", LAST)]),
    ({"conversation": [{"system": "Be kind.", "input": ASKED, "output": ANSWERED},
                       {"input": THEN, "output": LAST}]}, [KIND, *FOUR]),
    ({"turns": [{"prompt": ASKED, "response": ANSWERED}, {"prompt": THEN, "response": LAST}]}, FOUR),
    ({"id": "0", "data": [ASKED, ANSWERED, THEN, LAST]}, FOUR),
    ({"prompt": TREE}, TWO),
    ({"turns": [{"speaker": "USER", "text": ASKED}, {"speaker": "SYSTEM", "text": ANSWERED}]}, TWO),
    ({"messages": [ASKS], "choices": [{"index": 1, "message": {**REPLY, "content": LAST}}, *CHOICES["choices"]]},
     TWO),
    ({"messages": [ASKS, {**REPLY, "content": f"{ANSWERED}<|im_end|>\n"}]}, TWO),
]  # fmt: skip


@pytest.mark.parametrize(("row", "spoken"), BY_FORM)
def test_a_row_is_read_by_its_form(row: dict[str, Any], spoken: list[tuple[str, str]]) -> None:
    assert is_log(row)
    assert said([row]) == [spoken]


@pytest.mark.parametrize(
    ("rows", "spoken"),
    [
        ([{"sender_id": "x", "event": kind, "text": text, "timestamp": place}
          for place, (kind, text) in enumerate((("session_started", None), ("user", ASKED), ("bot", ANSWERED)))], TWO),
        ([{"channel_id": "5", "content": text, "author": {"id": "9", "username": "x", **more}}
          for text, more in ((ASKED, {}), (ANSWERED, {"bot": True}))], TWO),
        ([{"conversationId": "c", **each} for each in BOTPRESS], TWO),
        ([{"threadId": "t", "type": kind, "output": text, "streaming": False}
          for kind, text in (("user_message", ASKED), ("run", "x"), ("assistant_message", ANSWERED))], TWO),
        ([{"session_id": "s", "message_data": json.dumps(each)} for each in (ASKS, REPLY)], TWO),
        (TREE_ROWS, TWO),
        ([{"sessionId": "s", "uuid": uuid, "parentUuid": parent, "message": {"role": role, "content": text}}
          for uuid, parent, role, text in (("1", None, "user", ASKED), ("2", "1", "assistant", LAST),
                                           ("3", "1", "assistant", ANSWERED))], TWO),
    ],
)  # fmt: skip
def test_rows_of_a_turn_are_put_together(rows: Rows, spoken: list[tuple[str, str]]) -> None:
    assert any(map(is_log, rows))
    assert said(rows) == [spoken]


def test_answers_to_one_message_by_several_people_are_a_thread_and_no_versions() -> None:
    rows = [{"thread_id": "t", "id": name, "parent_id": parent, "role": role, "text": text}
            for name, parent, (role, text) in zip("1234", ("", "1", "1", "1"), FOUR, strict=True)]  # fmt: skip
    assert said(rows) == [FOUR]


@pytest.mark.parametrize(
    ("times", "order"), [((4, 3, 2, 1), 1), ((1, 2, 3, 4), -1), ((3, 3, 3, 3), -1), ((4, 1, 2, 3), -1)]
)
def test_what_is_listed_from_the_newest_on_is_turned_round(times: tuple[int, ...], order: int) -> None:
    messages = [{"role": role, "content": text, "created_at": time}
                for (role, text), time in zip(FOUR[::-1], times, strict=True)]  # fmt: skip
    assert said([{"messages": messages}]) == [FOUR[::-1][::-order]]


@pytest.mark.parametrize(
    "cell",
    [
        f"Customer: {ASKED} Agent: {ANSWERED} Customer: {THEN} Agent: {LAST}",
        f"Customer: {ASKED} | Agent: {ANSWERED} | Customer: {THEN} | Agent: {LAST}",
        f"### Human: {ASKED}### Assistant: {ANSWERED}### Human: {THEN}### Assistant: {LAST}",
        f"**Customer:** {ASKED}\n**Agent:** {ANSWERED}\n**Customer:** {THEN}\n**Agent:** {LAST}",
        f"Customer (10:00 AM)\n{ASKED}\n\nAgent (10:01 AM)\n{ANSWERED}\n\n"
        f"Customer 10:02\n{THEN}\n\nAgent, 10:03\n{LAST}",
    ],
)
def test_a_cell_may_be_one_line_or_have_lines_of_who_speaks_and_when(cell: str) -> None:
    assert said([{"transcript": cell}]) == [FOUR]


def test_what_stands_in_a_turn_begins_none() -> None:
    first = "Customer: I ask the agent: where? And then, Agent Smith? Agent: Here."
    assert said([{"transcript": first}]) == [
        [("user", "I ask the agent: where? And then, Agent Smith?"), ("assistant", "Here.")]
    ]
    signed = "Customer: Where?\nThanks,\nSupport\nAgent: Here."
    assert said([{"transcript": signed}]) == [[("user", "Where?\nThanks,\nSupport"), ("assistant", "Here.")]]


@pytest.mark.parametrize(
    "row",
    [
        {"question": ASKED, "answer": ANSWERED, "meta": {"trace_id": "t", "query": "x"}},
        {"items": [{"question": ASKED, "answer": ANSWERED}]},
        {"examples": [{"input": ASKED, "output": ANSWERED}]},
        {"instruction": ASKED, "input": "", "output": ANSWERED, "history": []},
        {"pairs": [["red", "blue"], ["one", "two"]]},
        {"text": ASKED, "metadata": {"tags": ["a", "b"]}},
        {"chosen": {"messages": [ASKS, REPLY]}, "rejected": {"messages": [ASKS, REPLY]}},
        {"outputs": {"messages": [ASKS, REPLY]}, "note": "x"},
        {"id": "0", "data": [ASKED, ANSWERED], "label": "x"},
    ],
)
def test_tables_with_lists_and_objects_in_them_are_no_logs(row: dict[str, Any]) -> None:
    assert not is_log(row)


def test_a_table_of_alpacas_is_a_log_once_a_row_has_a_history_and_the_others_are_read_too() -> None:
    rows = [{"instruction": THEN, "input": "", "output": LAST, "history": past} for past in ([], [[ASKED, ANSWERED]])]
    assert [is_log(row) for row in rows] == [False, True]
    assert said(rows) == [FOUR[2:], FOUR]


@pytest.mark.parametrize(
    ("messages", "roles"),
    [
        ([*PROMPTED, {"role": "system", "content": "Hurry."}], ["system", "user", "system"]),
        ([ASKS, REPLY, {"role": "system", "content": "Hurry."}], ["user", "assistant", "system"]),
    ],
)
def test_a_system_beside_an_assistant_or_a_prompt_stays_one(messages: Rows, roles: list[str]) -> None:
    assert [role for role, _ in said([{"messages": messages}])[0]] == roles


def test_the_system_of_a_computer_is_no_prompt() -> None:
    assert said([{"messages": [ASKS, REPLY], "session": {"system": "Linux"}}]) == [TWO]


MESSAGES = [ASKS, REPLY]


@pytest.mark.parametrize(
    ("document", "count"),
    [
        ({"id": "c", "messages": MESSAGES}, 1),
        ({"export": {"conversation": MESSAGES}}, 1),
        ({"type": "bot_chat", "id": 77, "messages": TELEGRAM}, 1),
        ({"chats": {"list": [{"id": "c", "messages": MESSAGES}, {"id": "d", "messages": MESSAGES}]}}, 2),
        ({"data": [{"thread_id": name, **each} for name in "cd" for each in MESSAGES]}, 2),
    ],
)
def test_a_document_is_one_conversation_or_holds_several(document: dict[str, Any], count: int, tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text(json.dumps(document))
    assert said([dict(row) for row in read_rows(tmp_path / "log.json")]) == [TWO] * count


def test_json_that_is_whole_is_not_called_cut_off() -> None:
    assert list(read([{"content": '{"a": 1}'}]).refused) == [NO_MESSAGES]


def test_a_person_of_a_chat_of_people_is_asked_for() -> None:
    (reason,) = read([{"type": "personal_chat", "id": 1, "messages": [TELEGRAM[0]]}]).refused
    assert "'Ann' is unknown" in reason


@pytest.mark.parametrize(
    "table",
    [
        {"messages": [{"text": "Win!", "label": "spam"}, {"text": "At six?", "label": "ham"}]},
        {"rows": [{"role": "manager", "content": "plans"}, {"role": "nurse", "content": "cares"}]},
    ],
)
def test_a_table_of_texts_under_a_name_of_chats_is_read_as_rows(tmp_path: Path, table: dict[str, Rows]) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(table))
    (rows,) = table.values()
    assert list(read_rows(path)) == rows


def test_the_text_of_a_row_to_be_labelled_is_no_log() -> None:
    assert not is_log({"data": {"text": ASKED}, "annotations": [{"result": [{"value": {"choices": ["spam"]}}]}]})
    assert not is_log({"data": {"text": ASKED}, "label": "spam"})


def test_a_raised_digit_in_a_name_is_a_name_and_no_place_in_a_list() -> None:
    asked = {"attributes": {"note": {"²": "squared"}}, "input": PROMPTED, "output": CHOICES}
    assert said([asked]) == [[KIND, *TWO]]


@pytest.mark.parametrize(
    ("parts", "reply"),
    [
        # Each claim of Anthropic's and of Gemini's with its source; sentences with nothing between them are parts.
        (["It is in ", "Graz", ", as of today", "."], "It is in Graz, as of today."),
        (["It is in Graz.", " It comes ", "on Monday."], "It is in Graz. It comes on Monday."),
        (["It is in Graz.", "It comes on Monday."], "It is in Graz.\nIt comes on Monday."),
    ],
)
def test_pieces_of_a_reply_are_one_text(parts: list[str], reply: str) -> None:
    texts = [{"type": "text", "text": each} for each in parts]
    search = [{"type": "text", "text": "I look."}, {"type": "server_tool_use", "id": "s", "name": "web_search"},
              {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}]  # fmt: skip
    answered: list[Rows] = [[{"role": "assistant", "content": content}] for content in (texts, [*search, *texts])]

    assert [said([{"messages": [ASKS, *each]}])[0][1][1] for each in answered] == [reply, f"I look.\n{reply}"]
    # What a user pastes beside a question goes on from nothing.
    assert said([{"messages": [{"role": "user", "content": texts}, REPLY]}])[0][0][1] == "\n".join(parts)


@pytest.mark.parametrize(
    "done",
    [
        {"type": "bash_code_execution_tool_result", "tool_use_id": "s", "content": {"stdout": "1"}},
        {"type": "web_fetch_tool_result", "tool_use_id": "s", "content": {}},
        {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "s"},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
    ],
)
def test_what_the_server_of_a_model_did_is_not_said(done: dict[str, Any]) -> None:
    reply = {"role": "assistant", "content": [done, {"type": "text", "text": ANSWERED}]}

    assert said([{"messages": [ASKS, reply]}]) == [TWO]


def test_what_the_server_of_a_model_asked_another_is_a_call() -> None:
    used = [{"type": "mcp_tool_use", "id": "s", "name": "find", "input": {"order": "H7"}},
            {"type": "mcp_tool_result", "tool_use_id": "s", "content": [{"type": "text", "text": CITY}]}]  # fmt: skip

    reply = {"role": "assistant", "content": [*used, {"type": "text", "text": ANSWERED}]}
    assert said([{"messages": [ASKS, reply]}]) == [CALL]


def test_entries_of_a_kind_that_is_not_read_are_named_and_are_no_speakers() -> None:
    shell = {"type": "local_shell_call", "id": "s", "call_id": "c", "action": {}, "status": "completed"}
    row = {"input": [ASKS, REPLY, ASKS, shell], "output": [REPLY]}

    assert list(read([row]).refused) == [
        "an entry is of the kind 'local_shell_call', which is not read (leave out what has such entries)"
    ]


def test_a_reply_that_was_spoken_is_what_was_written_down_of_it() -> None:
    audio = {"id": "audio_1", "data": "UklGR", "transcript": ANSWERED}

    assert said([{"messages": [ASKS, {"role": "assistant", "content": None, "audio": audio}]}]) == [TWO]


@pytest.mark.parametrize("row", [{"custom_id": "r", "response": {"status_code": 200, "body": CHOICES}}, CHOICES])
def test_replies_whose_requests_are_in_another_file_are_told_as_that(row: dict[str, Any]) -> None:
    assert list(read([row]).refused) == [
        "it holds a reply and not what was asked (join it to its request first: in a batch by custom_id)"
    ]
