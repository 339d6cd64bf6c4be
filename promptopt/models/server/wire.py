"""Reads what OpenAI-compatible servers answer, well or badly; shared by the clients that speak their dialect."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from promptopt.errors import BackendError, ConfigError
from promptopt.models.server.dispatch import Outage, retry_after_s
from promptopt.models.tokens import estimate_tokens
from promptopt.types import Finish, Reply, Request, Token

_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum context length|maximum model length|string_above_max_length"
    r"|context (size|length|window)|prompt is too long|too many (input )?tokens",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    r"content_filter|content_policy_violation|content management policy|invalid_prompt", re.IGNORECASE
)
_NO_MONEY = re.compile(r"insufficient_quota|billing", re.IGNORECASE)
_REFUSES = re.compile(r"unsupported|not support|unknown|unrecognized|not permitted|extra inputs", re.IGNORECASE)
_KEY = re.compile(r"\b(sk|gsk|hf|xai)[-_][\w*.-]{6,}|\bBearer \S+")
_SECRETS = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
_SHOWN = 300

_THOUGHT_FIELDS = ("reasoning_content", "reasoning")
"""Where servers put what a model thought, apart from what it said: vLLM, SGLang, DeepSeek; OpenRouter, Ollama."""
_FINISHES: dict[str, Finish] = {"length": "length", "max_tokens": "length", "content_filter": "filter"}


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that is no reply: its HTTP status, and what the server says of it. `param`: the parameter at fault."""

    status: int
    message: str
    code: str = ""
    param: str = ""
    retry_after_s: float | None = None

    @classmethod
    def of(cls, status: int, body: str, headers: Mapping[str, str]) -> Failure:
        """From an HTTP answer, whatever its shape; headers may be in any case."""
        retry_after = next((value for name, value in headers.items() if name.lower() == "retry-after"), None)
        waits_s = retry_after_s(retry_after, time.time())
        try:
            parsed = as_object(json.loads(body))
        except ValueError:
            return cls(status, body, retry_after_s=waits_s)
        # OpenAI nests it under `error`; FastAPI says `detail`; some servers put all at the top.
        error = as_object(parsed["error"]) if isinstance(parsed.get("error"), dict) else parsed
        message = next((error[name] for name in ("message", "detail", "error") if error.get(name)), body)
        code = " ".join(str(error[name]) for name in ("code", "type") if error.get(name))
        param = error.get("param")
        return cls(status, str(message), code, str(param) if param else "", waits_s)

    def names(self, parameter: str) -> bool:
        """Whether `parameter` is what the failure is about."""
        return self.param == parameter or (not self.param and re.search(rf"\b{parameter}\b", self.message) is not None)

    def refuses(self, parameter: str) -> bool:
        """Whether the server takes no `parameter`, or only its default."""
        return self.names(parameter) and _REFUSES.search(f"{self.code} {self.message}") is not None

    def settle(self, server: str, advice: str) -> Reply:
        """The reply that this failure amounts to, where the request itself is to blame for good.

        Raises Outage where it may pass, BackendError where every further request would meet it too.
        """
        described = f"{self.code} {self.message}"
        shown = scrub(" ".join(self.message.split()))[:_SHOWN]
        if self.status == 413 or (self.status in (400, 422) and _TOO_LONG.search(described)):
            return Reply("", "rejected")
        # What the server will not read is an outcome of this prompt, to be stored as one; retrying would not change it.
        if self.status in (400, 403) and _FILTERED.search(described):
            return Reply("", "filter")
        if self.status in (408, 409, 425, 429) or self.status >= 500:
            # An empty account is told as 429 too, and no waiting mends it.
            if self.status != 429 or not _NO_MONEY.search(self.code):
                pause = "" if self.retry_after_s is None else f", asking for a pause of {self.retry_after_s:g} s"
                raise Outage(
                    f"answered {self.status} ({shown}){pause}",
                    retry_after_s=self.retry_after_s,
                    overloaded=self.status in (429, 503, 529),
                )
            advice = "top the account up, or use another model"
        raise BackendError(f"{server} answered {self.status} ({shown}): {advice}")


def scrub(text: str, *keys: str) -> str:
    """`text` without `keys`, without the secrets of the environment, and without what looks like a key."""
    secrets = [value for name, value in os.environ.items() if name.endswith(_SECRETS) and len(value) >= 8]
    # The longest first, or a key that holds another would be taken out in part. Below 8 letters a value is likelier a
    # word than a secret.
    for secret in sorted({*keys, *secrets} - {""}, key=len, reverse=True):
        text = text.replace(secret, "[key]")
    return _KEY.sub("[key]", text)


def read_reply(answer: Mapping[str, Any], request: Request, model: str) -> Reply:
    """The reply in `answer`, of either endpoint. Raises Outage where there is none.

    Where the server counts no tokens they are estimated for `model`.
    """
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        error = f" (error: {scrub(json.dumps(answer['error']))[:_SHOWN]})" if "error" in answer else ""
        raise Outage(f"answered without a choice{error}")
    try:
        choice = as_object(cast("list[object]", choices)[0])
        message = as_object(choice["message"]) if "message" in choice else {"content": choice["text"]}
        tokens = tuple(_tokens(choice.get("logprobs"))) if request.logprobs else ()
    except (KeyError, TypeError, ValueError):
        raise Outage("answered with a choice that is malformed") from None
    # Servers have reasons of their own, such as `eos` and `tool_calls`; the text is whole all the same.
    finish = _FINISHES.get(str(choice.get("finish_reason")), "stop")
    text, thought = _said(message.get("content"))
    if message.get("refusal"):
        text, finish = str(message["refusal"]), "refusal"
    thought += "".join(str(message[name]) for name in _THOUGHT_FIELDS if isinstance(message.get(name), str))
    if thought.strip() and not text.strip() and finish in ("stop", "length"):
        # It never began to answer: readers say so, and an answer that its thoughts name is none.
        text = f"<think>\n{thought}"
    counts = cast("dict[str, Any]", answer["usage"]) if isinstance(answer.get("usage"), dict) else {}
    prompt_tokens, completion_tokens = counts.get("prompt_tokens"), counts.get("completion_tokens")
    if not isinstance(prompt_tokens, int):
        prompt_tokens = sum(estimate_tokens(part, model) for part in _texts(request))
    if not isinstance(completion_tokens, int):
        completion_tokens = estimate_tokens(text if text.startswith("<think>") else text + thought, model)
    return Reply(text, finish, prompt_tokens, completion_tokens, tokens, served_by(answer))


def _said(content: object) -> tuple[str, str]:
    """What is said and what is thought, of a message's content: a text, or a list of parts."""
    if isinstance(content, str):
        return content, ""
    said = thought = ""
    for part in cast("list[object]", content) if isinstance(content, list) else []:
        entry: dict[str, Any] = cast("dict[str, Any]", part) if isinstance(part, dict) else {}
        inner = entry.get("text", entry.get("thinking"))
        text = inner if isinstance(inner, str) else _said(inner)[0]
        if str(entry.get("type", "text")) in ("thinking", "reasoning", "redacted_thinking"):
            thought += text
        else:
            said += text
    return said, thought


def served_by(answer: Mapping[str, Any]) -> str:
    """The snapshot that the server says has answered."""
    return " ".join(str(answer[name]) for name in ("model", "system_fingerprint") if answer.get(name))


def as_object(value: object) -> dict[str, Any]:
    """`value` as a JSON object. Raises ValueError where it is none."""
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return cast("dict[str, Any]", value)


def require_tokens(reply: Reply, request: Request, server: str, model: str) -> None:
    """Raises ConfigError where log-probabilities were asked of a server that does not give them."""
    if request.logprobs and reply.text and reply.finish in ("stop", "length") and not reply.tokens:
        raise ConfigError(
            f"{server} gave no log-probabilities for the model {model!r}; OpenAI's chat models, vLLM, the server of "
            f"llama.cpp and the embedded engine have them: use one of these, or the evaluator 'generation'"
        )


def _texts(request: Request) -> Sequence[str]:
    content = request.content
    return [content] if isinstance(content, str) else [message.content for message in content]


def _tokens(logprobs: object) -> Iterable[Token]:
    """Tokens from the chat form (`content`: objects) or the completions form (parallel lists)."""
    if logprobs is None:
        return
    form = as_object(logprobs)
    if form.get("content") is not None:
        for entry in map(as_object, form["content"]):
            others = entry.get("top_logprobs")
            top = {} if others is None else {str(other["token"]): float(other["logprob"]) for other in others}
            yield Token(str(entry["token"]), float(entry["logprob"]), _best_first(top))
    elif form.get("tokens") is not None:
        texts, values = form["tokens"], form["token_logprobs"]
        tops = form.get("top_logprobs")
        for text, value, top in zip(texts, values, [None] * len(texts) if tops is None else tops, strict=True):
            if value is not None:
                yield Token(str(text), float(value), _best_first({} if top is None else as_object(top)))


def _best_first(top: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(((text, float(value)) for text, value in top.items()), key=lambda pair: -pair[1]))
