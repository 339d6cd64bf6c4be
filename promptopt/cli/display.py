"""How a run looks while it works: a live table in a terminal, plain lines elsewhere, nothing when quiet.

A reader of the run's events and snapshots; everything goes to stderr, so that stdout is the result alone.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from promptopt.cli.output import say, troubles
from promptopt.cli.progress import done, time_left
from promptopt.outcome.looks import looked_at
from promptopt.reports import words
from promptopt.run.budget import Limits
from promptopt.run.events import Event, PhaseBegun, Planned, Snapshot, StepDone, Warned
from promptopt.stats import DISAGREEMENT
from promptopt.tasks.splits import FEW
from promptopt.text import counted, normalise, visible

if TYPE_CHECKING:
    from rich.console import Console, Group

    from promptopt.run import Run

PULSE_S = 30.0
"""Seconds between signs of life where there is no live table."""
BAR = 20
"""Characters of the bar that shows how much of a cap is used."""
PHASES = {
    "search": "searching",
    "dev": "final choice: the finalists and the start on dev",
    "test": "sealed test: start and winner on examples that the search has not seen",
}


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
                self._caps = event.plan.total
                for line in planned(event):
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


def planned(event: Planned) -> list[str]:
    """The run's name, what is set aside, what the test can show, and what is already paid for."""
    lines = [
        f"run {event.run_id}",
        event.plan.describe(),
        smallest(event.plan.test, event.smallest_gain, event.held),
    ]
    # A run that goes on repeats no look: its own was entered before.
    if event.look > 1 and not event.again:
        lines.append(looked_at(event.look, event.alpha))
    if event.recorded and event.finished:
        calls = counted(event.recorded, "call")
        lines.append(
            f"finished before: {calls} and the end are shown again, free of charge, unless a cap is larger now"
        )
    elif event.recorded:
        lines.append(f"going on after {counted(event.recorded, 'call')} of an earlier execution, free of charge")
    return lines


def smallest(test: int, gain: float, held: int = 0) -> str:
    """What the sealed test can show, and what would let it show more. `held`: as in `Planned`."""
    fewer = test < held
    examples = f"{test:,} of the {held:,} test examples" if fewer else counted(test, "test example")
    if not math.isfinite(gain):
        paid, wanted = ("the budget pays for ", "a larger one") if fewer else ("", "more data or a larger budget")
        return f"{paid}{examples}{', which' if fewer else ''} can hardly show any gain; give {wanted}"
    if gain > DISAGREEMENT:
        # Nobody gains on more examples than the two prompts differ on.
        wanted = "a larger budget" if fewer else "more data"
        return (
            f"{'the budget pays for ' if fewer else ''}{examples}{', which' if fewer else ''} are too few to find any "
            f"gain four times in five, if start and winner differ on {100 * DISAGREEMENT:.0f} % of them; give {wanted}"
        )
    more = "; a larger budget pays for more" if fewer else "; give more data for smaller ones" if test < FEW else ""
    return (
        f"on {examples} a true gain of {100 * gain:.0f} points or more is found four times in five, if start and "
        f"winner differ on {100 * DISAGREEMENT:.0f} % of them{more}"
    )


class Live:
    """A table that redraws itself four times a second, with the lines that matter kept above it."""

    def __init__(
        self,
        title: str,
        console: Console,
        minutes: float | None = None,
        interrupt: threading.Event | None = None,
    ) -> None:
        """`title` names what runs. `minutes`: the cap on wall clock, if there is one. `interrupt`: set by Ctrl-C."""
        from rich.live import Live as RichLive

        self._title, self._console, self._minutes, self._interrupt = title, console, minutes, interrupt
        self._run: Run | None = None
        self._caps: Limits | None = None
        self._drawn: tuple[int, list[int]] = (console.width, [])
        # Transient: at its end the table gives way to the result, and the lines above it stay.
        self._live = RichLive(console=console, refresh_per_second=4, get_renderable=self._next, transient=True)

    def __enter__(self) -> Live:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def watch(self, run: Run) -> None:
        """Begin to follow a run."""
        self._run = run

    def __call__(self, event: Event) -> None:
        """Keep what must not scroll away: the plan and the warnings."""
        if isinstance(event, Planned):
            self._caps = event.plan.total
            for line in planned(event):
                # No markup: what a model or a file wrote may hold brackets.
                self._console.print(visible(line), markup=False, highlight=False)
        elif isinstance(event, PhaseBegun) and event.reason:
            self._console.print(visible(event.reason), markup=False, highlight=False)
        elif isinstance(event, Warned):
            self.remark(f"warning: {normalise(event.message)}")

    def remark(self, text: str) -> None:
        """Keep a line above the table."""
        self._console.print(visible(text), markup=False, highlight=False, style="yellow")

    def _next(self) -> Group:
        """What is drawn next, over what was drawn last, however wide the terminal is by now."""
        from rich.control import Control
        from rich.segment import ControlType, Segment

        width, lengths = self._drawn
        if self._console.width < width:
            # What no longer fits into a line was broken into several, and `rich` goes up by as many as it drew.
            for _ in range(broken_lines(lengths, self._console.width)):
                self._console.control(Control((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)))
        table = self.table()
        lines = self._console.render_lines(table, pad=False)
        self._drawn = (self._console.width, [Segment.get_line_length(line) for line in lines])
        return table

    def table(self) -> Group:
        """The title and the table as they stand now."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False)
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(overflow="fold")
        if self._run is None:
            table.add_row("now", "getting the task and the model ready")
        else:
            for name, value in rows(self._run.snapshot(), self._minutes, self._caps):
                table.add_row(name, Text(visible(value)))
        if self._interrupt is not None and self._interrupt.is_set():
            table.add_row("stopping", Text("calls in flight are finished; Ctrl-C again stops now", style="yellow"))
        return Group(Text(visible(self._title), style="bold"), table)


def broken_lines(lengths: Sequence[int], width: int) -> int:
    """How many more lines a terminal makes of lines of these lengths when it becomes so narrow."""
    # Rounded up: minus floor division of minus.
    return sum(max(0, -(-length // max(1, width)) - 1) for length in lengths)


def rows(snapshot: Snapshot, minutes: float | None, caps: Limits | None = None) -> list[tuple[str, str]]:
    """(name, value) of everything the live table shows, in order.

    `caps`: those of the whole run; the snapshot's own, without what is set aside for its end, until they are known.
    """
    spent, limits = snapshot.spent, snapshot.limits if caps is None else caps
    shown = [("best so far", _best(snapshot)), ("now", _now(snapshot))]
    for name, used, cap in (
        ("evaluations", spent.evaluations, limits.evaluations),
        ("calls", spent.calls, limits.calls),
        ("tokens", spent.tokens, limits.tokens),
    ):
        shown.append((name, _against(f"{used:,}", used, cap, "" if cap is None else f"{cap:,}")))
    usd = 0.0 if spent.usd is None else spent.usd
    shown.append(("dollars", _against(words.dollars(spent.usd), usd, limits.usd, words.dollars(limits.usd))))
    left = time_left(snapshot, minutes, caps)
    clock = words.duration(snapshot.seconds)
    if left is not None:
        clock += f", {words.roughly(left)} left"
    shown.append(("time", clock))
    shown.append(("speed", speed(snapshot)))
    return shown


def speed(snapshot: Snapshot) -> str:
    """How fast replies come, and how many came: what moves even while a large batch is under way."""
    if not snapshot.paid.calls:
        return "no new replies so far"
    rate = snapshot.paid.tokens / max(snapshot.seconds, 1e-3)
    return f"{rate:,.0f} tokens a second, {counted(snapshot.paid.calls, 'new call')} answered"


def _best(snapshot: Snapshot) -> str:
    best, start = snapshot.best, snapshot.start
    if best is None or not best.count:
        if start is not None and start.count:
            return f"the start: {words.score(start.mean)} on {start.count:,}; no round is over yet"
        scored = snapshot.spent.evaluations
        return f"no round is over yet; {counted(scored, 'evaluation')} scored" if scored else "nothing scored yet"
    text = f"{words.score(best.mean)} on {counted(best.count, 'example')}"
    return (
        text
        if start is None or not start.count
        else f"{text} (the start: {words.score(start.mean)} on {start.count:,})"
    )


def _now(snapshot: Snapshot) -> str:
    return (
        f"step {snapshot.step} of the search"
        if snapshot.phase == "search"
        else PHASES.get(snapshot.phase, snapshot.phase)
    )


def _against(text: str, used: float, cap: float | None, cap_text: str) -> str:
    if cap is None:
        return text
    # Of a cap that is estimated the reserve may have taken all.
    share = min(1.0, used / cap) if cap > 0 else 1.0
    filled = round(share * BAR)
    return f"{text} of at most {cap_text}  {'█' * filled}{'░' * (BAR - filled)} {100 * share:3.0f} %"


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
    # A pipe or a file keeps all that is written: nothing is drawn over there.
    elif not place.isatty():
        say(title)
        with Lines(minutes=minutes) as lines, troubles(lambda text: say(f"  {text}")):
            yield lines
    else:
        from rich.console import Console

        with Live(title, Console(file=place), minutes, interrupt) as live, troubles(live.remark):
            yield live
