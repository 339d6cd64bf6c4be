"""LM calls that would go past the run: from a program's own threads, or to an LM that the program puts in place."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from promptopt.dspy.every_call import (
    NOT_KEPT,
    USUAL,
    Given,
    Named,
    is_plain,
    settings_of,
    watch_every_call,
    whole_request,
    without_settings,
)
from promptopt.dspy.lm import (
    ASKING,
    HANDLE,
    JUDGING,
    AsyncCellEngine,
    CellEngine,
    ModelEngine,
    asked_by,
    inside,
    route_of,
    unset,
)
from promptopt.dspy.untyped import LM, LMRequest, LMResponse, dspy, lm15
from promptopt.errors import ConfigError

THREADS = (
    "the program asks the LM from threads of its own (dspy.Parallel, dspy.asyncify, dspy.streamify, a pool): those are "
    "refused, and a cell is worth what the program makes of that; have it ask in the thread it is called in, or await "
    "(`aforward`)"
)
GIVE_IT = "the program asks the LM {!r} by itself, {}; give it to a predictor before the run (`predictor.lm = …`)"
UNCOUNTED = "so those calls are not counted, capped or replayed"
BY_THREAD = "the LM {!r} was asked from a thread that no cell is known by, {}; ask it where the program is called"
BY_METRIC = "the metric asks the LM {!r}, which is not the one in use, {}; a cap on calls does not hold for them"
NOT_SENT = "the program asks for {}, which {}; it is asked without"
NO_TEXT = "the LM {!r} is asked for more than a text, as with images or tools, {}"

MADE_FOR_IT = "_promptopt_made_for_a_request"
"""What marks an LM that was made for a request that is given whole: its settings are that one's."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a call comes from: the run, the thread of the cell, and whether it is the metric that asks."""

    strays: Strays
    thread: int
    judging: bool = False


_PLACE: ContextVar[_Place | None] = ContextVar("promptopt dspy place", default=None)


class _UnderWay:
    """The runs that have cells under way, in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cells: dict[Strays, int] = {}

    def add(self, strays: Strays, change: int) -> None:
        """One cell more, or less."""
        with self._lock:
            self._cells[strays] = self._cells.get(strays, 0) + change
            if not self._cells[strays]:
                del self._cells[strays]

    def runs(self) -> Sequence[Strays]:
        """All that have one."""
        with self._lock:
            return list(self._cells)


_UNDER_WAY = _UnderWay()


class Strays:
    """What programs ask apart from the LMs that were known when the run began."""

    def __init__(self, route: Callable[[LM], str] | None, known: Mapping[str, LM] | None = None) -> None:
        """`route`: how the run's model is told which LM is meant; None: it can ask no other.

        `known`: by route those that it asks from the first; without any, a model of promptopt's answers for all.
        """
        self.lms: dict[str, LM] = {}
        """LMs that programs put in place themselves, by route: the run asks them, and counts them like the others."""
        self._route = route
        self._known: Mapping[str, LM] = {} if known is None else known
        self._twins: dict[tuple[str, bool], LM] = {}
        self._direct: dict[str, None] = {}
        self._threads = False
        watch_every_call(_asked_instead)
        engines = {"engine": _Engine(self), "async_engine": _AsyncEngine(self)}
        self.guard: LM = _Guard(model="promptopt", cache=False, num_retries=0, **engines)
        """What every predictor without an LM of its own holds within a run: one, as a module has only one LM then."""

    @contextmanager
    def cell(self) -> Generator[None]:
        """While one cell of the run is under way: what it asks of any LM is known to come from it."""
        _UNDER_WAY.add(self, 1)
        # Never put back, as `HANDLE`.
        _PLACE.set(_Place(self, threading.get_ident()))
        try:
            yield
        finally:
            _UNDER_WAY.add(self, -1)

    @contextmanager
    def judging(self) -> Generator[None]:
        """While the metric of the cell is asked: a judge's LM answers for itself, whatever model is searched on."""
        before, asking = _PLACE.set(_Place(self, threading.get_ident(), judging=True)), JUDGING.set(True)
        try:
            yield
        finally:
            _PLACE.reset(before)
            JUDGING.reset(asking)

    def meant(self) -> LM:
        """The LM that the program put in place, as the run asks it. Raises ConfigError where no cell is under way."""
        if HANDLE.get() is None:
            self._threads = True
            raise ConfigError("the LM was asked outside of its cell, from a thread of the program's own")
        return self._twin(dspy.settings.lm)

    def as_asked(self, lm: LM, given: Given, named: Named) -> tuple[LM, Given, Named]:
        """A call of an LM of the run's: where it names settings that no request carries, an LM that is made with them.

        So they are sent, and a reply is stored under them.
        """
        wanted = settings_of(lm, given, named)
        source = known = self._source(lm)
        whole = isinstance(known, dspy.LM) and whole_request(given, named) is not None
        if whole and not hasattr(lm, MADE_FOR_IT):
            # DSPy sends it as it stands, without what the LM was made with.
            source = unset(known)
        # What such an LM sends anyhow, or leaves to its server, stands in the request.
        of_request = [name for name in USUAL if source is None or source.kwargs.get(name) is not None]
        wanted = {name: value for name, value in wanted.items() if name not in of_request}
        if not wanted and source is known:
            return lm, given, named
        for name in sorted(NOT_KEPT.intersection(wanted)):
            self._direct[NOT_SENT.format(name, "no reply of a run holds")] = None
            del wanted[name]
        given, named = without_settings(lm, given, named)
        if source is not None:
            made = asked_by(source, wanted)
            return (lm if route_of(made) == route_of(known) else self._twin(made, whole=whole)), given, named
        for name in sorted(wanted):
            self._direct[NOT_SENT.format(name, "a model of promptopt's does not take")] = None
        held = {name: None for name in wanted if name in lm.kwargs}
        return (lm.copy(**held) if held else lm), given, named

    def _source(self, lm: LM) -> LM | None:
        """The user's own LM behind one of the run's; None where a model of promptopt's answers."""
        route = str(getattr(getattr(lm, "engine", None), "route", ""))
        found = self._known.get(route, self.lms.get(route))
        return None if self._route is None or isinstance(getattr(found, "engine", None), ModelEngine) else found

    def instead(self, lm: LM, place: _Place, given: Given, named: Named) -> LM:
        """What a call of `lm` goes to: the run, as far as it can ask for that; else the LM itself, which is noted."""
        why = ""
        if place.judging:
            why = BY_METRIC
        elif place.thread != threading.get_ident():
            why = BY_THREAD
        elif not is_plain(given, named):
            why = NO_TEXT
        if not why:
            return self._twin(lm)
        self.note(lm, why)
        return lm

    def note(self, lm: LM, why: str) -> None:
        """An LM that is asked directly, to be told of."""
        self._direct[why.format(str(lm.model), UNCOUNTED)] = None

    def _twin(self, given: LM, *, whole: bool = False) -> LM:
        if self._route is None:
            self.note(given, GIVE_IT)
            return given
        # By what it is, as a program may make one for every call.
        kind = route_of(given), whole
        if kind not in self._twins:
            route = self._route(given)
            self.lms.setdefault(route, given.copy(cache=False))
            made = inside(given, route)
            if whole:
                setattr(made, MADE_FOR_IT, True)
            self._twins[kind] = made
        return self._twins[kind]

    def said(self) -> Sequence[str]:
        """What a user should know of it, in sentences."""
        return [*([THREADS] if self._threads else []), *self._direct]


def _asked_instead(lm: LM, given: Given, named: Named) -> tuple[LM, Given, Named]:
    """What a call of any LM of DSPy's goes to, with what that is given."""
    place = _PLACE.get()
    if ASKING.get():
        return lm, given, named
    if isinstance(lm, _Guard):
        # With settings that its engine would not be handed, or a whole request, the LM that is meant is asked itself.
        apart = settings_of(lm, given, named) or whole_request(given, named) is not None
        meant = place is not None and HANDLE.get() is not None and apart
        return (place.strays.meant() if place is not None and meant else lm), given, named
    if _uses_our_engine(lm):
        return (lm, given, named) if place is None else place.strays.as_asked(lm, given, named)
    if place is not None:
        return place.strays.instead(lm, place, given, named), given, named
    # It may be a thread of the program's, or of the user's own beside the run: nothing tells them apart.
    for strays in _UNDER_WAY.runs():
        strays.note(lm, BY_THREAD)
    return lm, given, named


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
