"""What is asked of a model, and what it answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from promptopt.arguments import told, told_by_name
from promptopt.errors import ConfigError
from promptopt.types.masks import Spans
from promptopt.types.messages import Content, Message, ToolCall, content_to_json

Finish = Literal["stop", "length", "filter", "refusal", "rejected", "unasked"]
"""Why a reply ended. `rejected`: the engine refused this one request for good (too long for its context). `unasked`: a
cap came before it."""


@told
@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is drawn. Temperature 0 is greedy; `max_tokens` caps the reply."""

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least, most in (("temperature", 0, math.inf), ("top_p", 0, 1), ("max_tokens", 1, math.inf)):
            value = getattr(self, name)
            # `True` is an int to Python. NaN passes here and fails the comparison below.
            counts = isinstance(value, float | int) and not isinstance(value, bool) and value != math.inf
            if not (counts and least <= value <= most) or (name == "max_tokens" and not isinstance(value, int)):
                bounds = f"{least} or more" if most == math.inf else f"from {least} to {most}"
                raise ConfigError(f"Sampling: {name} is {value!r}; give a number, {bounds}")
        # A text is a sequence of texts too: each of its letters would end a reply.
        if isinstance(self.stop, str):
            raise ConfigError(f"Sampling: stop is the text {self.stop!r}; give a tuple of texts")


def _check_messages(content: object) -> None:
    """Raises ConfigError for messages as other libraries write them, by the first; a request is made for each cell."""
    listed = cast("Sequence[object]", content) if isinstance(content, tuple | list) else ()
    first = listed[0] if listed else None
    if first is not None and not isinstance(first, Message):
        raise ConfigError(f"{first!r} is no message; give each as Message('user', 'the text'), or one text for all")


@told
@dataclass(frozen=True, slots=True)
class Request:
    """One reply asked of a model.

    `logprobs`: how many alternatives per generated token to report log-probabilities of (0: none).
    `shared`: how many leading characters (over the contents of all messages, in order) belong to the candidate and
    not to the example, so that an engine may compute them once. Part of the key: it can move the last digits.
    `common`: how many of these belong to every request of the kind, whatever the example (a judge's criteria); part of
    the key where there are any. `seed`: set by the run from the draw; not part of the key. `schema`: a JSON Schema, as
    JSON, that the reply is to keep where the engine can see to that; elsewhere what the content asks for has to do.
    Empty: any reply. `route`: which of several models is asked, where one stands for several (the LMs of a program);
    empty otherwise. `judging`: the task model is asked what a reply is worth, and answers whoever wrote that; not part
    of the key.
    """

    content: Content
    sampling: Sampling = Sampling()
    logprobs: int = 0
    shared: int = 0
    seed: int | None = field(default=None, compare=False)
    schema: str = ""
    route: str = ""
    common: int = 0
    judging: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        _check_messages(self.content)

    def to_json(self) -> dict[str, Any]:
        """What the key is made of, without the seed."""
        sampling = self.sampling
        # Only where there is one: what was stored before there were any keeps its key.
        optional = (("route", self.route), ("schema", self.schema), ("common", self.common))
        kept = {name: value for name, value in optional if value}
        return {
            **kept,
            "content": content_to_json(self.content),
            # A list, as it was first stored: names would be another key.
            "sampling": [sampling.temperature, sampling.top_p, sampling.max_tokens, sampling.stop],
            "logprobs": self.logprobs,
            "shared": self.shared,
        }


@told
@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """The log-likelihoods of given texts after `content`, asked of a model.

    `continuations`: each is scored on its own, directly after the same content (labels, options, a chosen and a
    rejected output), so an engine reads the content once for all of them. For chat messages a continuation is what
    the assistant says; for a plain text it goes on where the text ends, so it brings its own leading space.
    `shared`: as in `Request`. `ends`: whether the token that ends the reply (end of turn; end of text for plain text)
    is scored too, as the last token of every continuation. `literal`: where masks stand that are no place for a
    continuation, for an example or a prompt brought them along; part of the key where there are any, and given to
    masked language models alone.
    """

    content: Content
    continuations: tuple[str, ...]
    shared: int = 0
    ends: bool = False
    literal: Spans = ()

    def __post_init__(self) -> None:
        _check_messages(self.content)

    def to_json(self) -> dict[str, Any]:
        """What the key is made of."""
        return {
            # Only where there are some: what was stored before there were any keeps its key.
            **({"literal": self.literal} if self.literal else {}),
            "content": content_to_json(self.content),
            "continuations": self.continuations,
            "shared": self.shared,
            "ends": self.ends,
        }


@told
@dataclass(frozen=True, slots=True)
class Token:
    """A generated token, its log-probability (nats), and the likeliest alternatives, best first."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@told_by_name
@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered, and what it says it used. `served` is the snapshot that answered.

    `sampled`: the model takes no temperature, so this reply was drawn, whatever was asked. `tool_calls`: the tools that
    it calls; the text may then be empty.
    """

    text: str
    finish: Finish = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    tokens: tuple[Token, ...] = ()
    served: str = ""
    sampled: bool = False
    tool_calls: tuple[ToolCall, ...] = ()

    @property
    def written(self) -> str:
        """The text, and below it a line for each call, as `Message.written`."""
        return "\n".join(each for each in (self.text, *(call.written for call in self.tool_calls)) if each)

    def to_json(self) -> dict[str, Any]:
        """The stored form."""
        tokens = [[token.text, token.logprob, token.top] for token in self.tokens]
        # Only where there is one: replies that were stored before stay byte for byte.
        drawn: dict[str, Any] = {"sampled": True} if self.sampled else {}
        if self.tool_calls:
            drawn["calls"] = [[call.name, call.arguments, call.id] for call in self.tool_calls]
        return {"text": self.text, "finish": self.finish, "usage": [self.prompt_tokens, self.completion_tokens],
                "tokens": tokens, "served": self.served, **drawn}  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reply:
        """The inverse of `to_json`."""
        tokens = tuple(Token(text, logprob, tuple((t, p) for t, p in top)) for text, logprob, top in data["tokens"])
        prompt_tokens, completion_tokens = data["usage"]
        return cls(
            data["text"],
            data["finish"],
            prompt_tokens,
            completion_tokens,
            tokens,
            data["served"],
            data.get("sampled", False),
            tuple(ToolCall(*call) for call in data.get("calls", ())),
        )


@told
@dataclass(frozen=True, slots=True)
class TokenLogProbs:
    """log p(token | everything before it), in nats, from float32 log-softmax, a value for each token of one text.

    Empty where the text has no tokens.
    """

    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]

    @property
    def total(self) -> float:
        """The log-likelihood of the whole text: the sum, in nats."""
        return math.fsum(self.logprobs)


@told_by_name
@dataclass(frozen=True, slots=True)
class Likelihoods:
    """What a model gives for a `ScoreRequest`: one `TokenLogProbs` a continuation, in the order asked.

    `prompt_tokens`: tokens of the content once, and of every continuation, whatever the engine could share. `finish`:
    `rejected` where content and continuation do not fit into the model's context; there are no continuations then, for
    nothing is ever cut off. `merged`: a token reached from the content into a continuation; it counts as the
    continuation's.
    """

    continuations: tuple[TokenLogProbs, ...] = ()
    prompt_tokens: int = 0
    finish: Literal["stop", "rejected"] = "stop"
    merged: bool = False
    served: str = ""

    def to_json(self) -> dict[str, Any]:
        """The stored form."""
        return {
            "continuations": [[each.tokens, each.logprobs] for each in self.continuations],
            "usage": [self.prompt_tokens, 0],
            "finish": self.finish,
            "merged": self.merged,
            "served": self.served,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Likelihoods:
        """The inverse of `to_json`."""
        scored = tuple(TokenLogProbs(tuple(tokens), tuple(values)) for tokens, values in data["continuations"])
        return cls(scored, data["usage"][0], data["finish"], data["merged"], data["served"])
