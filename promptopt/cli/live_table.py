"""The live table that a run shows in a terminal."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from promptopt.cli.progress import time_left
from promptopt.cli.run_words import PHASES, opening_lines
from promptopt.reports import words
from promptopt.run.budget import Limits
from promptopt.run.events import Event, PhaseBegun, Planned, Snapshot, Warned
from promptopt.text import counted, normalise, visible

if TYPE_CHECKING:
    from rich.console import Console, Group

    from promptopt.run import Run

BAR = 20
"""Characters of the bar that shows how much of a cap is used."""


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
            self._caps = event.allocation.total
            for line in opening_lines(event):
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
