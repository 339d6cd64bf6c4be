"""What a task file would have done to this machine, and whether its user has agreed to that.

Files are data: what a stranger's file would import or download happens only once its very content was trusted, which
is remembered by digest in `home()`. The tasks that come with the package need no trust.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from promptopt.errors import ConfigError
from promptopt.places import home

_LISTING = "trusted-task-files"
"""In `home()`: a line for each trusted content, its sha256 and where it was first trusted."""


def deeds(
    path: Path, table: Mapping[str, Any], *, own_data: bool, own_user: bool, beside: Path | None = None
) -> list[str]:
    """What the task in this (validated) table of the file `path` would have done, in words; nothing where it is data.

    `own_data`: whether the user's own examples take the place of the file's, so that those are not fetched.
    `own_user`: whether the user names who plays users, so that whom the file names is not asked. `beside`: the file
    that the metric's module is.
    """
    found = [
        f"import and run the Python function {name!r} ({key})"
        + (f" of the file {beside}" if key == "metric" and beside is not None else "")
        for key, name in _functions(table)
    ]
    found += [
        f"read the file {source} ({key}), which lies outside its folder, and have a model read it"
        for key, source in _companions(path, table)
        if not source.resolve().is_relative_to(path.parent.resolve())
    ]
    if (named := table.get("simulation", {}).get("model")) and not own_user:
        found.append(f"have the model {named!r} asked to play users")
    hub = table.get("data", {}).get("hub", {})
    if hub and not own_data:
        hosts = dict.fromkeys(_host(hub["base"] + after) for split, after in hub.items() if split != "base")
        found.append(f"download data from {' and '.join(hosts)} into {home() / 'data'}")
    return found


def check_trusted(
    path: Path, contents: Sequence[bytes], wanted: Sequence[str], *, trust: bool, kind: str = "task file"
) -> None:
    """Raise ConfigError where the file wants something done and its content was never trusted; `trust`: now it is.

    `contents`: the task file's, and that of the module beside it, if it has one, which is trusted together with it.
    `kind`: what the file is, for the sentence.
    """
    if not wanted:
        return
    # One digest of both files together: where either changes or is gone, the user is asked again. A task file holds no
    # NUL, which TOML forbids, so that where the one ends is certain.
    digest = hashlib.sha256(b"\0".join(contents)).hexdigest()
    if digest in _trusted():
        return
    if not trust:
        files = "the file" if len(contents) == 1 else "both files"
        python = f", or in Python load_task({str(path)!r}, trust=True)," if kind == "task file" else ""
        raise ConfigError(
            f"the {kind} {path} would {' and '.join(wanted)}, and nobody has agreed to that: look through {files}, "
            f"and where you trust it add --trust{python} once"
        )
    _remember(digest, path)


def _functions(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every `module:function` that would be imported, with its key: as the metric, or as one among the settings."""
    if ":" in table.get("metric", ""):
        yield "metric", table["metric"]
    for key, value in _texts_within("settings", table.get("settings", {})):
        # A metric is the only setting that may name a function, however its name is put together.
        if "metric" in key and ":" in value:
            yield key, value


def _companions(path: Path, table: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """The files of any text, a private key's or a process's environment too, that the task would have read."""
    judge: Mapping[str, Any] = table.get("judge", {})
    own = {
        f"judge.{name}": cast("Mapping[str, Any]", each) for name, each in judge.items() if isinstance(each, Mapping)
    }
    rubrics: list[tuple[str, Any]] = [
        (f"[{name}] file", each.get("file")) for name, each in {"judge": judge, **own}.items()
    ]
    schema: tuple[str, Any] = ("[contract] output_schema", table.get("contract", {}).get("output_schema"))
    for key, named in (*rubrics, schema):
        if isinstance(named, str) and "\0" not in named:
            yield key, path.parent / named


def _texts_within(path: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, below in cast("Mapping[str, object]", value).items():
            yield from _texts_within(f"{path}.{key}", below)
    elif isinstance(value, list):
        for below in cast("list[object]", value):
            yield from _texts_within(path, below)


def _host(url: str) -> str:
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    return host if host else repr(url)


def _trusted() -> set[str]:
    try:
        lines = (home() / _LISTING).read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return {line.split(maxsplit=1)[0] for line in lines if line.strip()}


def _remember(digest: str, path: Path) -> None:
    listing = home() / _LISTING
    try:
        listing.parent.mkdir(parents=True, exist_ok=True)
        # One short line, appended in one write: two processes at once cannot mix theirs.
        with listing.open("a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(f"{digest} {str(path.absolute())!r}\n")
    except OSError as cause:
        raise ConfigError(
            f"that {path} is trusted cannot be kept in {listing} ({cause.strerror}); set PROMPTOPT_HOME to a folder "
            f"that you can write to"
        ) from cause
