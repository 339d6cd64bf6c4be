"""`--on ray`: one run's batches over the actors of a real Ray, which die in the middle, come to the same run."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from promptopt.models.cores import usable_cores
from tests.integration.test_compare_processes import plain, workplace

__all__ = ["workplace"]
pytestmark = pytest.mark.slow  # some seconds for a cluster to begin; over threads it is tested beside the fleet
pytest.importorskip("ray", reason="needs the extra `ray`")

PROVIDER = """
import os
from promptopt.models.providers import Provider
from promptopt.models.scripted import Scripted

def answer(request):
    text = str(request.content)
    if "item" not in text:
        return "<prompt>Say carefully what the text is.</prompt>"
    number, right = text.rpartition("item")[2].split()[:2]
    mark = os.environ.get("PLANTED_MARK")
    if mark and number == "17" and not os.path.exists(mark):
        open(mark, "w").close()
        os._exit(9)
    return right.rstrip("'\\\\") if "carefully" in text or int(number) % 3 else "bad"

def opened(rest, base_url):
    folder = os.environ.get("PLANTED_PIDS")
    if folder:
        open(os.path.join(folder, str(os.getpid())), "w").close()
    return Scripted(answer, name="planted/" + rest)

PLANTED = Provider("planted/NAME", "for a test", opened, local=True)
"""


@pytest.fixture
def place(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a model of a plug-in, whose process ends at one question, once, where a file for a mark is named."""
    info = workplace / "plug" / "planted-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[promptopt.models]\nplanted = planted_provider:PLANTED\n")
    (workplace / "plug" / "planted_provider.py").write_text(PROVIDER)
    monkeypatch.setenv("PYTHONPATH", str(workplace / "plug"))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    return workplace


def command(home: Path, *arguments: str, **more: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "promptopt", *arguments, "--json", "--quiet"], capture_output=True, text=True,
        check=False, env={**os.environ, "PROMPTOPT_HOME": str(home), **more},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def kept(home: Path) -> list[Any]:
    with sqlite3.connect(next(home.glob("*.db"))) as database:
        journal = database.execute("SELECT run, position, key FROM journal ORDER BY run, position").fetchall()
        return [journal, database.execute("SELECT * FROM calls ORDER BY 1").fetchall()]


def timeless(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != "wall_s"}


def test_a_run_over_actors_one_of_which_dies_is_the_same_run(place: Path) -> None:
    asked = ("optimize", "--task", "mood.toml", "--method", "evoprompt-ga", "--model", "planted/m",
             "--max-evaluations", "160")  # fmt: skip
    alone = command(place / "alone", *asked)
    spread = command(place / "spread", *asked, "--on", "ray", PLANTED_MARK=str(place / "mark"))
    assert (place / "mark").exists()
    assert len(alone["candidates"]) > 1
    assert timeless(alone) == timeless(spread)
    assert kept(place / "alone") == kept(place / "spread")


def test_prompts_are_scored_over_actors(place: Path) -> None:
    asked = ("evaluate", "--task", "mood.toml", "--model", "planted/m", "--prompt", "Say it.",
             "--prompt", "Say carefully what it is.")  # fmt: skip
    assert command(place / "alone", *asked) == command(place / "spread", *asked, "--on", "ray")
    assert kept(place / "alone") == kept(place / "spread")


def test_runs_of_a_comparison_share_the_actors(place: Path) -> None:
    asked = ("compare", "--task", "mood.toml", "--methods", "evoprompt-ga,opro", "--model", "planted/m",
             "--seeds", "1", "--max-evaluations", "120")  # fmt: skip
    alone = command(place / "alone", *asked)
    (place / "pids").mkdir()
    spread = command(place / "spread", *asked, "--on", "ray", PLANTED_PIDS=str(place / "pids"))
    assert len(spread["cells"]) == 3
    assert plain(alone) == plain(spread)
    assert 1 <= len(list((place / "pids").iterdir())) <= usable_cores()
