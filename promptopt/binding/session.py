"""What surrounds a run and changes nothing in it: who watches, what may stop it, where it is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptopt.arguments import check_fields, told
from promptopt.errors import BackendError, BudgetSpent, ConfigError, RequestRefused, Suspended
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.run.events import Event
from promptopt.store.runs import Store
from promptopt.types import canonical


@told
@dataclass(frozen=True, slots=True)
class Session:
    """Who looks on while a run goes, and how it is interrupted."""

    observers: Sequence[Callable[[Event], None]] = ()
    """Each is handed every event."""
    watch: Callable[[Run], None] | None = None
    """Is handed the run before it begins."""
    interrupt: threading.Event | None = None
    """Setting it suspends the run once the calls in flight have settled."""
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Kept with the run, as what started it: texts, numbers, and lists and tables of them."""

    def __post_init__(self) -> None:
        check_fields(self)
        for name, value in self.config.items():
            try:
                canonical(value)
            except (TypeError, ValueError) as cause:
                raise ConfigError(
                    f"Session: config[{name!r}] is {value!r}, which is not kept as JSON: give a text, as str(…) does"
                ) from cause


@contextmanager
def opened(store: Store | str | Path | None) -> Generator[Store]:
    """The store given, or one opened here and closed at the end."""
    # Whoever opened it closes it.
    if isinstance(store, Store):
        yield store
        return
    with Store(store) as fresh:
        yield fresh


def seconds_since(begun: float) -> float:
    """Seconds of a session that began then (monotonic)."""
    return time.monotonic() - begun


def stopping(budget: Budget, begun: float, interrupt: threading.Event | None) -> Callable[[], str | None]:
    """Gives the reason to suspend now, or None: an interrupt, or the minutes since `begun` (monotonic) are over."""

    def reason() -> str | None:
        if interrupt is not None and interrupt.is_set():
            return "interrupted"
        if budget.minutes is not None and seconds_since(begun) > budget.minutes * 60:
            return f"{budget.minutes:g} {'minute is' if budget.minutes == 1 else 'minutes are'} over"
        return None

    return reason


@contextmanager
def no_search() -> Generator[None]:
    """What ends a look, which has nothing to suspend, as BackendError that says how to go on.

    A request that is refused for good stays RequestRefused: another layout may do.
    """
    try:
        yield
    except BudgetSpent as stop:
        raise BackendError(f"{stop}; raise the limit, and run the same command again to go on") from stop
    except Suspended as stop:
        if isinstance(stop.__cause__, RequestRefused):
            raise RequestRefused(str(stop.__cause__)) from stop
        said = str(stop)
        # Some stops say it themselves.
        goes_on = "run the same command" in said or said.endswith("to go on")
        raise BackendError(said if goes_on else f"{said}; run the same command again to go on") from stop
