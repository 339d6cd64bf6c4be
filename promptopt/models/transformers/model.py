"""Models run by transformers in this process, on the CPU or a GPU: `hf/FOLDER`, `hf/FILE.gguf`, `hf/NAME-ON-THE-HUB`.

The keys and values of a candidate's text are computed once and shared by all its examples, and an example's by all the
alternatives scored after it. Where candidates stand after the example, they share the example's. In float32, results do
not depend on order, on company, or on how batches are made, beyond 1e-4 nats a token; a GPU gives what the CPU gives.
In half precision, a GPU's default where the checkpoint is kept so, rounding moves them with the batch. In bfloat16 that
is up to 0.13 nats a token (SmolLM2-135M on an H100), which can turn a close comparison. Ask for `dtype="float32"` where
that matters.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar, cast

from promptopt.errors import ConfigError
from promptopt.models.chat_tokens import ChatTokens
from promptopt.models.files.checkpoints import (
    find_checkpoint,
    load_model,
    load_model_config,
    load_tokenizer,
    require,
)
from promptopt.models.transformers.decoding import Decoder
from promptopt.models.transformers.forward import EXACT, Forward
from promptopt.models.transformers.masked import masked_scheduler
from promptopt.models.transformers.memory import release
from promptopt.models.transformers.precision import TF32, floats
from promptopt.models.transformers.scoring import causal_scheduler, score
from promptopt.types import Likelihoods, Message, Reply, Request, ScoreRequest, TokenLogProbs

UNBOUNDED = 1 << 17
"""Tokens of context where neither the model nor its tokenizer names a limit. Ours."""

_BEHIND_PADDING = ("camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta",
                   "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod")  # fmt: skip
"""RoBERTa and its kin, who count positions from behind the number of their padding token: 514 hold 512 tokens."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model in memory. `decoder` is absent where it cannot generate."""

    forward: Forward
    decoder: Decoder | None


class Transformers:
    """A causal or masked language model. Weights are loaded when first needed; `close` frees them."""

    def __init__(
        self, spec: str, *, masked: bool | None = None, device: str | None = None, dtype: str | None = None
    ) -> None:
        """`spec`: a transformers folder, a GGUF file, or a name on the hub, which is fetched where it is not here.

        `masked`: whether it scores as a masked language model; None: as its checkpoint says. `device`: "cpu", "cuda",
        "cuda:1"; None: a GPU where there is one. `dtype`: of weights and activations; None: float32 on the CPU, the
        checkpoint's own on a GPU. "tf32", on a GPU alone: float32, multiplied with factors of 10 binary digits;
        "float32" never is, whatever the process has set. The full name carries all that can change a number: the
        files, the dtype, the way of scoring, and the version of transformers. Raises ConfigError where there is no
        such model, where it is not of the kind asked for, or where transformers is not installed.
        """
        torch, transformers = require("torch"), require("transformers")
        self._checkpoint = find_checkpoint(spec)
        config = load_model_config(self._checkpoint)
        named: list[str] | None = config.architectures
        # `BertForMaskedLM` and its like.
        found_masked = named is not None and any(name.endswith("ForMaskedLM") for name in named)
        self._masked = found_masked if masked is None else masked
        self._device = _device(torch, device)
        self._dtype = _dtype(config, self._device, dtype)
        self._tokenizer = load_tokenizer(self._checkpoint)
        self.context = _context(config, self._tokenizer)
        kind = ":masked" if self._masked else ""
        called = f"{self._checkpoint.called}@{self._checkpoint.fingerprint}"
        self.name = f"hf/{called}:{self._dtype}{kind}:{transformers.__version__}"
        self._tokens = ChatTokens(self._tokenizer, f"hf/{spec}")
        if self._masked:
            self._schedule = masked_scheduler(self._tokenizer, f"hf/{spec}", self.context)
        else:
            self._schedule = causal_scheduler(self._tokens, self.context)
        self._counted = lru_cache(maxsize=65_536)(self._tokens.count)
        self._loaded: _Loaded | None = None
        self._lock = threading.RLock()

    @property
    def generates(self) -> bool:
        """Whether `generate` works: not with a masked language model."""
        return not self._masked

    @property
    def local(self) -> bool:
        """It runs on this machine."""
        return True

    def reports_alternatives(self) -> bool:
        """With every generated token."""
        return not self._masked

    def can_score(self) -> bool:
        """It always can."""
        return True

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` has as a part of a prompt: no BOS, markers as text."""
        return self._counted(text)

    def pieces(self, text: str) -> list[str]:
        """The tokens of `text` as a part of a prompt, as strings; see `Segmenter.pieces`."""
        return self._tokens.pieces(text)

    def score(
        self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Likelihoods]]:
        """Yield `(index, likelihoods)`, batch by batch; see `TextScorer.score`.

        What does not fit into the context settles as `rejected`. Raises ConfigError where the tokenizer has no chat
        template for messages, BackendError where a single text needs more memory than there is.
        """
        if not requests or stopping():
            return
        with self._lock:
            loaded = self._load()
        for index, schedule, values in self._each(score(requests, self._schedule, loaded.forward, stopping)):
            # Not strict: what does not fit has tokens and no values.
            scored = tuple(
                TokenLogProbs(tuple(self._tokens.text_of(token) for token in tokens), found)
                for tokens, found in zip(schedule.scored, values, strict=False)
            )
            finish = "stop" if schedule.fits else "rejected"
            yield index, Likelihoods(scored, schedule.prompt_tokens, finish, schedule.merged, self.name)

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """Yield `(index, reply)`, batch by batch; see `Model.generate`.

        Raises ConfigError for a masked language model, or where the tokenizer has no chat template for messages.
        """
        if self._masked:
            raise ConfigError(
                f"the masked language model {self._checkpoint.called!r} cannot write replies: score with "
                f"`--evaluator labels --check-evaluator labels`, or name a causal model"
            )
        if not requests or stopping():
            return
        with self._lock:
            decoder = self._load().decoder
        assert decoder is not None
        for index, reply in self._each(decoder.generate(requests, stopping)):
            yield index, replace(reply, served=self.name)

    def close(self) -> None:
        """Free the model's memory; a later call loads it again."""
        with self._lock:
            loaded, self._loaded = self._loaded, None
            if loaded is not None:
                loaded.forward.close()
            # The last hold on the model: `release` frees only what nobody has.
            del loaded
        release(self._device)

    def _each(self, found: Iterator[Item]) -> Iterator[Item]:
        """The same, with one thread at a time at the model."""
        # A mark of its own: an item may be None.
        end = object()
        while True:
            with self._lock:
                item = next(found, end)
            if item is end:
                return
            yield cast("Item", item)

    def _load(self) -> _Loaded:
        if self._loaded is None:
            model = load_model(self._checkpoint, masked=self._masked, device=self._device, dtype=floats(self._dtype))
            forward = Forward(
                model, device=self._device, dtype=self._dtype, context=self.context, causal=not self._masked
            )
            decoder = None
            if not self._masked:
                # Before the line below: the checkpoint's own settings name its ends.
                decoder = Decoder(forward, self._tokens, self._tokenizer, self._ends(model))
                # A checkpoint's own penalties and temperatures are not the request's.
                model.generation_config = require("transformers").GenerationConfig()
            self._loaded = _Loaded(forward, decoder)
        return self._loaded

    def _ends(self, model: Any) -> list[int]:
        """The tokens that end a reply: those its checkpoint names, and its template's marker after a turn."""
        named: int | list[int] | None = model.generation_config.eos_token_id
        ends = [*(named if isinstance(named, list) else [named]), self._tokenizer.eos_token_id]
        if self._tokenizer.chat_template is not None:
            asked = ScoreRequest((Message("user", "a"),), ("",), ends=True)
            end = self._tokens.force(asked).wholes[0][-1]
            # Only a marker ends a turn: some templates end one in a line break, which replies hold too.
            added = self._tokenizer.added_tokens_decoder.get(end)
            ends += [end] if added is not None and added.special else []
        return [end for end in ends if end is not None]


def _device(torch: Any, asked: str | None) -> str:
    if asked is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if asked.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"the device {asked!r} is not here: torch finds no GPU; use device='cpu'")
    return asked


def _dtype(config: Any, device: str, asked: str | None) -> str:
    own = str(config.dtype).removeprefix("torch.") if device != "cpu" and config.dtype is not None else "float32"
    found = own if asked is None else asked
    if found not in EXACT:
        raise ConfigError(f"the dtype {found!r} cannot be used; choose one of {', '.join(EXACT)}")
    if found == TF32 and not device.startswith("cuda"):
        raise ConfigError(f"the dtype 'tf32' is there on CUDA GPUs alone, not on {device!r}; use dtype='float32'")
    return found


def _context(config: Any, tokenizer: Any) -> int:
    text = config.get_text_config()
    positions = getattr(text, "max_position_embeddings", None)
    if isinstance(positions, int) and text.model_type in _BEHIND_PADDING and isinstance(text.pad_token_id, int):
        positions -= text.pad_token_id + 1
    # A tokenizer without a limit says 10**30; `UNBOUNDED` cuts that.
    limits = [limit for limit in (positions, tokenizer.model_max_length) if isinstance(limit, int) and limit > 0]
    return min([*limits, UNBOUNDED])
