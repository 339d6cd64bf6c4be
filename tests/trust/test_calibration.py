"""A judge held against people, and put to six tests."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from promptopt.trust.calibration import (
    Calibration,
    JudgeStatus,
    ScoredReply,
    calibration,
    concluded,
    describe,
    status_of,
)
from promptopt.trust.probes import PROBES, all_passed, found_in
from promptopt.trust.probes import concluded as probes_come_to

COUNTS = (((1, 1), 40), ((1, 0), 10), ((0, 1), 5), ((0, 0), 45))


def table() -> list[ScoredReply]:
    return [
        ScoredReply((float(person),), float(judge), 100 + place)
        for place, ((person, judge), count) in enumerate(COUNTS)
        for _ in range(count)
    ]


def test_agreement_and_kappa_of_a_table_by_hand() -> None:
    report = calibration(table(), 2)
    assert (report.n, report.agreement, report.coefficient) == (100, pytest.approx(0.85), "Cohen's kappa")
    assert report.to_json()["measure"] == "Cohen's kappa", "the key of stored reports"
    assert report.kappa == pytest.approx(0.70)
    assert report.interval is not None
    assert 0.5 < report.interval[0] < 0.70 < report.interval[1] < 0.9
    assert (report.sensitivity, report.specificity) == (0.8, 0.9)
    assert report.gap == pytest.approx(-0.05)
    assert status_of(report.to_json(), probes=True) == "calibrated"
    assert status_of(report.to_json(), probes=False) == "weak"
    assert status_of(None, probes=True) == "uncalibrated"
    assert status_of(calibration(table()[::3], 2).to_json(), probes=True) == "weak"


@pytest.mark.parametrize(
    ("n", "interval", "status"),
    [(50, (0.4, 0.8), "calibrated"), (49, (0.6, 0.8), "weak"), (50, (0.39, 0.9), "weak"), (50, None, "weak")],
)
def test_fifty_labels_and_the_lower_end_of_kappa_make_a_judge_calibrated(
    n: int, interval: tuple[float, float] | None, status: JudgeStatus
) -> None:
    assert status_of({"n": n, "interval": interval}, probes=True) == status


def test_all_labels_the_same_leave_kappa_undefined() -> None:
    report = calibration([ScoredReply((1.0,), 1.0, 10)] * 60, 2)
    assert (report.kappa, report.interval) == (None, None)
    assert "undefined, since people score all of them alike" in describe(report)[0]
    assert status_of(report.to_json(), probes=True) == "weak"


def test_people_who_score_all_alike_say_nothing_of_a_judge_who_does_not() -> None:
    items = [ScoredReply((1.0,), float(place % 2), 10 + place % 7) for place in range(60)]
    report = calibration(items, 2)
    assert (report.kappa, report.interval, report.agreement) == (None, None, 0.5)
    assert {part["kappa"] for part in report.slices.values()} == {None}
    silent = calibration([ScoredReply((float(place % 2),), 1.0, 10) for place in range(60)], 2)
    assert silent.kappa == 0.0, "a judge who says the same of all is one of no use"


@pytest.mark.parametrize(("said", "side"), [(1.0, "level with people"), (0.0, "below people by 1.00 of the scale")])
def test_a_single_label_is_one_and_a_judge_who_says_the_same_is_on_neither_side(said: float, side: str) -> None:
    lines = describe(calibration([ScoredReply((1.0,), said, 10)], 2))
    assert lines[0].startswith("1 labelled reply: ")
    assert lines[1].startswith(f"it is {side} (")


def test_each_figure_of_a_report_has_its_line() -> None:
    report = Calibration(
        n=60, unread=2, agreement=0.8, coefficient="Cohen's kappa", kappa=0.6, interval=(0.41, 0.79), ceiling=0.1,
        sensitivity=0.9, specificity=0.7, gap=-0.1, gap_interval=(-0.15, -0.05), slope=0.1 / math.log(2), steady=0.95,
        slices={}, auc=0.88,
    )  # fmt: skip
    assert describe(report) == [
        "60 labelled replies: agreement 80%, Cohen's kappa 0.60 (95 % 0.41 to 0.79)",
        "it could not be read on 2 more",
        "people among themselves: alpha 0.10, which no judge can be expected to pass; hardly more than by chance: say "
        "in the criteria what decides",
        "it is below people by 0.10 of the scale (-0.15 to -0.05)",
        "good replies it calls good: 90%; bad ones bad: 70%",
        "of a good and a bad reply it puts the good one above in 88% of pairs",
        "a reply twice as long moves it by +0.10 of the scale, against people",
        "asked anew it says the same of 95% of replies",
    ]


def test_what_cannot_be_read_is_counted_apart_and_people_who_differ_are_the_ceiling() -> None:
    items = [
        ScoredReply((1.0, 1.0), 1.0, 5),
        ScoredReply((1.0, 0.0), None, 5),
        ScoredReply((0.0, 0.0), 0.0, 5),
        ScoredReply((0.0,), 1.0, 5),
    ]
    report = calibration(items, 2)
    assert (report.n, report.unread) == (3, 1)
    assert report.ceiling == pytest.approx(0.4444, abs=1e-3)
    assert "50 labels on replies that it can be read on (here 3 of 4)" in concluded(report, "weak")
    assert describe(calibration([ScoredReply((float(n % 2),), None, 5) for n in range(60)], 2)) == [
        "it could not be read on any of 60 labelled replies, so nothing is known of how far it agrees with people"
    ]
    noisy = [ScoredReply((float(n % 2), float(n // 2 % 2)), 1.0, 5) for n in range(40)]
    assert "hardly more than by chance" in " ".join(describe(calibration(noisy, 2)))


def test_a_judge_that_likes_length_shows_it_and_slices_are_told_apart() -> None:
    rng = random.Random(0)
    items = []
    for place in range(120):
        length = rng.randint(10, 2000)
        person = rng.randint(0, 5)
        judge = min(5, max(0, person + (1 if length > 900 else -1)))
        items.append(ScoredReply((float(person),), float(judge), length, part="fr" if place % 12 == 0 else "en"))
    report = calibration(items, 6)
    assert report.coefficient == "quadratic-weighted kappa"
    assert report.slope is not None
    assert report.slope > 0.05
    assert report.slices["fr"] == {"n": 10}
    assert set(report.slices["en"]) == {"n", "agreement", "kappa"}
    assert {"short replies", "long replies"} <= set(report.slices)
    lines = "\n".join(describe(report))
    assert "fr: 10 replies, too few for a number" in lines


def test_turns_of_one_conversation_widen_the_interval() -> None:
    alone, together = table(), [
        ScoredReply(item.people, item.judge, item.length, group=f"{place // 10}") for place, item in enumerate(table())
    ]  # fmt: skip
    widths = [high - low for report in (calibration(alone, 2), calibration(together, 2))
              for low, high in [report.interval or (0.0, 0.0)]]  # fmt: skip
    assert widths[1] > 1.5 * widths[0]


@pytest.mark.parametrize(
    ("n", "low", "status", "said"),
    [
        (60, 0.5, "calibrated", "calibrated: it may guide a search"),
        (30, 0.5, "weak", "weak: a judge that may guide a search has 50 labels (here 30)"),
        (30, 0.1, "weak", "50 labels (here 30) and a kappa of 0.40 at the lower end of its interval (here 0.10)"),
        (60, None, "weak", "has a kappa of 0.40 at the lower end of its interval (here none)"),
        (60, 0.5, "weak", "has all probes of `promptopt judges check` passed"),
    ],
)
def test_a_report_ends_in_what_it_comes_to_and_what_is_lacking(
    n: int, low: float | None, status: JudgeStatus, said: str
) -> None:
    report = replace(calibration(table(), 2), n=n, interval=None if low is None else (low, 0.9))
    assert said in concluded(report, status)


def test_probes_make_what_they_say_and_judge_it_by_what_it_deserves() -> None:
    plain = ["one", "two", "two"]
    made = {probe.name: [probe.make(plain, at) for at in range(3)] for probe in PROBES}
    assert len(made) == 6
    assert made["padding"][0] == "one\n\none"
    assert "one" in made["authority"][0]
    assert made["elsewhere"] == ["two", "one", "one"]
    assert len(set(made["constant"])) > 1
    honest = [found_in(probe, [0.0] * 20 if probe.expected == "lowest" else [0.6] * 20, [0.6] * 20) for probe in PROBES]
    assert all(each.passed for each in honest)
    assert probes_come_to(honest, judged=True).startswith("passed: it is taken in by none of these; whether it agrees")
    assert all_passed([each.to_json() for each in honest])
    assert not all_passed([each.to_json() for each in honest[:5]])
    # One input less shows too little of one of them, and one that could not be read was asked about.
    few = found_in(PROBES[0], [0.0] * 19, [0.6] * 19)
    assert few.passed
    assert not all_passed([each.to_json() for each in (few, *honest[1:])])
    assert "(on 19 inputs: 20 are needed before it is called calibrated)" in probes_come_to(
        [few, *honest[1:]], judged=True
    )
    assert all_passed([each.to_json() for each in (found_in(PROBES[0], [None, *[0.0] * 19], [0.6] * 20), *honest[1:])])
    fooled = [found_in(probe, [0.9] * 20, [0.6] * 20) for probe in PROBES]
    assert not any(each.passed for each in fooled)
    assert probes_come_to([*honest[:4], *fooled[4:]], judged=True).startswith("failed: 2 of 6; name another judge")
    assert "so take a stricter one" in probes_come_to(fooled, judged=False)
    assert "failed (0.90 of 1, at most 0.1 was expected; the plain reply 0.60)" in fooled[0].sentence()
    silent = [found_in(probe, [None] * 20, [None] * 20) for probe in PROBES]
    assert probes_come_to(silent, judged=True).endswith("as it cannot be read; name another judge")
    assert "criteria" in probes_come_to([*silent[:5], fooled[5]], judged=True)
    unread = found_in(PROBES[0], [None] * 5 + [0.0] * 15, [0.6] * 20)
    assert (unread.passed, "5 of 20 could not be read" in unread.sentence()) == (False, True)
