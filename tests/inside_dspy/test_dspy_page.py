"""The page on DSPy runs as it stands, and so does what README shows of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")

from promptopt.models.scripted import Scripted  # noqa: E402
from tests.documents import ROOT, blocks, follow  # noqa: E402
from tests.inside_dspy.scripted import Engine, examples, lm  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::promptopt.dspy.PromptOptWarning")


def test_the_page_on_dspy_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    model = Scripted(lambda request: "[[ ## reasoning ## ]]\nr\n\n[[ ## answer ## ]]\n4\n\n[[ ## completed ## ]]")
    with dspy.context(lm=lm(Engine())):
        names = follow("docs/dspy.md", tmp_path, known={"trainset": examples(), "model": model})
    assert names["best"].promptopt.verdict is not None
    assert (tmp_path / "program.json").exists()


def test_what_the_readme_shows_of_dspy_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (text,) = [text for language, text in blocks(ROOT / "README.md") if language == "python" and "import dspy" in text]
    names: dict[str, Any] = {"examples": examples}
    names["own"] = lm(Engine())
    text = re.sub(r"trainset = \[.*\.\.\.\]", "trainset = examples()", text)
    text = text.replace('dspy.LM("openai/gpt-4o-mini")', "own")
    before = dspy.settings.lm
    try:
        exec(compile(text, "README.md", "exec", dont_inherit=True), names)
    finally:
        dspy.configure(lm=before)
    assert names["best"].promptopt.verdict is not None
    assert (tmp_path / "program.json").exists()
