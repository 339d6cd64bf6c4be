"""Every module that mutants are drawn from has tests that are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import mutation
from tests.golden.test_golden import ALL

DECIDING = ("stats", "outcome", "run", "store", "evaluators", "comparison", "trust", "tasks/splits", "tasks/sealing",
            "tasks/masking", "judges", "labelling", "migration", "dspy/metric", "dspy/unscored", "dspy/in_flight",
            "cli/check", "cli/verdict")  # fmt: skip
"""What decides verdict and ledger, beside the folders that are drawn from where nothing is said."""


def test_the_tests_of_every_module_exist() -> None:
    for path in (path for name in (*mutation.FOLDERS, *DECIDING) for path in mutation.modules(name)):
        for test in mutation.tests_of(path):
            file, _, case = test.partition("::")
            assert (mutation.ROOT / file).exists(), (path, test)
            assert not case or case.rpartition("[")[2].rstrip("]") in ALL, (path, test)
    assert (mutation.ROOT / mutation.GOLDEN.partition("::")[0]).exists()


def test_modules_that_need_a_library_are_there_and_left_out_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all((mutation.ROOT / mutation.modules(name)[0]).exists() for name in mutation.NEEDS)
    monkeypatch.setattr(mutation, "NEEDS", {"optimizers/ape/method": "no_such_library", "optimizers/apo/plan": "json"})
    assert mutation.undecidable("optimizers") == ["optimizers/ape/method"]
    assert mutation.undecidable("optimizers/ape/method") == ["optimizers/ape/method"]
    assert mutation.undecidable("optimizers/apo") == []


def test_what_changes_no_result_is_not_changed_and_one_of_several_draws_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(mutation, "ROOT", tmp_path)
    (tmp_path / "one.py").write_text("rng.choices(members)[0]\n")
    (tmp_path / "kept.py").write_text("@lru_cache(maxsize=64)\ndef kept() -> None: ...\n")
    (tmp_path / "two.py").write_text("rng.choices(members, k=2)[0]\n")
    assert list(mutation.mutants(Path("one.py"))) == []
    # How much a cache keeps changes no result.
    assert list(mutation.mutants(Path("kept.py"))) == []
    assert {each.text for each in mutation.mutants(Path("two.py"))} >= {"rng.choices(members, k=2)[(1)]\n"}
