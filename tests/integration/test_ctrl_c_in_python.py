"""A KeyboardInterrupt in a program of the user's: what is in flight at a server is paid for, so it is kept."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.evaluation import evaluate
from promptopt.models.scripted import Scripted
from promptopt.models.server.arrivals import Arrivals
from promptopt.models.server.dispatch import Dispatcher
from promptopt.models.server.openai import OpenAIModel
from promptopt.run.budget import Budget
from promptopt.testing import planted_task
from promptopt.types import Reply, Request
from tests.rewrites import Rewrites, rewrite
from tests.servers import Answer, Asked, FakeServer, reply


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """A shell lets what it starts in the background ignore an interrupt."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Interrupted:
    """Answers whatever it is asked; a Ctrl-C comes with one request, whose reply is late, as those after it are."""

    def __init__(self, nth: int) -> None:
        self.nth = nth

    def __call__(self, asked: Asked) -> Answer:
        if asked.nth == self.nth:
            os.kill(os.getpid(), signal.SIGINT)
        return reply("yes", latency_s=0.0 if asked.nth < self.nth - 3 else 0.3 if asked.nth < self.nth + 20 else 0.0)


def model_at(url: str) -> OpenAIModel:
    return OpenAIModel("m", base_url=url, served_as="lab", concurrency=8)


@pytest.mark.parametrize("nth", [0, 30])
def test_an_interrupted_search_goes_on_without_paying_twice(tmp_path: Path, nth: int) -> None:
    with FakeServer(Interrupted(nth)) as server:
        model = model_at(server.url)
        models = Models(model, proposer=Scripted(rewrite, name="proposer"))
        task, budget = planted_task(train=20, dev=10, test=20), Budget(evaluations=120)
        stopped = optimize(task, Rewrites(), model=models, budget=budget, store=tmp_path / "s.db")
        assert (stopped.status, stopped.reason) == ("suspended", "interrupted")
        assert nth < len(server.asked) <= nth + 8, "no further request is begun"
        ended = optimize(task, Rewrites(), model=models, budget=budget, store=tmp_path / "s.db")
        model.close()
    assert ended.status == "budget"
    assert not server.repeated
    assert len(server.asked) == ended.spent.calls - ended.spent.proposer_calls


def test_an_interrupted_score_goes_on_without_paying_twice(tmp_path: Path) -> None:
    with FakeServer(Interrupted(20)) as server:
        model, task = model_at(server.url), planted_task(train=10, dev=40)
        with pytest.raises(KeyboardInterrupt):
            evaluate(task, model=model, store=tmp_path / "s.db")
        evaluate(task, model=model, store=tmp_path / "s.db")
        model.close()
    assert len(server.asked) == 40
    assert not server.repeated


def batch(count: int) -> list[Request]:
    return [Request(f"{place}") for place in range(count)]


def test_an_interrupt_is_told_and_raised_behind_the_replies(caplog: pytest.LogCaptureFixture) -> None:
    async def send(request: Request) -> Reply:
        if request.content == "6":
            os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.1)
        sent.append(int(str(request.content)))
        return Reply("")

    sent: list[int] = []
    dispatcher = Dispatcher(send, server="the server x", concurrency=3)
    got: list[int] = []

    def read() -> None:
        for place, _ in dispatcher.stream(batch(50), lambda: False):
            got.append(place)

    with pytest.raises(KeyboardInterrupt):
        read()
    assert sorted(got) == sorted(sent)
    assert 6 in sent
    assert len(sent) <= 9
    assert "the server x: waiting for the replies in flight; interrupt again to stop now" in caplog.text
    assert [place for place, _ in dispatcher.stream(batch(5), lambda: False)]
    dispatcher.close()


def test_a_second_interrupt_waits_for_nothing() -> None:
    async def send(request: Request) -> Reply:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.2)
        await asyncio.sleep(60)
        raise AssertionError("waited for")

    dispatcher = Dispatcher(send, server="it", concurrency=1)
    with pytest.raises(KeyboardInterrupt):
        list(dispatcher.stream(batch(1), lambda: False))
    dispatcher.close()


def test_a_caller_who_stops_reading_hears_of_the_interrupt_all_the_same() -> None:
    async def send(request: Request) -> Reply:
        if request.content == "0":
            return Reply("")
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.1)
        return Reply("")

    dispatcher = Dispatcher(send, server="it", concurrency=1)
    replies = dispatcher.stream(batch(2), lambda: False)
    assert {next(replies)[0], next(replies)[0]} == {0, 1}
    with pytest.raises(KeyboardInterrupt):
        replies.close()  # type: ignore[attr-defined]
    dispatcher.close()


def test_neither_a_reply_nor_the_end_is_lost_to_an_interrupt_between_the_two_threads() -> None:
    arrivals = Arrivals[str]()
    arrivals.add(3, "three")
    arrivals.add(1, "one")
    taking = arrivals.taken()
    assert next(taking) == (3, "three")
    # What the queue gave is gone, and nobody has looked at it.
    assert arrivals._settled.get() == 1
    ender = threading.Thread(target=arrivals.end)
    ender.start()
    ender.join()
    assert arrivals._settled.get() is None
    assert list(arrivals.taken()) == [(1, "one")]
