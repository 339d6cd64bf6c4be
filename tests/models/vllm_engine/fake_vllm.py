"""A vLLM that keeps the laws of the real one, and has no weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

BLOCK = 4


def truth(before: Sequence[int], token: int) -> float:
    """The log-probability of a token in the fake model: any number that depends on all of it."""
    digest = hashlib.sha256(repr((tuple(before), token)).encode()).digest()
    return -int.from_bytes(digest[:4], "big") / 2**30 - 0.01


@dataclass
class FakeEngine:
    """Keeps vLLM's laws: a cache in whole blocks, the last token always computed, rows only of what was computed.

    `scores_rows`: as vLLM's second model runner. `wrong`: rows over cached tokens come out wrong.
    """

    scores_rows: bool = False
    wrong: float = 0.0
    fails_at: int = -1
    queue: list[tuple[str, tuple[int, ...], Any]] = field(default_factory=list)
    log: list[tuple[tuple[int, ...], Any]] = field(default_factory=list)
    computed: int = 0
    seen: set[tuple[int, ...]] = field(default_factory=set)
    aborted: list[str] = field(default_factory=list)
    down: bool = False

    def __post_init__(self) -> None:
        self.vllm_config = SimpleNamespace(
            cache_config=SimpleNamespace(block_size=BLOCK),
            scheduler_config=SimpleNamespace(max_num_seqs=6),
            use_v2_model_runner=self.scores_rows,
        )
        self.engine_core = SimpleNamespace(shutdown=self.shutdown)

    def shutdown(self) -> None:
        self.down = True

    def add_request(self, name: str, prompt: Mapping[str, Any], parameters: Any) -> None:
        tokens = tuple(prompt["prompt_token_ids"])
        self.queue.append((name, tokens, parameters))
        self.log.append((tokens, parameters))

    def abort_request(self, names: list[str]) -> None:
        self.aborted += names
        self.queue = [entry for entry in self.queue if entry[0] not in names]

    def step(self) -> list[Any]:
        if 0 <= self.fails_at <= len(self.log):
            raise RuntimeError("out of memory")
        batch, self.queue = self.queue[:4], self.queue[4:]
        outputs = [self._output(name, tokens, parameters) for name, tokens, parameters in batch]
        for _, tokens, _ in batch:  # what one batch computed is there for the next
            self.seen.update(tokens[:end] for end in range(BLOCK, len(tokens) + 1, BLOCK))
        return outputs

    def _output(self, name: str, tokens: tuple[int, ...], parameters: Any) -> Any:
        ends = range((len(tokens) - 1) // BLOCK * BLOCK, 0, -BLOCK)
        skips = getattr(parameters, "skip_reading_prefix_cache", False)
        cached = 0 if skips else next((end for end in ends if tokens[:end] in self.seen), 0)
        self.computed += len(tokens) - cached
        shift = self.wrong if cached else 0.0

        def row(place: int) -> Any:
            right = truth(tokens[:place], tokens[place]) + shift
            return {tokens[place]: SimpleNamespace(logprob=right if place > cached else 99.0)}

        start = getattr(parameters, "prompt_logprob_start", None)
        rows = (
            None
            if start is None or start < cached
            else [[row(p)[tokens[p]].logprob] for p in range(start + 1, len(tokens))]
        )
        asked = getattr(parameters, "logprob_token_ids", None)
        following = {token: SimpleNamespace(logprob=truth(tokens, token)) for token in asked} if asked else None
        return SimpleNamespace(
            request_id=name,
            finished=True,
            num_cached_tokens=cached,
            prompt_logprobs=[None, *map(row, range(1, len(tokens)))]
            if hasattr(parameters, "prompt_logprobs")
            else None,
            prompt_token_id_logprobs=rows,
            outputs=[SimpleNamespace(logprobs=[following], text="ok", token_ids=[1, 2], finish_reason="stop")],
        )


class FakeTokenizer:
    """One token a character; no chat template."""

    added_tokens_decoder: Mapping[int, Any] = {}
    bos_token_id = None
    eos_token_id = 0
    chat_template = None

    def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text]}

    def decode(self, tokens: list[int], **_: object) -> str:
        return "".join(map(chr, tokens))
