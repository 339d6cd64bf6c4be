"""For every test: no home but a temporary one, in memory where there is room; no deadline that a busy machine misses.

`slow` marks what a shorter test stands beside: a bare `pytest` leaves it out, and `.ci/run` runs it. So it is with
`engine`.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Generator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=20)
settings.register_profile("ci", settings.get_profile("busy"), max_examples=200)
settings.load_profile("busy")

SLOW = {"test_survives_a_crash_at_any_call", "test_same_run_under_other_hash_seeds"}
"""Tests that every method inherits from its contract, and that start processes or many runs (see `.ci/run`)."""
OF_A_FEW = {
    "test_beats_its_start_on_a_planted_landscape",
    "test_budget_is_exact",
    "test_no_prompt_that_breaks_the_contract_is_scored",
    "test_no_test_example_is_reached_from_the_run",
    "test_raised_budget_continues",
    "test_replay_pays_nothing",
    "test_survives_crash_after_crash",
    "test_test_split_stays_sealed",
}
"""Tests of that contract that are slow too, but for the methods below."""
FEW = {
    "align_pro/test_align_pro.py::TestContract",
    "apo/test_apo.py::TestContract",
    "evoprompt/test_evoprompt.py::TestGA",
    "opro/test_opro.py::TestContract",
    "plum/test_plum.py::TestTabuSearch",
    "promptquine/test_tapruning.py::TestByBudget",
}
"""The quickest of each kind: trained, criticism, breeding, a history of scores, neighbours, no proposer."""
MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30
"""Bytes that must be free in memory: a whole run leaves some 300 MB there, for a while."""

LONG_S = 0.5
"""CPU seconds above which a test is one to mark; the five longest of them are said at the end, and fail nothing."""


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
    for item in items:
        name = item.originalname
        if name in SLOW or (name in OF_A_FEW and not item.nodeid.endswith(tuple(f"{each}::{name}" for each in FEW))):
            item.add_marker("slow")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """What a test takes in CPU seconds goes with its report: on a busy machine seconds by the clock say nothing."""
    begun = time.process_time()
    try:
        return (yield)
    finally:
        item.user_properties.append(("cpu_s", time.process_time() - begun))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The longest tests that run at all times, for whoever has a minute to spare."""
    ended = [
        (float(dict(report.user_properties).get("cpu_s", 0)), report.nodeid)
        for report in terminalreporter.getreports("passed")
        if report.when == "call" and {"slow", "engine", "hf", "vllm", "browser", "fuzz"}.isdisjoint(report.keywords)
    ]
    for seconds, name in sorted(each for each in ended if each[0] > LONG_S)[:-6:-1]:
        terminalreporter.write_line(f"{seconds:.1f} CPU seconds and not marked slow: {name}")


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
