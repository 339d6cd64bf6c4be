"""One llama.cpp engine in this process: text to tokens, tokens to a reply, and a prefix whose bits never vary.

Why bits vary at all: llama.cpp evaluates a prompt in batches, and the last digits of a token's state depend on the
batch it was in. Its prompt cache reuses whatever the slot happens to hold, so the batches, and with them now and then a
greedy answer, depend on the request before. `complete` therefore takes the number of leading tokens to be evaluated as
a step of their own: the slot is brought to exactly that prefix (evaluated on an empty slot, or restored from a saved
copy, which is the same to the bit and takes milliseconds), and the rest is evaluated in one further step. Engines have
one thread each: beyond 512 tokens the number of threads decides how attention is summed up.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import secrets
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptopt.errors import BackendError, ConfigError
from promptopt.types import Content, Message, Reply, Request, Token

STATE_BYTES = 256 << 20
"""How much saved prefix state is kept on disk; the least recently used goes first. One prefix is 1 to 10 MB."""
MARK = "\ue000{}\ue001"
"""Stands for a message's content while the template's own text is found out. Private-use: no template alters it."""
PROBE = (1, 2, 3, 4)
"""Any tokens will do to see whether a model can keep a prefix."""


def require_xllamacpp() -> Any:
    """The xllamacpp module. Raises ConfigError when it is not installed."""
    try:
        import xllamacpp  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise ConfigError(
            "embedded models need xllamacpp, which is not installed: pip install 'promptopt-engine[local]'."
        ) from error
    return xllamacpp


class PrefixStates:
    """The saved states of one model's prefixes, shared by its engines: files named by their tokens."""

    def __init__(self, folder: Path) -> None:
        """`folder` exists and belongs to this process alone."""
        self.folder = folder
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    @staticmethod
    def name(prefix: Sequence[int]) -> str:
        """The file name of a prefix."""
        return hashlib.sha256(array("q", prefix).tobytes()).hexdigest()

    def has(self, name: str) -> bool:
        """Whether the state is there; counts as a use."""
        with self._lock:
            if name in self._sizes:
                self._sizes.move_to_end(name)
                return True
            return False

    def add(self, written: str, name: str) -> None:
        """Take over the file `written` as the state `name`, and drop the oldest beyond `STATE_BYTES`."""
        with self._lock, contextlib.suppress(OSError):  # a state that cannot be kept is evaluated again
            self._sizes[name] = (self.folder / written).replace(self.folder / name).stat().st_size
            while sum(self._sizes.values()) > STATE_BYTES:
                oldest, _ = self._sizes.popitem(last=False)
                (self.folder / oldest).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """`slots`: requests answered side by side, each with `context` tokens. `exact` needs one slot."""

    path: Path
    context: int
    slots: int


class Engine:
    """A loaded model with its own key-value memory; weights are mapped, so engines share them where they can."""

    def __init__(self, settings: EngineSettings, states: PrefixStates, number: int) -> None:
        """Takes seconds. `number` tells the engines of one model apart. Raises BackendError when it does not load."""
        xllamacpp = require_xllamacpp()
        self._settings, self._states, self._number = settings, states, number
        # The binding opens a port on 127.0.0.1; a secret keeps other users of the machine out of it.
        self._secret = secrets.token_hex()
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(settings.path)
        parameters.n_ctx = settings.context * settings.slots
        parameters.n_parallel = settings.slots
        parameters.kv_unified = False
        parameters.cpuparams.n_threads = 1
        parameters.cpuparams_batch.n_threads = 1
        parameters.n_gpu_layers = 0
        parameters.fit_params = False
        parameters.warmup = False
        parameters.verbosity = -1
        parameters.ui = False
        # Nothing may bring back state that this module did not ask for.
        parameters.cache_ram_mib = 0
        parameters.n_ctx_checkpoints = 0
        parameters.swa_full = True
        parameters.slot_save_path = f"{states.folder}/"
        parameters.api_keys = [self._secret]
        try:
            self._server: Any = xllamacpp.Server(parameters)
        except RuntimeError as error:
            raise BackendError(
                f"llama.cpp cannot load {str(settings.path)!r}: the file is damaged, of an unknown architecture, or "
                f"too large for the memory that is free."
            ) from error
        self._address = str(self._server.listening_address).removeprefix("http://")
        self.keeps_prefixes = settings.slots == 1 and self._keeps_a_prefix()

    def close(self) -> None:
        """Stop the engine and free its memory."""
        self._server = None

    # --- text and tokens ---

    def tokenize(self, text: str, *, special: bool, first: bool = True) -> list[int]:
        """The tokens of `text`. `special`: markers such as <|im_end|> are tokens, not text. `first`: add BOS if any."""
        return self._post("/tokenize", {"content": text, "add_special": first, "parse_special": special})["tokens"]

    def encode(self, content: Content) -> list[int]:
        """The tokens that the model reads.

        Plain text: as it stands, with the model's BOS if it has one; markers in it are text. Messages: through the
        model's own template; markers that stand in a message's content stay text there.
        """
        if isinstance(content, str):
            return self.tokenize(_clean(content), special=False)
        texts = [_clean(message.content) for message in content]
        rendered = self._template(content, texts)
        if not any("<" in text or "[" in text for text in texts):  # no marker without one of these in any known model
            return self.tokenize(rendered, special=True)
        suspicious = [
            self.tokenize(text, special=True, first=False) != self.tokenize(text, special=False, first=False)
            for text in texts
        ]
        if not any(suspicious):
            return self.tokenize(rendered, special=True)
        return self._encode_apart(content, texts, rendered)

    def _encode_apart(self, content: tuple[Message, ...], texts: list[str], rendered: str) -> list[int]:
        """Tokens of the template's text and of the contents one by one, so that only the former can hold markers."""
        marks = [MARK.format(number) for number in range(len(texts))]
        frame = self._template(content, marks)
        for variant in (texts, [text.strip() for text in texts]):  # some templates trim
            pieces: list[tuple[str, bool]] = []
            rest = frame
            for mark, text in zip(marks, variant, strict=True):
                before, found, rest = rest.partition(mark)
                pieces += [(before, True), (text if found else "", False)]
            pieces.append((rest, True))
            if "".join(text for text, _ in pieces) == rendered:
                tokens = [
                    self.tokenize(text, special=special, first=not index)
                    for index, (text, special) in enumerate(pieces)
                    if text or not index
                ]
                return [token for piece in tokens for token in piece]
        raise BackendError(
            f"the chat template of {self._settings.path.name!r} rewrites its messages, so markers such as <|im_end|> "
            f"inside of them cannot be kept apart from the template's own; remove them from the data."
        )

    def _template(self, content: tuple[Message, ...], texts: Sequence[str]) -> str:
        messages = [{"role": message.role, "content": text} for message, text in zip(content, texts, strict=True)]
        return self._post("/apply-template", {"messages": messages})["prompt"]

    # --- replies ---

    def complete(self, tokens: list[int], step: int, request: Request, given_up: Callable[[], bool]) -> Reply:
        """The reply to `tokens`, the first `step` of them evaluated as a step of their own (0: all at once).

        Sampling is the request's alone: temperature, then top-p, with its seed; log-probs are the model's own, before
        either. `given_up` is polled once a token and ends the reply early.
        """
        sampling = request.sampling
        keep = step > 0 and self.keeps_prefixes
        if keep:
            self._enter(tokens[:step])
        chunks = self._stream(
            {
                "prompt": tokens,
                "n_predict": sampling.max_tokens,
                "cache_prompt": keep or self._settings.slots > 1,
                "samplers": ["temperature", "top_p"],
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "stop": list(sampling.stop),
                "n_probs": request.logprobs,
                # 2**32 - 1 asks llama.cpp for a seed of its own
                "seed": 0 if request.seed is None else request.seed % (2**32 - 1),
            },
            given_up,
        )
        choices = [choice for chunk in chunks for choice in chunk["choices"]]
        usage = chunks[-1].get("usage")
        if usage is None:
            raise BackendError("llama.cpp ended a reply before its end; run the same command again.")
        if self._settings.slots == 1 and usage["prompt_tokens_details"]["cached_tokens"] != (step if keep else 0):
            raise BackendError("llama.cpp did not evaluate a prompt in the steps asked for; use mode='fast'.")
        found = [entry for choice in choices if choice["logprobs"] for entry in choice["logprobs"]["content"]]
        return Reply(
            text="".join(choice["text"] for choice in choices),
            finish="length" if choices[-1]["finish_reason"] == "length" else "stop",
            prompt_tokens=usage["prompt_tokens"],
            completion_tokens=usage["completion_tokens"],
            tokens=tuple(_token(entry) for entry in found) if request.logprobs else (),
        )

    def _enter(self, prefix: list[int]) -> None:
        """Leave the slot with exactly `prefix` in it, as evaluated on an empty slot."""
        name = self._states.name(prefix)
        if self._states.has(name) and self._slot("restore", name).get("n_restored") == len(prefix):
            return
        self._evaluate(prefix)
        written = f"{name}.{self._number}"
        if "n_written" in self._slot("save", written):
            self._states.add(written, name)

    def _evaluate(self, prefix: list[int]) -> None:
        self._stream({"prompt": prefix, "n_predict": 0, "cache_prompt": False}, lambda: False)

    def _keeps_a_prefix(self) -> bool:
        """Whether a prefix survives as it is; not so with recurrent layers, which then always start from nothing."""
        self._evaluate(list(PROBE))
        last = self._stream({"prompt": [*PROBE, 5], "n_predict": 0, "cache_prompt": True}, lambda: False)[-1]
        return last["usage"]["prompt_tokens_details"]["cached_tokens"] == len(PROBE)

    def _slot(self, action: str, file: str) -> dict[str, Any]:
        return self._post(f"/slots/0?action={action}", {"filename": file}, strict=False)

    # --- the binding ---

    def _stream(self, body: dict[str, Any], given_up: Callable[[], bool]) -> list[dict[str, Any]]:
        chunks: list[dict[str, Any]] = []

        def take(chunk: dict[str, Any]) -> bool:
            chunks.append(chunk)
            return given_up()

        try:
            self._server.handle_completions({**body, "stream": True}, take)
        except (RuntimeError, ValueError) as error:
            raise BackendError(f"llama.cpp failed: {error}; run the same command again.") from error
        for chunk in chunks:
            if "error" in chunk:
                raise BackendError(f"llama.cpp refused a request: {chunk['error'].get('message')}.")
        if not chunks:
            raise BackendError("llama.cpp gave no answer; run the same command again.")
        return chunks

    def _post(self, path: str, body: dict[str, Any], *, strict: bool = True) -> dict[str, Any]:
        """Ask the engine's own port; `strict` makes its refusals errors. A fresh connection costs 0.1 ms."""
        connection = http.client.HTTPConnection(self._address, timeout=600)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._secret}"}
        try:
            connection.request("POST", path, json.dumps(body), headers)
            answer = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise BackendError(f"llama.cpp does not answer ({error}); run the same command again.") from error
        finally:
            connection.close()
        if strict and "error" in answer:
            raise BackendError(f"llama.cpp refused a text: {answer['error'].get('message')}.")
        return answer


def _clean(text: str) -> str:
    """Lone surrogates, which no JSON can carry, as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _token(entry: dict[str, Any]) -> Token:
    top = tuple((_piece(other), other["logprob"]) for other in entry["top_logprobs"])
    return Token(_piece(entry), entry["logprob"], top)


def _piece(entry: dict[str, Any]) -> str:
    return bytes(entry["bytes"]).decode("utf-8", "replace")
