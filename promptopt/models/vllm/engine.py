"""One vLLM engine in this process: tokens in, log-probabilities and replies out.

The engine's core runs in this process too (VLLM_ENABLE_V1_MULTIPROCESSING=0, unless the user has set it). It starts in
a fifth of the time and is no slower than in a process of its own (measured on two cores). A script needs no
`if __name__ == "__main__"`, and nothing outlives this process.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import itertools
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptopt.errors import BackendError, ConfigError
from promptopt.models.vllm_requests import LogProbRequest, LogProbs, Waiting
from promptopt.text import counted
from promptopt.types import Request

CPU_BLOCK = 32
"""Tokens in a block of the prefix cache: the least that vLLM's attention takes on a CPU, whose default is 128."""
CPU_SLOTS = 32
"""Requests in flight on a CPU; two cores are busy with a quarter of it, and a run that stops waits for all."""
DEFAULTS = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_KVCACHE_SPACE": "2",  # GiB
    "VLLM_LOGGING_LEVEL": "CRITICAL",
    "VLLM_NO_USAGE_STATS": "1",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
}
"""The environment that vLLM starts in, where the user has not set it otherwise."""


def installed_version() -> str:
    """VLLM's version, ending in +cpu for a build that runs on the CPU. Raises ConfigError when it is not installed."""
    for package, suffix in (("vllm", ""), ("vllm-cpu", "+cpu")):
        try:
            return importlib.metadata.version(package) + suffix
        except importlib.metadata.PackageNotFoundError:
            continue
    raise ConfigError(
        "models named 'vllm/...' need vLLM, which is not installed: pip install 'promptopt-engine[vllm]' (GPU); for "
        "a CPU, run .ci/install_vllm_cpu of the repository"
    )


def runs_on_cpu(version: str) -> bool:
    """Whether vLLM of this version runs on the CPU; decided as vLLM itself does, without importing it."""
    return "cpu" in version or sys.platform == "darwin" or os.environ.get("VLLM_TARGET_DEVICE") == "cpu"


def set_environment() -> None:
    """Set what `DEFAULTS` holds. To be called before torch or vLLM are imported, which read it then."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    # Before its own logging is set up, vLLM already warns through Python's last resort.
    logging.getLogger("vllm").setLevel(os.environ["VLLM_LOGGING_LEVEL"])


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """`dtype`: of weights and activations. `context`: tokens that a prompt and what follows it can have together."""

    folder: Path
    dtype: str
    context: int
    on_cpu: bool


class Engine:
    """A loaded model, its key-value memory and its scheduler."""

    def __init__(self, settings: EngineSettings) -> None:
        """Takes seconds on a CPU, up to a minute on a GPU. Raises BackendError when it does not start."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            vllm: Any = importlib.import_module("vllm")
            own_failures: Any = importlib.import_module("vllm.exceptions").VLLMError
            self._parameters: Any = vllm.SamplingParams
            self._final: Any = importlib.import_module("vllm.sampling_params").RequestOutputKind.FINAL_ONLY
            self._failures: tuple[type[Exception], ...] = (RuntimeError, ValueError, OSError, own_failures)
            try:
                self._engine: Any = vllm.LLMEngine.from_engine_args(vllm.EngineArgs(**_engine_arguments(settings)))
            except self._failures as error:
                raise BackendError(
                    f"vLLM cannot start {str(settings.folder)!r} with a context of "
                    f"{counted(settings.context, 'token')} "
                    f"({error}); a smaller context, or another VLLM_CPU_KVCACHE_SPACE (GiB) on a CPU, may help"
                ) from error
        config = self._engine.vllm_config
        self.block: int = config.cache_config.block_size
        self._slots: int = config.scheduler_config.max_num_seqs
        # Its second model runner (Triton) can score chosen rows of a prompt; the first can only score all it computes.
        self._scores_rows = bool(config.use_v2_model_runner)
        self.broken = False
        self._numbers = itertools.count()
        self._settled: dict[str, Any] = {}
        self._lock = threading.RLock()

    def close(self) -> None:
        """Stop the engine and free its memory; it is of no use afterwards."""
        if self._engine is None:
            return
        self._engine.engine_core.shutdown()
        self._engine = None

    # --- what is asked ---

    def read(
        self, reads: Sequence[LogProbRequest], after: Sequence[int | None], stopping: Callable[[], bool]
    ) -> Iterator[tuple[int, LogProbs | None]]:
        """Yield `(index, found)` as reads settle; None where rows were not computed, for the cache held them.

        `after`: as in `Waiting`. Once `stopping()` no further read is begun. Raises BackendError when vLLM fails.
        """
        asked = [(read.tokens, self._read_parameters(read)) for read in reads]
        for index, output in self._run(asked, after, stopping):
            yield index, self._found(reads[index], output)

    def reply(
        self,
        requests: Sequence[tuple[tuple[int, ...], Request | None, int]],
        after: Sequence[int | None],
        stopping: Callable[[], bool],
    ) -> Iterator[tuple[int, Any]]:
        """Yield `(index, vLLM's output)` for requests as (tokens, request, most tokens to be generated).

        A request of None only reads its tokens. Raises BackendError when vLLM fails or takes no such sampling.
        """
        asked = [(tokens, self._reply_parameters(request, most)) for tokens, request, most in requests]
        return self._run(asked, after, stopping)

    def _read_parameters(self, read: LogProbRequest) -> Any:
        rows: dict[str, Any] = {}
        if read.has_rows and self._scores_rows and not read.fresh:
            import numpy as np

            rows["prompt_logprob_token_ids"] = np.array(read.tokens[read.start :], dtype=np.int64).reshape(-1, 1)
            # Row i predicts token i + 1.
            rows["prompt_logprob_start"] = read.start - 1
        elif read.has_rows:
            rows["prompt_logprobs"] = 0
        return self._parameters(
            temperature=0.0,
            max_tokens=1,
            logprob_token_ids=list(read.following) if read.following else None,
            skip_reading_prefix_cache=read.fresh,
            detokenize=False,
            output_kind=self._final,
            **rows,
        )

    def _reply_parameters(self, request: Request | None, most: int) -> Any:
        if request is None:
            return self._parameters(temperature=0.0, max_tokens=1, detokenize=False, output_kind=self._final)
        sampling = request.sampling
        try:
            return self._parameters(
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=most,
                stop=list(sampling.stop),
                seed=request.seed,
                logprobs=request.logprobs if request.logprobs else None,
                output_kind=self._final,
            )
        except self._failures as error:
            raise ConfigError(f"vLLM does not sample that way: {error}") from error

    def _found(self, read: LogProbRequest, output: Any) -> LogProbs | None:
        following: dict[int, Any] = output.outputs[0].logprobs[0] if read.following else {}
        cached = output.num_cached_tokens
        rows: tuple[float, ...] | None = ()
        if read.has_rows:
            # Rows of cached tokens were never computed; what stands in their place is whatever the memory held.
            rows = self._rows(read, output) if cached is not None and cached < read.start else None
        if rows is None:
            return None
        return LogProbs(rows, {token: following[token].logprob for token in read.following}, cached if cached else 0)

    def _rows(self, read: LogProbRequest, output: Any) -> tuple[float, ...] | None:
        places = range(read.start, len(read.tokens))
        if self._scores_rows and not read.fresh:
            scores = output.prompt_token_id_logprobs
            return None if scores is None else tuple(float(row[0]) for row in scores)
        rows = [output.prompt_logprobs[place].get(read.tokens[place]) for place in places]
        return None if None in rows else tuple(row.logprob for row in rows)

    # --- the engine ---

    def _run(
        self, asked: Sequence[tuple[tuple[int, ...], Any]], after: Sequence[int | None], stopping: Callable[[], bool]
    ) -> Iterator[tuple[int, Any]]:
        waiting, under_way = Waiting(after), dict[str, int]()
        try:
            while True:
                while len(under_way) < self._slots and not stopping() and (index := waiting.take()) is not None:
                    under_way[self._begin(*asked[index])] = index
                if not under_way:
                    return
                self._step()
                for name in [name for name in under_way if name in self._settled]:
                    index = under_way.pop(name)
                    waiting.read(index)
                    yield index, self._settled.pop(name)
        finally:
            if under_way and self._engine is not None:
                with self._lock:
                    # Whoever leaves the iterator ends what is under way: it would hold slots and memory of the next
                    # batch.
                    self._engine.abort_request(list(under_way))

    def _begin(self, tokens: tuple[int, ...], parameters: Any) -> str:
        name = str(next(self._numbers))
        with self._lock, self._blamed():
            self._engine.add_request(name, {"type": "token", "prompt_token_ids": list(tokens)}, parameters)
        return name

    def _step(self) -> None:
        """Compute one batch; its outputs are kept for whoever asked, for two can read from one engine in turns."""
        with self._lock, self._blamed():
            for output in self._engine.step():
                if output.finished:
                    self._settled[output.request_id] = output

    @contextlib.contextmanager
    def _blamed(self) -> Generator[None, None, None]:
        try:
            yield
        except self._failures as error:
            self.broken = True
            raise BackendError(f"vLLM failed: {error}; run the same command again to go on") from error


def _engine_arguments(settings: EngineSettings) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "model": str(settings.folder),
        "dtype": settings.dtype,
        "max_model_len": settings.context,
        "enable_prefix_caching": True,
        # The model's own distribution, whatever the sampling: before temperature, top-p and penalties.
        "logprobs_mode": "raw_logprobs",
        # As many as are asked for; its default refuses more than 20.
        "max_logprobs": -1,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        "seed": 0,
    }
    if settings.on_cpu:
        arguments.update(enforce_eager=True, block_size=CPU_BLOCK, max_num_seqs=CPU_SLOTS)
    return arguments
