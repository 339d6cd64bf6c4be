"""`--on`: where runs and models go, and what is said where they cannot."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from promptopt.cli import on_ray
from promptopt.cli.main import app
from promptopt.errors import ConfigError

HERE = {"python": "3.11", "promptopt": "1.0", "optuna": "4.0"}


def said(*arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--task", "support-intent"], prog_name="promptopt")
    assert done.exit_code == 2, done.output
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize("command", [("optimize", "--method", "climb"), ("evaluate",)])
def test_without_ray_the_extra_is_named(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert 'pip install "promptopt-engine[ray]"' in said(*command, "--on", "ray")
    with pytest.raises(ConfigError, match=r"promptopt-engine\[ray\]"), on_ray.workers("ray"):
        pass


@pytest.mark.parametrize("where", ["slurm", "rays", "ray:/host:1", "http://127.0.0.1:1", ""])
def test_a_place_that_is_none_is_said(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "runs go to ray (this machine's cores) or to ray://HOST:PORT" in said(
        "optimize", "--method", "climb", "--on", where
    )


class Machines:
    """As much of Ray as the check of versions asks: machines, and what a task says on each."""

    def __init__(self, *versions: dict[str, str]) -> None:
        self.versions = versions

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": str(place), "Alive": True} for place in range(len(self.versions))]

    def remote(self, **_: object) -> Any:
        return lambda _: self

    def options(self, scheduling_strategy: int) -> Any:
        return SimpleNamespace(remote=lambda: self.versions[scheduling_strategy])

    def get(self, found: list[dict[str, str]]) -> list[dict[str, str]]:
        return found


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({**HERE, "python": "3.12"}, r"this machine has python 3\.11 and a worker of Ray python 3\.12"),
        ({**HERE, "promptopt": "0.9"}, r"this machine has promptopt 1\.0 and a worker of Ray promptopt 0\.9"),
        ({**HERE, "optuna": "4.1"}, r"this machine has optuna 4\.0 and a worker of Ray optuna 4\.1"),
        ({"python": "3.11"}, r"this machine has promptopt 1\.0 and a worker of Ray promptopt \(none\)"),
    ],
)
def test_one_machine_of_three_with_another_version_is_refused_with_both_named(
    other: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_ray, "versions", lambda: HERE)
    affinity = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: int(node))
    monkeypatch.setitem(sys.modules, "ray.util.scheduling_strategies", affinity)
    on_ray.check_versions(Machines(HERE, HERE, HERE))
    with pytest.raises(ConfigError, match=named):
        on_ray.check_versions(Machines(HERE, other, HERE))


def test_what_listens_and_is_no_head_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="needs the extra `ray`")
    pytest.importorskip("grpc", reason="needs the extra `ray`")
    monkeypatch.setattr(on_ray, "KNOCK_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert "what listens there is no head of Ray" in said(
            "optimize", "--method", "climb", "--on", f"ray://127.0.0.1:{server.getsockname()[1]}"
        )
