"""What is said where a judge compared start and winner: of the judge, and when that becomes a verdict."""

from __future__ import annotations

from typing import Any

import pytest

from promptopt.outcome.by_judge import of_judge, of_left_out, too_few_judged
from promptopt.trust.calibration import COEFFICIENT_KEY
from promptopt.types import Score


def report(mean: float, *, n: int = 100, shown: int = 100, unjudged: int = 0, **more: object) -> dict[str, Any]:
    return {
        "run_id": "r1",
        "evaluator": "judge",
        "gain": {"mean": mean, "n": n},
        "best": {"test": {"n": shown, "unjudged": unjudged}},
        **more,
    }


def trust(status: str, *failed: str) -> dict[str, Any]:
    return {"status": status, "failed": list(failed), COEFFICIENT_KEY: "kappa", "value": 0.712}


CALIBRATED = {**trust("calibrated"), COEFFICIENT_KEY: "weighted kappa"}
SURE, OPEN = ("95 %", (0.02, 0.18)), ("95 %", (-0.02, 0.22))


@pytest.mark.parametrize(
    ("told", "interval", "said"),
    [
        (report(0.1), OPEN, "Not decided: the judge sees no difference that is sure"),
        (report(0.1), ("95 %", (0.0, 0.2)), "Not decided: the judge sees no difference that is sure"),
        (report(-0.1), ("95 %", (-0.2, 0.0)), "Not decided: the judge sees no difference that is sure"),
        (report(0.1), SURE, "Not decided. The judge prefers the new prompt"),
        (report(-0.1), ("95 %", (-0.2, -0.1)), "Not decided. The judge prefers the old prompt"),
        (report(0.1), ("95 %", (None, None)), "Not decided. The judge prefers the new prompt"),
        (report(0.1), SURE, "(it was held against nobody's labels)"),
        (report(0.1, trust=trust("uncalibrated")), SURE, "(it was held against nobody's labels)"),
        (report(0.1, trust=trust("weak")), SURE, "(on earlier labels it was weak)"),
        (report(0.1, trust=trust("weak", "length", "order")), SURE, "taken in by planted replies (length, order;"),
        (report(0.1, trust=trust("calibrated", "length")), SURE, "so its word"),
        (report(0.1, trust=CALIBRATED), SURE, "The judge prefers the new prompt"),
        (report(0.1, trust=CALIBRATED), SURE, "weighted kappa 0.71 on other replies. Not a verdict"),
        (report(-0.1, trust=CALIBRATED), ("95 %", (-0.2, -0.1)), "The judge prefers the old prompt"),
        (report(0.1, trust=CALIBRATED), OPEN, "sees no difference that is sure"),
        (report(0.1), SURE, "`promptopt label r1 -n 100`"),
        (report(0.1, n=96, shown=98, unjudged=2), SURE, "(4 pairs left out)"),
        (report(0.1, n=99, shown=100), SURE, "(1 pair left out)"),
    ],
)
def test_a_judges_word_is_told_by_how_far_it_can_be_trusted(
    told: dict[str, Any], interval: tuple[str, tuple[float | None, float | None]], said: str
) -> None:
    sentence = of_judge(told, interval)
    assert said in sentence
    assert ("left out" in sentence) is (told["gain"]["n"] < 100)


@pytest.mark.parametrize(("lost", "withheld"), [(5, False), (6, True)])
def test_more_than_one_in_twenty_left_out_leaves_nothing_decided(lost: int, withheld: bool) -> None:
    told = report(0.1, n=100 - lost, shown=97, unjudged=3, trust=trust("calibrated"))
    assert bool(of_left_out(told)) is withheld
    assert of_judge(told, SURE).startswith("Not decided: the judge could not be read") is withheld
    scores = [Score(1.0)] * (100 - lost) + [Score(0.0, judged=False)] * lost
    assert too_few_judged(scores, [Score(1.0)] * 100) is withheld
    assert too_few_judged([Score(1.0)] * 100, scores) is withheld


def test_what_is_left_of_the_gain_counts_what_was_not_read_against_the_new_prompt() -> None:
    # 80 pairs gain 0.5 each, and 20 lose 1: (40 - 20) / 100.
    said = of_left_out(report(0.5, n=80, shown=90, unjudged=10))
    assert "could not be read on 20 of 100 test items" in said
    assert "it says +0.500 of the others, and +0.200 if all those count against the new prompt" in said
    talks = of_left_out(report(0.5, n=80, evaluator="simulated"))
    assert talks.startswith("Not decided: 20 of 100 simulated conversations are left out")
