"""A DSPy program as a task of the command line, by its name in a module."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.cli.programs import load_program
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.types import Request

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")

MODULE = """
import dspy

program = dspy.Predict("question -> answer")
trainset = [dspy.Example(question=f"{n} + 1?", answer=str(n + 1)).with_inputs("question") for n in range(72)]


def metric(gold, prediction, trace=None):
    return gold.answer == prediction.answer
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module of its own for each test, as Python keeps what it imported."""
    name = f"sums_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.setenv("PROMPTOPT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return name


@pytest.mark.parametrize(("more", "score"), [(1, 1.0), (2, 0.0)])
def test_a_program_is_a_task_that_its_metric_scores(module: str, tmp_path: Path, more: int, score: float) -> None:
    task = load_program(f"{module}:program", splits=Splits(None, None, None), trust=True)
    assert [text for _, text in task.initial.texts] == [dspy.Signature("question -> answer").instructions]

    def adds(request: Request) -> str:
        asked = re.findall(r"(\d+) \+ 1\?", str(request.content))
        return (
            f"[[ ## answer ## ]]\n{int(asked[-1]) + more}\n\n[[ ## completed ## ]]"
            if asked
            else "<prompt>Add.</prompt>"
        )

    engine = Scripted(adds, name="adds")
    result = optimize(task, "random", model=engine, budget=Budget(evaluations=60), store=tmp_path / "s.db")
    assert result.start.test.score == score
    assert result.spent.calls == engine.calls


@pytest.mark.parametrize("lacks", ["metric", "trainset"])
def test_what_its_module_lacks_is_a_sentence(module: str, tmp_path: Path, lacks: str) -> None:
    path = tmp_path / f"{module}.py"
    path.write_text(MODULE.replace(lacks, "other"), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"has no '{lacks}', which a search on it needs"):
        load_program(f"{module}:program", splits=Splits(None, None, None), trust=True)


def test_sizes_of_splits_are_refused_as_it_brings_its_own(module: str) -> None:
    with pytest.raises(ConfigError, match="brings its own splits"):
        load_program(f"{module}:program", splits=Splits(10, None, None), trust=True)
