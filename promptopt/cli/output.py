"""What every command says, and where: results on stdout, everything else on stderr, secrets nowhere."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from contextvars import ContextVar
from types import FrameType
from typing import Any, Protocol, TextIO, cast

import typer

from promptopt.errors import BackendError, ConfigError, DataError, PromptoptError, Suspended
from promptopt.text import visible, visible_json
from promptopt.types.identity import without_surrogates

FINISHED, FAILED, USAGE, SUSPENDED = 0, 1, 2, 3
"""Exit codes."""


_RESULTS: ContextVar[TextIO | None] = ContextVar("promptopt results", default=None)
"""Where results go, while a command runs."""


@contextmanager
def results_alone() -> Generator[None]:
    """Stdout is for results: what a program, metric or plug-in of the user's prints meanwhile goes to stderr.

    So does what is written by programs that they start, and by libraries that know descriptors alone.
    """
    with _descriptor_of_results() as stream:
        token = _RESULTS.set(stream)
        try:
            with redirect_stdout(sys.stderr):
                yield
        finally:
            _RESULTS.reset(token)


@contextmanager
def _descriptor_of_results() -> Generator[TextIO]:
    """A stream to what is stdout now, while descriptor 1 is stderr's; stdout itself where that is a host program's."""
    own, stdout = sys.__stdout__, sys.stdout
    if own is None or stdout is not own or sys.stderr is not sys.__stderr__ or own.closed or own.fileno() != 1:
        yield stdout
        return
    own.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        # By the line: what was shown before a kill has been shown.
        with open(kept, "w", encoding=own.encoding, errors=own.errors, buffering=1, closefd=False) as stream:
            yield stream
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def results() -> TextIO:
    """The stream that results are written to."""
    found = _RESULTS.get()
    return sys.stdout if found is None else found


def show(text: str) -> None:
    """A result, on stdout, with control characters made visible."""
    typer.echo(visible(text), results())


def hand_over(text: str) -> None:
    """A result that another program reads, as it is; on a terminal with control characters made visible."""
    typer.echo(visible(text) if results().isatty() else without_surrogates(text), results())


def show_json(value: Mapping[str, Any]) -> None:
    """One object on stdout; numbers that JSON does not know (NaN, infinity) are null."""
    typer.echo(visible_json(json.dumps(_without_infinities(value), ensure_ascii=False, allow_nan=False)), results())


class _Forecast(Protocol):
    def to_json(self) -> dict[str, Any]: ...
    def describe(self) -> str: ...


def show_forecast(forecast: _Forecast, *, as_json: bool) -> None:
    """What a dry run foresees, on stdout."""
    if as_json:
        show_json(forecast.to_json())
    else:
        show(forecast.describe())


def _without_infinities(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _without_infinities(item) for name, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_without_infinities(item) for item in cast("list[Any]", value)]
    return value


def say(text: str) -> None:
    """A remark, on stderr, with control characters made visible.

    It is lost where nothing takes it, since a run must not end for that.
    """
    with suppress(OSError, ValueError):
        typer.echo(visible(text), err=True)


def exit_code_of(error: BaseException) -> int:
    """Say in one sentence what went wrong, and give the exit code for it.

    `PROMPTOPT_DEBUG=1` shows the traceback too.
    """
    if os.environ.get("PROMPTOPT_DEBUG", "0") not in ("", "0"):
        say(without_secrets("".join(traceback.format_exception(error))))
    if isinstance(error, KeyboardInterrupt):
        say("stopped; run the same command again to go on")
        return SUSPENDED
    if isinstance(error, PromptoptError):
        say(f"Error: {without_secrets(str(error))}")
        return USAGE if isinstance(error, ConfigError | DataError) else FAILED
    what = without_secrets(f"{type(error).__name__}: {error}")
    if isinstance(error, OSError):
        # Files that were named are told by what reads and writes them: this is what the system says of the output.
        said = error.strerror if error.strerror else str(error)
        name = f" {error.filename!r}" if error.filename else ""
        from promptopt.places import mend_of

        mend = mend_of(error) or "mend that and run it again"
        say(f"Error: the system says of the output or a file{name}: {without_secrets(said)}; {mend}")
    else:
        say(f"Error: {what}; this should not happen: run it again with PROMPTOPT_DEBUG=1 to see where, and report it")
    return FAILED


_SECRET_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD")


def without_secrets(text: str) -> str:
    """The text with every value of a secret-looking environment variable taken out: the last line of defence."""
    for name, held in os.environ.items():
        value = held.strip()  # one that was read from a file may end in a line break
        # A shorter one is no key, and may stand in any sentence.
        if len(value) >= 8 and any(word in name.upper() for word in _SECRET_NAMES):
            text = text.replace(value, f"(the value of {name})")
    return text


@contextmanager
def suspended_by(interrupt: threading.Event) -> Generator[None]:
    """Ends the command as suspended where the user or the minutes allowed stopped it; other failures pass."""
    try:
        yield
    except BackendError as failure:
        stop = failure.__cause__
        # What an engine or a server suffered from stands behind it, and there is nothing behind the clock.
        by_clock = isinstance(stop, Suspended) and stop.__cause__ is None
        if not interrupt.is_set() and not by_clock:
            raise
        say("stopped; run the same command again to go on" if interrupt.is_set() else f"suspended: {failure}")
        raise typer.Exit(SUSPENDED) from None


class _Shown(logging.Handler):
    """Hands each record's message to `write`."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        """Hand it over; called from the thread that speaks to the server."""
        self._write(without_secrets(record.getMessage()))


@contextmanager
def troubles(write: Callable[[str], None] | None) -> Generator[None]:
    """Has what servers suffer from shown while they do; `None` shows nothing."""
    # A handler of its own even where nothing is shown: without any, Python prints warnings to stderr itself.
    log = logging.getLogger("promptopt.models.server")
    handler = logging.NullHandler() if write is None else _Shown(write)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


@contextmanager
def interruptible() -> Generator[threading.Event]:
    """An event that the first Ctrl-C, SIGTERM or SIGHUP sets; the second Ctrl-C or SIGTERM raises KeyboardInterrupt."""
    interrupt = threading.Event()
    # Asked now: once a terminal is gone, nothing says any more that it was one.
    terminals = [number for number in (1, 2, *_descriptor(results())) if os.isatty(number)]
    seen: set[int] = set()

    def handle(number: int, _frame: FrameType | None) -> None:
        # Shells and service managers send a SIGHUP beside another signal, and twice: only who asks again in the same
        # words is in a hurry.
        if number in seen and number != getattr(signal, "SIGHUP", None):
            raise KeyboardInterrupt
        seen.add(number)
        interrupt.set()
        _leave_lost(terminals)
        say("finishing calls in flight; press Ctrl-C again to stop now")

    if threading.current_thread() is not threading.main_thread():
        # Only the main thread may handle signals; elsewhere Ctrl-C is the host program's business.
        yield interrupt
        return
    before = {number: signal.signal(number, handle) for number in _ending()}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ending() -> list[signal.Signals]:
    """The signals that end a program; without those that whoever started it has it ignore, as `nohup` does."""
    also = (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP"))
    heeded = [number for number in also if number is not None and signal.getsignal(number) is not signal.SIG_IGN]
    return [signal.SIGINT, *heeded]


def _descriptor(stream: TextIO) -> list[int]:
    # A host program's stream, such as a notebook's, may have none.
    with suppress(OSError, ValueError):
        return [stream.fileno()]
    return []


def _leave_lost(terminals: list[int]) -> None:
    """Let what is written to a terminal that is gone vanish: each write to it would fail, and end the run."""
    for number in terminals:
        if not os.isatty(number):
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), number)
