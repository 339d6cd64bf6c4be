"""Servers that speak no HTTP, or break its rules: an outage on every way, and never another library's error."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from promptopt.errors import BackendError
from promptopt.models.server.openai import OpenAIModel
from promptopt.models.server.retrying import RetryPolicy
from promptopt.types import Message, Reply, Request

pytestmark = [pytest.mark.usefixtures("key"), pytest.mark.slow]

BODY = json.dumps({"model": "f", "choices": [{"finish_reason": "stop", "message": {"content": "yes"}}]}).encode()
BROKEN = {
    "another protocol": b"SSH-2.0-OpenSSH_9\r\n",
    "no status": b"HTTP/1.1 0 X\r\n\r\n",
    "no chunk": b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "two lengths": b"HTTP/1.1 200 X\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "no length": b"HTTP/1.1 200 X\r\nContent-Length: -1\r\n\r\n{}",
    "no header": b"HTTP/1.1 200 X\r\nnonsense\r\n\r\n{}",
    "a header without end": b"HTTP/1.1 200 X\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n{}",
    "nothing": b"",
}


@contextmanager
def saying(answer: bytes) -> Iterator[str]:
    """The address of a server that sends these bytes, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        finally:
            # A closed socket alone wakes nobody who waits in `accept`.
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def asked(answer: bytes) -> Reply:
    with saying(answer) as url:
        policy = RetryPolicy(total_s=0.2, contact_s=0.2, misplaced_s=0.2, first_s=0.05, longest_s=0.05)
        model = OpenAIModel("tiny", base_url=url, timeout_s=5.0, retry_policy=policy)
        try:
            ((_, reply),) = model.generate([Request((Message("user", "hello"),))])
            return reply
        finally:
            model.close()


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_http_is_a_connection_that_broke_off(transport: object, answer: bytes) -> None:
    with pytest.raises(BackendError, match="broke the connection off"):
        asked(answer)


def test_a_header_of_more_than_ascii_is_no_fault(transport: object) -> None:
    head = f"HTTP/1.1 200 X\r\nX-Greeting: sch\xf6n\r\nContent-Length: {len(BODY)}\r\n\r\n"
    assert asked(head.encode("latin-1") + BODY).text == "yes"
