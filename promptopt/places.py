"""Where promptopt keeps what it writes."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path


def home() -> Path:
    """The folder of the store, of fetched data and of `prices.toml`: `PROMPTOPT_HOME`, or the user's own."""
    chosen = os.environ.get("PROMPTOPT_HOME")
    return Path(chosen).expanduser() if chosen else user_data_path("promptopt", appauthor=False)
