"""Which actors a cluster gets: one an accelerator, or one a core, and none for what is behind a server."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from promptopt.errors import ConfigError
from promptopt.models.actors import on_ray
from promptopt.models.actors.fleet import Fleet
from promptopt.models.actors.on_ray import Hall, in_process
from promptopt.models.actors.worker import ModelWorker


class Ray:
    """As much of Ray as begins actors: what each was begun with is kept."""

    class exceptions:
        RayActorError = OSError

    def __init__(self, *, busy: bool = False, **resources: float) -> None:
        self.resources, self.busy = resources, busy
        self.begun: list[dict[str, Any]] = []
        self.given: list[Any] = []

    def cluster_resources(self) -> dict[str, float]:
        return self.resources

    def remote(self, what: object) -> Any:
        if what is ModelWorker:
            return self
        self.given.append(what)
        return self

    def options(self, **options: Any) -> Any:
        self.begun.append(options)
        return Begun(self)

    def get_actor(self, name: str) -> str:
        return f"joined {name}"


class Begun:
    """An actor, and its method, and what that will give."""

    def __init__(self, ray: Ray) -> None:
        self.ray = ray
        self.tell = self

    def remote(self, *arguments: object) -> Begun:
        self.ray.given.append(arguments)
        return self

    def future(self) -> Future[str]:
        future: Future[str] = Future()
        if not self.ray.busy:
            future.set_result("")
        return future


def workers(fleet: Fleet | None) -> int:
    assert fleet is not None
    return fleet.workers


def test_engines_that_use_accelerators_have_one_each_and_others_a_core() -> None:
    ray = Ray(CPU=4.0, GPU=2.0)
    hall = Hall(ray)
    assert workers(hall.fleet_for("hf/some/model")) == 2
    assert hall.fleet_for("vllm/other/model") is hall.fleet_for("hf/some/model")
    assert [(each["num_cpus"], each["num_gpus"]) for each in ray.begun] == [(0, 1), (0, 1)]
    assert workers(hall.fleet_for("embedded")) == 4
    assert hall.fleet_for("llamacpp/file.gguf") is hall.fleet_for("embedded")
    assert [each["num_cpus"] for each in ray.begun[2:]] == [1] * 4
    assert len({each["name"] for each in ray.begun}) == 6
    assert all(each["max_restarts"] == -1 for each in ray.begun)


def test_without_accelerators_all_engines_are_on_cores() -> None:
    hall = Hall(Ray(CPU=3.0))
    assert workers(hall.fleet_for("hf/some/model")) == 3
    assert hall.fleet_for("embedded") is hall.fleet_for("vllm/some/model")


@pytest.mark.parametrize("spec", ["openai/small", "anthropic/large", "unheard/of", "gpt"])
def test_what_is_asked_over_a_network_is_on_no_actor(spec: str) -> None:
    ray = Ray(CPU=3.0)
    assert Hall(ray).fleet_for(spec) is None
    assert not in_process(spec)
    assert ray.begun == []


def test_a_cluster_without_cores_is_said() -> None:
    with pytest.raises(ConfigError, match="has no core to hold 'embedded'"):
        Hall(Ray()).fleet_for("embedded")


def test_cores_that_others_hold_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "START_S", 0.01)
    with pytest.raises(ConfigError, match=r"no process to each core of its 2 within 0\.01 s: others hold them"):
        Hall(Ray(CPU=2.0, busy=True)).fleet_for("embedded")


def test_a_run_of_a_comparison_joins_the_actors_that_are_there() -> None:
    ray = Ray(CPU=2.0)
    assert workers(Hall(ray, joining=True).fleet_for("embedded")) == 2
    assert ray.begun == []
