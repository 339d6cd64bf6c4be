"""A toy language model behind the HTTP dialects that scoring servers speak, for `tests.servers.FakeServer`.

The model is a function of the tokens before: a log-probability between -9 and -1, drawn by hashing. Its vocabulary is
words, with the space before them, lone characters and markers, so that a token can reach from one text into the next.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from tests.servers import Answer, Asked, failure, reply

_TOKEN = re.compile(r"<\|\w+\|>|\n+| ?[a-zA-Z]+| ?[0-9]|.", re.DOTALL)
CHATML = "<|im_start|>{role}\n{content}<|im_end|>\n", "<|im_start|>assistant\n"
BARE = "{role}: {content}\n", "assistant:"
"""A template without a marker at its end."""

Way = Literal["yes", "ignored", "refused"]


@dataclass
class ToyModel:
    """Tokens and log-probabilities. `seed` makes another model of it, with another vocabulary."""

    seed: int = 0
    template: tuple[str, str] = CHATML
    end_of_text: str = "<|endoftext|>"
    vocabulary: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def encode(self, text: str) -> list[int]:
        found: list[int] = []
        for token in _TOKEN.findall(text):
            if token not in self.numbers:
                self.numbers[token] = len(self.vocabulary) + 100 * (self.seed + 1)
                self.vocabulary.append(token)
            found.append(self.numbers[token])
        return found

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.vocabulary[token - 100 * (self.seed + 1)] for token in ids)

    def render(self, messages: Sequence[dict[str, str]], generate: bool) -> str:
        each, prompt = self.template
        return "".join(each.format(**message) for message in messages) + (prompt if generate else "")

    def logprob(self, before: Sequence[int], token: int) -> float:
        asked = json.dumps([self.seed, list(before), token]).encode()
        return -1 - 8 * int.from_bytes(hashlib.sha256(asked).digest()[:4], "big") / 2**32

    def logprobs(self, context: str, continuation: str) -> list[float]:
        """What is right for a continuation that begins with a token of its own."""
        before, whole = self.encode(context), self.encode(context + continuation)
        assert whole[: len(before)] == before
        return [self.logprob(whole[:place], whole[place]) for place in range(len(before), len(whole))]


@dataclass
class ToyServer:
    """Answers as a server of one kind does; what it knows can be taken away, parameter by parameter.

    `reads`: logprob_token_ids. `rows`: prompt_logprob_token_ids; `wrong` over cached tokens, or `lost`. `grammar`:
    token literals. `shift`: added to every log-probability, as where logits are reported. `biased`: log-probabilities
    are those after the bias. `reads_shift`: added to what `reads` gives.
    """

    kind: Literal["vllm", "llamacpp", "bare"] = "vllm"
    model: ToyModel = field(default_factory=ToyModel)
    name: str = "toy"
    fingerprint: str | None = "toy-1"
    limit: int = 4096
    block: int | None = 16
    caching: bool = True
    tokenize: Way = "yes"
    token_strs: bool = True
    reads: Way = "yes"
    prompt_logprobs: Way = "yes"
    echo: Way = "yes"
    rows: Literal["exact", "wrong", "lost", "refused"] = "refused"
    grammar: Way = "yes"
    shift: float = 0.0
    reads_shift: float = 0.0
    biased: bool = False
    refusal: int = 400
    before: Callable[[Asked], Answer | None] = lambda asked: None
    value: Callable[[float], float | None] = lambda value: value

    def __call__(self, asked: Asked) -> Answer:
        """The script of a FakeServer."""
        early = self.before(asked)
        if early is not None:
            return early
        route = getattr(self, "_" + asked.path.removeprefix("/v1").strip("/").replace("/", "_").replace("-", "_"), None)
        if route is None:
            return Answer(b'{"detail": "Not Found"}', 404)
        return route(asked.payload if asked.body else {})

    def serve(self, **changes: Any) -> None:
        """Go on as another server, as after a restart."""
        self.__dict__.update(replace(self, **changes).__dict__)

    # --- about tokens ---

    def _tokenize(self, body: dict[str, Any]) -> Answer:
        if self.kind == "bare" or self.tokenize == "refused":
            return failure(404, "no such path")
        if self.tokenize == "ignored":
            return _json({"tokens": []})
        if self.kind == "llamacpp":
            ids = self.model.encode(body.get("content", ""))
            pieces = [{"id": token, "piece": self.model.decode([token])} for token in ids]
            return _json({"tokens": pieces if body.get("with_pieces") else ids})
        if body["model"] != self.name:
            return failure(404, f"The model `{body['model']}` does not exist.")
        if "messages" in body:
            text = self.model.render(body["messages"], body.get("add_generation_prompt", True))
        elif "prompt" in body:
            text = body["prompt"]
        else:
            return failure(400, "prompt: field required")
        ids = self.model.encode(text)
        answer: dict[str, Any] = {"count": len(ids), "max_model_len": self.limit, "tokens": ids}
        if body.get("return_token_strs") and self.token_strs:
            written = (self.model.decode([token]) for token in ids)
            answer["token_strs"] = [text.replace(" ", "Ġ").replace("\n", "Ċ") for text in written]
        return _json(answer)

    def _detokenize(self, body: dict[str, Any]) -> Answer:
        text = self.model.decode(body["tokens"])
        return _json({"content": text} if self.kind == "llamacpp" else {"prompt": text})

    def _apply_template(self, body: dict[str, Any]) -> Answer:
        return _json({"prompt": self.model.render(body["messages"], body["add_generation_prompt"])})

    def _props(self, body: dict[str, Any]) -> Answer:
        settings = {"default_generation_settings": {"n_ctx": self.limit}, "total_slots": 3}
        return _json({**settings, "eos_token": self.model.end_of_text})

    def _metrics(self, body: dict[str, Any]) -> Answer:
        config = f'{{hash_block_size="None",block_size="{self.block}",enable_prefix_caching="{self.caching}"}}'
        return Answer(b"" if self.block is None else f"vllm:cache_config_info{config} 1.0\n".encode())

    # --- completions ---

    def _completions(self, body: dict[str, Any]) -> Answer:
        if body["model"] != self.name:
            return failure(404, f"The model `{body['model']}` does not exist.")
        prompt = body["prompt"]
        prompts = prompt if isinstance(prompt[0], list) else [prompt]
        if self.kind == "bare":
            return reply("positive", chat=False)
        if any(len(each) + body["max_tokens"] > self.limit for each in prompts):
            return failure(400, "max_tokens must be at least 1, got 0.")
        if self.kind == "llamacpp":
            return self._said(body, prompts[0])
        for name, way in (
            ("logprob_token_ids", self.reads),
            ("prompt_logprobs", self.prompt_logprobs),
            ("echo", self.echo),
        ):
            if name in body and way == "refused":
                return failure(self.refusal, f"Extra inputs are not permitted: {name}")
        choices = [self._choice(body, each, place) for place, each in enumerate(prompts)]
        return self._completed(choices[::-1])

    def _choice(self, body: dict[str, Any], prompt: list[int], index: int) -> dict[str, Any]:
        allowed = body.get("allowed_token_ids", [self.model.encode(" word")[0]])
        said = allowed[0]
        tokens, values = [said], [self._logprob(prompt, said)]
        tops: list[Any] = [{f"token_id:{said}": values[0]}]
        if "logprob_token_ids" in body and self.reads == "yes":
            asked = {token: self._logprob(prompt, token) for token in body["logprob_token_ids"]}
            tops[0] |= {
                f"token_id:{token}": None if value is None else value + self.reads_shift
                for token, value in asked.items()
            }
        own = [None, *(self._logprob(prompt[:place], prompt[place]) for place in range(1, len(prompt)))]
        if body.get("echo") and self.echo == "yes":
            tokens, values, tops = [*prompt, said], [*own, *values], [*[None] * len(prompt), *tops]
        choice: dict[str, Any] = {"index": index, "text": "", "finish_reason": "length", "stop_reason": None}
        if self.model.decode([said]) == self.model.end_of_text:
            choice["finish_reason"] = "stop"
        if "prompt_logprobs" in body and self.prompt_logprobs == "yes":
            rows = zip(prompt[1:], own[1:], strict=True)
            choice["prompt_logprobs"] = [None, *({str(token): {"logprob": value}} for token, value in rows)]
        named = [f"token_id:{token}" for token in tokens]
        return {**choice, "logprobs": {"tokens": named, "token_logprobs": values, "top_logprobs": tops}}

    def _inference_v1_generate(self, body: dict[str, Any]) -> Answer:
        if self.rows == "refused":
            return failure(403, "Scale-out endpoints are disabled.")
        ids, sampling = body["token_ids"], body["sampling_params"]
        if len(ids) + 1 > self.limit:
            return failure(400, "max_tokens must be at least 1, got 0.")
        start = sampling["prompt_logprob_start"]
        assert len(sampling["prompt_logprob_token_ids"]) == len(ids) - 1 - start
        assert sampling["skip_reading_prefix_cache"] is False
        rows = enumerate(sampling["prompt_logprob_token_ids"], start)
        values = np.array([[self.model.logprob(ids[: row + 1], token)] for row, (token,) in rows], dtype=np.float32)
        packed = io.BytesIO()
        np.save(packed, values + (0.5 if self.rows == "wrong" else 0.0))
        told = None if self.rows == "lost" else base64.b64encode(packed.getvalue()).decode()
        return _json({"model": self.name, "prompt_token_id_logprobs": told, "choices": [{"index": 0}]})

    def _said(self, body: dict[str, Any], prompt: list[int]) -> Answer:
        if "grammar" in body:
            if self.grammar == "refused":
                return failure(400, "failed to parse grammar")
            ids = [int(token) for token in re.findall(r"<\[(\d+)\]>", body["grammar"])]
            ids = ids if self.grammar == "yes" else [prompt[-1]]
        else:
            ids = [body["logit_bias"][0][0] if "logit_bias" in body else prompt[-1]]
        values = [self._logprob([*prompt, *ids[:place]], token) for place, token in enumerate(ids)]
        values = [0.0] * len(values) if self.biased else values
        content: list[dict[str, Any]] = [
            {"id": token, "logprob": value} for token, value in zip(ids, values, strict=True)
        ]
        beside = [] if self.biased else self.model.encode("blue")
        content[0]["top_logprobs"] = [{"id": token, "logprob": self._logprob(prompt, token)} for token in beside]
        return self._completed([{"index": 0, "text": "", "logprobs": {"content": content}}])

    def _logprob(self, before: Sequence[int], token: int) -> float | None:
        return self.value(self.model.logprob(before, token) + self.shift)

    def _completed(self, choices: list[dict[str, Any]]) -> Answer:
        return _json({"model": self.name, "system_fingerprint": self.fingerprint, "choices": choices})


def _json(value: dict[str, Any]) -> Answer:
    return Answer(json.dumps(value).encode())
