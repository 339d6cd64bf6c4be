"""How far a judge agrees with people on replies that both have scored: may it guide a search, and where is it wrong?"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from promptopt.stats import paired_gain
from promptopt.text import counted
from promptopt.trust.agreement import agreement, alpha, kappa
from promptopt.trust.labels import POOR
from promptopt.trust.probes import PLANTED

COEFFICIENT_KEY = "measure"
"""Under which stored reports and results name the coefficient, as they always did."""
ENOUGH_LABELS = 50
"""Labels from which on a judge can be called calibrated. Ours."""
AT_LEAST = 0.4
"""Kappa at the lower end of its interval, from which on it can (the start of Landis and Koch's moderate, 1977)."""
IN_A_SLICE = 20
"""Labels of a slice below which its numbers say nothing: even at 30 a true kappa of 0.60 shows as 0.27 to 0.87."""
RESAMPLES = 1000
"""Bootstrap draws: 25 of them lie beyond each end of a 95 % interval. Ours."""
LEVEL = 0.005
"""Of the scale: a difference that is written as 0.00 is none."""

JudgeStatus = Literal["calibrated", "weak", "uncalibrated"]


@dataclass(frozen=True, slots=True)
class ScoredReply:
    """One reply that people and the judge have scored, on levels 0 to `levels` - 1; `judge` None: it failed."""

    people: tuple[float, ...]
    judge: float | None
    length: int
    group: str = ""
    part: str = ""

    @property
    def person(self) -> float:
        """The mean of what people say."""
        return sum(self.people) / len(self.people)

    @property
    def said(self) -> float:
        """What the judge says, where it could be read."""
        assert self.judge is not None
        return self.judge


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a comparison shows. `kappa`: None where all said the same. `gap`: judge - people, in shares of the scale.

    `coefficient`: which kappa it is. `ceiling`: Krippendorff's alpha among people. `sensitivity`, `specificity`: of the
    upper half of the scale. `auc`: how often a reply of that half is scored above one of the other, equal scores being
    half of one (Mann-Whitney's U over all pairs). `slope`: of the gap on the log of a reply's length. `steady`: the
    share of replies that the judge scores alike when asked anew; None for a metric.
    """

    n: int
    unread: int
    agreement: float
    coefficient: str
    kappa: float | None
    interval: tuple[float, float] | None
    ceiling: float | None
    sensitivity: float | None
    specificity: float | None
    gap: float
    gap_interval: tuple[float, float]
    slope: float | None
    steady: float | None
    slices: Mapping[str, Mapping[str, Any]]
    auc: float | None = None

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        found = {name: getattr(self, name) for name in Calibration.__slots__}
        return {COEFFICIENT_KEY if name == "coefficient" else name: each for name, each in found.items()}


def calibration(
    items: Sequence[ScoredReply], levels: int, *, steady: float | None = None, seed: int = 0
) -> Calibration:
    """Judge against people, on `levels` levels of a scale; `steady`: see `Calibration`.

    Intervals of kappa are by bootstrap over groups (`RESAMPLES` draws, percentiles).
    """
    read = [item for item in items if item.judge is not None]
    pairs = _levels(read)
    ordinal = levels > 2

    def coefficient(chosen: Sequence[tuple[float, float]]) -> float | None:
        # Where people score all alike kappa is 0 whatever the judge says, and tells nothing of it.
        return kappa(chosen, weighted=ordinal) if len({person for person, _ in chosen}) > 1 else None

    value = coefficient(pairs)
    top = levels - 1
    # In shares of the scale, so that scales of two and of ten levels read alike.
    sides = [item.person / top for item in read], [item.said / top for item in read]
    gap = paired_gain(*sides, groups=[item.group for item in read], bounded=True)
    several = [item.people for item in items if len(item.people) > 1]
    return Calibration(
        n=len(read),
        unread=len(items) - len(read),
        agreement=agreement(pairs),
        coefficient="quadratic-weighted kappa" if ordinal else "Cohen's kappa",
        kappa=value,
        interval=None if value is None else _bootstrap(read, coefficient, seed),
        ceiling=alpha(several, "interval" if ordinal else "nominal") if several else None,
        sensitivity=_share([judge > top / 2 for person, judge in pairs if person > top / 2]),
        specificity=_share([judge <= top / 2 for person, judge in pairs if person <= top / 2]),
        gap=gap.mean,
        gap_interval=gap.ci95,
        slope=_slope([(math.log(max(1, item.length)), after - before)
                      for item, before, after in zip(read, *sides, strict=True)]),
        steady=steady,
        slices=_slices(read, coefficient),
        auc=_auc([item.said for item in read if item.person > top / 2],
                 [item.said for item in read if item.person <= top / 2]),
    )  # fmt: skip


def status_of(report: Mapping[str, Any] | None, probes: bool) -> JudgeStatus:
    """What may be said of a judge; `report`: `Calibration.to_json()`, or None without labels; `probes`: all passed."""
    if report is None:
        return "uncalibrated"
    interval = report["interval"]
    # By the lower end: on few labels a high kappa may be luck.
    sure = report["n"] >= ENOUGH_LABELS and interval is not None and interval[0] >= AT_LEAST
    return "calibrated" if sure and probes else "weak"


def concluded(report: Calibration, status: JudgeStatus) -> str:
    """What the figures come to, and what is lacking for `calibrated`."""
    if status == "calibrated":
        return "calibrated: it may guide a search; its word alone is no verdict"
    low = None if report.interval is None else report.interval[0]
    those = f"labels on replies that it can be read on (here {report.n} of {report.n + report.unread})"
    wanted = those if report.unread else f"labels (here {report.n})"
    lacks: list[str] = [] if report.n >= ENOUGH_LABELS else [f"{ENOUGH_LABELS} {wanted}"]
    if low is None or low < AT_LEAST:
        here = "none" if low is None else f"{low:.2f}"
        lacks.append(f"a kappa of {AT_LEAST:.2f} at the lower end of its interval (here {here})")
    lacks = lacks if lacks else [f"all probes of `promptopt judges check` passed, on {PLANTED} inputs or more"]
    return f"{status}: a judge that may guide a search has {' and '.join(lacks)}"


def describe(report: Calibration) -> list[str]:
    """The report in lines for people."""
    if not report.n:
        lost = counted(report.unread, "labelled reply", "labelled replies")
        return [f"it could not be read on any of {lost}, so nothing is known of how far it agrees with people"]
    if report.kappa is None:
        said = f"{report.coefficient} is undefined, since people score all of them alike"
    else:
        low, high = (math.nan, math.nan) if report.interval is None else report.interval
        said = f"{report.coefficient} {report.kappa:.2f} (95 % {low:.2f} to {high:.2f})"
    lines = [f"{counted(report.n, 'labelled reply', 'labelled replies')}: agreement {report.agreement:.0%}, {said}"]
    if report.unread:
        lines.append(f"it could not be read on {report.unread} more")
    if report.ceiling is not None:
        poor = "; hardly more than by chance: say in the criteria what decides" if report.ceiling < POOR else ""
        lines.append(
            f"people among themselves: alpha {report.ceiling:.2f}, which no judge can be expected to pass{poor}"
        )
    low, high = report.gap_interval
    side = "level with people" if abs(report.gap) < LEVEL else (
        f"{'above' if report.gap > 0 else 'below'} people by {abs(report.gap):.2f} of the scale"
    )  # fmt: skip
    lines.append(f"it is {side} ({low:+.2f} to {high:+.2f})")
    if report.sensitivity is not None and report.specificity is not None:
        lines.append(f"good replies it calls good: {report.sensitivity:.0%}; bad ones bad: {report.specificity:.0%}")
    if report.auc is not None:
        lines.append(f"of a good and a bad reply it puts the good one above in {report.auc:.0%} of pairs")
    if report.slope is not None:
        lines.append(
            f"a reply twice as long moves it by {report.slope * math.log(2):+.2f} of the scale, against people"
        )
    if report.steady is not None:
        lines.append(f"asked anew it says the same of {report.steady:.0%} of replies")
    for name, part in report.slices.items():
        value = part.get("kappa")
        shown = "too few for a number" if "agreement" not in part else (
            f"agreement {part['agreement']:.0%}, kappa {'undefined' if value is None else format(value, '.2f')}"
        )  # fmt: skip
        lines.append(f"  {name}: {part['n']} replies, {shown}")
    return lines


def _levels(items: Sequence[ScoredReply]) -> list[tuple[float, float]]:
    """What people and the judge say, each at the nearest level; halves go up."""
    # Not `round`, which takes a half to the even level.
    return [(math.floor(item.person + 0.5), math.floor(item.said + 0.5)) for item in items]


def _bootstrap(
    items: Sequence[ScoredReply], coefficient: Callable[[Sequence[tuple[float, float]]], float | None], seed: int
) -> tuple[float, float]:
    groups: dict[str | int, list[tuple[float, float]]] = {}
    for place, (item, pair) in enumerate(zip(items, _levels(items), strict=True)):
        # Replies of one group are drawn together: they are no independent evidence.
        groups.setdefault(item.group if item.group else place, []).append(pair)
    # A generator of its own: the same labels give the same interval.
    units, rng = list(groups.values()), random.Random(f"calibration {seed}")
    values: list[float] = []
    for _ in range(RESAMPLES):
        value = coefficient([pair for unit in rng.choices(units, k=len(units)) for pair in unit])
        # A draw in which all say the same shows nothing of agreement.
        values.append(0.0 if value is None else value)
    values.sort()
    # Percentiles: a fortieth of the sorted draws lies beyond either end.
    return values[int(0.025 * RESAMPLES)], values[int(0.975 * RESAMPLES) - 1]


def _slices(
    items: Sequence[ScoredReply], coefficient: Callable[[Sequence[tuple[float, float]]], float | None]
) -> dict[str, dict[str, Any]]:
    """By the part that rows name, and by thirds of length."""
    parts: dict[str, list[ScoredReply]] = {}
    for item in items:
        if item.part:
            parts.setdefault(item.part, []).append(item)
    ordered = sorted(items, key=lambda item: item.length)
    # The middle third tells nothing of how short and long replies differ.
    third = len(ordered) // 3
    if third >= IN_A_SLICE:
        parts |= {"short replies": ordered[:third], "long replies": ordered[-third:]}
    found: dict[str, dict[str, Any]] = {}
    for name, chosen in parts.items():
        pairs = _levels(chosen)
        numbers = {"agreement": agreement(pairs), "kappa": coefficient(pairs)} if len(pairs) >= IN_A_SLICE else {}
        found[name] = {"n": len(pairs), **numbers}
    return found


def _share(said: Sequence[bool]) -> float | None:
    return sum(said) / len(said) if said else None


def _auc(good: Sequence[float], bad: Sequence[float]) -> float | None:
    """A half for each pair that is scored alike, by less than a billionth."""
    if not good or not bad:
        return None
    above = sum((one > other + 1e-9) + 0.5 * (abs(one - other) <= 1e-9) for one in good for other in bad)
    return above / (len(good) * len(bad))


def _slope(points: Sequence[tuple[float, float]]) -> float | None:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    if len(points) < IN_A_SLICE or max(xs) == min(xs):
        return None
    return statistics.linear_regression(xs, ys).slope
