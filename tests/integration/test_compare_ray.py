"""`promptopt compare --on ray`: the runs are tasks of a real Ray, and come to the same as on this machine alone."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from promptopt.cli.main import app
from promptopt.cli.on_ray import workers
from promptopt.errors import ConfigError
from tests.integration.test_compare_processes import answers, compared, plain, workplace
from tests.servers import FakeServer

__all__ = ["workplace"]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
ray = pytest.importorskip("ray", reason="needs the extra `ray`")


def test_runs_on_ray_come_to_the_same(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with FakeServer(answers) as server:
        one = compared(workplace / "one", monkeypatch, server)
        two = compared(workplace / "two", monkeypatch, server, "--on", "ray")
    assert plain(one) == plain(two)


def test_a_worker_that_is_killed_is_begun_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.chdir(tmp_path)
    killed: list[int] = []

    def kill_one() -> None:
        """The first worker of this cluster that runs the command's task."""
        while not killed:
            for line in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    if line.read_bytes().startswith(b"ray::_work"):
                        os.kill(int(line.parent.name), signal.SIGKILL)
                        killed.append(int(line.parent.name))
                        return
                except OSError:
                    continue
            time.sleep(0.02)

    with workers("ray") as (command, count):
        assert count >= 1
        thread = threading.Thread(target=kill_one)
        thread.start()
        code, out, _ = command(["methods", "list", "--json"])
        thread.join()
    assert (code, bool(killed)) == (0, True)
    assert "random" in out


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("ray://127.0.0.1:1", "no head of Ray answers there"),
        ("ray://127.0.0.1", "lacks a host or a port"),
        ("ray://", "lacks a host or a port"),
        ("ray://host:many", "no head of Ray answers there"),
        ("slurm", "runs go to ray"),
    ],
)
def test_a_head_that_is_not_there_is_said(where: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said), workers(where):
        pass


def test_versions_that_differ_are_refused_with_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setattr("promptopt.cli.on_ray.versions", lambda: {"promptopt": "9.9.9"})
    with (
        pytest.raises(ConfigError, match=r"this machine has promptopt 9\.9\.9 and a worker of Ray promptopt 0"),
        workers("ray"),
    ):
        pass


def test_it_is_an_option_of_the_command(workplace: Path) -> None:
    done = CliRunner().invoke(app, ["compare", "--task", "mood.toml", "--methods", "opro", "--model", "openai/m",
                                    "--on", "ray://127.0.0.1:1"], prog_name="promptopt")  # fmt: skip
    assert done.exit_code == 2
    assert "no head of Ray" in done.stderr
