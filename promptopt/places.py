"""Where promptopt keeps what it writes, and how a file is written for the user: whole, or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_data_path

from promptopt.errors import ConfigError


def home() -> Path:
    """The folder of the store, of fetched data and of `prices.toml`: `PROMPTOPT_HOME`, or the user's own.

    Raises ConfigError for a `~name` of no user.
    """
    chosen = os.environ.get("PROMPTOPT_HOME")
    try:
        return Path(chosen).expanduser() if chosen else user_data_path("promptopt", appauthor=False)
    except RuntimeError as cause:
        raise ConfigError(f"PROMPTOPT_HOME is {chosen!r}, and there is no such user; give a whole path") from cause


_MENDS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space on that disk, or choose a place on another one"),
    errno.EROFS: "that disk takes no writes: choose a place on another one",
    **dict.fromkeys((errno.EACCES, errno.EPERM), "choose a place that you may write to"),
    errno.ENAMETOOLONG: "choose a shorter name",
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR), "make its folder first, or choose a place in one that is there"),
    errno.EISDIR: "name a file in it",
}
"""What mends a write that failed, by what the system said of it."""


def unwritable(place: Path, cause: OSError) -> str:
    """A sentence that names what could not be written, why, and what mends it."""
    mend = mend_of(cause) or "choose another place"
    if place.is_relative_to(home()):
        mend = "set PROMPTOPT_HOME to a folder that you can write to, and that has some space"
    return f"{str(place)!r} cannot be written ({cause.strerror or cause}); {mend}"


def mend_of(cause: OSError) -> str:
    """What mends an error of files, as the end of a sentence; empty where that is not known."""
    return _MENDS.get(cause.errno or 0, "")


@contextmanager
def writing(place: Path, option: str = "") -> Generator[None]:
    """Turn what the system says of a write into a ConfigError. `option`: by which the user named the place."""
    try:
        yield
    except OSError as cause:
        raise ConfigError(f"{option} {unwritable(place, cause)}".lstrip()) from cause


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole, or leave what was there: under another name first, then renamed.

    Raises OSError, whose `filename` is the path that was given.
    """
    try:
        _write_whole(path, text)
    except OSError as cause:
        # A full disk names no file, and nobody has heard of the other name.
        cause.filename = str(path)
        raise


def _write_whole(path: Path, text: str) -> None:
    # A link stays one; what it leads to is written.
    target = path.resolve()
    if target.exists() and not target.is_file():
        # A device or a pipe cannot be renamed over; a folder is refused here.
        target.write_text(text, encoding="utf-8")
        return
    # With the process in its name: two that write one file at a time do not write one another's. A name may be as long
    # as the system allows, and this one is longer.
    partial = target.with_name(f"{os.fsdecode(os.fsencode(target.name)[:200])}.{os.getpid()}.partial")
    try:
        # A kill here leaves the old file whole, and this one beside it.
        partial.write_text(text, encoding="utf-8")
        if target.exists():
            # The new file takes the place of the old one, and its rights.
            partial.chmod(target.stat().st_mode)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def check_new(folder: Path) -> None:
    """Raise ConfigError where `folder` holds something already, or is no folder."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"--out {str(folder)!r} is there already and not empty; name a new folder")
