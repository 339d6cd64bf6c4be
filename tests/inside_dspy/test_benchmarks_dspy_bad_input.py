"""Bad input beside DSPy's own optimizers: that each is played, and what a cell of the table tells."""

from __future__ import annotations

import pytest

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")
if dspy.__version__ == "3.4.0":
    pytest.skip("DSPy 3.4.0 loads NumPy in parts, which benchmarks need whole", allow_module_level=True)

from benchmarks.dspy_bad_input import CASES, Played, played, told  # noqa: E402


@pytest.mark.slow
def test_an_example_without_a_label_is_a_sentence_before_anything_is_asked() -> None:
    found = played("PromptOpt", CASES["an example without a label"])
    assert found.end.startswith("DataError: trainset[20] lacks the field 'answer'")
    assert found.calls == 0


def test_a_cell_tells_how_it_ended_what_it_cost_and_what_is_new() -> None:
    assert told(Played("a program", 9, ("took 3 s",)), ["took 5 s"]) == "a program, 9 calls, silent"
    assert told(Played("a program", 9, ("took 3 s", "odd")), ["took 5 s"]) == "a program, 9 calls: odd"
    assert told(Played("ValueError: no", 0, ("odd",)), []) == "ValueError: no, 0 calls"
