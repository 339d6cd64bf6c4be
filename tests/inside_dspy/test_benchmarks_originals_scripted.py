"""MIPROv2 beside its original on scripted models: that both play the same game, and what is told of it."""

from __future__ import annotations

import pytest

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")
if dspy.__version__ == "3.4.0":
    pytest.skip("DSPy 3.4.0 loads NumPy in parts, which benchmarks need whole", allow_module_level=True)

from benchmarks.originals_scripted import (  # noqa: E402
    HELD,
    START,
    WORLDS,
    World,
    examples,
    original,
    ours,
    quiet,
    row,
    student,
    truth,
)

SURE = World(good=0.5, bad=0.0, demo=0.0)
"""Where one good word is enough, both have to find one."""


@pytest.mark.slow
def test_both_find_what_there_is_to_be_found_with_as_many_calls() -> None:
    train, dev = examples(range(60)), examples(range(60, 90))
    with quiet():
        theirs, calls = original(SURE, 0, train, dev)
        own = ours(SURE, 0, train, dev, calls)
    assert truth(student(), SURE) < 0.75
    for program in (theirs, own):
        assert program.signature.instructions != START
        assert truth(program, SURE) > 0.95
    assert calls / 2 < own.promptopt.result.spent.calls <= calls


def test_a_world_gains_and_loses_by_what_it_says() -> None:
    good, bad = (
        dspy.Predict(dspy.Signature("question -> answer", f"{START} {word}")) for word in ("exactly", "wildly")
    )
    assert len(HELD) == 600
    assert truth(bad, WORLDS["gains"]) < truth(student(), WORLDS["gains"]) < truth(good, WORLDS["gains"])
    assert truth(bad, WORLDS["harm"]) < truth(student(), WORLDS["harm"])
    # By luck alone: half of what makes a question hard is drawn anew for each instruction.
    assert truth(good, WORLDS["harm"]) == pytest.approx(truth(student(), WORLDS["harm"]), abs=0.05)


def test_a_row_tells_means_and_differences_over_seeds() -> None:
    told = row("gains", [[0.5, 0.6, 0.7, 0.8], [0.5, 0.4, 0.6, 0.8]])
    assert told == "| gains | 2 | 0.500 | 0.500 | 0.650 | +0.150 ± 0.050 | +0.300 ± 0.100 | 1 | 0 |"
