"""Every module that mutants are drawn from has tests that are there."""

from __future__ import annotations

from benchmarks import mutation
from tests.golden.test_golden import ALL


def test_the_tests_of_every_module_exist() -> None:
    for path in (
        path for name in (*mutation.FOLDERS, "run/posterior", "run/scoreboard") for path in mutation.modules(name)
    ):
        for test in mutation.tests_of(path):
            file, _, case = test.partition("::")
            assert (mutation.ROOT / file).exists(), (path, test)
            assert not case or case.rpartition("[")[2].rstrip("]") in ALL, (path, test)
    assert (mutation.ROOT / mutation.GOLDEN.partition("::")[0]).exists()
