"""The embedded engine: llama.cpp in this process, one single-threaded engine a core.

Two modes. `exact` (the default): a reply is a function of the request alone, whatever ran before it, beside it, on
which engine or in which process, and requests that share a candidate's text still evaluate it only once. `fast`:
continuous batching over several slots and llama.cpp's own prompt cache; replies depend on their company, and `flips`
says how often.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from promptopt.errors import BackendError, ConfigError
from promptopt.models.fingerprints import sha256_of
from promptopt.models.llamacpp_engine import Engine, EngineSettings, PrefixStates, require_xllamacpp
from promptopt.types import Content, Reply, Request

FAST_SLOTS = 4
SHORTEST_PREFIX = 16
"""Tokens. Below it, evaluating a prefix anew costs less than bringing it back."""


class LlamaCpp:
    """A GGUF model. Engines start when first needed, which takes seconds; `close` ends them."""

    def __init__(
        self,
        path: Path,
        *,
        name: str | None = None,
        mode: Literal["exact", "fast"] = "exact",
        engines: int | None = None,
        context: int = 4096,
    ) -> None:
        """`name`: how the model is called (default: its file's name). `engines`: default one a core, as memory allows.

        `context`: tokens that prompt and reply can have together, rounded up to a multiple of 256. The full name
        carries all that can change an answer: the file's SHA-256, the mode, the context and the engine's version.
        Raises ConfigError when xllamacpp is not installed or the file is not GGUF.
        """
        version = require_xllamacpp().__version__
        _check_gguf(path)
        called = path.stem if name is None else name
        self.path, self.mode, self.context = path, mode, -(-context // 256) * 256
        self.name = f"llamacpp/{called}@{sha256_of(path)[:12]}:{mode}:{self.context}:{version}"
        self._called = called
        self._count = _engines_that_fit(path) if engines is None else engines
        self._engines: list[Engine | None] = [None] * self._count
        self._locks = [threading.Lock() for _ in range(self._count)]
        self._twin: LlamaCpp | None = None
        self._folder: Path | None = None
        self._states: PrefixStates | None = None
        self._opening = threading.Lock()
        self._cut_tokens = lru_cache(maxsize=1024)(self._encode_cut)
        self._counted = lru_cache(maxsize=65_536)(self._count_tokens)

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """Yield `(index, reply)` as replies settle; see `Model.generate`.

        A request that does not fit into the context settles as `rejected`. Raises BackendError at the end when requests
        failed. Leaving the iterator ends what is under way at its next token.
        """
        slots = 1 if self.mode == "exact" else FAST_SLOTS
        # Engines come first, then their further slots: a few requests spread over all cores.
        lanes = [lane % self._count for lane in range(self._count * slots)][: len(requests)]
        if not lanes:
            return
        queue, failure, given_up, stopped = PrefixQueue(requests), None, threading.Event(), False
        holding: dict[int, Content] = {}
        running: dict[Future[Reply], tuple[int, int]] = {}
        pool = ThreadPoolExecutor(len(lanes), thread_name_prefix="llamacpp")

        def begin(lane: int) -> None:
            nonlocal stopped
            stopped = stopped or stopping()
            if queue and not stopped:
                others = [prefix for other, prefix in holding.items() if other != lane]
                index, holding[lane] = queue.take(holding.get(lane), others)
                future = pool.submit(self._answer, lanes[lane], requests[index], given_up.is_set)
                running[future] = (lane, index)

        try:
            for lane in range(len(lanes)):
                begin(lane)
            while running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    lane, index = running.pop(future)
                    begin(lane)  # before yielding: the engine works while the caller stores
                    try:
                        reply = future.result()
                    except BackendError as error:
                        failure = error
                    else:
                        yield index, reply
        finally:
            given_up.set()
            pool.shutdown(wait=True, cancel_futures=True)
        if failure is not None:
            raise failure

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` has as a part of a prompt: no BOS, markers as text."""
        return self._counted(text)

    def exact(self) -> LlamaCpp:
        """The same model in exact mode; itself, where that is its mode."""
        if self.mode == "exact":
            return self
        if self._twin is None:
            self._twin = LlamaCpp(self.path, name=self._called, mode="exact", engines=self._count, context=self.context)
        return self._twin

    def flips(self, requests: Sequence[Request]) -> tuple[int, int]:
        """How many of `requests` this mode answers with another text than exact mode, and how many were asked."""
        theirs = dict(self.exact().generate(requests))
        ours = dict(self.generate(requests))
        return sum(ours[index].text != theirs[index].text for index in theirs), len(requests)

    def close(self) -> None:
        """End the engines and remove their files; a later call starts them again."""
        atexit.unregister(self.close)
        if self._twin is not None:
            self._twin.close()
        for number, lock in enumerate(self._locks):
            with lock:
                engine, self._engines[number] = self._engines[number], None
                if engine is not None:
                    engine.close()
        with self._opening:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = self._states = None

    def _engine(self, number: int) -> Engine:
        states = self._prefix_states()
        with self._locks[number]:
            engine = self._engines[number]
            if engine is None:
                slots = 1 if self.mode == "exact" else FAST_SLOTS
                engine = Engine(EngineSettings(self.path, self.context, slots), states, number)
                self._engines[number] = engine
            return engine

    def _prefix_states(self) -> PrefixStates:
        with self._opening:
            if self._states is None:
                self._folder = Path(tempfile.mkdtemp(prefix="promptopt-"))
                self._states = PrefixStates(self._folder)
                atexit.register(self.close)
            return self._states

    def _answer(self, number: int, request: Request, given_up: Callable[[], bool]) -> Reply:
        engine = self._engine(number)
        tokens = engine.encode(request.content)
        if not 0 < len(tokens) < self.context:
            return Reply("", "rejected", prompt_tokens=len(tokens), served=self.name)
        step = self._step(tokens, request) if self.mode == "exact" else 0
        return replace(engine.complete(tokens, step, request, given_up), served=self.name)

    def _step(self, tokens: list[int], request: Request) -> int:
        """How many leading tokens come from the candidate alone: a function of the request, never of the moment."""
        if request.shared <= 0:
            return 0
        step = 0
        for token, shared in zip(tokens[:-1], self._cut_tokens(cut(request.content, request.shared)), strict=False):
            if token != shared:
                break
            step += 1
        return step if step >= SHORTEST_PREFIX else 0

    def _encode_cut(self, content: Content) -> tuple[int, ...]:
        return tuple(self._engine(0).encode(content))

    def _count_tokens(self, text: str) -> int:
        return len(self._engine(0).tokenize(text.encode("utf-8", "replace").decode(), special=False, first=False))


class PrefixQueue:
    """Pending requests in groups of one prefix: a lane stays with its group, then come groups that no other has."""

    def __init__(self, requests: Sequence[Request]) -> None:
        """Groups stand in order of first appearance, requests within a group in order."""
        self._groups: dict[Content, deque[int]] = {}
        for index, request in enumerate(requests):
            self._groups.setdefault(cut(request.content, request.shared), deque()).append(index)

    def __bool__(self) -> bool:
        return bool(self._groups)

    def take(self, own: Content | None, others: Collection[Content]) -> tuple[int, Content]:
        """The next request's index and its group, for a lane that last had `own` beside lanes with `others`."""
        if own is not None and own in self._groups:
            prefix = own
        else:
            free = [prefix for prefix in self._groups if prefix not in others]
            prefix = free[0] if free else max(self._groups, key=lambda group: len(self._groups[group]))
        group = self._groups[prefix]
        index = group.popleft()
        if not group:
            del self._groups[prefix]
        return index, prefix


def cut(content: Content, shared: int) -> Content:
    """`content` with only its first `shared` characters, and without the white space where it was cut.

    White space at the cut would be a token of its own here, and a part of the example's first token in the whole.
    """
    if isinstance(content, str):
        return content if shared >= len(content) else content[: max(0, shared)].rstrip()
    messages = list(content)
    for index, message in enumerate(content):
        if shared < len(message.content):
            messages[index] = replace(message, content=message.content[: max(0, shared)].rstrip())
        shared -= len(message.content)
    return tuple(messages)


def usable_cores() -> int:
    """Cores this process may use: its affinity, and the container's share of processor time where there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
        share = int(quota) // int(period)
    except (OSError, ValueError):  # no such file, or "max": no limit
        share = cores
    return max(1, min(cores if cores is not None else 1, share if share is not None else 1))


def _engines_that_fit(path: Path) -> int:
    """One engine a core, as long as all of them take at most half of the machine's memory.

    An engine is counted as twice its file: repacked weights, and its key-value memory.
    """
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return usable_cores()
    return max(1, min(usable_cores(), memory // 2 // (2 * path.stat().st_size)))


def _check_gguf(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise ConfigError(f"the model file {str(path)!r} cannot be read ({error.strerror}); check its path.") from error
    if start != b"GGUF":
        raise ConfigError(
            f"{str(path)!r} is not a GGUF file; convert the model, or name one of `promptopt models list`."
        )
