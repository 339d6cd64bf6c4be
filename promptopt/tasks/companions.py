"""Small files of text that a task file names beside its data: a judge's rubric, a schema of replies."""

from __future__ import annotations

from pathlib import Path

from promptopt.errors import DataError

LARGEST_BYTES = 1 << 22
"""No such file is larger. Ours."""


def companion_text(source: Path, named: str) -> str:
    """What it holds, as UTF-8 and without a byte-order mark; `named`: how errors call it, as "TASK: the rubric FILE".

    Raises DataError where it cannot be read, and for what never ends or is far too large: a stranger may have named it.
    """
    content = file_bytes(source, named, LARGEST_BYTES, "see whether it is the right file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise DataError(f"{named} cannot be read: it is not UTF-8 text; check the path") from cause


def file_bytes(source: Path, named: str, most: int, advice: str) -> bytes:
    """What a file of at most so many bytes holds; `named` as in `companion_text`; `advice`: where it holds more.

    Raises DataError.
    """
    try:
        endless = source.exists() and not (source.is_file() or source.is_dir())
        content = b"" if endless else _first_bytes(source, most + 1)
    # No operating system knows a name with a null character in it: that is a ValueError.
    except (OSError, ValueError) as cause:
        why = cause.strerror if isinstance(cause, OSError) else str(cause)
        raise DataError(f"{named} cannot be read: {why}; check the path") from cause
    if endless:
        raise DataError(f"{named} is a pipe or a device, and no file; save it as one first")
    if len(content) > most:
        raise DataError(f"{named} is larger than {most:,} bytes; {advice}")
    return content


def _first_bytes(source: Path, count: int) -> bytes:
    with source.open("rb") as stream:
        return stream.read(count)
