"""A whole run against a real HTTP server that misbehaves, goes away, and comes back."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.scripted import Scripted
from promptopt.models.server.openai import OpenAIModel
from promptopt.models.server.retrying import RetryPolicy
from promptopt.outcome.result import Result
from promptopt.testing import feature_accuracy, outcome, planted_task, uniform
from tests.rewrites import Rewrites, rewrite
from tests.servers import CUT, EMPTY_CHOICES, NOT_JSON, Answer, Asked, FakeServer, failure, reply

ACCURACY = feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2)
SECRET = "sk-do-not-store-me-1234567890"


def answer(asked: Asked) -> Answer:
    instruction, _, question = asked.text.rpartition("\n\n")
    return reply("yes" if uniform(question) < ACCURACY(instruction) else "no")


TROUBLES = [
    failure(429, headers={"Retry-After": "0"}),
    failure(500),
    CUT,
    NOT_JSON,
    EMPTY_CHOICES,
    reply("yes", finish="error"),
    reply("no", finish="ABORT"),
    Answer(b'{"error": {"message": "overloaded", "code": 502}}'),
    Answer(b'data: {"choices": [{"index": 0, "delta": {"content": "yes"}}]}\n\n'),
    Answer(b'{"choices": [{"message": {"content": "yes'),
]


def stormy(asked: Asked) -> Answer:
    """Every request fails once or twice before it is answered."""
    trouble = random.Random(asked.body).sample(TROUBLES, 2)
    return trouble[asked.again] if asked.again < random.Random(asked.body + b"!").randrange(3) else answer(asked)


def conduct(store: Path, url: str) -> Result:
    retry_policy = RetryPolicy(total_s=2, contact_s=0.3, first_s=0.01, longest_s=0.05)
    model = OpenAIModel("fake", base_url=url, served_as="lab", retry_policy=retry_policy)
    try:
        return optimize(
            planted_task(train=30, dev=20),
            Rewrites(),
            model=Models(model, proposer=Scripted(rewrite, name="proposer")),
            store=store,
        )
    finally:
        model.close()


@pytest.mark.slow
def test_an_outage_changes_nothing_and_keys_stay_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with FakeServer(answer) as server:
        calm = conduct(tmp_path / "calm.db", server.url)
    with FakeServer(stormy) as server:
        rough = conduct(tmp_path / "rough.db", server.url)
        assert len(server.asked) > rough.paid.calls
    assert outcome(rough) == outcome(calm)
    assert rough.verdict == "better"
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert SECRET.encode() not in written
    assert SECRET not in str(rough.to_json())
    assert SECRET not in caplog.text


@pytest.mark.slow
def test_a_server_that_goes_down_suspends_the_run_and_nothing_is_paid_twice(tmp_path: Path) -> None:
    with FakeServer(answer) as server:
        whole = conduct(tmp_path / "whole.db", server.url)

    def dies(asked: Asked) -> Answer:
        return answer(asked) if asked.nth < 100 else failure(503)

    with FakeServer(dies) as server:
        stopped = conduct(tmp_path / "s.db", server.url)
    assert stopped.status == "suspended"
    assert "127.0.0.1" in stopped.reason
    with FakeServer(answer) as server:
        resumed = conduct(tmp_path / "s.db", server.url)
        assert server.repeated == []
    assert outcome(resumed) == outcome(whole)
    assert stopped.paid.calls + resumed.paid.calls == whole.paid.calls


@pytest.mark.slow
def test_a_key_that_is_refused_ends_it_at_once(tmp_path: Path) -> None:
    with FakeServer(lambda _: failure(401)) as server:
        result = conduct(tmp_path / "s.db", server.url)
        assert len(server.asked) == 1
    assert result.status == "suspended"
    assert "it got no key" in result.reason
    assert "--api-key-env" in result.reason
    assert result.best.prompt == result.start.prompt
