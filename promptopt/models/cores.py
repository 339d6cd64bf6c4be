"""How many cores engines in this process may keep busy."""

from __future__ import annotations

import os
from pathlib import Path

_granted: list[int] = []


def grant(cores: int) -> None:
    """Let engines of this process keep no more than so many busy: others of the machine have the rest."""
    _granted[:] = [cores]


def usable_cores() -> int:
    """Cores this process may use: its affinity, and the container's share of processor time where there is one.

    At most what it was granted, where it was.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
        share = int(quota) // int(period)
    except (OSError, ValueError):  # no such file, or "max": no limit
        share = cores
    return max(1, min([cores if cores is not None else 1, share if share is not None else 1, *_granted]))
