"""Servers that follow a script, and what is asked of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from promptopt.models.server.openai import OpenAIModel
from promptopt.protocols import Model
from promptopt.types import Message, Reply, Request
from tests.servers import (
    FakeServer,
)

KEY = "sk-very-secret-0123456789"


class Waits(list[float]):
    """A sleep that takes no time, and remembers."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)
        await asyncio.sleep(0)


async def briefly(seconds: float) -> None:
    await asyncio.sleep(0.002)


def model_threads() -> set[threading.Thread]:
    """Those that ask servers, whoever began them."""
    return {thread for thread in threading.enumerate() if thread.name == "promptopt models"}


Opening = Callable[..., tuple[FakeServer, OpenAIModel]]


def chat(text: str, **options: Any) -> Request:
    return Request((Message("user", text),), **options)


def ask(model: Model, *requests: Request) -> list[Reply]:
    replies = dict(model.generate(requests))
    assert sorted(replies) == list(range(len(requests)))
    return [replies[index] for index in range(len(requests))]
