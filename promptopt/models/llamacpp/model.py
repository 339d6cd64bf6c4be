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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from promptopt.errors import ConfigError
from promptopt.models.boundary import SHORTEST_PREFIX, common_length, cut
from promptopt.models.cores import usable_cores
from promptopt.models.files.fingerprints import sha256_of
from promptopt.models.llamacpp.engine import Engine, whole_characters
from promptopt.models.llamacpp.lanes import in_lanes
from promptopt.models.llamacpp.scoring import Texts, Value, force, likelihoods, read_tree
from promptopt.models.llamacpp.server import EngineSettings, require_xllamacpp
from promptopt.models.llamacpp.states import PrefixStates, whole_steps
from promptopt.types import Content, Likelihoods, Reply, Request, ScoreRequest

FAST_SLOTS = 4


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
        carries all that can change an answer: the file's SHA-256, the mode, the context, the kind of attention, and the
        engine's version.
        Raises ConfigError when xllamacpp is not installed or the file is not GGUF.
        """
        version = require_xllamacpp().__version__
        _check_gguf(path)
        called = path.stem if name is None else name
        self.path, self.mode, self.context = path, mode, -(-context // 256) * 256
        attention = "plain" if mode == "exact" else "flash"
        self.name = f"llamacpp/{called}@{sha256_of(path)[:12]}:{mode}:{self.context}:{attention}:{version}"
        self._called = called
        self._count = _engines_that_fit(path) if engines is None else engines
        self._slots = 1 if mode == "exact" else FAST_SLOTS
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

        # Engines come first, then their further slots: a few requests spread over all cores.
        def answer(lane: int, request: Request, given_up: Callable[[], bool]) -> Reply:
            return self._answer(lane % self._count, request, given_up)

        return in_lanes(requests, self._count * self._slots, answer, stopping)

    def can_score(self) -> bool:
        """Every model of this engine can."""
        return True

    def score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Likelihoods]]:
        """Yield `(index, likelihoods)` as they settle; see `TextScorer.score`. Raises BackendError as `generate` does.

        A text's log-probs are those of the weights and of llama.cpp's arithmetic, which rounds activations to eight
        bits where weights are quantized.
        """
        return in_lanes(requests, self._count * self._slots, self._likelihoods, stopping)

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` has as a part of a prompt: no BOS, markers as text."""
        return self._counted(text)

    def pieces(self, text: str) -> list[str]:
        """The tokens of `text` as a part of a prompt, as strings; see `Segmenter.pieces`."""
        return whole_characters(self._engine(0).spell(text.encode("utf-8", "replace").decode()))

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
                settings = EngineSettings(self.path, self.context, self._slots, flash=self.mode == "fast")
                engine = Engine(settings, states, number)
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

    def _likelihoods(self, lane: int, request: ScoreRequest, given_up: Callable[[], bool]) -> Likelihoods:
        slot, number = divmod(lane, self._count)
        engine = self._engine(number)
        forced = force(engine, request)
        if forced.longest > self.context:
            return Likelihoods((), forced.prompt_tokens, "rejected", served=self.name)

        def read(texts: Texts, root: int) -> dict[tuple[int, ...], Value]:
            step = self._step(forced.context[: root - 1], request) if self.mode == "exact" else 0
            return read_tree(engine, texts, root, step, slot, given_up)

        return replace(likelihoods(forced, read), served=self.name)

    def _step(self, tokens: Sequence[int], request: Request | ScoreRequest) -> int:
        """How many of `tokens`, from their start, are a step of their own.

        They come from the candidate alone: a function of the request, never of the moment.
        """
        if request.shared <= 0:
            return 0
        shared = common_length(tokens, self._cut_tokens(cut(request.content, request.shared)))
        step = whole_steps(shared, len(tokens))
        return step if step >= SHORTEST_PREFIX else 0

    def _encode_cut(self, content: Content) -> tuple[int, ...]:
        return tuple(self._engine(0).encode(content))

    def _count_tokens(self, text: str) -> int:
        return len(self._engine(0).tokenize(text.encode("utf-8", "replace").decode(), special=False, first=False))


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
