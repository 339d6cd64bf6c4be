"""Folders for saved states, in the system's folder for temporary files; those of dead processes are removed.

A folder belongs to the process that holds its lock, which the system lets go of when the process dies, however it does.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PREFIX = "promptopt-states-"
LOCK = "lock"


@dataclass(frozen=True, slots=True)
class StatesFolder:
    """A folder of this process."""

    path: Path
    _lock: BinaryIO

    @classmethod
    def new(cls) -> StatesFolder:
        """A fresh folder, after removing those that dead processes of this user left behind."""
        remove_leftovers()
        while True:
            path = Path(tempfile.mkdtemp(prefix=PREFIX))
            file = (path / LOCK).open("wb")
            # Until it is locked, another process may take the folder for a dead one's, and remove it.
            if _locked(file) and (path / LOCK).exists():
                return cls(path, file)
            file.close()

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        self._lock.close()
        shutil.rmtree(self.path, ignore_errors=True)


def remove_leftovers() -> None:
    """Remove the folders of this user that no living process holds. One without a lock file is being made."""
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        with suppress(OSError):  # another process removes it at the same time, or it is another user's
            # The folder is open to all: a link that another user laid could lead the removal elsewhere.
            if path.is_symlink() or (hasattr(os, "getuid") and path.stat().st_uid != os.getuid()):
                continue
            with (path / LOCK).open("r+b") as file:
                dead = _locked(file)
                if dead:
                    shutil.rmtree(path, ignore_errors=True)
            if dead:  # Windows removes no file that is open
                shutil.rmtree(path, ignore_errors=True)


def _locked(file: BinaryIO) -> bool:
    """Whether the lock was free, and is held now until the file is closed."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
