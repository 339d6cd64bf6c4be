"""Where promptopt keeps what it writes."""

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
