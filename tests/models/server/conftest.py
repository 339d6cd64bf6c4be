"""The key that a server is given, and models opened on scripted servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from promptopt.models.server import dispatch
from promptopt.models.server.openai import OpenAIModel
from tests.models.conftest import Transport
from tests.models.server.asking import KEY, Opening, Waits
from tests.servers import FakeServer, Script, echo


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def model_name() -> str:
    """What a model is opened by; a file of tests whose server has another name says so."""
    return "tiny"


@pytest.fixture
def opened(waits: Waits, transport: Transport, model_name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opening]:
    # A busy machine may take the second in which the first request goes alone, and more would be asked than is counted.
    monkeypatch.setattr(dispatch, "_ALONE_S", 3_600)
    used: list[tuple[FakeServer, OpenAIModel]] = []

    def opening(script: Script = echo, **options: Any) -> tuple[FakeServer, OpenAIModel]:
        server = FakeServer(script).__enter__()
        # A server that is not OpenAI's gets its key only where that is said.
        told = {"sleep": waits, "key_variable": "OPENAI_API_KEY", **options}
        used.append((server, OpenAIModel(model_name, base_url=server.url, **told)))
        return used[-1]

    yield opening
    for server, model in used:
        model.close()
        server.__exit__()
