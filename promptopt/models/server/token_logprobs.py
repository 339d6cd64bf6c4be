"""The log-probabilities of the tokens of a reply, in the forms that servers send them in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from promptopt.errors import ConfigError
from promptopt.models.server.contents import as_object
from promptopt.types import Reply, Request, Token

_ROUNDED = 0.01
"""How far above 0 the rounding of an engine may take a log-probability."""


def require_tokens(reply: Reply, request: Request, server: str, model: str) -> None:
    """Raises ConfigError where log-probabilities were asked of a server that does not give them."""
    if request.logprobs and reply.text and reply.finish in ("stop", "length") and not reply.tokens:
        raise ConfigError(without_tokens(f"{server} gave no", model))


def without_tokens(begun: str, model: str) -> str:
    """What a user can do where a model's log-probabilities are not to be had; `begun`: up to that word."""
    return (
        f"{begun} log-probabilities for the model {model!r}; OpenAI's chat models, vLLM, the server of llama.cpp and "
        f"the embedded engine have them: use one of these, or the evaluator 'generation'"
    )


def tokens_of(logprobs: object) -> tuple[Token, ...]:
    """The tokens of a choice; none where a number is no log-probability, such as a raw logit, or NaN.

    Raises KeyError, TypeError or ValueError for a form that is malformed.
    """
    if logprobs is None:
        return ()
    form = as_object(logprobs)
    try:
        return tuple(_of_chat(form) if form.get("content") is not None else _of_completions(form))
    except _NoLogProbability:
        return ()


class _NoLogProbability(Exception):
    """A number that no probability has the logarithm of."""


def _of_chat(form: Mapping[str, Any]) -> Iterable[Token]:
    """Of `content`: an object for each token."""
    for entry in map(as_object, form["content"]):
        others = entry.get("top_logprobs")
        # JSON has no minus infinity: what has that probability is null in some servers' answers.
        listed = [] if others is None else [other for other in others if other["logprob"] is not None]
        top = {_token_text(other): other["logprob"] for other in listed}
        if entry["logprob"] is not None:
            yield Token(_token_text(entry), _nats(entry["logprob"]), _best_first(top))


def _of_completions(form: Mapping[str, Any]) -> Iterable[Token]:
    """Of parallel lists."""
    if form.get("tokens") is None:
        return
    texts, values = form["tokens"], form["token_logprobs"]
    tops = form.get("top_logprobs")
    for text, value, top in zip(texts, values, [None] * len(texts) if tops is None else tops, strict=True):
        if value is not None:
            alike = {} if top is None else as_object(top)
            yield Token(
                str(text), _nats(value), _best_first({other: each for other, each in alike.items() if each is not None})
            )


def _token_text(entry: Mapping[str, Any]) -> str:
    """The text of a token; some servers send nothing but its bytes."""
    text, raw = entry["token"], entry.get("bytes")
    if text or not raw:
        return "" if text is None else str(text)
    # Of a number, `bytes` would make as many zeros: a server could fill the memory.
    return bytes(list(raw)).decode("utf-8", "replace")


def _nats(value: Any) -> float:
    try:
        nats = float(value)
    except OverflowError:  # an integer of more digits than a float holds
        raise _NoLogProbability from None
    if math.isnan(nats) or nats > _ROUNDED:
        raise _NoLogProbability
    return min(nats, 0.0)


def _best_first(top: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(((text, _nats(value)) for text, value in top.items()), key=lambda pair: -pair[1]))
