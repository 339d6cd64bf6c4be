"""The journal of every method on a planted task, as readable text: any change of what it asks, or in which order.

After a change that is meant: `PROMPTOPT_GOLDEN=write pytest -m "" tests/golden`, and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.golden.cases import CASES
from tests.golden.chat_cases import CHAT_CASES
from tests.golden.phrase_cases import PHRASE_CASES
from tests.golden.program_cases import PROGRAM_CASES
from tests.golden.trained import TRAINED_CASES

FOLDER = Path(__file__).parent
LONG = {"auto", "bootstrap", "gepa", "plum", "tpe"}
"""More than a tenth of a second: slow, for the other methods are shorter, and these have tests of their own."""
ALL = {**CASES, **PHRASE_CASES, **PROGRAM_CASES, **CHAT_CASES, **TRAINED_CASES}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in ALL])
def test_a_method_asks_what_it_asked_before(tmp_path: Path, name: str) -> None:
    found = "\n".join(ALL[name](tmp_path)) + "\n"
    golden = FOLDER / f"{name}.txt"
    if os.environ.get("PROMPTOPT_GOLDEN") == "write":
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")


def test_every_golden_file_is_some_case_s() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == sorted(ALL)
