"""A real HTTP server on the loopback address that speaks OpenAI's dialect and misbehaves on request; stdlib only.

`FakeServer(script)` runs in a thread of this process, for tests; `latency_server(seconds)` in a process of its own,
for benchmarks. As a program (`python tests/servers.py 0.02`) it prints its base URL and serves until its stdin closes.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it; `nth` counts from 0 over all, `again` over those with an equal body."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    nth: int
    again: int

    @property
    def payload(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The prompt: the last message's content, or the plain text."""
        payload = self.payload
        return payload["messages"][-1]["content"] if "messages" in payload else payload["prompt"]


@dataclass(frozen=True)
class Answer:
    """What goes back. `fault`: never answer, close the connection in the middle of the body, or never end the body.

    "drip" says how long the body is, and "endless" sends it over and over, in chunks, without a length.
    """

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    latency_s: float = 0.0
    fault: Literal["", "hang", "cut", "drip", "endless"] = ""


Script = Callable[[Asked], Answer]

HANG = Answer(fault="hang")
CUT = Answer(b'{"choices": [{"message": {"content": "never all of it"}}]}', fault="cut")
DRIP = Answer(b" " * 1000, fault="drip")
NOT_JSON = Answer(b"<html>Bad gateway</html>")
EMPTY_CHOICES = Answer(b'{"id": "x", "model": "fake", "choices": []}')


def reply(
    text: str | None,
    *,
    finish: str = "stop",
    chat: bool = True,
    usage: tuple[int, int] | None = (7, 3),
    latency_s: float = 0.0,
    message: Mapping[str, Any] | None = None,
    logprobs: Mapping[str, Any] | None = None,
    served: str = "fake-1",
) -> Answer:
    """A well-formed answer; `message` adds to the chat message (a refusal), `usage` is (prompt, completion)."""
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "logprobs": logprobs}
    choice |= {"message": {"role": "assistant", "content": text, **(message or {})}} if chat else {"text": text}
    body: dict[str, Any] = {"id": "x", "created": 1, "model": served, "choices": [choice]}
    body["object"] = "chat.completion" if chat else "text_completion"
    if usage is not None:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return Answer(json.dumps(body).encode(), latency_s=latency_s)


def failure(
    status: int, message: str = "no", *, code: str | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """An error in OpenAI's shape."""
    body = {"error": {"message": message, "type": "error", "param": None, "code": code}}
    return Answer(json.dumps(body).encode(), status, headers or {})


def echo(asked: Asked) -> Answer:
    """The prompt, back."""
    return reply(asked.text, chat="messages" in asked.payload)


def in_turn(*answers: Answer | Script) -> Script:
    """The n-th request gets the n-th answer; the last one stays."""

    def script(asked: Asked) -> Answer:
        answer = answers[min(asked.nth, len(answers) - 1)]
        return answer if isinstance(answer, Answer) else answer(asked)

    return script


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive and Content-Length; one request at a time on a connection."""

    def __init__(self, server: _Server) -> None:
        self.server, self.buffer = server, b""
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.server.connections.add(self)
        self.server.accepted += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", "0"))
        if len(rest) < size:
            return
        self.buffer = rest[size:]
        answer = self.server.answer(first.split(" ")[1], headers, rest[:size])
        if answer.fault == "hang":
            return
        if answer.latency_s:
            asyncio.get_running_loop().call_later(answer.latency_s, self.send, answer)
        else:
            self.send(answer)

    def send(self, answer: Answer) -> None:
        self.server.in_flight -= 1
        extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        kind = f"Content-Type: application/json\r\nContent-Length: {len(answer.body)}\r\n"
        head = f"HTTP/1.1 {answer.status} X\r\n{kind}{extra}\r\n"
        if answer.fault == "cut":
            self.transport.write(head.encode() + answer.body[: len(answer.body) // 2])
            self.transport.close()
        elif answer.fault == "drip":
            self.transport.write(head.encode())
            self.drip()
        elif answer.fault == "endless":
            self.transport.write(f"HTTP/1.1 {answer.status} X\r\nTransfer-Encoding: chunked\r\n{extra}\r\n".encode())
            self.repeat(f"{len(answer.body):x}\r\n".encode() + answer.body + b"\r\n")
        else:
            self.transport.write(head.encode() + answer.body)

    def drip(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(b" ")
            asyncio.get_running_loop().call_later(0.02, self.drip)

    def repeat(self, chunk: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(chunk)
            asyncio.get_running_loop().call_later(0.001, self.repeat, chunk)


class _Server:
    """What all connections share."""

    def __init__(self, script: Script, *, keep: bool) -> None:
        self.script, self.keep = script, keep
        self.connections: set[_Connection] = set()
        self.asked: list[Asked] = []
        self.in_flight = self.peak = self.count = self.accepted = 0
        self.seen: collections.Counter[tuple[str, bytes]] = collections.Counter()

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        asked = Asked(path, headers, body, self.count, self.seen[path, body])
        self.count += 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        if self.keep:
            self.seen[path, body] += 1
            self.asked.append(asked)
        return self.script(asked)


class FakeServer:
    """A scripted server in a thread: `with FakeServer(echo) as server: … server.url … server.asked …`."""

    def __init__(self, script: Script = echo, *, keep: bool = True, tls: ssl.SSLContext | None = None) -> None:
        """`keep`: remember every request; off for benchmarks. `tls`: with which certificate, if with any."""
        self._tls = tls
        self._state = _Server(script, keep=keep)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake server", daemon=True)
        self.port = 0

    def __enter__(self) -> FakeServer:
        self._thread.start()
        self._listener = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(
            lambda: _Connection(self._state), "127.0.0.1", 0, backlog=1024, ssl=self._tls
        )

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        self._listener.close()
        for _ in range(4):
            for connection in list(self._state.connections):
                connection.transport.abort()
            await asyncio.sleep(0)  # lets aborted transports close, and those that were just accepted be known

    @property
    def url(self) -> str:
        """The base URL, as OpenAI clients want it."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}/v1"

    @property
    def asked(self) -> list[Asked]:
        """Every request so far, in order of arrival."""
        return self._state.asked

    @property
    def peak(self) -> int:
        """The most requests that were in flight at once."""
        return self._state.peak

    @property
    def accepted(self) -> int:
        """The connections that were made to it."""
        return self._state.accepted

    @property
    def repeated(self) -> list[bytes]:
        """The bodies that came more than once."""
        return [body for (_, body), count in self._state.seen.items() if count > 1]


@contextlib.contextmanager
def latency_server(latency_s: float) -> Iterator[str]:
    """The base URL of a server in its own process that answers every request after `latency_s` seconds."""
    command = [sys.executable, __file__, str(latency_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(timeout=10)


def main() -> None:
    """Serve until stdin closes."""
    answer = reply("positive", latency_s=float(sys.argv[1]))
    with FakeServer(lambda asked: answer, keep=False) as server:
        sys.stdout.write(server.url + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
