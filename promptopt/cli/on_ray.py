"""`promptopt compare --on ray`: each run of a comparison is a task of a Ray cluster (the extra `ray`).

A task is the command `promptopt optimize` on a worker, so that a worker that dies costs nothing twice: Ray begins the
task again, and the run goes on from its store. Workers on several machines share one through `PROMPTOPT_STORE`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from promptopt.binding.identity import versions
from promptopt.errors import BackendError, ConfigError

KNOCK_S = 5.0
"""Seconds in which a head has to take a connection."""
RETRIES = 3
"""Times that a task is begun again whose worker died."""
Done = tuple[int, str, str]
"""The exit code, stdout and stderr of a command."""
Command = Callable[[Sequence[str]], Done]


@contextmanager
def workers(where: str) -> Generator[tuple[Command, int]]:
    """What runs `promptopt …` on a worker and waits for it, and how many it runs at a time.

    `where`: `ray` is a cluster of this machine's cores, which ends with the block; `ray://HOST:PORT` one that is there.
    Raises ConfigError for a head that is not, and for workers with other versions than this machine's.
    """
    if where != "ray" and not where.startswith("ray://"):
        raise ConfigError(f"--on {where!r}: runs go to ray (this machine's cores) or to ray://HOST:PORT")
    try:
        ray: Any = import_module("ray")
    except ModuleNotFoundError as cause:
        raise ConfigError('--on ray needs Ray, which is not installed: pip install "promptopt-engine[ray]"') from cause
    _begin(ray, where)
    try:
        _same_versions(ray)
        count = max(1, int(ray.cluster_resources().get("CPU", 1)))
        asked: Any = ray.remote(max_retries=RETRIES)(_work)
        # A Ray cluster sees the environment that it was started in; these say where the run is kept.
        kept = {name: os.environ[name] for name in ("PROMPTOPT_STORE", "PROMPTOPT_HOME") if name in os.environ}

        def command(arguments: Sequence[str]) -> Done:
            try:
                return ray.get(asked.remote(list(arguments), kept, os.getcwd()))
            except ray.exceptions.RayError as cause:
                said = str(cause).strip().splitlines()
                raise BackendError(f"a worker of Ray was lost {RETRIES + 1} times ({said[0]}); run it again") from cause

        yield command, count
    finally:
        ray.shutdown()


def _begin(ray: Any, where: str) -> None:
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if where == "ray":
            ray.init(include_dashboard=False, **quiet)
            return
        address = urlsplit(where)
        if not address.hostname or not address.port:
            raise ConfigError(f"--on {where!r} lacks a host or a port: write ray://HOST:PORT (Ray's client, 10001)")
        socket.create_connection((address.hostname, address.port), KNOCK_S).close()
        ray.init(where, **quiet)
    except (OSError, ValueError) as cause:
        raise ConfigError(f"--on {where!r}: no head of Ray answers there ({cause}); start it, or correct it") from cause
    except RuntimeError as cause:
        # Ray's own sentence on versions that differ between head and client, among others.
        said = " ".join(str(cause).split())[:300]
        raise ConfigError(f"--on {where!r}: Ray refuses ({said}); install the same versions on both") from cause


def _same_versions(ray: Any) -> None:
    here = dict(versions())
    there: dict[str, str] = ray.get(ray.remote(_versions).remote())
    for what, own in here.items():
        if there.get(what) != own:
            raise ConfigError(
                f"this machine has {what} {own} and a worker of Ray {what} {there.get(what, '(none)')}: install the "
                f"same on both, or their runs could not be compared"
            )


def _versions() -> dict[str, str]:
    return dict(versions())


def _work(arguments: Sequence[str], kept: dict[str, str], folder: str) -> Done:
    """On a worker. In a folder of the same name, where there is one: task files may be named from there."""
    place = folder if os.path.isdir(folder) else None
    done = subprocess.run(
        [sys.executable, "-m", "promptopt", *arguments], capture_output=True, text=True, encoding="utf-8", check=False,
        env={**os.environ, **kept}, cwd=place,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr
