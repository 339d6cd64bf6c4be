"""Where promptopt keeps what it writes, and how a file is written for the user: whole, or not at all."""

from __future__ import annotations

import os
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


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole, or leave what was there: under another name first, then renamed. Raises OSError."""
    # A link stays one; what it leads to is written.
    target = path.resolve()
    if target.exists() and not target.is_file():
        # A device or a pipe cannot be renamed over; a folder is refused here.
        target.write_text(text, encoding="utf-8")
        return
    # With the process in its name: two that write one file at a time do not write one another's.
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
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
