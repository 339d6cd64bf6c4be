"""For every test: no home but a temporary one, and no deadline that a busy machine could miss."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

SLOW = {"test_survives_a_crash_at_any_call"}
"""Tests that every method inherits from its contract, and that a shorter one stands beside (see `.ci/run`)."""


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """What a contract brings along cannot be marked where it is written: plug-in authors have no such marker."""
    for item in items:
        if item.name.partition("[")[0] in SLOW:
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own store, prices and keys are never read or written by a test."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("PROMPTOPT_HOME", str(home))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return home
