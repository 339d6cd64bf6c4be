"""What servers answer when they are asked for log-probabilities, read strictly: half an answer is none."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from promptopt.models.server.retrying import Outage
from promptopt.text import counted

_MINUS_INFINITY = -9_999.0
"""What servers write for it, or less: JSON has none."""


class Malformed(Outage):
    """An answer that lacks what was asked."""


def choices_of(answer: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """The choices of a completion in the order of their prompts. Raises Malformed where there are not `count`."""
    choices = [_object_or_malformed(choice) for choice in _list(answer.get("choices"))]
    if len(choices) != count:
        raise Malformed(f"answered {counted(count, 'prompt')} with {counted(len(choices), 'choice')}")
    # Servers may settle the prompts of one request in any order.
    return sorted(choices, key=lambda choice: int(choice.get("index", 0)))


def prompt_logprobs_of(choice: Mapping[str, Any], prompt: Sequence[int]) -> list[float]:
    """The log-probabilities of a prompt's own tokens, NaN for its first: of `prompt_logprobs`, or of `echo`."""
    rows = choice.get("prompt_logprobs")
    if rows is not None:
        reported = _list(rows)
        if len(reported) != len(prompt):
            raise Malformed("answered with log-probabilities of another prompt")
        # Without the first row, which is null: nothing stands before the first token.
        own = (
            _logprob_of(_logprob_of(row, str(token)), "logprob")
            for row, token in zip(reported[1:], prompt[1:], strict=True)
        )
    else:
        echoed = _list(_object_or_malformed(choice.get("logprobs")).get("token_logprobs"))
        # With `echo` the tokens that were generated follow the prompt's own.
        if len(echoed) < len(prompt) or echoed[0] is not None:
            raise Malformed("answered without the log-probabilities of a prompt's tokens")
        own = iter(echoed[1 : len(prompt)])
    return [math.nan, *map(nats, own)]


def requested_logprobs(choice: Mapping[str, Any], tokens: Sequence[int]) -> dict[int, float]:
    """The log-probabilities of the `logprob_token_ids` that were asked, for the one token that was generated."""
    tops = _list(_object_or_malformed(choice.get("logprobs")).get("top_logprobs"))
    # So `return_tokens_as_token_ids` writes tokens: two of them can have one text.
    return {token: nats(_logprob_of(tops[0] if tops else None, f"token_id:{token}")) for token in tokens}


def greedy_logprob(choice: Mapping[str, Any]) -> float:
    """The log-probability of the last token that was generated."""
    values = _list(_object_or_malformed(choice.get("logprobs")).get("token_logprobs"))
    return nats(values[-1] if values else None)


def row_logprobs(answer: Mapping[str, Any], count: int) -> list[float] | None:
    """Of `prompt_logprob_token_ids` (one token a row, as a base64 .npy); None where the server has left them out."""
    packed = answer.get("prompt_token_id_logprobs")
    if packed is None:
        return None
    import numpy as np

    try:
        # No pickle: what a server sends would be run by it.
        values = np.load(io.BytesIO(base64.b64decode(packed)), allow_pickle=False)[:, 0].tolist()
    except (TypeError, ValueError, IndexError):
        raise Malformed("answered with rows that cannot be read") from None
    if len(values) != count:
        raise Malformed("answered with another number of rows")
    return [nats(value) for value in values]


def generated_logprobs(answer: Mapping[str, Any], wanted: Sequence[int]) -> list[dict[int, float]]:
    """Of the tokens that llama.cpp generated (the first of `wanted`, at least one), and of their alternatives."""
    (choice,) = choices_of(answer, 1)
    generated = [
        _object_or_malformed(entry) for entry in _list(_object_or_malformed(choice.get("logprobs")).get("content"))
    ]
    if not generated or [entry.get("id") for entry in generated] != list(wanted[: len(generated)]):
        raise Malformed("did not generate the tokens that it was forced to")
    others = [[_object_or_malformed(other) for other in _list(entry.get("top_logprobs", []))] for entry in generated]
    return [
        # The token itself comes last, so that its own number stands.
        {int(each["id"]): nats(each.get("logprob")) for each in (*beside, entry) if isinstance(each.get("id"), int)}
        for entry, beside in zip(generated, others, strict=True)
    ]


def nats(value: object) -> float:
    """A log-probability as servers write it: null is NaN, and -9999 (or less) is minus infinity."""
    if value is None:
        return math.nan
    if not isinstance(value, int | float):
        raise Malformed("answered with a log-probability that is no number")
    return -math.inf if value <= _MINUS_INFINITY else float(value)


def _object_or_malformed(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed("answered without log-probabilities")
    return cast("dict[str, Any]", value)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise Malformed("answered without log-probabilities")
    return cast("list[Any]", value)


def _logprob_of(row: object, name: str) -> Any:
    if name not in _object_or_malformed(row):
        raise Malformed("answered without the log-probability of a token that was asked for")
    return _object_or_malformed(row)[name]
