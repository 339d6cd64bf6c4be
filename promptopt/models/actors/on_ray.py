"""Workers that are actors of a Ray cluster: one an accelerator, or one a core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from promptopt.errors import ConfigError
from promptopt.models.actors.fleet import Fleet
from promptopt.models.actors.worker import ModelWorker
from promptopt.models.providers import provider_of
from promptopt.models.specs import open_model
from promptopt.protocols import Model

THREADS = 32
"""Messages that an actor answers at once: each waits for replies most of its time, and several runs may send some."""
START_S = 120.0
"""Seconds in which every actor has to have begun; Ray starts a process for each, which imports promptopt. Ours."""


class Actors:
    """`fleet.Post` over actors of Ray."""

    def __init__(self, ray: Any, actors: list[Any]) -> None:
        self._actors = actors
        self.lost: tuple[type[Exception], ...] = (ray.exceptions.RayActorError,)

    @property
    def workers(self) -> int:
        """How many actors there are."""
        return len(self._actors)

    def send(self, worker: int, method: str, *arguments: object) -> Future[Any]:
        """Call a method of that actor. Ray itself begins a dead one again."""
        return getattr(self._actors[worker], method).remote(*arguments).future()


class Hall:
    """The actors of a cluster, begun when a model is first placed on them, and ended with the connection."""

    def __init__(self, ray: Any, *, joining: bool = False) -> None:
        """`joining`: use those that another program has begun in this namespace of Ray's, and begin none."""
        self._ray, self._joining = ray, joining
        self._fleets: dict[bool, Fleet] = {}

    def fleet_for(self, spec: str) -> Fleet | None:
        """The workers for a model by its name; None for one that is asked over a network.

        Raises ConfigError where the cluster has no core left for them.
        """
        provider = provider_of(spec)
        if provider is None or not in_process(spec):
            return None
        has: Mapping[str, float] = self._ray.cluster_resources()
        accelerated = provider.accelerated and has.get("GPU", 0) >= 1
        if accelerated not in self._fleets:
            count = int(has.get("GPU" if accelerated else "CPU", 0))
            kind = "accelerator" if accelerated else "core"
            if not count:
                raise ConfigError(f"the cluster has no core to hold {spec!r}: start it with some (--num-cpus)")
            names = [f"promptopt-{kind}-{place}" for place in range(count)]
            self._fleets[accelerated] = self._joined(names) if self._joining else self._begun(names, kind)
        return self._fleets[accelerated]

    def _joined(self, names: Sequence[str]) -> Fleet:
        return Fleet(Actors(self._ray, [self._ray.get_actor(name) for name in names]))

    def _begun(self, names: Sequence[str], kind: str) -> Fleet:
        made = self._ray.remote(ModelWorker)
        # Ray places an actor on one core by default: an accelerator would stand idle where all cores are taken.
        takes = {"num_cpus": 1} if kind == "core" else {"num_cpus": 0, "num_gpus": 1}
        # Ray begins dead actors again without end; how often is enough is said in `fleet`.
        options = {"max_restarts": -1, "max_concurrency": THREADS, **takes}
        # A worker for each core: an engine that took all cores would take those of its neighbours.
        cores = 1 if kind == "core" else None
        fleet = Fleet(
            Actors(self._ray, [made.options(name=name, **options).remote(open_named, cores) for name in names])
        )
        # Making an actor returns at once, also where there is no room for it: only an answer shows that it runs.
        try:
            fleet.tell(str, START_S)
        except TimeoutError as cause:
            raise ConfigError(
                f"Ray gave no process to each {kind} of its {len(names)} within {START_S:g} s: others hold them; wait "
                f"for these to end, or name another cluster"
            ) from cause
        return fleet


def in_process(spec: str) -> bool:
    """Whether a model, by its name, runs in a process; others are asked over a network."""
    provider = provider_of(spec)
    return provider is not None and provider.local


def open_named(spec: str) -> Model:
    """The model of that name, in an actor's process."""
    return open_model(spec)
