"""What a judge's gain is where length plays no part: on the pairs of replies that differ and are of about one length.

Judges like length (Dubois et al. 2024, arXiv:2404.04475): a gain that is gone where both replies are of one length may
be no more than that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptopt.evaluators.judging import said_in
from promptopt.stats import Gain, paired_gain
from promptopt.types import Score, Weigh

LONGER = 1.25
"""How many times as long one of two replies may be that are of about one length. Ours."""
LEAST_MATCHED = 10
"""Pairs below which no gain is told: one reply that a judge misreads would be a tenth. Ours."""


@dataclass(frozen=True, slots=True)
class LengthMatched:
    """The gain on pairs of about one length, beside that on all pairs that differ.

    `pairs`, `differing`: how many there are of both; `ci95`: of the matched gain. `mean` and `ci95` are None below
    `LEAST_MATCHED` pairs. `longer`: how many times as long as the old replies the new ones are, where they differ.
    """

    mean: float | None
    ci95: tuple[float, float] | None
    pairs: int
    of_differing: float
    differing: int
    longer: float

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {"mean": self.mean, "ci95": None if self.ci95 is None else list(self.ci95), "n": self.pairs,
                "of_differing": self.of_differing, "differing": self.differing, "longer": self.longer}  # fmt: skip

    def sentence(self) -> str:
        """The same for a person."""
        longer = f"the new replies are {self.longer:.2g} times as long as the old ones"
        alike = f"{self.pairs:,} of the {self.differing:,} pairs of replies that differ are of about one length"
        if self.mean is None or self.ci95 is None:
            few = f"Only {alike}" if self.pairs else f"None{alike[1:]}"
            return f"Length: {longer}. {few}: how much of the gain is length cannot be told."
        low, high = self.ci95
        return (
            f"Length: {longer}. {alike[0].upper()}{alike[1:]}: there the gain is {self.mean:+.3f} (95 % interval "
            f"{low:+.3f} to {high:+.3f}), on all that differ {self.of_differing:+.3f}."
        )


def alike(old: str, new: str) -> bool:
    """Whether two replies differ, and are of about one length."""
    return old != new and len(old) <= LONGER * len(new) and len(new) <= LONGER * len(old)


def length_matched(pairs: Iterable[tuple[Score, Score, str]], weigh: Weigh = "turn") -> LengthMatched | None:
    """Of pairs of scores (old, new) with their groups; None where no judged replies differ.

    `weigh`: as in `paired_gain`, of the pairs that are left.
    """
    rows = [(said_in(old.output), said_in(new.output), old.value, new.value, group)
            for old, new, group in pairs if old.judged and new.judged]  # fmt: skip
    differing = [row for row in rows if row[0] and row[1] and row[0] != row[1]]
    if not differing:
        return None
    matched = [row for row in differing if alike(row[0], row[1])]
    gain = _gain_of(matched, weigh) if len(matched) >= LEAST_MATCHED else None
    read, written = sum(len(row[0]) for row in differing), sum(len(row[1]) for row in differing)
    return LengthMatched(
        mean=None if gain is None else gain.mean,
        ci95=None if gain is None else gain.ci95,
        pairs=len(matched),
        of_differing=_gain_of(differing, weigh).mean,
        differing=len(differing),
        longer=written / read,
    )


def from_report(report: Mapping[str, Any]) -> LengthMatched | None:
    """That of a result, from its JSON; None where it has none."""
    held: Mapping[str, Any] | None = report.get("length_matched")
    if held is None:
        return None
    ends = held["ci95"]
    return LengthMatched(
        held["mean"],
        None if ends is None else (ends[0], ends[1]),
        held["n"],
        held["of_differing"],
        held["differing"],
        held["longer"],
    )


def _gain_of(rows: Sequence[tuple[str, str, float, float, str]], weigh: Weigh) -> Gain:
    groups = [row[4] for row in rows]
    return paired_gain([row[2] for row in rows], [row[3] for row in rows], groups=groups, weigh=weigh)
