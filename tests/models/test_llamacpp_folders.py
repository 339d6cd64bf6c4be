"""Folders of saved states: removed with their process, or by the next one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from promptopt.models.llamacpp.folders import PREFIX, StatesFolder, remove_leftovers

PROGRAM = """
import os, sys, tempfile, time
tempfile.tempdir = sys.argv[1]
from promptopt.models.llamacpp.folders import StatesFolder
folder = StatesFolder.new()
(folder.path / "state").write_bytes(bytes(1000))
print(folder.path, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_what_a_killed_process_left_is_removed_and_a_living_ones_is_not(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        mine = StatesFolder.new()
        assert (left / "state").exists()
        process.kill()
        process.wait()
    assert (left / "state").exists()
    other = StatesFolder.new()
    assert not left.exists()
    assert mine.path.exists()
    mine.remove()
    other.remove()
    assert not list(tmp_path.iterdir())


def test_what_is_not_a_folder_of_ours_is_left_alone(tmp_path: Path) -> None:
    aim = tmp_path / "aim"
    aim.mkdir()
    (aim / "lock").touch()
    (tmp_path / f"{PREFIX}link").symlink_to(aim)
    (tmp_path / f"{PREFIX}file").touch()
    (tmp_path / f"{PREFIX}new").mkdir()  # no lock yet: being made
    remove_leftovers()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aim", f"{PREFIX}file", f"{PREFIX}link", f"{PREFIX}new"]
    assert (aim / "lock").exists()
