from __future__ import annotations

from typing import Literal

import pytest

from promptopt.models.server import http as openai_http

Transport = Literal["aiohttp alone", "the official client"]


@pytest.fixture(params=["aiohttp alone", pytest.param("the official client", marks=pytest.mark.slow)])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Transport:
    """Both ways to a server."""
    return take(request.param, monkeypatch)


def take(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> Transport:
    """With the official client, the fake server passes for one that is elsewhere."""
    if transport == "the official client":
        monkeypatch.setattr(openai_http, "is_this_machine", lambda host: False)
    return transport
