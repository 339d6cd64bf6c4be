"""The day on which a server stops serving a model: read where it says so, and missed by nobody where it does not."""

from __future__ import annotations

import json
from datetime import date

import pytest
from asking import Opening

from promptopt.protocols import Leaving
from tests.servers import CUT, NOT_JSON, Answer, failure


def told(value: object) -> Answer:
    return Answer(json.dumps({"id": "tiny", "object": "model", "shutdown_date": value}).encode())


def test_the_day_that_a_server_names_is_read_and_costs_no_reply(opened: Opening) -> None:
    server, model = opened(lambda _: told("2026-12-11"))
    assert isinstance(model, Leaving)
    assert model.announced_end() == date(2026, 12, 11)
    assert [each.path for each in server.asked] == ["/v1/models/tiny"]


@pytest.mark.parametrize(
    "answer", [told(None), told("soon"), told(5), Answer(b"[]"), NOT_JSON, CUT, failure(404), failure(500)]
)
def test_a_server_that_names_none_is_no_trouble(opened: Opening, answer: Answer) -> None:
    _, model = opened(lambda _: answer)
    assert model.announced_end() is None
