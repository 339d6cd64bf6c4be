"""Reads what OpenAI-compatible servers answer, well or badly; shared by the clients that speak their dialect."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from promptopt.errors import BackendError
from promptopt.models.dispatch import Weather, retry_after_s
from promptopt.models.tokens import estimate_tokens
from promptopt.types import Finish, Message, Reply, Request, Token

_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum context length|maximum model length|string_above_max_length"
    r"|context (size|length|window)|prompt is too long|too many (input )?tokens",
    re.IGNORECASE,
)
_FILTERED = re.compile(r"content_filter|content_policy_violation|content management policy|invalid_prompt", re.IGNORECASE)
_NO_MONEY = re.compile(r"insufficient_quota|billing", re.IGNORECASE)
_REFUSES = re.compile(r"unsupported|not support|unknown|unrecognized|not permitted|extra inputs", re.IGNORECASE)
_KEY = re.compile(r"\b(sk|gsk|hf|xai)[-_][\w*.-]{6,}|\bBearer \S+")
_SECRETS = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
_SHOWN = 300

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
            parsed = json.loads(body)
        except ValueError:
            return cls(status, body, retry_after_s=waits_s)
        error = parsed.get("error", parsed) if isinstance(parsed, dict) else parsed
        if not isinstance(error, dict):
            return cls(status, str(error), retry_after_s=waits_s)
        said = next((error[name] for name in ("message", "detail") if error.get(name)), body)
        code = " ".join(str(error[name]) for name in ("code", "type") if error.get(name))
        param = error.get("param")
        return cls(status, str(said), code, str(param) if param else "", waits_s)

    def names(self, parameter: str) -> bool:
        """Whether `parameter` is what the failure is about."""
        return self.param == parameter or (not self.param and re.search(rf"\b{parameter}\b", self.message) is not None)

    def refuses(self, parameter: str) -> bool:
        """Whether the server takes no `parameter`, or only its default."""
        return self.names(parameter) and _REFUSES.search(f"{self.code} {self.message}") is not None

    def settle(self, server: str, advice: str) -> Reply:
        """The reply that this failure amounts to, where the request itself is to blame for good.

        Raises Weather where it may pass, BackendError where every further request would meet it too.
        """
        said = f"{self.code} {self.message}"
        shown = scrub(" ".join(self.message.split()))[:_SHOWN]
        if self.status == 413 or (self.status in (400, 422) and _TOO_LONG.search(said)):
            return Reply("", "rejected")
        if self.status in (400, 403) and _FILTERED.search(said):
            return Reply("", "filter")
        if self.status in (408, 409, 425, 429) or self.status >= 500:
            if self.status != 429 or not _NO_MONEY.search(self.code):
                pause = "" if self.retry_after_s is None else f", asking for a pause of {self.retry_after_s:g} s"
                raise Weather(
                    f"answered {self.status} ({shown}){pause}",
                    retry_after_s=self.retry_after_s,
                    overloaded=self.status in (429, 503, 529),
                )
            advice = "top the account up, or use another model"
        raise BackendError(f"{server} answered {self.status} ({shown}): {advice}")


def scrub(text: str, *keys: str) -> str:
    """`text` without `keys`, without the secrets of the environment, and without what looks like a key."""
    secrets = [value for name, value in os.environ.items() if name.endswith(_SECRETS) and len(value) >= 8]
    for secret in sorted({*keys, *secrets} - {""}, key=len, reverse=True):
        text = text.replace(secret, "[key]")
    return _KEY.sub("[key]", text)


def read_reply(answer: Mapping[str, Any], request: Request, model: str) -> Reply:
    """The reply in `answer`, of either endpoint. Raises Weather where there is none.

    Where the server counts no tokens they are estimated for `model`.
    """
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        shown = scrub(json.dumps(answer.get("error", "")))[:_SHOWN]
        raise Weather(f"answered without a choice (error: {shown})" if "error" in answer else "answered without a choice")
    choice = cast("dict[str, Any]", choices[0])
    message = choice.get("message")
    finish = _FINISHES.get(str(choice.get("finish_reason")), "stop")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    if isinstance(message, dict) and message.get("refusal"):
        text, finish = message["refusal"], "refusal"
    text = text if isinstance(text, str) else ""
    usage = answer.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    prompt_tokens, completion_tokens = counts.get("prompt_tokens"), counts.get("completion_tokens")
    if not isinstance(prompt_tokens, int):
        prompt_tokens = sum(estimate_tokens(part, model) for part in _texts(request))
    if not isinstance(completion_tokens, int):
        completion_tokens = estimate_tokens(text, model)
    served = " ".join(str(answer[name]) for name in ("model", "system_fingerprint") if answer.get(name))
    tokens = tuple(_tokens(choice.get("logprobs"))) if request.logprobs else ()
    return Reply(text, finish, prompt_tokens, completion_tokens, tokens, served)


def _texts(request: Request) -> Sequence[str]:
    content = request.content
    return [content] if isinstance(content, str) else [cast("Message", message).content for message in content]


def _tokens(logprobs: Any) -> Iterable[Token]:
    """Tokens from the chat form (`content`: objects) or the completions form (parallel lists)."""
    if not isinstance(logprobs, dict):
        return
    if isinstance(logprobs.get("content"), list):
        for entry in logprobs["content"]:
            top = [(str(other["token"]), float(other["logprob"])) for other in entry.get("top_logprobs") or ()]
            yield Token(str(entry["token"]), float(entry["logprob"]), _best_first(top))
    elif isinstance(logprobs.get("tokens"), list):
        texts, values = logprobs["tokens"], logprobs.get("token_logprobs") or ()
        alternatives = logprobs.get("top_logprobs") or [None] * len(texts)
        for text, value, top in zip(texts, values, alternatives, strict=False):
            if value is not None:
                pairs = [(str(other), float(number)) for other, number in (top or {}).items()]
                yield Token(str(text), float(value), _best_first(pairs))


def _best_first(pairs: list[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(pairs, key=lambda pair: -pair[1]))
