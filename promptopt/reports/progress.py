"""One line that says how far a search is, for programs: by default on a terminal's stderr, and in a notebook's cell."""

from __future__ import annotations

import shutil
import sys
from importlib import import_module
from typing import Any, Protocol, TextIO

from promptopt.reports import words
from promptopt.run.events import Event, PhaseBegun, StepDone
from promptopt.text import counted, visible

_PHASES = {"dev": "final choice", "test": "sealed test"}
_TITLE = "promptopt"


class Progress(Protocol):
    """An observer that rewrites one line."""

    def __call__(self, event: Event) -> None:
        """Show a round that is over, or a phase that begins."""
        ...

    def close(self) -> None:
        """Take the line away."""
        ...


def progress() -> Progress | None:
    """What fits the place that this program runs in; None where there is no place for a line that is rewritten."""
    # Looked up and never imported: where IPython runs, it is loaded already.
    kernel = sys.modules.get("IPython")
    shell: Any = None if kernel is None else getattr(kernel, "get_ipython", lambda: None)()
    # IPython in a terminal has a shell too, and no kernel.
    if getattr(shell, "kernel", None) is not None:
        return NotebookLine()
    # A program without a console (`pythonw`) has none.
    stream: TextIO | None = sys.stderr
    return TerminalLine(stream) if stream is not None and stream.isatty() else None


class TerminalLine:
    """The line on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        """`stream`: a terminal."""
        self._stream, self._width = stream, 0
        self._show("searching")

    def __call__(self, event: Event) -> None:
        """See `Progress`."""
        if text := _event_sentence(event):
            self._show(text)

    def close(self) -> None:
        """See `Progress`."""
        self._write("")

    def _show(self, text: str) -> None:
        # A line that is wrapped cannot be rewritten.
        self._write(f"{_TITLE}: {text}"[: max(10, shutil.get_terminal_size().columns - 1)])

    def _write(self, line: str) -> None:
        # Blanks cover what is left of a longer line before; an empty line leaves the cursor at its beginning.
        self._stream.write(f"\r{line}{' ' * (self._width - len(line))}" + ("" if line else "\r"))
        self._stream.flush()
        self._width = len(line)


class NotebookLine:
    """The line as an output of the cell, which the notebook itself replaces: no control characters, no new output."""

    def __init__(self) -> None:
        display: Any = import_module("IPython.display").display
        # None where IPython is loaded but no shell of it runs; it has then printed the text.
        self._handle: Any = display(_plain_text_bundle(f"{_TITLE}: searching"), raw=True, display_id=True)

    def __call__(self, event: Event) -> None:
        """See `Progress`."""
        text = _event_sentence(event)
        if text and self._handle is not None:
            self._handle.update(_plain_text_bundle(f"{_TITLE}: {visible(text)}"), raw=True)

    def close(self) -> None:
        """See `Progress`."""
        if self._handle is not None:
            self._handle.update(_plain_text_bundle(""), raw=True)


def _plain_text_bundle(text: str) -> dict[str, str]:
    return {"text/plain": text}


def _event_sentence(event: Event) -> str:
    if isinstance(event, PhaseBegun):
        return _PHASES.get(event.name, "")
    if not isinstance(event, StepDone):
        return ""
    scored = {estimate.prompt: estimate for estimate in event.pool if estimate.count}
    best = next((scored[prompt] for prompt in event.kept if prompt in scored), None)
    known = "" if best is None else f", best {words.score(best.mean)} on {best.count:,}"
    known = f"{known}, {event.note}" if event.note else known
    return f"step {event.number}{known}, {counted(event.spent.evaluations, 'evaluation')}"
