"""The day on which a server stops serving a model, where it says so."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any
from urllib.parse import quote

from promptopt.errors import BackendError
from promptopt.json_members import read_json
from promptopt.models.server.http import Channel, Server
from promptopt.models.server.retrying import Outage

WAIT_S = 5.0
"""Seconds that a server has to say it: a remark is not worth a longer wait. Ours."""


def announced_end(server: Server) -> date | None:
    """The day that the server names for its model; None where it names none, or does not say now. Nothing is billed."""
    # In a thread: the caller may be in a notebook, whose event loop runs.
    with ThreadPoolExecutor(1) as pool:
        text = pool.submit(lambda: asyncio.run(_description(server))).result()
    try:
        told: Any = read_json(text)
        return date.fromisoformat(told["shutdown_date"])
    # Most servers say nothing of it, and some describe their models in another form.
    except (ValueError, RecursionError, TypeError, KeyError):
        return None


async def _description(server: Server) -> str:
    async with contextlib.AsyncExitStack() as resources:

        async def keep(resource: contextlib.AbstractAsyncContextManager[Any]) -> None:
            await resources.enter_async_context(resource)

        channel = Channel(server, timeout_s=WAIT_S, keep=keep)
        channel.load()
        try:
            return await channel.get(f"{server.api}/models/{quote(server.model, safe='')}")
        except (Outage, BackendError):
            return ""
