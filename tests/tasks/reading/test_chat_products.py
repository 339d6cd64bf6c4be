"""Logs of products for chats: what each program writes is read as it was said, or refused with its reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptopt.tasks.reading.chat_rows import Reading, conversations_of, is_log

Rows = list[dict[str, Any]]
ASKED, ANSWERED, THEN, LAST = "Where is H7?", "In Graz.", "When does it come?", "On Monday."
TWO = [("user", ASKED), ("assistant", ANSWERED)]
FOUR = [*TWO, ("user", THEN), ("assistant", LAST)]
CALL = [("user", ASKED), ("assistant", 'find({"order":"H7"})'), ("tool", '{"city":"Graz"}'), ("assistant", ANSWERED)]
KIND = ("system", "Be kind.")
FILE = "a message has a picture or a file beside text (images, sounds and files are not read)"


def read(rows: Rows) -> Reading:
    return conversations_of(list(enumerate(rows, start=1)))


def said(rows: Rows) -> list[list[tuple[str, str]]]:
    return [[(m.role, m.written) for m in each.messages] for each in read(rows).conversations]


ASKS, REPLY = {"role": "user", "content": ASKED}, {"role": "assistant", "content": ANSWERED}
PROMPTED = [{"role": "system", "content": "Be kind."}, ASKS]
CALLED = {"id": "c", "type": "function", "function": {"name": "find", "arguments": '{"order": "H7"}'}}
CITY = '{"city":"Graz"}'
DESK = {"inbox_id": 4, "content_type": "text"}
CHATWOOT: Rows = [
    {"id": 1, "messages": [{"content": ASKED, "message_type": 0, "private": False, **DESK},
                           {"content": "Check the stock.", "message_type": 1, "private": True, **DESK},
                           {"content": ANSWERED, "message_type": 1, "private": False, **DESK},
                           {"content": "Ann closed this.", "message_type": 2, **DESK}]},
]  # fmt: skip
CHATWOOT_ROWS: Rows = [
    {"conversation_id": "7", "content": text, "message_type": kind, "created_at": str(place), "inbox_id": "4"}
    for place, (kind, text) in enumerate((("0", ASKED), ("1", ANSWERED), ("2", "Ann closed this."), ("0", THEN),
                                          ("3", LAST)))
]  # fmt: skip
TEAMS: Rows = [
    {"messageType": "message", "chatId": "19:x", "createdDateTime": "2026-01-01T10:00:00Z",
     "from": {"user": {"displayName": "Ann"}, "application": None},
     "body": {"contentType": "html", "content": f"<p>{ASKED}</p>"},
     "attachments": [{"contentType": "messageReference", "content": "{}"}]},
    {"messageType": "message", "chatId": "19:x", "createdDateTime": "2026-01-01T10:00:01Z",
     "from": {"user": None, "application": {"displayName": "Clerk"}},
     "body": {"contentType": "text", "content": ANSWERED}, "attachments": []},
    {"messageType": "systemEventMessage", "chatId": "19:x", "createdDateTime": "2026-01-01T10:00:02Z", "from": None,
     "body": {"content": "<systemEventMessage/>"}},
]  # fmt: skip
DISCORD: Rows = [
    {"channel": {"id": "c"}, "messages": [
        {"content": ASKED, "author": {"name": "ann", "isBot": False}, "attachments": []},
        {"content": ANSWERED, "author": {"name": "clerk", "isBot": True}, "attachments": []}]},
]  # fmt: skip
TELEGRAM: Rows = [
    {"update_id": place, "message": {"from": {"id": place, "is_bot": bool(place)}, "chat": {"id": 5}, "date": place,
                                     "text": text}}
    for place, text in enumerate((ASKED, ANSWERED))
]  # fmt: skip
EVENTS: Rows = [
    {"name": "chat", "attributes": {"gen_ai.operation.name": "chat"}, "events": [
        {"name": "gen_ai.system.message", "attributes": {"content": "Be kind."}},
        {"name": "gen_ai.user.message", "attributes": {"gen_ai.event.content": json.dumps(ASKS)}},
        {"name": "gen_ai.choice", "attributes": {"index": 0, "message": json.dumps(REPLY)}}]},
]  # fmt: skip
DETAILS: Rows = [
    {"name": "chat", "events": [
        {"name": "gen_ai.client.inference.operation.details",
         "attributes": [{"key": "gen_ai.input.messages", "value": {"stringValue": json.dumps(PROMPTED)}},
                        {"key": "gen_ai.output.messages", "value": {"stringValue": json.dumps([REPLY])}}]}]},
]  # fmt: skip
RECORDS: Rows = [
    {"name": "gen_ai.choice", "span_id": "s", "timestamp": 2, "body": {"index": 0, "message": REPLY}},
    {"event_name": "gen_ai.user.message", "span_id": "s", "timestamp": 1, "body": {"content": ASKED}},
]
MISTRAL: Rows = [
    {"entries": [{"type": "message.input", **ASKS},
                 {"type": "function.call", "tool_call_id": "c", "name": "find", "arguments": '{"order": "H7"}'},
                 {"type": "function.result", "tool_call_id": "c", "result": CITY},
                 {"type": "message.output", **REPLY}]},
]  # fmt: skip
COHERE: Rows = [
    {"preamble": "Be kind.", "message": THEN, "response": {"text": LAST},
     "chat_history": [{"role": "USER", "message": ASKED}, {"role": "CHATBOT", "message": ANSWERED}]},
]  # fmt: skip
COHERE_TOOLS: Rows = [
    {"messages": [ASKS, {"role": "assistant", "tool_plan": "I look it up.", "tool_calls": [CALLED]},
                  {"role": "tool", "tool_call_id": "c", "content": [{"type": "document", "document": {"data": CITY}}]}],
     "response": {"message": {"role": "assistant", "content": [{"type": "text", "text": ANSWERED}]}}},
]  # fmt: skip
GUARDED: Rows = [
    {"messages": [{"role": "user", "content": [{"guardContent": {"text": {"text": ASKED}}}]},
                  {"role": "assistant", "content": [{"text": ANSWERED}]}]},
]  # fmt: skip
GATEWAY: Rows = [{"BackendRequestBody": json.dumps({"messages": PROMPTED}),
                  "BackendResponseBody": json.dumps({"choices": [{"message": REPLY}]})}]  # fmt: skip
LANGFUSE: Rows = [{"type": "GENERATION", "input": {"args": [], "kwargs": {"messages": PROMPTED}}, "output": ANSWERED}]
BRAINTRUST: Rows = [{"input": PROMPTED, "expected": ANSWERED}]
VOICE: Rows = [
    {"transcript": [{"role": "user", "message": ASKED, "tool_calls": []},
                    {"role": "agent", "message": ANSWERED, "tool_calls": [], "tool_results": []}]},
]  # fmt: skip
FLOWISE: Rows = [{"sessionId": "f", "role": role, "content": text}
                 for role, text in (("userMessage", ASKED), ("apiMessage", ANSWERED))]  # fmt: skip
DIALOGFLOW: Rows = [
    {"queryResult": {"queryText": ASKED, "fulfillmentMessages": [{"text": {"text": [ANSWERED]}}]}},
]


@pytest.mark.parametrize(
    ("rows", "spoken"),
    [
        (CHATWOOT, TWO), (CHATWOOT_ROWS, FOUR), (TEAMS, TWO), (TEAMS[1::-1], TWO), (DISCORD, TWO), (TELEGRAM, TWO),
        (EVENTS, [KIND, *TWO]), (DETAILS, [KIND, *TWO]), (RECORDS, TWO), (MISTRAL, CALL), (COHERE, [KIND, *FOUR]),
        (COHERE_TOOLS, CALL), (GUARDED, TWO), (GATEWAY, [KIND, *TWO]), (LANGFUSE, [KIND, *TWO]),
        (BRAINTRUST, [KIND, *TWO]), (VOICE, TWO), (FLOWISE, TWO), (DIALOGFLOW, TWO),
    ],
)  # fmt: skip
def test_each_product_is_read_as_it_was_spoken(rows: Rows, spoken: list[tuple[str, str]]) -> None:
    assert is_log(rows[0])
    assert said(rows) == [spoken]


SLACK: Rows = [
    {"type": "message", "user": "U", "text": ASKED, "ts": "17.1", "thread_ts": "17.1"},
    {"type": "message", "bot_id": "B", "text": ANSWERED, "ts": "17.2", "thread_ts": "17.1"},
]
ACTIVITIES: Rows = [
    {"type": "message", "conversation": {"id": "b"}, "from": {"id": name, "role": role}, "text": text}
    for name, role, text in (("u", "user", ASKED), ("x", "bot", ANSWERED))
]
PAIRS: Rows = [{"conversation_id": "d", "query": ASKED, "answer": ANSWERED}]
TABLE: Rows = [{"session_id": "t", "role": role, "text": text} for role, text in TWO]
LISTED: Rows = [{"messages": [ASKS, REPLY]}]


@pytest.mark.parametrize(
    ("rows", "more"),
    [
        (SLACK, {"files": [{"id": "F", "mimetype": "image/png"}]}),
        (ACTIVITIES, {"attachments": [{"contentType": "image/png", "contentUrl": "u"}]}),
        (ACTIVITIES, {"attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": {}}]}),
        (TEAMS, {"attachments": [{"contentType": "reference", "contentUrl": "u"}]}),
        (CHATWOOT_ROWS, {"attachments": [{"file_type": "image", "data_url": "u"}]}),
        (PAIRS, {"message_files": [{"type": "image", "url": "u"}]}),
        (PAIRS, {"message_files": '[{"type": "image", "url": "u"}]'}),
        (TABLE, {"num_media": "1"}),
        (TABLE, {"attachments": '["x.png"]'}),
    ],
)  # fmt: skip
def test_what_was_sent_beside_a_text_is_refused_in_rows_of_a_turn_too(rows: Rows, more: dict[str, Any]) -> None:
    assert said(rows)
    found = read([{**rows[0], **more}, *rows[1:]])
    assert (found.conversations, list(found.refused)) == ((), [FILE])


@pytest.mark.parametrize(
    "more",
    [{"images": ["iVBORw0"]}, {"files": [{"type": "image", "url": "data:image/png;base64,xx"}]},
     {"attachments": [{"file_id": "f", "tools": []}]}],
)  # fmt: skip
def test_pictures_and_files_beside_a_message_are_refused(more: dict[str, Any]) -> None:
    assert list(read([{"messages": [{**ASKS, **more}, REPLY]}]).refused) == [FILE]


@pytest.mark.parametrize(
    ("rows", "more"),
    [
        (SLACK, {"files": [], "attachments": [{"fallback": "a link"}]}),
        (ACTIVITIES, {"attachments": [{"contentType": "text/html", "content": f"<div>{ASKED}</div>"}]}),
        (TABLE, {"num_media": "0"}),
        (TABLE, {"attachments": "[]"}),
    ],
)
def test_what_is_no_file_refuses_nothing(rows: Rows, more: dict[str, Any]) -> None:
    assert said([{**rows[0], **more}, *rows[1:]]) == [TWO]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Terms &amp; prices &lt;new&gt;", "Terms & prices <new>"),
        ("&amp;lt; is &lt;", "&lt; is <"),
        ("see <https://acme.test/a?b=1&amp;c=2>", "see https://acme.test/a?b=1&c=2"),
        ("see <https://acme.test/help|our page>", "see our page (https://acme.test/help)"),
        ("see <http://acme.test|acme.test>", "see http://acme.test"),
        ("write to <mailto:ann@acme.test|ann@acme.test>", "write to ann@acme.test"),
        ("<!here> in <#C1|general>, <@U7|ann>, <@U7>", "@here in #general, @ann, <@U7>"),
        ("<!subteam^S1|@desk> a &lt; b", "@desk a < b"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
    ],
)
def test_texts_of_slack_are_read_as_people_see_them(text: str, seen: str) -> None:
    assert said([{**SLACK[0], "text": text}, SLACK[1]]) == [[("user", seen), TWO[1]]]


def test_numbers_of_another_program_are_no_roles() -> None:
    rows = [{key: value for key, value in row.items() if key != "inbox_id"} for row in CHATWOOT_ROWS]
    (refused,) = read(rows).refused
    assert refused.startswith("the speakers '0', '1', '2', '3' are unknown (say who they are, with --speaker 0=user ")


HISTORY = [ASKS, REPLY]


@pytest.mark.parametrize("question", ["input", "question", "query", "message"])
@pytest.mark.parametrize(
    ("name", "history", "before"),
    [("chat_history", HISTORY, TWO), ("history", [[ASKED, ANSWERED]], TWO), ("chat_history", [], []),
     ("history", json.dumps(HISTORY), TWO), ("chat_history", [*HISTORY, {"role": "user", "content": THEN}], TWO)],
)  # fmt: skip
def test_a_question_stands_behind_the_history_beside_it(
    question: str, name: str, history: Any, before: list[tuple[str, str]]
) -> None:
    asked = {question: THEN, name: history}
    then = [*before, ("user", THEN), ("assistant", LAST)]
    assert said([{"inputs": asked, "outputs": {"output": LAST}, "run_type": "llm"}]) == [then]
    assert said([{**asked, "response": {"message": {"role": "assistant", "content": LAST}}}]) == [then]


def test_a_prompt_beside_a_history_that_ends_in_a_question_is_no_turn() -> None:
    row = {"prompt": "Be kind.", "history": [*HISTORY, {"role": "user", "content": THEN}], "completion": LAST}
    assert said([row]) == [[*TWO, ("user", THEN), ("assistant", LAST)]]


@pytest.mark.parametrize(
    "before",
    ["<think>\nhm\n</think>\n\n", "hm</think>\n", "[THINK]hm[/THINK]",
     '<details type="reasoning" done="true">\n<summary>Thought for 3 seconds</summary>\n> hm\n</details>\n'],
)  # fmt: skip
def test_what_a_model_thought_is_no_part_of_its_reply(before: str) -> None:
    assert said([{"messages": [ASKS, {"role": "assistant", "content": f"{before}{ANSWERED}"}]}]) == [TWO]
    # A user may write such tags.
    assert said([{"messages": [{"role": "user", "content": f"{before}x"}, REPLY]}])[0][0] == ("user", f"{before}x")


@pytest.mark.parametrize(
    "prompt",
    [f"<|im_start|>user\n{ASKED}<|im_end|>\n", f"<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n{ASKED}",
     f"<s>[INST] {ASKED} [/INST]", f"<bos><start_of_turn>user\n{ASKED}"],
)  # fmt: skip
def test_a_prompt_under_a_chat_template_is_no_turn_of_a_user(prompt: str) -> None:
    found = read([{"input": {"prompt": prompt}, "output": ANSWERED}])
    assert "marks of a chat template" in next(iter(found.refused))
    assert said([{"messages": [{"role": "user", "content": f"What is {prompt}?"}, REPLY]}])


def test_rows_for_kto_give_only_good_replies() -> None:
    row = {"prompt": PROMPTED, "completion": [REPLY]}
    assert said([{**row, "label": True}]) == [[KIND, *TWO]]
    assert list(read([{**row, "label": False}]).refused) == ["its label says that the reply is a bad one"]


def test_turns_that_are_not_learned_from_weigh_nothing() -> None:
    found = read([{"messages": [ASKS, {**REPLY, "training": False}, ASKS, {**REPLY, "train": True}]}])
    assert found.conversations[0].weights == (None, 0, None, 1)


def test_a_message_without_content_beside_empty_calls_is_a_models() -> None:
    assert (
        said([{"messages": [ASKS, {"role": "assistant", "content": None, "tool_calls": []}, REPLY]}])[0][-1] == TWO[1]
    )
