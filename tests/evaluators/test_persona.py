"""What a model that plays a user is asked, and what its reply says."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from promptopt.evaluators.persona import END, loops, persona_request, utterance_in
from promptopt.types import Message, Reply


@pytest.mark.parametrize(
    ("reply", "text", "ends"),
    [
        ("Where is my order?", "Where is my order?", False),
        ("User: Where is it?", "Where is it?", False),
        ("**Customer:** Where is it?", "Where is it?", False),
        ("<think>they are terse</think>Where?", "Where?", False),
        (f"Thanks, bye. {END}", "Thanks, bye.", True),
        ("Thanks.\n\n**[End]**", "Thanks.", True),
        ("[ END ]", "", True),
        (f"Fine. {END} Anything else I say is lost.", "Fine.", True),
        # A small model writes on for both: only the user's own words count.
        ("Where is it?\nAssistant: On its way.\nUser: Thanks. [END]", "Where is it?", False),
        ("Where is it?\n\n**Agent:** here", "Where is it?", False),
        # These speak of assistants, and end nothing.
        ("I can't help thinking that you forgot me.", "I can't help thinking that you forgot me.", False),
        ("My assistant: a robot that is broken.", "My assistant: a robot that is broken.", False),
        ("At the end I want it back.", "At the end I want it back.", False),
    ],
)
def test_a_message_is_the_users_own_words_alone(reply: str, text: str, ends: bool) -> None:
    said = utterance_in(Reply(reply))
    assert (said.text, said.ends, said.problem) == (text, ends, "")


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply("Hello! How can I assist you today?"), "as the assistant"),
        (Reply("I'm sorry, but I can't assist with that."), "as the assistant"),
        (Reply("I’m an AI and have no order."), "as the assistant"),
        (Reply(""), "said nothing"),
        (Reply(" \n\t"), "said nothing"),
        (Reply("User:"), "said nothing"),
        (Reply("Assistant: How can I help you?"), "as the assistant"),
        (Reply("# AI: Hello!"), "as the assistant"),
        (Reply("<think>what would they"), "never ended"),
        (Reply("I would like to", "length"), "cut off"),
        (Reply("", "filter"), "did not answer"),
        (Reply("", "rejected"), "too long"),
    ],
)
def test_a_reply_without_a_message_says_why(reply: Reply, problem: str) -> None:
    said = utterance_in(reply)
    assert problem in said.problem
    assert not said.text


def test_the_model_reads_the_scenario_and_what_was_said_as_data() -> None:
    talk = [Message("user", "one"), Message("assistant", "two")]
    content = persona_request("goal: cancel order 7", talk).content
    assert not isinstance(content, str)
    assert [message.role for message in content] == ["system", "user"]
    told = content[1].content
    places = [told.index(each) for each in ("goal: cancel order 7", "<<<customer", "one", "<<<assistant", "two")]
    assert places == sorted(places)
    assert told.endswith("Write the customer's next message.")


def test_what_was_said_before_is_a_prefix_of_what_is_read_next() -> None:
    talk = [Message("user", "one"), Message("assistant", "two"), Message("user", "three"), Message("assistant", "four")]
    earlier, later = (persona_request("goal: a", talk[:count]).content[1].content for count in (2, 4))  # type: ignore[union-attr]
    assert later.startswith(earlier.removesuffix("Write the customer's next message."))


def test_what_all_scenarios_share_is_a_prefix() -> None:
    first, other = (persona_request(text, []) for text in ("goal: a", "goal: b"))
    heads = {request.content[0].content[: request.shared] for request in (first, other)}  # type: ignore[union-attr]
    assert len(heads) == 1
    assert "goal" not in heads.pop()


def test_an_echo_of_the_assistant_is_no_message() -> None:
    assert "as the assistant" in utterance_in(Reply("It is on its way."), "It is on its way.").problem
    assert utterance_in(Reply("It is on its way?"), "It is on its way.").text == "It is on its way?"


def test_asking_again_asks_another_thing() -> None:
    again, first = (persona_request("goal: a", [], again=each) for each in (True, False))
    assert again.to_json() != first.to_json()
    assert again.content[0] == first.content[0]


def talk_of(said: Sequence[str], replies: Sequence[str]) -> list[Message]:
    pairs = zip(said, replies, strict=True)
    return [message for one, other in pairs for message in (Message("user", one), Message("assistant", other))]


@pytest.mark.parametrize(
    ("said", "replies", "found"),
    [
        (["Where is it now?"] * 3, ["Here.", "There.", "Gone."], True),
        (["Where is it now?", "WHERE is it  now?", "No.", "Where is it now?"], ["a", "b", "c", "d"], True),
        (["Where is it now?"] * 2, ["Here.", "There."], False),
        (["Where is it now?"] * 4, ["Please?"] * 4, False),
        (["Yes."] * 4, ["a", "b", "c", "d"], False),
        (["One of these.", "Two of these.", "Three of these."], ["a", "b", "c"], False),
    ],
)
def test_a_user_who_says_one_thing_again_and_again_is_known(said: list[str], replies: list[str], found: bool) -> None:
    assert loops(talk_of(said, replies)) is found
