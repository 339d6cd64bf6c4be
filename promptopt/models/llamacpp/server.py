"""llama.cpp's server in this process: started, asked, and stopped."""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptopt.errors import BackendError, ConfigError, RequestRefused


def require_xllamacpp() -> Any:
    """The xllamacpp module. Raises ConfigError when it is not installed."""
    try:
        import xllamacpp  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise ConfigError(
            "embedded models need xllamacpp, which is not installed: pip install 'promptopt-engine[local]'"
        ) from error
    return xllamacpp


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """`slots`: requests answered side by side, each with `context` tokens. `exact` needs one slot.

    `flash`: llama.cpp's fused attention. It is up to a fifth faster on prompts of a thousand tokens, and sums small
    batches in 16 bits: the same token then differs by 0.1 nats with where its prompt was split.
    """

    path: Path
    context: int
    slots: int
    flash: bool


class LlamaServer:
    """A loaded model behind the binding."""

    def __init__(self, settings: ServerSettings, states: Path) -> None:
        """Takes seconds. `states`: the folder of saved slots. Raises BackendError when the model does not load."""
        xllamacpp = require_xllamacpp()
        # The binding opens a port on 127.0.0.1; a secret keeps other users of the machine out of it.
        self._secret = secrets.token_hex()
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(settings.path)
        parameters.n_ctx = settings.context * settings.slots
        parameters.n_parallel = settings.slots
        # Every slot keeps its own `context` tokens, whatever the others hold.
        parameters.kv_unified = False
        # One thread: beyond 512 tokens their number decides how attention is summed up (see `engine`).
        parameters.cpuparams.n_threads = 1
        parameters.cpuparams_batch.n_threads = 1
        parameters.n_gpu_layers = 0
        # A mapped file stays in memory beside the copy that llama.cpp repacks: half as much again.
        parameters.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE
        # Not a smaller context where little memory is free: what fits must not depend on the moment.
        parameters.fit_params = False
        parameters.warmup = False
        parameters.verbosity = -1
        parameters.ui = False
        if not settings.flash:
            parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        # Nothing may bring back state that this module did not ask for.
        parameters.cache_ram_mib = 0
        parameters.n_ctx_checkpoints = 0
        # Layers with a sliding window would else drop what a prefix needs to be gone on from.
        parameters.swa_full = True
        parameters.slot_save_path = f"{states}/"
        parameters.api_keys = [self._secret]
        try:
            self._server: Any = xllamacpp.Server(parameters)
        except RuntimeError as error:
            raise BackendError(
                f"llama.cpp cannot load {str(settings.path)!r}: the file is damaged, of an unknown architecture, or "
                f"too large for the memory that is free; fetch it again, or name a smaller one"
            ) from error
        self._address = str(self._server.listening_address).removeprefix("http://")

    def close(self) -> None:
        """Stop the server and free its memory."""
        self._server = None

    def stream(self, body: dict[str, Any], given_up: Callable[[], bool] = lambda: False) -> list[dict[str, Any]]:
        """The chunks of a completion; `given_up` is polled at each and ends it early."""
        chunks: list[dict[str, Any]] = []

        def take(chunk: dict[str, Any]) -> bool:
            chunks.append(chunk)
            # What the binding is told: true ends the completion.
            return given_up()

        try:
            self._server.handle_completions({**body, "stream": True}, take)
        except (RuntimeError, ValueError) as error:
            raise BackendError(f"llama.cpp failed: {error}; run the same command again to go on") from error
        for chunk in chunks:
            if "error" in chunk:
                raise BackendError(f"llama.cpp refused a request: {chunk['error'].get('message')}")
        if not chunks:
            raise BackendError("llama.cpp gave no answer; run the same command again to go on")
        return chunks

    def ask(self, path: str, body: dict[str, Any] | None, *, strict: bool = True) -> dict[str, Any]:
        """Ask the server's own port, without a body by GET; `strict` makes its refusals errors.

        A fresh connection costs 0.1 ms.
        """
        connection = http.client.HTTPConnection(self._address, timeout=600)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._secret}"}
        try:
            if body is None:
                connection.request("GET", path, headers=headers)
            else:
                connection.request("POST", path, json.dumps(body), headers)
            answer = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise BackendError(f"llama.cpp does not answer ({error}); run the same command again to go on") from error
        finally:
            connection.close()
        if strict and "error" in answer:
            raise RequestRefused(f"llama.cpp refused a text: {answer['error'].get('message')}")
        return answer
