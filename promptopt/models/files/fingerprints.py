"""The SHA-256 of a model file, computed once: gigabytes are not read again on every start."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from pathlib import Path
from typing import cast

from promptopt.errors import ConfigError

_SPLIT_FILE = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})\.gguf")
"""How llama.cpp names the parts of a model: it is given the first, and reads the others from beside it."""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex; remembered under (path, size, times of change, inode) in the user's cache folder.

    Raises ConfigError when the file cannot be read. A cache that cannot be read or written costs time, never more.
    """
    try:
        status = path.stat()
        # The time of change alone can be set back, as copying tools do.
        key = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}|{status.st_ino}"
        known = _remembered()
        if key in known:
            return known[key]
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"the file {str(path)!r} cannot be read ({error.strerror}); check its path") from error
    with contextlib.suppress(OSError):
        _remember({**known, key: found})
    return found


def sha256_of_parts(path: Path) -> str:
    """SHA-256 of a GGUF file, in hex; of one that is split into parts, over the digests of all of them.

    Raises ConfigError when a part is missing or cannot be read.
    """
    if _SPLIT_FILE.fullmatch(path.name) is None:
        return sha256_of(path)
    return hashlib.sha256("\n".join(map(sha256_of, parts_of(path))).encode()).hexdigest()


def parts_of(path: Path) -> list[Path]:
    """The files of a GGUF model: all of its parts, which lie side by side, or the one file that it is."""
    split = _SPLIT_FILE.fullmatch(path.name)
    if split is None:
        return [path]
    stem, count = split["stem"], int(split["count"])
    return [path.with_name(f"{stem}-{number:05d}-of-{count:05d}.gguf") for number in range(1, count + 1)]


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
