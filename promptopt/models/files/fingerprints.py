"""The SHA-256 of a model file, computed once: gigabytes are not read again on every start."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import cast

from promptopt.errors import ConfigError


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex; remembered under (path, size, time of change) in the user's cache folder.

    Raises ConfigError when the file cannot be read. A cache that cannot be read or written costs time, never more.
    """
    try:
        status = path.stat()
        key = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
        known = _remembered()
        if key in known:
            return known[key]
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"the file {str(path)!r} cannot be read ({error.strerror}); check its path.") from error
    with contextlib.suppress(OSError):
        _remember({**known, key: found})
    return found


def _cache_file() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("promptopt", appauthor=False)) / "sha256.json"


def _remembered() -> dict[str, str]:
    try:
        data = json.loads(_cache_file().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(data, dict):
        return {}
    return {key: value for key, value in cast("dict[str, object]", data).items() if isinstance(value, str)}


def _remember(known: dict[str, str]) -> None:
    file = _cache_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    # Two processes may write at once: each replaces the whole file, and a lost entry is computed again.
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    fresh.write_text(json.dumps(known), "utf-8")
    fresh.replace(file)
