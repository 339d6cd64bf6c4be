"""The line that says how far a search of a Python program is: where it is shown, and what it never does."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.reports.progress import progress
from promptopt.testing import feature_accuracy, planted_model, planted_task
from tests.rewrites import Rewrites, rewrite


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Notebook:
    """What IPython shows of it: every state of every output."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, kernel: bool = True) -> None:
        self.shown: list[list[str]] = []
        shell, display = ModuleType("IPython"), ModuleType("IPython.display")
        shell.get_ipython = lambda: SimpleNamespace(kernel=object()) if kernel else SimpleNamespace()  # pyright: ignore
        display.display = self.display  # pyright: ignore
        monkeypatch.setitem(sys.modules, "IPython", shell)
        monkeypatch.setitem(sys.modules, "IPython.display", display)

    def display(self, data: Any, *, raw: bool, display_id: bool) -> Any:
        states = [data["text/plain"]]
        self.shown.append(states)
        return SimpleNamespace(update=lambda data, *, raw: states.append(data["text/plain"]))


def searched(folder: Path, **options: Any) -> None:
    model = planted_model(feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2))
    proposer = Scripted(rewrite, name="proposer")
    task = planted_task(train=20, dev=10, test=10)
    optimize(task, Rewrites(), model=Models(model, proposer), store=folder / "s.db", **options)


def test_a_terminal_shows_one_line_that_is_gone_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    searched(tmp_path)
    written = sys.stderr.getvalue()  # pyright: ignore
    assert "promptopt: searching" in written
    assert "promptopt: step 0, best " in written
    assert "promptopt: sealed test" in written
    assert "\n" not in written
    assert written.rpartition("\r")[0].rpartition("\r")[2].strip() == ""


def test_a_pipe_and_a_watched_run_show_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    searched(tmp_path)
    assert sys.stderr.getvalue() == ""  # pyright: ignore
    monkeypatch.setattr(sys, "stderr", Terminal())
    searched(tmp_path, session=Session())
    assert sys.stderr.getvalue() == ""  # pyright: ignore


def test_a_notebook_shows_one_output_without_control_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = Notebook(monkeypatch)
    monkeypatch.setattr(sys, "stderr", Terminal())
    searched(tmp_path)
    (states,) = notebook.shown
    assert states[0] == "promptopt: searching"
    assert any(state.startswith("promptopt: step 0, best") for state in states)
    assert "promptopt: sealed test" in states
    assert states[-1] == ""
    assert all(state.isprintable() for state in states)
    assert sys.stderr.getvalue() == "", "nothing there, terminal or not"  # pyright: ignore


def test_ipython_in_a_terminal_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook(monkeypatch, kernel=False)
    monkeypatch.setattr(sys, "stderr", Terminal())
    shown = progress()
    assert shown is not None
    shown.close()
    assert not notebook.shown
    monkeypatch.setattr(sys, "stderr", None)
    assert progress() is None
