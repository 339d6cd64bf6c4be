"""For every test: no home but a temporary one, in memory where there is room; no deadline that a busy machine misses.

`slow` marks what a bare `pytest` leaves out, and `.ci/run` runs. Some tests are marked by hand. Those that were found
to take long stand in `slow_tests.json`, which `PROMPTOPT_SLOW_TESTS=write pytest -m ""` writes.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterable
from itertools import count
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=20)
settings.register_profile("ci", settings.get_profile("busy"), max_examples=200)
settings.load_profile("busy")

MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30
"""Bytes that must be free in memory: a whole run leaves some 300 MB there, for a while."""

SLOW_TESTS = Path(__file__).with_name("slow_tests.json")
"""CPU seconds of a case of each test that was measured to be slow: all on one machine, for machines differ."""
SLOW_S = 0.03
"""CPU seconds of a case from which a test stands there: without these the suite takes under a minute on two cores."""
UNSEEN = "test_same_run_under_other_hash_seeds"
"""Slow for every method, and not measured to be: it works in processes that outlive it."""
QUICK = "tests/golden/"
"""A whole run of every method by the journal it must repeat: what a change of the engine breaks first is always run."""
OWN_MARKS = {"engine", "hf", "vllm", "browser", "fuzz"}
"""Tests that a bare `pytest` leaves out, or skips, for another reason than their length."""
UNMARKED = pytest.StashKey[bool]()
"""Of tests that nobody has marked: only these are measured."""


def pytest_configure() -> None:
    """Some 2,000 runs have a store each, and a disk makes every one of them wait for some ten syncs."""
    if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


def pytest_report_header() -> list[str]:
    """Containers often forbid byte code: every process then rewrites all tests anew, most of what collecting is."""
    said = "PYTHONDONTWRITEBYTECODE is set: collecting takes more than twice as long; unset it to run the suite often"
    return [said] if sys.dont_write_bytecode else []


def pytest_collection_finish() -> None:
    """What was imported and collected stays: looking for garbage in it again and again takes a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 50)


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """What a contract brings along cannot be marked where it is written: plug-in authors have no such marker."""
    measured = json.loads(SLOW_TESTS.read_text(encoding="utf-8"))
    for item in items:
        item.stash[UNMARKED] = item.get_closest_marker("slow") is None
        if _name(item.nodeid) in measured or item.originalname == UNSEEN:
            item.add_marker("slow")


def _name(case: str) -> str:
    """The test that a case belongs to."""
    return case.split("[")[0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """What a test takes in CPU seconds goes with its report: on a busy machine seconds by the clock say nothing."""
    begun = _cpu_s()
    try:
        return (yield)
    finally:
        if item.stash[UNMARKED] and OWN_MARKS.isdisjoint(item.keywords):
            item.user_properties.append(("cpu_s", _cpu_s() - begun))


def _cpu_s() -> float:
    """Of this process and of those that it has started and seen end."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of slow tests is written anew where that is asked for, from the tests that ran."""
    if os.environ.get("PROMPTOPT_SLOW_TESTS") == "write":
        ended = [report for report in terminalreporter.getreports("passed") if report.when == "call"]
        _write_slow_tests(ended)
        terminalreporter.write_line(f"written: {SLOW_TESTS}")


def _write_slow_tests(ended: Iterable[pytest.TestReport]) -> None:
    """What stood there of tests that did not run stays, as long as their file is there."""
    cases: dict[str, list[float]] = {}
    for report in ended:
        if report.user_properties and not report.nodeid.startswith(QUICK):
            cases.setdefault(_name(report.nodeid), []).append(float(dict(report.user_properties)["cpu_s"]))
    before = json.loads(SLOW_TESTS.read_text(encoding="utf-8"))
    root = SLOW_TESTS.parent.parent
    kept = {
        name: seconds
        for name, seconds in before.items()
        if name not in cases and (root / name.split("::")[0]).is_file()
    }
    slow = kept | {name: round(fmean(taken), 2) for name, taken in cases.items() if fmean(taken) >= SLOW_S}
    SLOW_TESTS.write_text(json.dumps(slow, indent=0, sort_keys=True) + "\n", encoding="utf-8")


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, count[int]]:
    # `mktemp` would look through the homes of all tests before, for each.
    return tmp_path_factory.mktemp("homes"), count()


@pytest.fixture(autouse=True)
def _own_home(_homes: tuple[Path, count[int]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own store, prices and keys are never read or written by a test."""
    folder, numbers = _homes
    home = folder / str(next(numbers))
    home.mkdir()
    monkeypatch.setenv("PROMPTOPT_HOME", str(home))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return home
