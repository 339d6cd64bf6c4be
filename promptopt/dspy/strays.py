"""LM calls that would go past the run: from a program's own threads, or to an LM that the program puts in place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from promptopt.dspy.lm import HANDLE, AsyncCellEngine, CellEngine, inside
from promptopt.dspy.untyped import LM, LMRequest, LMResponse, dspy, lm15
from promptopt.errors import ConfigError

THREADS = (
    "the program asks the LM from threads of its own (dspy.Parallel, dspy.asyncify, a pool): those are refused, and a "
    "cell is worth what the program makes of that; have it ask in the thread it is called in, or await (`aforward`)"
)


class Strays:
    """What programs ask apart from the LMs that were known when the run began."""

    def __init__(self, route: Callable[[LM], str] | None) -> None:
        """`route`: how the run's model is told which LM is meant; None: it can ask no other."""
        self.lms: dict[str, LM] = {}
        """LMs that programs put in place themselves, by route: the run asks them, and counts them like the others."""
        self._route = route
        self._twins: dict[int, tuple[LM, LM]] = {}
        self._direct: dict[str, None] = {}
        self._threads = False
        engines = {"engine": _Engine(self), "async_engine": _AsyncEngine(self)}
        self.guard: LM = _Guard(model="promptopt", cache=False, num_retries=0, **engines)
        """What every predictor without an LM of its own holds within a run: one, as a module has only one LM then."""

    def check(self, predictors: Sequence[tuple[str, Any]]) -> None:
        """Note the LMs that a program gave its predictors while it ran: they are asked directly."""
        for _, predictor in predictors:
            if predictor.lm is not None and not isinstance(predictor.lm, _Guard) and not _uses_our_engine(predictor.lm):
                self._direct[str(predictor.lm.model)] = None

    def meant(self) -> LM:
        """The LM that the program put in place, as the run asks it. Raises ConfigError where no cell is under way."""
        if HANDLE.get() is None:
            self._threads = True
            raise ConfigError("the LM was asked outside of its cell, from a thread of the program's own")
        return self._twin(dspy.settings.lm)

    def metered(self, adapter: Any) -> Any:
        """The adapter; where it asks an LM of its own (`dspy.TwoStepAdapter`), a copy that asks it through the run."""
        given: Any = getattr(adapter, "extraction_model", None)
        if not isinstance(given, dspy.BaseLM):
            return adapter
        found = copy(adapter)
        found.extraction_model = self._twin(given)
        return found

    def _twin(self, given: LM) -> LM:
        if self._route is None:
            self._direct[str(given.model)] = None
            return given
        if id(given) not in self._twins:
            route = self._route(given)
            self.lms.setdefault(route, given.copy(cache=False))
            # With the LM itself, so that its id goes to no other one.
            self._twins[id(given)] = (inside(given, route), given)
        return self._twins[id(given)][0]

    def said(self) -> Sequence[str]:
        """What a user should know of it, in sentences."""
        direct = [
            f"the program asks the LM {name!r} by itself, so those calls are not counted, capped or replayed; give it "
            f"to a predictor before the run (`predictor.lm = …`)"
            for name in self._direct
        ]
        return [*([THREADS] if self._threads else []), *direct]


class _Guard(dspy.LM):
    """Nothing at all in a cell, where the LM in use answers; in any other thread an LM, which refuses.

    DSPy asks a predictor's own LM where that is true, else the one that the thread has. A thread that a program starts
    has the user's own LM, which would be asked without the run.
    """

    def __bool__(self) -> bool:
        return HANDLE.get() is None or not _uses_our_engine(dspy.settings.lm)


class _Engine:
    """Asks what the program put in place of the run's LM."""

    supports_function_calling = False
    supports_response_schema = False
    supported_params = CellEngine.supported_params

    def __init__(self, strays: Strays) -> None:
        self._strays = strays

    def complete(self, request: LMRequest) -> LMResponse:
        """One call. Raises ConfigError as `Strays.meant`."""
        lm = self._strays.meant()
        return lm(_as_set(request, lm))

    def stream(self, request: LMRequest) -> Iterator[Any]:
        """As of `CellEngine`."""
        return iter(lm15.response_to_events(self.complete(request)))

    def __copy__(self) -> _Engine:
        return self

    def __deepcopy__(self, memo: object) -> _Engine:
        return self


class _AsyncEngine:
    """The same for programs that await."""

    def __init__(self, strays: Strays) -> None:
        self._strays = strays

    async def complete(self, request: LMRequest) -> LMResponse:
        """One call. Raises ConfigError as `Strays.meant`."""
        lm = self._strays.meant()
        return await lm.acall(_as_set(request, lm))

    async def stream(self, request: LMRequest) -> AsyncIterator[Any]:
        """As of `CellEngine`."""
        for event in lm15.response_to_events(await self.complete(request)):
            yield event

    def __copy__(self) -> _AsyncEngine:
        return self

    def __deepcopy__(self, memo: object) -> _AsyncEngine:
        return self


def _as_set(request: LMRequest, lm: LM) -> LMRequest:
    """The request as `lm` would send it: what the call does not say is as the LM is set."""
    # A request that is given whole is sent as it stands.
    config, stop = request.config, lm.kwargs.get("stop")
    unsaid = {
        name: lm.kwargs.get(name) for name in ("temperature", "top_p", "max_tokens") if getattr(config, name) is None
    }
    if stop and not config.stop:
        unsaid["stop"] = (stop,) if isinstance(stop, str) else tuple(stop)
    return replace(request, model=lm.model, config=replace(config, **unsaid))


def _uses_our_engine(lm: LM) -> bool:
    engines: Any = (getattr(lm, "engine", None), getattr(lm, "async_engine", None))
    return any(isinstance(each, CellEngine | AsyncCellEngine) for each in engines)
