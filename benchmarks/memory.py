"""The memory of this process and its children, watched while something runs. Linux only: it reads /proc."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType

EVERY_S = 0.05


class Watch:
    """Peaks in bytes while it is entered. `resident`: the resident sets; `mapped`: of files; `beside()`: the rest.

    A file that is mapped twice counts twice, as in what the system shows; its pages are in memory once.
    """

    def __init__(self) -> None:
        self.resident = self.mapped = self._beside = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def beside(self) -> int:
        """The peak so far of what is not mapped from files."""
        self._look()
        return self._beside

    def _watch(self) -> None:
        while not self._over.wait(EVERY_S):
            self._look()

    def _look(self) -> None:
        found = [_sizes(process) for process in _family(os.getpid())]
        resident, mapped = (sum(sizes[name] for sizes in found) for name in ("VmRSS", "RssFile"))
        self.resident, self.mapped = max(self.resident, resident), max(self.mapped, mapped)
        self._beside = max(self._beside, resident - mapped)


def _sizes(process: int) -> dict[str, int]:
    found = {"VmRSS": 0, "RssFile": 0}
    try:
        lines = Path(f"/proc/{process}/status").read_text("ascii", "replace").splitlines()
    except OSError:  # it has just ended
        return found
    for line in lines:
        name, _, value = line.partition(":")
        if name in found:
            found[name] = int(value.split()[0]) * 1024
    return found


def _family(process: int) -> list[int]:
    """The process, and all that descend from it."""
    found = [process]
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += [other for child in task.read_text("ascii").split() for other in _family(int(child))]
        except OSError:
            continue
    return found
