"""A conversation that was edited is a tree: the branch that was shown is the conversation."""

from __future__ import annotations

from typing import Any

import pytest

from promptopt.tasks.reading.branches import branch_shown
from promptopt.tasks.reading.chat_rows import conversations_of, is_log

TWO = [("user", "Where is H7?"), ("assistant", "In Graz.")]
IDS = ("u", "b", "a")
PARENTS = (None, "u", "u")
SAID = (("user", "Where is H7?"), ("assistant", "No."), ("assistant", "In Graz."))


def nodes(id: str, parent: str) -> list[dict[str, Any]]:
    return [
        {id: name, parent: above, "role": role, "content": text}
        for name, above, (role, text) in zip(IDS, PARENTS, SAID, strict=True)
    ]


OPEN_WEBUI = {each["id"]: each for each in nodes("id", "parentId")}
LIBRECHAT = [{"messageId": name, "parentMessageId": above, "isCreatedByUser": role == "user", "text": text,
              "sender": "User" if role == "user" else "Our clerk"}
             for name, above, (role, text) in zip(IDS, PARENTS, SAID, strict=True)]  # fmt: skip


def said(row: dict[str, Any]) -> list[tuple[str, str]]:
    (found,) = conversations_of([(1, row)]).conversations
    return [(message.role, message.content) for message in found.messages]


@pytest.mark.parametrize(
    "row",
    [
        {"chat": {"history": {"currentId": "a", "messages": OPEN_WEBUI}}},
        {"chat": {"history": {"currentId": "a", "messages": dict(reversed(OPEN_WEBUI.items()))}}},
        {"chat": {"messages": [OPEN_WEBUI["u"], OPEN_WEBUI["a"]],
                  "history": {"currentId": "a", "messages": OPEN_WEBUI}}},
        {"conv": {"currNode": "a"}, "messages": nodes("id", "parent")},
        {"messages": nodes("id", "parent")},
        {"messages": LIBRECHAT},
        {"current_leaf_message_uuid": "a", "chat_messages": nodes("uuid", "parent_message_uuid")},
    ],
)  # fmt: skip
def test_the_branch_that_was_shown_is_the_conversation(row: dict[str, Any]) -> None:
    assert is_log(row)
    assert said(row) == TWO


def test_the_branch_that_is_named_goes_before_the_last_one() -> None:
    row = {"chat": {"system": "Be kind.", "history": {"currentId": "b", "messages": OPEN_WEBUI}}}
    assert said(row) == [("system", "Be kind."), TWO[0], ("assistant", "No.")]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]},
        {"messages": nodes("id", "parent")[:2]},
        {"messages": [{"id": "x", "role": "user", "content": "Hi"}]},
        {"text": "no messages"},
    ],
)
def test_messages_in_a_row_are_no_tree(row: dict[str, Any]) -> None:
    assert branch_shown(row) is None


def test_a_tree_that_leads_back_to_itself_ends() -> None:
    loop = {"a": {"id": "a", "parentId": "b", "role": "user", "content": "1"},
            "b": {"id": "b", "parentId": "a", "role": "assistant", "content": "2"}}  # fmt: skip
    assert said({"history": {"currentId": "b", "messages": loop}}) == [("user", "1"), ("assistant", "2")]


def test_ranked_messages_that_lead_in_a_circle_end_somewhere() -> None:
    texts = {"a": ("assistant", "In Graz."), "b": ("user", "Where is H7?"), "c": ("user", "And H8?")}
    above = {"a": "b", "b": "a", "c": "a"}
    row = {"messages": [{"id": name, "parentId": above[name], "rank": rank, "role": role, "content": text}
                        for rank, (name, (role, text)) in enumerate(texts.items())]}  # fmt: skip
    assert said(row) == TWO
