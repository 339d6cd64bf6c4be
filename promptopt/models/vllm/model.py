"""vLLM in this process: many requests in one engine, a prefix computed once for all that share it.

Log-likelihoods are the model's own (temperature 1, float32 log-softmax), exact to the precision of its weights; which
requests they take is scheduled in `vllm_requests`. Replies are greedy, or drawn with the request's own seed. vLLM
computes a request in whatever batch it stands in, so two tokens that are almost equally likely can be told apart
otherwise in other company.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from promptopt.errors import BackendError, ConfigError
from promptopt.models.boundary import Forced
from promptopt.models.chat_tokens import ChatTokens
from promptopt.models.files.checkpoints import find_checkpoint, load_tokenizer
from promptopt.models.vllm.engine import Engine, EngineSettings, installed_version, runs_on_cpu, set_environment
from promptopt.models.vllm_requests import (
    LogProbRequest,
    LogProbs,
    LogProbSchedule,
    batch,
    prefixes_first,
    proved,
    schedule,
)
from promptopt.types import Likelihoods, Reply, Request, ScoreRequest, Token, TokenLogProbs
from promptopt.types.identity import object_in

SLICE = 1024
"""Requests that are turned into tokens at once; bounds memory. Ours."""
TOLERANCE = 1e-3
"""Nats that a float32 row read over cached tokens may differ by from a full recomputation."""
TOLERANCE_HALF = 0.1
"""The same for 16 bits, where two orders of one sum were seen to differ by 0.06 nats (vLLM's issue 5543)."""

_log = logging.getLogger(__name__)


class VLLM:
    """A model folder, or a name on the hub. The engine starts when first needed, in seconds; `close` ends it."""

    def __init__(self, spec: str, *, context: int = 4096, dtype: str | None = None) -> None:
        """`context`: tokens that a prompt and what follows it can have together, at most the model's own.

        `dtype`: float32 on a CPU and the model's own on a GPU, unless given. The full name carries all that can change
        an answer: the SHA-256 of the model's files, dtype, context and vLLM's version. Raises ConfigError when vLLM is
        not installed, or there is no such model.
        """
        version = installed_version()
        set_environment()
        self._on_cpu = runs_on_cpu(version)
        self._checkpoint = find_checkpoint(spec)
        if self._checkpoint.gguf is not None:
            raise ConfigError(
                f"vLLM reads model folders, and 'vllm/{spec}' is a GGUF file; use 'llamacpp/{spec}' or 'hf/{spec}'"
            )
        own_dtype, own_context = _own_settings(self._checkpoint.folder)
        self.dtype = dtype if dtype is not None else "float32" if self._on_cpu else own_dtype
        self.context = context if own_context is None else min(context, own_context)
        called, fingerprint = self._checkpoint.called, self._checkpoint.fingerprint
        self.name = f"vllm/{called}@{fingerprint}:{self.dtype}:{self.context}:{version}"
        self._running: Engine | None = None
        self._starting = threading.Lock()
        self._rows_hold: bool | None = None

    @property
    def local(self) -> bool:
        """It runs on this machine."""
        return True

    def reports_alternatives(self) -> bool:
        """With every generated token."""
        return True

    def can_score(self) -> bool:
        """It can."""
        return True

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` has as a part of a prompt: no BOS, markers as text."""
        return self._tokens.count(text)

    def pieces(self, text: str) -> list[str]:
        """The tokens of `text` as a part of a prompt, as strings; see `Segmenter.pieces`."""
        return self._tokens.pieces(text)

    def close(self) -> None:
        """End the engine and free its memory; a later call starts it again."""
        atexit.unregister(self.close)
        with self._starting:
            engine, self._running = self._running, None
        if engine is not None:
            engine.close()

    # --- likelihoods ---

    def score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Likelihoods]]:
        """Yield `(index, likelihoods)` as they settle; see `TextScorer.score`.

        A request that does not fit into the context settles as `rejected`. Raises BackendError when vLLM fails.
        """
        for begin in range(0, len(requests), SLICE):
            for index, found in self._score(requests[begin : begin + SLICE], stopping):
                yield begin + index, found

    def _score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool]
    ) -> Iterator[tuple[int, Likelihoods]]:
        fitting: list[tuple[int, Forced]] = []
        for index, request in enumerate(requests):
            if stopping():
                return
            forced = self._tokens.force(request)
            if forced.longest > self.context:
                yield index, Likelihoods(prompt_tokens=forced.prompt_tokens, finish="rejected", served=self.name)
            else:
                fitting.append((index, forced))
        if not fitting:
            return
        engine = self._engine()
        shared = [self._shared(requests[index], forced.context) for index, forced in fitting]
        schedules = self._schedules(engine, [forced for _, forced in fitting], shared)
        prefixes = [
            # Whole blocks alone: the cache holds no part of one.
            forced.context[: step // engine.block * engine.block]
            for (_, forced), step in zip(fitting, shared, strict=True)
        ]
        for number, found in _read_schedules(engine, schedules, prefixes, stopping):
            index, forced = fitting[number]
            yield index, self._likelihoods(forced, schedules[number].logprobs(forced, found))

    def _schedules(self, engine: Engine, forced: Sequence[Forced], shared: Sequence[int]) -> list[LogProbSchedule]:
        """How each is scored. Rows are read over cached tokens only once that was proved right."""

        def scheduled(along: bool) -> list[LogProbSchedule]:
            return [schedule(each, step, engine.block, along=along) for each, step in zip(forced, shared, strict=True)]

        if self._rows_hold is None:
            reads = (read for each in scheduled(True) for read in each.reads if read.has_rows)
            # Less than a block, or nothing but whole blocks: the cache holds nothing of it, or too much.
            read = next((read for read in reads if read.start > engine.block and read.start % engine.block), None)
            if read is not None:
                tolerance = TOLERANCE if self.dtype == "float32" else TOLERANCE_HALF
                self._rows_hold = proved(read, tolerance, lambda asked: _read_one(engine, asked))
                _log.info("rows over cached tokens are exact: %s", self._rows_hold)
        return scheduled(self._rows_hold is True)

    def _likelihoods(self, forced: Forced, logprobs: Sequence[tuple[float, ...]]) -> Likelihoods:
        scored = tuple(
            TokenLogProbs(tuple(self._tokens.text_of(token) for token in whole[start:]), values)
            for whole, start, values in zip(forced.wholes, forced.starts, logprobs, strict=True)
        )
        return Likelihoods(scored, forced.prompt_tokens, merged=forced.merged, served=self.name)

    # --- replies ---

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """Yield `(index, reply)` as replies settle; see `Model.generate`.

        A request that does not fit into the context settles as `rejected`. Raises BackendError when vLLM fails. Leaving
        the iterator ends what is under way.
        """
        for begin in range(0, len(requests), SLICE):
            for index, reply in self._generate(requests[begin : begin + SLICE], stopping):
                yield begin + index, reply

    def _generate(self, requests: Sequence[Request], stopping: Callable[[], bool]) -> Iterator[tuple[int, Reply]]:
        fitting: list[tuple[int, tuple[int, ...]]] = []
        for index, request in enumerate(requests):
            if stopping():
                return
            tokens = self._tokens.encode(request.content)
            # One token at least has to be left for the reply.
            if not 0 < len(tokens) < self.context:
                yield index, Reply("", "rejected", prompt_tokens=len(tokens), served=self.name)
            else:
                fitting.append((index, tokens))
        if not fitting:
            return
        engine = self._engine()
        prefixes = [
            tokens[: self._shared(requests[index], tokens) // engine.block * engine.block] for index, tokens in fitting
        ]
        # Each shared prefix is computed first; else requests in flight would all compute it anew.
        first, leaders = prefixes_first(prefixes)
        asked: list[tuple[tuple[int, ...], Request | None, int]] = [(prefix, None, 1) for prefix in first]
        for index, tokens in fitting:
            request = requests[index]
            asked.append((tokens, request, min(request.sampling.max_tokens, self.context - len(tokens))))
        for number, output in engine.reply(asked, [*[None] * len(first), *leaders], stopping):
            if number >= len(first):
                index, tokens = fitting[number - len(first)]
                yield index, self._reply(requests[index], len(tokens), output)

    def _reply(self, request: Request, prompt_tokens: int, output: Any) -> Reply:
        said = output.outputs[0]
        tokens: list[Token] = []
        if request.logprobs:
            for token, entries in zip(said.token_ids, said.logprobs, strict=True):
                # vLLM adds the token that was drawn where it is not among the likeliest: by rank it then comes last.
                best = sorted(entries.items(), key=lambda entry: entry[1].rank)[: request.logprobs]
                top = tuple((self._tokens.text_of(other), entry.logprob) for other, entry in best)
                tokens.append(Token(self._tokens.text_of(token), entries[token].logprob, top))
        return Reply(
            text=said.text,
            finish="length" if said.finish_reason == "length" else "stop",
            prompt_tokens=prompt_tokens,
            completion_tokens=len(said.token_ids),
            tokens=tuple(tokens),
            served=self.name,
        )

    # --- the engine and its tokenizer ---

    def _shared(self, request: Request | ScoreRequest, tokens: Sequence[int]) -> int:
        return self._tokens.shared(request.content, request.shared, tokens)

    def _engine(self) -> Engine:
        with self._starting:
            if self._running is not None and self._running.broken:
                self._running.close()
                self._running = None
            if self._running is None:
                self._running = Engine(EngineSettings(self._checkpoint.folder, self.dtype, self.context, self._on_cpu))
                atexit.register(self.close)
            return self._running

    @cached_property
    def _tokens(self) -> ChatTokens:
        return ChatTokens(load_tokenizer(self._checkpoint), self.name)


def _own_settings(folder: Path) -> tuple[str, int | None]:
    """(the dtype that a model is kept in, "auto" where it does not say; how many tokens it reads, if it says)."""
    file = folder / "config.json"
    try:
        whole = object_in(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{str(file)!r} cannot be read ({error}); fetch the model again") from error
    if whole is None:
        raise ConfigError(f"{str(file)!r} holds no JSON object; fetch the model again")
    # Models that also read images keep the language model's settings one level deeper.
    inner = whole.get("text_config")
    settings = {**whole, **(cast("dict[str, object]", inner) if isinstance(inner, dict) else {})}
    # Older checkpoints write `torch_dtype`; some name neither, or write null.
    named = (settings.get(name) for name in ("dtype", "torch_dtype"))
    positions = settings.get("max_position_embeddings")
    return next((each for each in named if isinstance(each, str)), "auto"), (
        positions if isinstance(positions, int) else None
    )


def _read_schedules(
    engine: Engine,
    schedules: Sequence[LogProbSchedule],
    prefixes: Sequence[tuple[int, ...]],
    stopping: Callable[[], bool],
) -> Iterator[tuple[int, list[LogProbs]]]:
    """Yield `(schedule's number, what each of its reads gave)` as schedules are complete."""
    waiting: dict[int, dict[int, LogProbs]] = {}
    for number, each in enumerate(schedules):
        waiting[number] = {}
        if not each.reads:
            yield number, []
    sent = batch(schedules, prefixes, engine.block)
    for index, found in _read_all(engine, sent.reads, sent.after, stopping):
        owner = sent.owners[index]
        if owner is not None:
            number, part = owner
            waiting[number][part] = found
            if len(waiting[number]) == len(schedules[number].reads):
                gave = waiting.pop(number)
                yield number, [gave[part] for part in range(len(gave))]


def _read_all(
    engine: Engine, reads: Sequence[LogProbRequest], after: Sequence[int | None], stopping: Callable[[], bool]
) -> Iterator[tuple[int, LogProbs]]:
    """Yield `(index, found)`; reads whose rows were in the cache already are read once more, without it."""
    again: list[int] = []
    for index, found in engine.read(reads, after, stopping):
        if found is None:
            again.append(index)
        else:
            yield index, found
    fresh = [replace(reads[index], fresh=True) for index in again]
    for position, found in engine.read(fresh, [None] * len(fresh), stopping):
        if found is None:
            raise BackendError(
                "vLLM gave no log-probabilities for a text that it has read; install the version of the extra `vllm`"
            )
        yield again[position], found


def _read_one(engine: Engine, read: LogProbRequest) -> LogProbs | None:
    return next(found for _, found in engine.read([read], [None], lambda: False))
