"""One line on stderr that says how far a search is, for programs: shown by default where stderr is a terminal."""

from __future__ import annotations

import shutil
from typing import TextIO

from promptopt.reports import words
from promptopt.run.events import Event, PhaseBegun, StepDone
from promptopt.text import counted

_PHASES = {"dev": "final choice", "test": "sealed test"}


class Progress:
    """An observer that rewrites one line; `close` takes it away."""

    def __init__(self, stream: TextIO, title: str) -> None:
        """`stream`: a terminal. `title` names what runs."""
        self._stream, self._title, self._width = stream, title, 0
        self._show("searching")

    def __call__(self, event: Event) -> None:
        """Show a round that is over, or a phase that begins."""
        if isinstance(event, PhaseBegun) and event.name in _PHASES:
            self._show(_PHASES[event.name])
        elif isinstance(event, StepDone):
            scored = {estimate.prompt: estimate for estimate in event.pool if estimate.count}
            best = next((scored[prompt] for prompt in event.kept if prompt in scored), None)
            known = "" if best is None else f", best {words.score(best.mean)} on {best.count:,}"
            known = f"{known}, {event.note}" if event.note else known
            self._show(f"step {event.number}{known}, {counted(event.spent.evaluations, 'evaluation')}")

    def close(self) -> None:
        """Leave an empty line."""
        self._write("")

    def _show(self, text: str) -> None:
        # A line that is wrapped cannot be rewritten.
        self._write(f"{self._title}: {text}"[: max(10, shutil.get_terminal_size().columns - 1)])

    def _write(self, line: str) -> None:
        self._stream.write(f"\r{line}{' ' * (self._width - len(line))}" + ("" if line else "\r"))
        self._stream.flush()
        self._width = len(line)
