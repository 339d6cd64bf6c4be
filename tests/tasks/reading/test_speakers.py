"""Chats of people: who speaks in tickets, channels and events, and what the customer was never told."""

from __future__ import annotations

from typing import Any

import pytest

from promptopt.tasks.reading.chat_rows import Reading, conversations_of, is_log

ASKED, ANSWERED = "Where is 7?", "In Graz."
TURNS = [("user", ASKED), ("assistant", ANSWERED)]


def read(*rows: dict[str, Any]) -> Reading:
    return conversations_of(list(enumerate(rows, start=1)))


def said(*rows: dict[str, Any]) -> list[tuple[str, str]]:
    (found,) = read(*rows).conversations
    return [(message.role, message.content) for message in found.messages]


ZENDESK = {"id": 1, "requester_id": 9, "assignee_id": 7,
           "comments": [{"author_id": 9, "body": ASKED, "public": True},
                        {"author_id": 7, "body": "Check the stock.", "public": False},
                        {"author_id": 7, "plain_body": ANSWERED, "body": "> quoted", "public": True}]}  # fmt: skip
INTERCOM = {"source": {"type": "conversation", "body": f"<p>{ASKED}</p>", "author": {"type": "lead"}},
            "conversation_parts": {"type": "conversation_part.list", "conversation_parts": [
                {"part_type": "assignment", "body": None, "author": {"type": "bot"}},
                {"part_type": "note", "body": "<p>Check the stock.</p>", "author": {"type": "admin"}},
                {"part_type": "comment", "body": f"<p>{ANSWERED}</p>", "author": {"type": "bot"}}]}}  # fmt: skip
FRESHDESK = {"description_text": ASKED,
             "conversations": [{"incoming": False, "private": True, "body_text": "Check the stock."},
                               {"incoming": False, "private": False, "body_text": ANSWERED}]}  # fmt: skip
GORGIAS = {"messages": [{"from_agent": False, "body_text": ASKED, "sender": {"name": "Ann"}},
                        {"from_agent": True, "body_text": ANSWERED}]}  # fmt: skip
RASA = {"sender_id": "u", "events": [{"event": "action", "name": "action_listen"},
                                     {"event": "user", "text": ASKED, "parse_data": {"intent": {}}},
                                     {"event": "slot", "name": "order", "value": 7},
                                     {"event": "action", "name": "utter_place"},
                                     {"event": "bot", "text": ANSWERED, "data": {"buttons": None}}]}  # fmt: skip
CLAUDE = {"chat_messages": [{"sender": "human", "text": ASKED}, {"sender": "assistant", "text": ANSWERED}]}
AGENTS = {"entries": [{"role": "END_USER", "text": ASKED}, {"role": "AUTOMATED_AGENT", "text": ANSWERED}]}


@pytest.mark.parametrize("row", [ZENDESK, INTERCOM, FRESHDESK, GORGIAS, RASA, CLAUDE, AGENTS])
def test_people_and_bots_are_told_apart_and_what_was_not_said_is_left_out(row: dict[str, Any]) -> None:
    assert is_log(row)
    assert said(row) == TURNS


def test_threads_of_a_channel_are_conversations() -> None:
    def message(second: int, **more: Any) -> dict[str, Any]:
        return {"type": "message", "ts": f"{second}.0", **more}

    thread = [message(3, thread_ts="1.0", bot_id="B", subtype="bot_message", text=ANSWERED),
              message(1, thread_ts="1.0", user="U", text=ASKED)]  # fmt: skip
    other = [message(2, user="V", subtype="channel_join", text="<@V> has joined"), message(4, user="V", text="Hello?")]
    found = read(*thread, *other).conversations

    assert is_log(thread[0])
    assert [(said.role, said.content) for said in found[0].messages] == TURNS
    assert [each.id for each in found] == ["1.0", "4.0"]


@pytest.mark.parametrize(
    ("body", "text"),
    [("<p>One &amp; two<br>three</p><ul><li>four</li></ul>", "One & two\nthree\nfour"), ("1 < 2", "1 < 2"),
     ("Use <b>this</b>", "Use <b>this</b>")],
)  # fmt: skip
def test_marks_of_html_are_left_out_where_all_of_a_body_is_html(body: str, text: str) -> None:
    comments = [{"author_id": 9, "body": body}, {"author_id": 7, "body": ANSWERED}]
    assert said({"requester_id": 9, "comments": comments})[0] == ("user", text)


@pytest.mark.parametrize(
    "more",
    [{"body": "<p>see <img alt='' src='https://x/y.png'></p>"}, {"attachments": [{"content_url": "https://x/y.png"}]},
     {"files": [{"mimetype": "image/png", "url_private": "https://x"}]}],
)  # fmt: skip
def test_pictures_and_files_of_people_are_refused(more: dict[str, Any]) -> None:
    comments = [{"author_id": 9, "body": ASKED, **more}, {"author_id": 7, "body": ANSWERED}]
    (reason,) = read({"requester_id": 9, "comments": comments}).refused

    assert "images, sounds and files are not read" in reason


def test_a_model_may_write_pictures_in_html() -> None:
    shown = "<p>So: <img src='a.png'></p>"
    assert (
        said({"messages": [{"role": "user", "content": "How?"}, {"role": "assistant", "content": shown}]})[1][1]
        == shown
    )


def test_a_link_that_slack_shows_is_no_file() -> None:
    comments = [{"author_id": 9, "body": ASKED, "attachments": [{"from_url": "https://x", "title": "x"}]},
                {"author_id": 7, "body": ANSWERED}]  # fmt: skip
    assert said({"requester_id": 9, "comments": comments}) == TURNS


def test_a_turn_that_names_nobody_is_told_so() -> None:
    (reason,) = read({"chat_id": "1", "role": "", "text": ASKED}).refused

    assert "does not say who speaks" in reason
