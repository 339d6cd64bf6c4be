"""Requests and replies of DSPy's (`dspy.lm15`) as ours, and back: texts alone."""

from __future__ import annotations

from typing import Any

from promptopt.dspy.untyped import LMRequest, LMResponse, lm15
from promptopt.errors import ConfigError
from promptopt.models.server.refusal_texts import finish_of
from promptopt.types import Content, Message, Reply, Sampling

TEMPERATURE = 1.0
"""What an LM that sets no temperature is taken to sample at: the servers' own default."""
MAX_TOKENS = 4_096
"""What an LM that sets no cap on its reply is given: `litellm`'s `DEFAULT_MAX_TOKENS`."""


def asked(request: LMRequest) -> tuple[Content, Sampling]:
    """A request of DSPy's as one of ours. Raises ConfigError for tools, images and what else is no text."""
    messages: list[Message] = []
    if request.system:
        messages.append(Message("system", _joined_texts(request.system)))
    for each in request.messages:
        role = "system" if each.role == "developer" else each.role
        if role not in ("system", "user", "assistant"):
            raise ConfigError(f"the program sent a message of the role {each.role!r}; promptopt sends texts alone")
        messages.append(Message(role, _joined_texts(each.parts)))
    if request.tools:
        raise ConfigError("the program asked for native tool calls, which promptopt does not send; use dspy.ReAct")
    config = request.config
    return tuple(messages), Sampling(
        temperature=TEMPERATURE if config.temperature is None else config.temperature,
        top_p=1.0 if config.top_p is None else config.top_p,
        max_tokens=MAX_TOKENS if config.max_tokens is None else config.max_tokens,
        stop=tuple(config.stop),
    )


def answered(request: LMRequest, reply: Reply) -> LMResponse:
    """Our reply as one of DSPy's. Raises DSPy's own error where the request does not fit into the model's context."""
    if reply.finish == "rejected":
        raise lm15.ContextLengthError(reply.text)
    finish = {"length": "length", "filter": "content_filter"}.get(reply.finish, "stop")
    read, written = reply.prompt_tokens, reply.completion_tokens
    return lm15.Response(
        id="promptopt",
        model=request.model,
        message=lm15.Message.assistant(reply.text),
        finish_reason=finish,
        usage=lm15.Usage(input_tokens=read, output_tokens=written, total_tokens=read + written),
    )


def reply_of(response: Any, name: str) -> Reply:
    """What an LM of DSPy's gave, in its own form or in OpenAI's, as a reply served by `name`."""
    if not isinstance(response, lm15.Response):
        choice: Any = response.choices[0]
        usage: Any = getattr(response, "usage", None)
        counts: dict[str, Any] = {} if usage is None else dict(usage)
        read, written = (int(counts.get(key) or 0) for key in ("prompt_tokens", "completion_tokens"))
        finish = finish_of(getattr(choice, "finish_reason", "stop"))
        # A model of texts alone (`model_type="text"`) has no messages.
        text: Any = choice.text if getattr(choice, "message", None) is None else choice.message.content
        return Reply(text if isinstance(text, str) else "", finish, read, written, served=name)
    text = "".join(part.text for part in response.message.parts if part.type == "text")
    usage = response.usage
    read, written = (0, 0) if usage is None else (int(usage.input_tokens or 0), int(usage.output_tokens or 0))
    return Reply(text, finish_of(response.finish_reason), read, written, served=name)


def _joined_texts(parts: Any) -> str:
    if isinstance(parts, str):
        return parts
    given: list[Any] = list(parts)
    kinds = dict.fromkeys(str(part.type) for part in given if part.type != "text")
    if kinds:
        raise ConfigError(f"the program sent {', '.join(kinds)}; promptopt sends texts alone")
    return "".join(part.text for part in given)
