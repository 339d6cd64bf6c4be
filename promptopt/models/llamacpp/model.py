"""The embedded engine: llama.cpp in this process, one single-threaded engine a core.

Two modes. `exact` (the default): a reply is a function of the request alone, whatever ran before it, beside it, on
which engine or in which process. Requests that share a candidate's text still evaluate it only once. `fast`:
continuous batching over several slots and llama.cpp's own prompt cache; replies depend on their company, and `flips`
says how often.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary, finalize

from promptopt.errors import ConfigError
from promptopt.models.boundary import SHORTEST_PREFIX, beginning, common_length
from promptopt.models.files.fingerprints import parts_of, sha256_of_parts
from promptopt.models.llamacpp.engine import LlamaCppEngine, whole_characters
from promptopt.models.llamacpp.lanes import in_lanes
from promptopt.models.llamacpp.memory import TokenMemory, engines_that_fit
from promptopt.models.llamacpp.pool import EnginePool
from promptopt.models.llamacpp.scoring import Texts, Value, force, likelihoods, read_tree
from promptopt.models.llamacpp.server import ServerSettings, require_xllamacpp
from promptopt.models.llamacpp.states import whole_steps
from promptopt.types import Content, Likelihoods, Reply, Request, ScoreRequest

FAST_SLOTS = 4
"""Sequences that share a batch where speed goes before exactness: each takes a part of the context's memory. Ours."""


class LlamaCpp:
    """A GGUF model. Engines start when first needed, which takes seconds; `close` ends them, or the model's own end.

    Memory: beside its weights a model's engines hold at most 2 GB together (`HELD_BYTES`), whatever the number and the
    length of prompts. On top come at most 256 MB of saved states in the system's folder for temporary files. The number
    of engines sees to that; one runs in any case, though a long `context` or a very large model may need more itself.
    Weights are counted apart. The file is mapped once for all engines. What llama.cpp copies of it into an order that
    its kernels like, each engine has for itself (at most the file's size).
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str | None = None,
        mode: Literal["exact", "fast"] = "exact",
        engines: int | None = None,
        context: int = 4096,
    ) -> None:
        """`name`: how the model is called (default: its file's name). `engines`: one a core, as memory allows.

        `context`: tokens that prompt and reply can have together, rounded up to a multiple of 256. The full name
        carries all that can change an answer: the file's SHA-256, the mode, the context, the kind of attention, and the
        engine's version.
        Raises ConfigError when xllamacpp is not installed or the file is not GGUF.
        """
        version = require_xllamacpp().__version__
        _check_gguf(path)
        called = path.stem if name is None else name
        # llama.cpp makes a context a multiple of 256 in any case: what is said to fit has to be what it takes.
        self.path = path
        self.mode = mode
        self.context = -(-context // 256) * 256
        attention = "plain" if mode == "exact" else "flash"
        self.name = f"llamacpp/{called}@{sha256_of_parts(path)[:12]}:{mode}:{self.context}:{attention}:{version}"
        self._called = called
        self._slots = 1 if mode == "exact" else FAST_SLOTS
        self._count = engines_that_fit(path, self.context, self._slots) if engines is None else engines
        self._pool = EnginePool(ServerSettings(path, self.context, self._slots, flash=mode == "fast"), self._count)
        # A model that is let go without `close` would leave its engines, and its folder of states, behind.
        finalize(self, self._pool.close)
        self._twin: LlamaCpp | None = None
        self._cuts, self._counts = TokenMemory(), TokenMemory()

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

    def reports_alternatives(self) -> bool:
        """With every generated token."""
        return True

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
        clean = text.encode("utf-8", "replace").decode()
        return self._counts.get(text, lambda: [len(self._tokenizing().tokenize(clean, special=False, first=False))])[0]

    def pieces(self, text: str) -> list[str]:
        """The tokens of `text` as a part of a prompt, as strings; see `Segmenter.pieces`."""
        return whole_characters(self._tokenizing().spell(text.encode("utf-8", "replace").decode()))

    def exact(self) -> LlamaCpp:
        """The same model in exact mode; itself, where that is its mode. Ends this one's engines: one mode has any."""
        if self.mode == "exact":
            return self
        self._pool.close()
        if self._twin is None:
            self._twin = LlamaCpp(self.path, name=self._called, mode="exact", engines=self._count, context=self.context)
        return self._twin

    def flips(self, requests: Sequence[Request]) -> tuple[int, int]:
        """How many of `requests` this mode answers with another text than exact mode, and how many were asked."""
        exact = self.exact()
        # The exact one first, whose engines have ended before these begin: memory holds one set of them.
        theirs = dict(exact.generate(requests))
        if exact is not self:
            exact.close()
        ours = dict(self.generate(requests))
        return sum(ours[index].text != theirs[index].text for index in theirs), len(requests)

    def close(self) -> None:
        """End the engines and remove their files; a later call starts them again."""
        if self._twin is not None:
            self._twin.close()
        self._pool.close()

    def _tokenizing(self) -> LlamaCppEngine:
        # Where the exact twin has taken over, this model's own engines have ended, and stay so.
        return (self if self._twin is None else self._twin)._engine(0)

    def _engine(self, number: int) -> LlamaCppEngine:
        return self._pool.engine(number)

    def _answer(self, number: int, request: Request, given_up: Callable[[], bool]) -> Reply:
        # Before the engine is taken: in fast mode others evaluate on it meanwhile.
        tokens = self._engine(number).encode(request.content)
        # A reply needs one token of the context, and one to come after.
        if not 0 < len(tokens) < self.context:
            return Reply("", "rejected", prompt_tokens=len(tokens), served=self.name)
        steps = self._steps(tokens, request) if self.mode == "exact" else ()
        with self._pool.working(number) as engine:
            return replace(engine.complete(tokens, steps, request, given_up), served=self.name)

    def _likelihoods(self, lane: int, request: ScoreRequest, given_up: Callable[[], bool]) -> Likelihoods:
        slot, number = divmod(lane, self._count)
        forced = force(self._engine(number), request)
        if forced.longest > self.context:
            return Likelihoods((), forced.prompt_tokens, "rejected", served=self.name)

        def read(texts: Texts, root: int) -> dict[tuple[int, ...], Value]:
            # The last token before what is scored is evaluated alone; see `scoring`.
            context = forced.context[: root - 1]
            step = self._step(context, request.content, request.shared) if self.mode == "exact" else 0
            with self._pool.working(number) as engine:
                return read_tree(engine, texts, root, step, slot, given_up)

        return replace(likelihoods(forced, read), served=self.name)

    def _steps(self, tokens: Sequence[int], request: Request) -> tuple[int, ...]:
        """Where the steps end that the request's prefixes are: what all such requests share, and the candidate's.

        They come from the request alone, never from the moment: so a reply's bits do not depend on what was kept.
        """
        inner = self._step(tokens, request.content, request.shared)
        outer = self._step(tokens[:inner], request.content, request.common)
        return tuple(step for step in (outer, inner) if step)

    def _step(self, tokens: Sequence[int], content: Content, characters: int) -> int:
        """How many of `tokens`, from their start, are a step of their own: those of the first characters."""
        if characters <= 0:
            return 0
        start = beginning(content, characters)
        shared = common_length(tokens, self._cuts.get(start, lambda: self._engine(0).encode(start)))
        step = whole_steps(shared, len(tokens))
        return step if step >= SHORTEST_PREFIX else 0


_opening = threading.Lock()
# Weak: a model that nobody holds any more ends its engines.
_open: WeakValueDictionary[tuple[Path, str | None, tuple[tuple[int, ...], ...]], LlamaCpp] = WeakValueDictionary()


def open_once(path: Path, *, name: str | None = None) -> LlamaCpp:
    """The exact model that is open already in this process for this file and name, or else a new one.

    So whoever names a model again and again, as twelve calls of `evaluate` do, has one set of engines.
    Raises ConfigError as `LlamaCpp` does.
    """
    try:
        found = [part.stat() for part in parts_of(path)]
    except OSError as error:
        raise _unreadable_file(path, error) from error
    # A file that was exchanged is another model, whatever its name.
    files = tuple((each.st_size, each.st_mtime_ns, each.st_ctime_ns, each.st_ino) for each in found)
    key = (path.resolve(), name, files)
    with _opening:
        model = _open.get(key)
        if model is None:
            model = _open[key] = LlamaCpp(path, name=name)
        return model


def _check_gguf(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise _unreadable_file(path, error) from error
    if start != b"GGUF":
        raise ConfigError(
            f"{str(path)!r} is not a GGUF file; convert the model, or name one of `promptopt models list`"
        )


def _unreadable_file(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"the model file {str(path)!r} cannot be read ({error.strerror}); check its path")
