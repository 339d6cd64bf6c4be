"""A scripted server in a process of its own that answers a planted task, misbehaves where it is told, and counts."""

from __future__ import annotations

import collections
import hashlib
import json
import multiprocessing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.search_landscape import plant
from benchmarks.search_proposer import Proposer
from promptopt.models.scripted import Scripted
from promptopt.testing import uniform
from promptopt.types import Message, Request, Sampling
from tests.servers import CUT, EMPTY_CHOICES, HANG, NOT_JSON, Answer, Asked, FakeServer, failure, reply

FAULTS: dict[str, Answer] = {
    "429, asking for a pause": failure(429, headers={"Retry-After": "0"}),
    "500": failure(500),
    "503": failure(503),
    "connection cut in the body": CUT,
    "no answer in time": HANG,
    "a page, with status 200": NOT_JSON,
    "no choices": EMPTY_CHOICES,
    "finish reason `error`": reply("yes", finish="error"),
    "an error, with status 200": Answer(b'{"error": {"message": "overloaded", "code": 502}}'),
    "half of the JSON": Answer(b'{"choices": [{"message": {"content": "yes'),
}
"""Ten ways to fail, none of which is an answer."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the server did since it was last told how to behave."""

    asked: int = 0
    """Requests that reached it."""
    answered: int = 0
    """Those that it answered well: what a provider would charge for."""
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(slots=True)
class _World:
    """How it behaves now. `seed`: of the landscape. `rate`: of faults. `latency_s`: of an answer, at most."""

    seed: int = 0
    fault: str = ""
    rate: float = 0.0
    latency_s: float = 0.0
    counts: Counts = field(default_factory=Counts)
    tries: collections.Counter[bytes] = field(default_factory=collections.Counter[bytes])

    def __post_init__(self) -> None:
        landscape = plant("additive", self.seed)
        self.models = {"task": landscape.model(), "proposer": Scripted(Proposer(landscape.good), name="proposer")}

    models: dict[str, Scripted] = field(init=False)

    def __call__(self, asked: Asked) -> Answer:
        payload = asked.payload
        key = hashlib.sha256(asked.body).digest()
        self.tries[key] += 1
        before = self.counts
        self.counts = Counts(before.asked + 1, before.answered, before.prompt_tokens, before.completion_tokens)
        if self.rate and uniform(self.fault, key.hex(), str(self.tries[key])) < self.rate:
            return FAULTS[self.fault]
        chat = "messages" in payload
        content = tuple(Message(m["role"], m["content"]) for m in payload["messages"]) if chat else payload["prompt"]
        request = Request(content, Sampling(payload["temperature"]), seed=payload.get("seed"))
        ((_, said),) = self.models[payload["model"]].generate([request])
        texts = [content] if isinstance(content, str) else [message.content for message in content]
        read, written = sum(len(text) // 4 + 1 for text in texts), len(said.text) // 4 + 1
        self.counts = Counts(
            before.asked + 1, before.answered + 1, before.prompt_tokens + read, before.completion_tokens + written
        )
        latency_s = self.latency_s * uniform("latency", key.hex())
        return reply(said.text, chat=chat, usage=(read, written), latency_s=latency_s)


class ChaosServer:
    """`with ChaosServer() as server: server.behave(seed=1) … server.url … server.counts()`; forks, so begin with it."""

    def __enter__(self) -> ChaosServer:
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        self._pipe = ours
        self.url: str = ours.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send(None)
        self._process.join(timeout=10)

    def behave(self, **how: Any) -> None:
        """Begin anew with these fields of its world, and with counts of nothing."""
        self._pipe.send(how)
        self._pipe.recv()

    def counts(self) -> Counts:
        """What it did since then."""
        self._pipe.send("counts")
        return Counts(**json.loads(self._pipe.recv()))


def _serve(pipe: Connection) -> None:
    world = _World()
    with FakeServer(lambda asked: world(asked), keep=False) as server:
        pipe.send(server.url)
        while (told := pipe.recv()) is not None:
            if told == "counts":
                counts = world.counts
                pipe.send(json.dumps({name: getattr(counts, name) for name in Counts.__slots__}))
            else:
                world = _World(**told)
                pipe.send("")
