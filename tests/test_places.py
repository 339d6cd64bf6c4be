"""What is said of a file that cannot be written: which, why, and what mends it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from promptopt.errors import ConfigError
from promptopt.places import write_whole, writing

FULL = Path("/dev/full")
"""What every write to fails as a write to a full disk does."""


@pytest.mark.parametrize(
    ("code", "mended"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EROFS, "takes no writes"),
        (errno.EACCES, "that you may write to"),
        (errno.EPERM, "that you may write to"),
        (errno.ENAMETOOLONG, "a shorter name"),
        (errno.ENOENT, "make its folder first"),
        (errno.ENOTDIR, "make its folder first"),
        (errno.EISDIR, "name a file in it"),
        (errno.EIO, "choose another place"),
    ],
)
def test_what_the_system_says_of_a_write_names_the_file_and_what_mends_it(code: int, mended: str) -> None:
    with pytest.raises(ConfigError) as told, writing(Path("out/x.html"), "--out"):
        raise OSError(code, os.strerror(code))
    assert str(told.value).startswith(f"--out 'out/x.html' cannot be written ({os.strerror(code)}); ")
    assert mended in str(told.value)


def test_a_file_in_the_home_is_mended_by_another_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path))
    with (
        pytest.raises(ConfigError, match=r"^'.*/judges/x\.json' cannot be written .*set PROMPTOPT_HOME"),
        writing(tmp_path / "judges" / "x.json"),
    ):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_full_disk_names_no_file_and_is_told_with_the_one_that_was_given(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(FULL)
    with pytest.raises(OSError, match="No space") as told:
        write_whole(link, "x")
    assert told.value.filename == str(link)


def test_a_name_as_long_as_the_system_allows_is_written(tmp_path: Path) -> None:
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    for name in ("x" * longest, "é" * (longest // 2)):
        write_whole(tmp_path / name, "whole")
        assert (tmp_path / name).read_text("utf-8") == "whole"
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(OSError, match="too long") as told:
        write_whole(tmp_path / ("x" * (longest + 1)), "x")
    assert told.value.filename == str(tmp_path / ("x" * (longest + 1)))
