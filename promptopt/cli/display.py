"""How a run looks while it works: a live table in a terminal, plain lines elsewhere, nothing when quiet.

A reader of the run's events and snapshots; everything goes to stderr, so that stdout is the result alone.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from promptopt.cli.live_table import Live, speed
from promptopt.cli.output import say, troubles
from promptopt.cli.progress import done, time_left
from promptopt.cli.run_words import PHASES, opening_lines
from promptopt.reports import words
from promptopt.run.budget import Limits
from promptopt.run.events import Event, PhaseBegun, Planned, StepDone, Warned
from promptopt.text import counted, normalise

if TYPE_CHECKING:
    from promptopt.run import Run

PULSE_S = 30.0
"""Seconds between signs of life where there is no live table."""


class Quiet:
    """Shows nothing at all."""

    def __call__(self, event: Event) -> None:
        """Ignore the event."""

    def watch(self, run: Run) -> None:
        """Ignore the run."""


class Lines:
    """One line for each thing that happened, and a sign of life in between: for logs, pipes and files."""

    def __init__(
        self, write: Callable[[str], None] = say, pulse_s: float = PULSE_S, minutes: float | None = None
    ) -> None:
        """`write` takes one line without its end; `pulse_s`: seconds between signs of life; `minutes`: as in `Live`."""
        self._write, self._pulse_s, self._minutes = write, pulse_s, minutes
        self._run: Run | None = None
        self._caps: Limits | None = None
        self._over = threading.Event()
        # A daemon: a run that fails must not wait for the next sign of life.
        self._thread = threading.Thread(target=self._pulse, name="promptopt-lines", daemon=True)

    def __enter__(self) -> Lines:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def watch(self, run: Run) -> None:
        """Begin to follow a run."""
        self._run = run

    def _pulse(self) -> None:
        while not self._over.wait(self._pulse_s):
            if self._run is not None:
                state = self._run.snapshot()
                said = done(state, self._minutes, self._caps)
                self._write(f"  {words.duration(state.seconds)}: {said}; {speed(state)}")

    def __call__(self, event: Event) -> None:
        """Write what the event says."""
        match event:
            # The caps of the whole run: a snapshot's own leave out what is set aside for its end.
            case Planned():
                self._caps = event.allocation.total
                for line in opening_lines(event):
                    self._write(line)
            case PhaseBegun():
                self._write(PHASES.get(event.name, event.name) + (f" ({event.reason})" if event.reason else ""))
            case StepDone():
                self._write(self._step(event))
            case Warned():
                self._write(f"warning: {normalise(event.message)}")

    def _step(self, event: StepDone) -> str:
        scored = {estimate.prompt: estimate for estimate in event.pool if estimate.count}
        best = next((scored[prompt] for prompt in event.kept if prompt in scored), None)
        shown = (
            "nothing scored" if best is None else f"best {words.score(best.mean)} on {counted(best.count, 'example')}"
        )
        spent, shown = event.spent, f"{event.note}; {shown}" if event.note else shown
        caps = Limits() if self._caps is None else self._caps
        used = [
            counted(count, noun) if cap is None else f"{count:,} of at most {counted(cap, noun)}"
            for count, cap, noun in (
                (spent.evaluations, caps.evaluations, "evaluation"),
                (spent.calls, caps.calls, "call"),
                (spent.tokens, caps.tokens, "token"),
            )
        ]
        used += [words.dollars(spent.usd)] if spent.usd else []
        left = None if self._run is None else time_left(self._run.snapshot(), self._minutes, self._caps)
        used += [] if left is None else [f"{words.roughly(left)} left"]
        return f"step {event.number}: {shown}; {counted(len(event.pool), 'prompt')} compared; so far {', '.join(used)}"


@contextmanager
def display(
    title: str,
    interrupt: threading.Event | None = None,
    *,
    quiet: bool,
    minutes: float | None,
    stream: TextIO | None = None,
) -> Generator[Quiet | Lines | Live]:
    """What fits the place the output goes to: nothing, plain lines, or a live table where `stream` is a terminal."""
    place = sys.stderr if stream is None else stream
    if quiet:
        with troubles(None):
            yield Quiet()
    # A pipe or a file keeps all that is written, and so does a terminal that cannot go up: nothing is drawn over there.
    elif not place.isatty() or os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        say(title)
        with Lines(minutes=minutes) as lines, troubles(lambda text: say(f"  {text}")):
            yield lines
    else:
        from rich.console import Console

        with Live(title, Console(file=place), minutes, interrupt) as live, troubles(live.remark):
            yield live
