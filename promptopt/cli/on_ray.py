"""`--on ray`: a Ray cluster (the extra `ray`) makes the runs of a comparison, or holds the models of one run.

Each run of a comparison is a Ray task: the command `promptopt optimize` on a worker. Where a worker dies, Ray begins
the task again, and the run goes on from its store, so nothing is paid twice. Workers on several machines share one
through `PROMPTOPT_STORE`. Of one run, the batches of a model in a process go to actors (`models.actors`).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from promptopt.binding.identity import versions
from promptopt.cli.output import say
from promptopt.errors import BackendError, ConfigError
from promptopt.protocols import Model
from promptopt.text import first_line

KNOCK_S = 5.0
"""Seconds in which a head has to take a connection. Ours."""
RETRIES = 3
"""Times that a task is begun again whose worker died. Ours."""
JOINED = "ray+actors://"
"""What stands before HOST:PORT/NAMESPACE where the runs of a comparison share its actors."""
Done = tuple[int, str, str]
"""The exit code, stdout and stderr of a command."""
Elsewhere = Callable[[str], Model | None]
"""From a model's name to the model in other processes; None: it is opened here."""
Command = Callable[[Sequence[str]], Done]


@contextmanager
def cluster(where: str) -> Generator[Any]:
    """Ray itself, connected for the length of the block.

    `where`: `ray` is a cluster of this machine's cores, which ends with the block; `ray://HOST:PORT` one that is there.
    Raises ConfigError for a head that is not, and for machines with other versions than this one's.
    """
    if where != "ray" and not where.startswith("ray://"):
        raise ConfigError(f"--on {where!r}: runs go to ray (this machine's cores) or to ray://HOST:PORT")
    try:
        ray: Any = import_module("ray")
    except ModuleNotFoundError as cause:
        raise ConfigError('--on ray needs Ray, which is not installed: pip install "promptopt-engine[ray]"') from cause
    _begin(ray, where)
    # Ray writes of every worker that dies to stdout, which is for the result alone; only this keeps it from that.
    vars(import_module("ray._private.worker"))["_worker_logs_enabled"] = False
    try:
        check_versions(ray)
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def workers(where: str, specs: Sequence[str] = ()) -> Generator[tuple[Command, int]]:
    """What runs `promptopt …` on a worker and waits for it, and how many it runs at a time. Raises as `cluster`.

    `specs`: the models that the commands ask. Those that run in a process are actors, which all commands share.
    """
    from promptopt.models.actors.on_ray import Hall

    with cluster(where) as ray:
        count = max(1, int(ray.cluster_resources().get("CPU", 1)))
        hall = Hall(ray)
        held = [spec for spec in specs if hall.fleet_for(spec) is not None]
        # Where actors have the cores, a command has none: it waits for them.
        asked: Any = ray.remote(max_retries=RETRIES, **({"num_cpus": 0} if held else {}))(_work)
        # A Ray cluster sees the environment that it was started in; these say where the run is kept.
        kept = {name: os.environ[name] for name in ("PROMPTOPT_STORE", "PROMPTOPT_HOME") if name in os.environ}

        def command(arguments: Sequence[str]) -> Done:
            try:
                return ray.get(asked.remote(list(arguments), kept, os.getcwd(), bool(held)))
            except ray.exceptions.RayError as cause:
                said = f"a worker of Ray was lost {RETRIES + 1} times ({first_line(cause)})"
                raise BackendError(f"{said}; run it again") from cause

        yield command, count


@contextmanager
def elsewhere(where: str | None, specs: Sequence[str], *, quiet: bool) -> Generator[Elsewhere | None]:
    """What opens a model that runs in a process on the actors of a cluster, by its name (`binding.Models`).

    `where`: as for `cluster`; None: no model is opened elsewhere. `specs`: the models that will be asked.
    """
    if where is None:
        yield None
        return
    from promptopt.models.actors.model import FleetModel
    from promptopt.models.actors.on_ray import Hall, in_process
    from promptopt.models.actors.worker import Named

    joining = where.startswith(JOINED)
    with _ray_of_worker(where) if joining else cluster(where) as ray:
        hall = Hall(ray, joining=joining)
        if not quiet and not any(map(in_process, specs)):
            say("no model of this run runs in a process: they are behind servers, and are asked from this machine")

        def placed(spec: str) -> Model | None:
            fleet = hall.fleet_for(spec)
            return None if fleet is None else FleetModel(fleet, Named(spec))

        yield placed


@contextmanager
def _ray_of_worker(where: str) -> Generator[Any]:
    """Ray, connected from a process that a worker has begun, in the namespace of whoever began the worker."""
    ray: Any = import_module("ray")
    address, _, namespace = where.removeprefix(JOINED).rpartition("/")
    ray.init(address=address, namespace=namespace, log_to_driver=False, logging_level="ERROR")
    try:
        yield ray
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
        _knock(address.hostname, address.port)
        with warnings.catch_warnings(action="ignore"):
            ray.init(where, **quiet)
    except (OSError, ValueError) as cause:
        raise ConfigError(
            f"--on {where!r}: no head of Ray answers there ({cause}); start it, or correct it, or set "
            f"RAY_AUTH_MODE=token where it wants one"
        ) from cause
    except RuntimeError as cause:
        # Ray's own sentence on versions that differ between head and client, among others.
        said = " ".join(str(cause).split())[:300]
        raise ConfigError(f"--on {where!r}: Ray refuses ({said}); install the same versions on both") from cause


def _knock(host: str, port: int) -> None:
    """Raises OSError where nobody answers, or not as Ray does, which itself would take half a minute to say so."""
    # A closed port says so at once, and gRPC would go on trying it.
    socket.create_connection((host, port), KNOCK_S).close()
    if os.environ.get("RAY_USE_TLS", "0") != "0":
        return
    grpc: Any = import_module("grpc")
    channel = grpc.insecure_channel(f"{host}:{port}")
    try:
        grpc.channel_ready_future(channel).result(KNOCK_S)
    except grpc.FutureTimeoutError as cause:
        raise TimeoutError("what listens there is no head of Ray") from cause
    finally:
        channel.close()


def check_versions(ray: Any) -> None:
    """Raises ConfigError where a machine of the cluster has other versions than this one, with both named."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # pyright: ignore

    here, asked = dict(versions()), ray.remote(num_cpus=0)(_versions)
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    strategies: list[Any] = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
    # `soft=False` above: each machine has to answer for itself.
    for there in ray.get([asked.options(scheduling_strategy=each).remote() for each in strategies]):
        for what, own in here.items():
            if there.get(what) != own:
                raise ConfigError(
                    f"this machine has {what} {own} and a worker of Ray {what} {there.get(what, '(none)')}: "
                    f"install the same on both, or their runs could not be compared"
                )


def _versions() -> dict[str, str]:
    return dict(versions())


def _work(arguments: Sequence[str], kept: dict[str, str], folder: str, joining: bool) -> Done:
    """On a worker. In a folder of the same name, where there is one: task files may be named from there."""
    place = folder if os.path.isdir(folder) else None
    if joining:
        here: Any = import_module("ray").get_runtime_context()
        arguments = [*arguments, "--on", f"{JOINED}{here.gcs_address}/{here.namespace}"]
    done = subprocess.run(
        [sys.executable, "-m", "promptopt", *arguments], capture_output=True, text=True, encoding="utf-8", check=False,
        env={**os.environ, **kept}, cwd=place,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr
