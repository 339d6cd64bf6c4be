"""Answers that never end, or that are small on their way and large here."""

from __future__ import annotations

import gzip
import json

import pytest

from promptopt.errors import RequestRefused, SomeRefused
from promptopt.models.server import bounded
from tests.models.server.asking import Opening, Waits, ask, chat
from tests.servers import Answer, Asked, echo, in_turn, reply

MOST = 100_000

pytestmark = pytest.mark.usefixtures("key")


@pytest.fixture(autouse=True)
def most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MOST_BYTES", MOST)


def sized(size: int) -> Answer:
    """A reply of so many bytes."""
    around = len(reply("").body)
    return reply("a" * (size - around))


def packed(answer: Answer, status: int = 200) -> Answer:
    return Answer(gzip.compress(answer.body), status, {"Content-Encoding": "gzip"})


def failing(size: int, status: int) -> Answer:
    return Answer(json.dumps({"error": {"message": "a" * size}}).encode(), status)


LARGE = {
    "plain": sized(MOST + 1),
    "endless": Answer(b"a" * 1000, fault="endless"),
    "packed": packed(sized(50 * MOST)),
    "a plain error": failing(MOST, 500),
    "an endless error": Answer(b"a" * 1000, 429, fault="endless"),
    "a packed error": packed(failing(50 * MOST, 0), 401),
}


@pytest.mark.parametrize("answer", LARGE.values(), ids=LARGE.keys())
def test_an_answer_beyond_the_bound_is_no_longer_read_and_not_asked_for_again(
    answer: Answer, opened: Opening, waits: Waits
) -> None:
    server, model = opened(in_turn(answer), timeout_s=5.0)
    with pytest.raises(RequestRefused, match=r"sent more than 0\.09\d* MiB as one answer, and the rest was not read"):
        ask(model, chat("hello"))
    assert (len(server.asked), sum(waits)) == (1, 0)


@pytest.mark.parametrize("answer", [sized(MOST), packed(sized(MOST))], ids=["plain", "packed"])
def test_an_answer_within_the_bound_is_read_whole(answer: Answer, opened: Opening) -> None:
    _, model = opened(in_turn(answer))
    assert len(ask(model, chat("hello"))[0].text) == MOST - len(reply("").body)


def test_one_answer_beyond_the_bound_is_of_its_request_alone(opened: Opening) -> None:
    def script(asked: Asked) -> Answer:
        return LARGE["endless"] if asked.text == "long" else echo(asked)

    server, model = opened(script, timeout_s=5.0)
    with pytest.raises(SomeRefused) as found:
        ask(model, chat("a"), chat("long"), chat("b"))
    assert found.value.places.keys() == {1}
    assert [asked.text for asked in server.asked].count("long") == 2


def test_a_connection_is_used_again_after_a_reply_that_was_read(opened: Opening) -> None:
    server, model = opened(echo)
    for text in ("a", "b", "c"):
        assert ask(model, chat(text))[0].text == text
    assert server.accepted == 1
