"""Answers of servers, read up to a size: what is larger would fill the memory of this machine."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx2

MOST_BYTES = 128 << 20
"""Of one answer, decompressed. Ours: 1.3 kB for each token of a prompt of 100,000.

A log-probability takes 100 bytes with the token and its rank, and a chunk of a stream 300 to 500.
"""
_OF_BODY = (b"content-encoding", b"content-length", b"transfer-encoding")


class TooLarge(Exception):
    """An answer that goes on beyond `MOST_BYTES`, and is not read on. Its text is a clause."""


async def read_whole(parts: AsyncIterator[bytes]) -> bytes:
    """All of `parts`, which are counted as they arrive. Raises TooLarge."""
    found: list[bytes] = []
    size = 0
    async for part in parts:
        size += len(part)
        if size > MOST_BYTES:
            raise TooLarge(f"sent more than {MOST_BYTES / 2**20:g} MiB as one answer")
        found.append(part)
    return b"".join(found)


def bounded_client() -> type[httpx2.AsyncClient]:
    """What OpenAI's client sends with, which reads answers and errors whole of itself, however large they are."""
    import httpx2
    import openai

    class Bounded(openai.DefaultAioHttpClient):
        async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
            answer = await super().send(request, stream=True, **options)
            try:
                parts: AsyncGenerator[bytes, None] = answer.aiter_bytes()
                async with contextlib.aclosing(parts):
                    body = await read_whole(parts)
            finally:
                await answer.aclose()
            # What is given as content is taken for decompressed. Raw: a header may hold more than ASCII.
            headers = [(name, value) for name, value in answer.headers.raw if name.lower() not in _OF_BODY]
            return httpx2.Response(
                answer.status_code, headers=headers, content=body, request=request, extensions=answer.extensions
            )

    return Bounded
