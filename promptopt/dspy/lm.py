"""Between the two kinds of model: an engine of DSPy's that asks ours, and a model of ours that asks a `dspy.BaseLM`."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, cast

from promptopt.binding.models import open_models
from promptopt.dspy.untyped import LM, LMRequest, LMResponse, dspy, lm15
from promptopt.errors import BackendError, ConfigError
from promptopt.programs.handle import ModelHandle
from promptopt.protocols import Model
from promptopt.types import Content, Finish, Message, Reply, Request, Sampling, digest

CLIENT_KEYS = frozenset(
    {"api_key", "api_base", "base_url", "headers", "extra_headers", "timeout", "api_version", "organization"}
)
"""Settings of a connection: no part of a request, and never shown."""
TEMPERATURE = 1.0
"""What an LM that sets no temperature is taken to sample at: the servers' own default."""
MAX_TOKENS = 4_096
"""What an LM that sets no cap on its reply is given."""

HANDLE: contextvars.ContextVar[ModelHandle | None] = contextvars.ContextVar("promptopt dspy handle", default=None)
"""What the cell under way asks the model through."""

_FINISHES: dict[str, Finish] = {"length": "length", "content_filter": "filter"}


class CellEngine:
    """An engine of `dspy.LM` that asks through the cell's own handle: metered, keyed, and replayed by the run."""

    supports_function_calling = False
    supports_response_schema = False
    supported_params = frozenset({"temperature", "top_p", "max_tokens", "stop"})

    def complete(self, request: LMRequest) -> LMResponse:
        """One call. Raises ConfigError where no cell is under way, and for what is no text."""
        handle = HANDLE.get()
        if handle is None:
            raise ConfigError("an LM of a promptopt run was asked outside of that run; set another LM")
        content, sampling = asked(request)
        return answered(request, handle(content, sampling))

    def __copy__(self) -> CellEngine:
        return self

    def __deepcopy__(self, memo: object) -> CellEngine:
        return self


class AsyncCellEngine(CellEngine):
    """The same, awaited."""

    async def complete(self, request: LMRequest) -> LMResponse:  # type: ignore[override]
        """One call."""
        handle = HANDLE.get()
        if handle is None:
            raise ConfigError("an LM of a promptopt run was asked outside of that run; set another LM")
        content, sampling = asked(request)
        return answered(request, await handle(content, sampling))


class ModelEngine:
    """An engine of `dspy.LM` over a model of promptopt's, asked directly."""

    def __init__(self, model: Model) -> None:
        """`model`: any; it is asked one request at a time for each caller."""
        self.model = model

    def complete(self, request: LMRequest) -> LMResponse:
        """One call. Raises BackendError where the model fails."""
        content, sampling = asked(request)
        for _, reply in self.model.generate([Request(content, sampling)]):
            return answered(request, reply)
        raise BackendError(f"the model {self.model.name!r} gave no reply")

    def __copy__(self) -> ModelEngine:
        return self

    def __deepcopy__(self, memo: object) -> ModelEngine:
        return self


def lm_of(model: str | Model, *, temperature: float = 0.0, max_tokens: int = MAX_TOKENS) -> LM:
    """Any model of promptopt's, by its spec or as an object, as a `dspy.LM`. Raises ConfigError for an unknown spec."""
    opened = open_models(model).by_role["task"]
    return dspy.LM(
        model=opened.name, engine=ModelEngine(opened), cache=False, num_retries=0,
        temperature=temperature, max_tokens=max_tokens,
    )  # fmt: skip


class DspyModel:
    """A `dspy.BaseLM` as a model of promptopt's: its own cache switched off, as the run's store answers instead."""

    def __init__(self, lm: LM, *, threads: int = 8) -> None:
        """`lm`: what the user has configured. `threads`: requests in flight."""
        self.lm = lm.copy(cache=False)
        self._threads = threads
        settings = {name: value for name, value in sorted(lm.kwargs.items()) if name not in CLIENT_KEYS}
        where = lm.kwargs.get("api_base") or lm.kwargs.get("base_url") or ""
        self.name = f"dspy/{lm.model}#{digest([type(lm).__qualname__, repr(settings), str(where)])[:8]}"

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """As `protocols.Model.generate`. Raises BackendError for the first failure, once what is in flight settled."""
        waiting = iter(enumerate(requests))
        failure: Exception | None = None
        with ThreadPoolExecutor(self._threads) as pool:
            flying: dict[Future[Reply], int] = {}
            while True:
                while len(flying) < self._threads and failure is None and not stopping():
                    following = next(waiting, None)
                    if following is None:
                        break
                    place, request = following
                    flying[pool.submit(contextvars.copy_context().run, self._one, request)] = place
                if not flying:
                    break
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    place = flying.pop(future)
                    cause = future.exception()
                    if cause is None:
                        yield place, future.result()
                    elif isinstance(cause, Exception):
                        failure = cause if failure is None else failure
                    else:
                        raise cause
        if failure is not None:
            raise BackendError(
                f"the DSPy model {self.lm.model!r} failed: {type(failure).__name__}: {failure}"
            ) from failure

    def _one(self, request: Request) -> Reply:
        sampling = request.sampling
        own = self.lm.kwargs
        config: dict[str, Any] = {"temperature": sampling.temperature, "max_tokens": sampling.max_tokens}
        # What the LM leaves to its server stays so: what is sent is what it sends by itself.
        if own.get("temperature") is None and sampling.temperature == TEMPERATURE:
            del config["temperature"]
        if own.get("max_tokens") is None and sampling.max_tokens == MAX_TOKENS:
            del config["max_tokens"]
        if sampling.top_p != 1.0:
            config["top_p"] = sampling.top_p
        if sampling.stop:
            config["stop"] = sampling.stop
        with dspy.context(lm=self.lm, disable_history=True):
            try:
                response: Any = self._response(request.content, config)
            except Exception as cause:
                if "ContextWindow" in type(cause).__name__ or "ContextLength" in type(cause).__name__:
                    return Reply(str(cause), "rejected", served=self.name)
                raise
        return _reply(response, self.name)

    def _response(self, content: Content, config: dict[str, Any]) -> Any:
        if hasattr(self.lm, "engine") or hasattr(self.lm, "_engine_spec"):
            return self.lm(_request(self.lm.model, content, config))
        said = [Message("user", content)] if isinstance(content, str) else content
        messages = [{"role": each.role, "content": each.content} for each in said]
        return self.lm.forward(messages=messages, **config)


def _request(model: str, content: Content, config: dict[str, Any]) -> LMRequest:
    messages = [Message("user", content)] if isinstance(content, str) else list(content)
    system = "\n\n".join(each.content for each in messages if each.role == "system")
    said = [
        lm15.Message.assistant(each.content) if each.role == "assistant" else lm15.Message.user(each.content)
        for each in messages
        if each.role != "system"
    ]
    if not said:
        said, system = [lm15.Message.user(system)], ""
    return lm15.Request(
        model=model, messages=tuple(said), system=system if system else None, config=lm15.Config(**config)
    )


def _reply(response: Any, name: str) -> Reply:
    if not isinstance(response, lm15.Response):
        choice: Any = response.choices[0]
        usage: Any = getattr(response, "usage", None) or {}
        read, written = (int(dict(usage).get(key) or 0) for key in ("prompt_tokens", "completion_tokens"))
        finish = _FINISHES.get(getattr(choice, "finish_reason", "stop") or "stop", "stop")
        return Reply(choice.message.content or "", finish, read, written, served=name)
    text = "".join(part.text for part in response.message.parts if part.type == "text")
    usage = response.usage
    return Reply(
        text,
        _FINISHES.get(response.finish_reason, "stop"),
        int(usage.input_tokens or 0) if usage is not None else 0,
        int(usage.output_tokens or 0) if usage is not None else 0,
        served=name,
    )


def asked(request: LMRequest) -> tuple[Content, Sampling]:
    """A request of DSPy's as one of ours. Raises ConfigError for tools, images and what else is no text."""
    messages: list[Message] = []
    if request.system:
        messages.append(Message("system", _text(request.system)))
    for each in request.messages:
        role = {"developer": "system"}.get(each.role, each.role)
        if role not in ("system", "user", "assistant"):
            raise ConfigError(f"the program sent a message of the role {each.role!r}; promptopt sends texts alone")
        messages.append(Message(cast("Any", role), _text(each.parts)))
    if request.tools:
        raise ConfigError("the program asked for native tool calls, which promptopt does not send; use dspy.ReAct")
    config = request.config
    return tuple(messages), Sampling(
        temperature=TEMPERATURE if config.temperature is None else config.temperature,
        top_p=1.0 if config.top_p is None else config.top_p,
        max_tokens=MAX_TOKENS if config.max_tokens is None else config.max_tokens,
        stop=tuple(config.stop),
    )


def _text(parts: Any) -> str:
    if isinstance(parts, str):
        return parts
    if any(part.type != "text" for part in parts):
        kinds = ", ".join(dict.fromkeys(part.type for part in parts if part.type != "text"))
        raise ConfigError(f"the program sent {kinds}; promptopt sends texts alone")
    return "".join(part.text for part in parts)


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
        finish_reason=cast("Any", finish),
        usage=lm15.Usage(input_tokens=read, output_tokens=written, total_tokens=read + written),
    )


def inside(lm: LM) -> LM:
    """The LM that a program uses inside a run: it sends what `lm` sends, and the run's store and caps answer."""
    engine, other = CellEngine(), AsyncCellEngine()
    if isinstance(lm, dspy.LM):
        bare = lm.copy(cache=False, num_retries=0, **{key: None for key in lm.kwargs if key in CLIENT_KEYS})
        return bare.copy(engine=engine, async_engine=other)
    settings = {key: value for key, value in lm.kwargs.items() if key not in CLIENT_KEYS and value is not None}
    return dspy.LM(model=lm.model, engine=engine, async_engine=other, cache=False, num_retries=0, **settings)
