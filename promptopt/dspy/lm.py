"""Between the two kinds of model: an engine of DSPy's that asks ours, and a model of ours that asks LMs of DSPy's."""

from __future__ import annotations

import contextvars
import inspect
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, cast

from promptopt.binding.models import open_models
from promptopt.dspy.history import without_history
from promptopt.dspy.in_flight import InFlight
from promptopt.dspy.untyped import LM, LMRequest, LMResponse, dspy, lm15
from promptopt.dspy.wire import MAX_TOKENS, TEMPERATURE, answered, asked, reply_of
from promptopt.errors import BackendError, ConfigError
from promptopt.programs.handle import ModelHandle
from promptopt.protocols import Model
from promptopt.types import Content, Message, Reply, Request, Sampling, digest

CLIENT_KEYS = frozenset(
    ("api_key", "api_base", "base_url", "headers", "extra_headers", "timeout", "api_version", "organization", "project",
     "azure_ad_token_provider", "extra_query", "custom_llm_provider")
)  # fmt: skip
"""Settings of a connection (DSPy's own list): no part of a request, and never shown."""

SAMPLED_BY = frozenset(("temperature", "top_p", "max_tokens", "stop"))
"""Settings that a request of promptopt's carries; the others are the LM's own, which asks by them itself."""

NAMED = "_promptopt_named"
"""Where an LM of somebody's own class keeps what its calls name."""

THINKING = 16_000
"""Tokens that OpenAI's reasoning models are left, as what they think counts: DSPy makes none with fewer."""

HANDLE: contextvars.ContextVar[ModelHandle | None] = contextvars.ContextVar("promptopt dspy handle", default=None)
"""What the cell under way asks the model through."""

JUDGING: contextvars.ContextVar[bool] = contextvars.ContextVar("promptopt dspy judging", default=False)
"""Whether it is the metric of the cell that asks."""

ASKING: contextvars.ContextVar[bool] = contextvars.ContextVar("promptopt dspy asking", default=False)
"""Whether it is the run that asks an LM."""


class CellEngine:
    """An engine of `dspy.LM` that asks through the cell's own handle: metered, keyed, and replayed by the run."""

    supports_function_calling = False
    supports_response_schema = False
    supported_params = frozenset({"temperature", "top_p", "max_tokens", "stop"})

    def __init__(self, route: str = "") -> None:
        """`route`: which of the program's LMs is meant, where there are several."""
        self.route = route

    def complete(self, request: LMRequest) -> LMResponse:
        """One call. Raises ConfigError where no cell is under way, and for what is no text."""
        content, sampling = asked(request)
        # A module that is awaited may well call a predictor without an `await`: with any LM that works.
        reply = _handle().now(content, sampling, route=self.route, judging=JUDGING.get())
        return answered(request, reply)

    def stream(self, request: LMRequest) -> Iterator[Any]:
        """The reply in one piece, as events of a stream: what is recorded comes whole. Raises as `complete`."""
        return iter(lm15.response_to_events(self.complete(request)))

    # DSPy copies LMs deeply, engines too: every copy asks through the cell that is under way.
    def __copy__(self) -> CellEngine:
        return self

    def __deepcopy__(self, memo: object) -> CellEngine:
        return self


class AsyncCellEngine:
    """The same for programs that await."""

    def __init__(self, route: str = "") -> None:
        """`route`: as of `CellEngine`."""
        self.route = route

    async def complete(self, request: LMRequest) -> LMResponse:
        """One call. Raises ConfigError as `CellEngine`."""
        content, sampling = asked(request)
        found = _handle()(content, sampling, route=self.route, judging=JUDGING.get())
        # A module that is not awaited may run a loop of its own (`asyncio.run`, `dspy.syncify`).
        return answered(request, await found if inspect.isawaitable(found) else found)

    async def stream(self, request: LMRequest) -> AsyncIterator[Any]:
        """As of `CellEngine`."""
        for event in lm15.response_to_events(await self.complete(request)):
            yield event

    def __copy__(self) -> AsyncCellEngine:
        return self

    def __deepcopy__(self, memo: object) -> AsyncCellEngine:
        return self


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

    def stream(self, request: LMRequest) -> Iterator[Any]:
        """The reply in one piece, as events of a stream. Raises as `complete`."""
        return iter(lm15.response_to_events(self.complete(request)))

    # The copy of a model would load its weights a second time.
    def __copy__(self) -> ModelEngine:
        return self

    def __deepcopy__(self, memo: object) -> ModelEngine:
        return self


def lm_of(model: str | Model, *, temperature: float = 0.0, max_tokens: int = MAX_TOKENS) -> LM:
    """Any model of promptopt's, by its spec or as an object, as a `dspy.LM`. Raises ConfigError for an unknown spec.

    It is greedy, and caps a reply at `max_tokens`, unless it is told otherwise. DSPy's cache is off: set it by
    `lm.copy(cache=True)`.
    """
    opened = open_models(model).by_role["task"]
    return dspy.LM(
        model=opened.name,
        engine=ModelEngine(opened),
        cache=False,
        num_retries=0,
        temperature=temperature,
        max_tokens=max_tokens,
    )


def inside(lm: LM | None, route: str = "") -> LM:
    """The LM that a program uses within a run: it sends what `lm` sends, and the run's store and caps answer.

    None: a model of promptopt's answers, greedily.
    """
    engines = {"engine": CellEngine(route), "async_engine": AsyncCellEngine(route)}
    given: Any = lm
    if isinstance(given, dspy.LM):
        # Some, as `extra_body`, DSPy gives to no engine but its own.
        bare = given.copy(cache=False, num_retries=0, **{key: None for key in given.kwargs if key not in SAMPLED_BY})
        return without_history(bare.copy(**engines))
    settings: dict[str, Any] = {"temperature": 0.0, "max_tokens": MAX_TOKENS}
    name = "promptopt"
    if lm is not None:
        name = lm.model
        settings = {key: value for key, value in lm.kwargs.items() if key in SAMPLED_BY and value is not None}
    return without_history(dspy.LM(model=name, cache=False, num_retries=0, **engines, **settings))


def asked_by(lm: LM, settings: Mapping[str, Any]) -> LM:
    """A copy of an LM that is asked by further settings, as where a call names them."""
    made = lm.copy(**settings)
    if not isinstance(made, dspy.LM):
        # A class of somebody's own is handed what a call names; what it was made with, it looks up itself.
        setattr(made, NAMED, dict(settings))
    return made


def unset(lm: LM) -> LM:
    """A copy of an LM that sends what it is asked by, and nothing that it was made with but its connection."""
    return lm.copy(**{name: None for name in lm.kwargs if name not in CLIENT_KEYS})


def route_of(lm: LM) -> str:
    """A name for an LM that tells it from others: what it is, how it is set, and where it is served."""
    settings = {name: repr(value) for name, value in sorted(lm.kwargs.items()) if name not in CLIENT_KEYS}
    where = [str(lm.kwargs.get(name, "")) for name in ("api_base", "base_url")]
    served = getattr(getattr(lm, "engine", None), "model", None)
    inner = served.name if isinstance(lm, dspy.LM) and isinstance(lm.engine, ModelEngine) and served else ""
    told = [type(lm).__qualname__, settings, where, inner]
    if not SAMPLED_BY.issuperset(settings):
        # Replies that were asked for without these settings stand under the name that this would be without it.
        told.append("settings sent")
    answers: Any = getattr(lm, "answers", None)
    # A `DummyLM` has its answers in place of a server, and all of them have one name.
    made_with = [repr(cast("object", answers))] if type(lm).__name__ == "DummyLM" and isinstance(answers, dict) else []
    return f"{lm.model}#{digest([*told, *made_with])[:8]}"


class DspyModel:
    """The LMs of a program as one model of promptopt's; DSPy's cache is off, as the run's store answers instead."""

    def __init__(
        self,
        lm: LM,
        others: Sequence[LM] = (),
        more: Mapping[str, LM] | None = None,
        *,
        threads: int = 8,
        own: Collection[str] = (),
    ) -> None:
        """`lm`: what is asked where a request names no route. `others`: by route; `more`: those that come up meanwhile.

        `threads`: requests in flight. `own`: of `temperature` and `max_tokens` those that an LM was made with take the
        place of what is asked for. So they do in DSPy, where another LM is put in place.
        """
        self._lms = {"": lm.copy(cache=False), **{route_of(each): each.copy(cache=False) for each in others}}
        self._more: Mapping[str, LM] = {} if more is None else more
        self._threads = threads
        routes = [route_of(lm), *(route for route in self._lms if route and route != route_of(lm))]
        self._own = own
        self.name = f"dspy/{'+'.join(routes)}{' as set' if 'temperature' in own else ''}"

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """As `protocols.Model.generate`. Raises BackendError for the first failure, once what is in flight settled."""
        try:
            yield from InFlight(requests, self._one, stopping).replies(self._threads)
        except Exception as failure:
            said = f"{type(failure).__name__}: {failure}"
            raise BackendError(f"the DSPy model {self.name!r} failed: {said}") from failure

    def _lm(self, route: str) -> LM:
        """The LM of a route; one that is not known is asked of a model that answers for all: a teacher, a proposer."""
        found = self._lms.get(route, self._more.get(route))
        return self._lms[""] if found is None else found

    def _one(self, request: Request) -> Reply:
        lm, sampling = self._lm(request.route), request.sampling
        config = {**getattr(lm, NAMED, {}), **_differing(lm, sampling, self._own)}
        if lm.kwargs.get("n"):
            config["n"] = 1
        # Never put back: each call is made in a thread of this model's own.
        ASKING.set(True)
        # Its history would keep every call in memory.
        with dspy.context(lm=lm, disable_history=True):
            try:
                return reply_of(_response(lm, request.content, config), self.name)
            except Exception as cause:
                # By name: litellm and DSPy have classes of their own for it, and either may be missing.
                if any(word in type(cause).__name__ for word in ("ContextWindow", "ContextLength")):
                    return Reply(str(cause), "rejected", served=self.name)
                raise


def _differing(lm: LM, sampling: Sampling, own: Collection[str]) -> dict[str, Any]:
    """What a call is given: where it differs from how the LM is set, or from what that leaves to its server.

    All else the LM sends by itself, whatever its class makes of that. `own`: where it is set, that stays.
    """
    # OpenAI's reasoning models have another name for it, and refuse both.
    thinking = "max_completion_tokens" in lm.kwargs
    cap = "max_completion_tokens" if thinking else "max_tokens"
    stop: Any = lm.kwargs.get("stop")
    # For each: what is wanted, how the LM is set, and what its server does by itself.
    settings: dict[str, tuple[Any, Any, Any]] = {
        "temperature": (sampling.temperature, lm.kwargs.get("temperature"), TEMPERATURE),
        cap: (sampling.max_tokens, lm.kwargs.get(cap) or None, MAX_TOKENS),
        "top_p": (sampling.top_p, lm.kwargs.get("top_p"), 1.0),
        "stop": (list(sampling.stop) or None, [stop] if isinstance(stop, str) else list(stop or ()) or None, None),
    }
    found = {
        name: wanted
        for name, (wanted, given, usual) in settings.items()
        if wanted != (usual if given is None else given)
    }
    for name in own:
        if settings[cap if name == "max_tokens" else name][1] is not None:
            found.pop(cap if name == "max_tokens" else name, None)
    if thinking and found.get(cap, THINKING) < max(THINKING, settings[cap][1] or 0):
        found.pop(cap, None)
    return found


def _response(lm: LM, content: Content, config: dict[str, Any]) -> Any:
    # Not a request of DSPy's: with one, an LM leaves out settings it was made with, as `seed` and `reasoning_effort`.
    said = [Message("user", content)] if isinstance(content, str) else content
    return lm.forward(messages=[{"role": each.role, "content": each.content} for each in said], **config)


def _handle() -> ModelHandle:
    found = HANDLE.get()
    if found is None:
        raise ConfigError("an LM of a promptopt run was asked outside of that run; set another LM")
    return found
