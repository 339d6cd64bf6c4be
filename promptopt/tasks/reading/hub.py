"""Public data sets: from the local data home, from what was fetched before, from the hub at a pinned revision.

A fetch verifies the checksum before the file appears under its name, and gives up within seconds where nothing
answers.
"""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
import threading
from importlib.resources import files
from pathlib import Path, PurePath, PureWindowsPath
from urllib.parse import urlsplit

from promptopt.errors import DataError
from promptopt.places import home

_TIMEOUT_S = 3.0
"""For finding the hub's address, for connecting, and for each read."""
_BYTES_A_READ = 1 << 16
_LARGEST = 1 << 30
"""Bytes of a file that is fetched: the largest data set of the library has 5 MB, and a disk is soon full."""


def hub_files(relative: str, url: str | None, sha256: str | None = None) -> Path:
    """The local file for `relative` (a path laid out like the data home), fetched from `url` where need be.

    Looked for in `PROMPTOPT_DATA_HOME`, then in `PROMPTOPT_HOME/data`. `sha256`: what a fetched file must be, where no
    checksum of ours is known. Raises DataError, which says where to put the file: for a path out of the data home, and
    for an address that is not of the web. Also for a file that is larger than 1 GiB, or another one than it should be.
    """
    _check_confined(relative, url)
    # Ours first: a task file may say what it fetches, but not what a data set of the library is.
    known = checksums().get(relative, None if sha256 is None else sha256.lower())
    data_home = os.environ.get("PROMPTOPT_DATA_HOME")
    if data_home:
        own = Path(data_home).expanduser() / relative
        if own.exists():
            return own
    cached = home() / "data" / relative
    _check_inside(cached, relative)
    if cached.exists():
        # Only where a task file asks: our own files were checked when they were fetched.
        if sha256 is not None and known is not None:
            _check_content(cached, known)
        return cached
    advice = (
        f"put the file as {relative} into a folder of yours and set PROMPTOPT_DATA_HOME to that folder (now "
        f"{repr(data_home) if data_home else 'not set'}), or put it at {cached}"
    )
    if url is None:
        raise DataError(f"the data file {relative} is not on this machine and no hub has it; {advice}")
    if os.environ.get("HF_HUB_OFFLINE", "0").strip().upper() in ("1", "TRUE", "YES", "ON"):
        raise DataError(
            f"the data file {relative} is not on this machine and HF_HUB_OFFLINE forbids fetching; {advice}"
        )
    _fetch(url, cached, known, advice)
    return cached


def _check_confined(relative: str, url: str | None) -> None:
    # Both come from a task file, which may be a stranger's: it must not choose where on this machine a file is put.
    path = PurePath(relative)
    if path.is_absolute() or PureWindowsPath(relative).drive or ".." in path.parts:
        raise DataError(f"the data file {relative!r} lies outside the data home; give a path in it, without '..'")
    if not path.parts or not relative.isprintable() or "\\" in relative or relative.endswith("/"):
        raise DataError(f"{relative!r} is no name for a data file; write folders and a file with / between them")
    if url is not None and not _of_the_web(url):
        raise DataError(f"the hub address {url!r} is not of the web; give one that begins with https://")


def _of_the_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # The port is read when asked for, and may be none.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and url.isprintable()
    except ValueError:
        return False


def _check_inside(path: Path, relative: str) -> None:
    # A link in the data home may lead out of it.
    if not path.resolve().is_relative_to((home() / "data").resolve()):
        raise DataError(f"the data file {relative!r} lies outside the data home, by a link in it; remove the link")


def _check_content(path: Path, checksum: str) -> None:
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != checksum:
        raise DataError(
            f"{path} has the sha256 {found[:16]}…, expected {checksum[:16]}…; remove it to fetch it again, or correct "
            f"the task file"
        )


def checksums() -> dict[str, str]:
    """The known sha256 of data files, by their path in the data home (`library/SHA256SUMS`)."""
    listing = (files("promptopt.tasks") / "library" / "SHA256SUMS").read_text("utf-8")
    pairs = (line.split(maxsplit=1) for line in listing.splitlines() if line.strip())
    return {name.strip(): checksum for checksum, name in pairs}


def _fetch(url: str, path: Path, checksum: str | None, advice: str) -> None:
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import urlopen

    host = urlsplit(url).hostname
    seen = hashlib.sha256()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A part file of its own for each process: two may fetch at once, and the last rename wins with equal bytes.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.", suffix=".part", delete=False) as part:
            try:
                _check_resolves(url)
                with urlopen(url, timeout=_TIMEOUT_S) as response:
                    expected = response.headers.get("Content-Length")
                    while block := response.read(_BYTES_A_READ):
                        seen.update(block)
                        part.write(block)
                        if part.tell() > _LARGEST:
                            raise DataError(f"{url} is larger than {_LARGEST >> 30} GiB; {advice}")
                part.flush()
                if expected is not None and expected.isdecimal() and part.tell() != int(expected):
                    raise DataError(f"{url} broke off after {part.tell()} of {expected} bytes; try again, or {advice}")
                if checksum is not None and seen.hexdigest() != checksum:
                    raise DataError(
                        f"{url} gave a file with sha256 {seen.hexdigest()[:16]}…, expected {checksum[:16]}…; try again "
                        f"later, or {advice}"
                    )
                os.replace(part.name, path)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
    # An HTTPError is an OSError, too, and is closed here because it holds the connection.
    except HTTPError as cause:
        cause.close()
        raise DataError(f"{host} answered {cause.code} for {url}; {advice}") from cause
    except HTTPException as cause:
        raise DataError(f"{host} did not speak HTTP for {url} ({cause!r}); {advice}") from cause
    except OSError as cause:
        # Errors of the disk name a file, or are 28: no space is left.
        if cause.filename is not None or cause.errno == 28:
            raise DataError(
                f"cannot write {path} ({cause.strerror}); set PROMPTOPT_HOME to a folder that can be written to"
            ) from cause
        raise DataError(f"the data hub {host} does not answer ({_reason(cause)}); {advice}") from cause


def _check_resolves(url: str) -> None:
    """Raises TimeoutError when the host's address is not found in time: socket time-outs do not cover that step."""
    from urllib.request import getproxies

    parts = urlsplit(url)
    # A proxy finds the address itself.
    if parts.hostname is None or parts.scheme in getproxies():
        return
    failure: list[OSError | None] = []

    def resolve() -> None:
        try:
            socket.getaddrinfo(parts.hostname, parts.port)
            failure.append(None)
        except OSError as cause:
            failure.append(cause)

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(_TIMEOUT_S)
    if not failure:
        raise TimeoutError("its address was not found in time")
    if failure[0] is not None:
        raise ConnectionError(failure[0].strerror)


def _reason(cause: OSError) -> str:
    reason = getattr(cause, "reason", cause)
    return str(getattr(reason, "strerror", None) or reason)
