"""What a judge buys, and what it costs to trust one: coverage and false verdicts by simulation.

An item has a difficulty z; the start's reply is worth x = 0.8 z + 0.6 e, the winner's as much and the true gain on top,
and people call a reply good where x > 0. The judge sees r x + sqrt(1 - r^2) e', and a lean on top for the winner. n
items drawn at random have labels, N more the judge alone.

    python benchmarks/judges.py                   # all of the table, some minutes
    python benchmarks/judges.py --trials 200      # a look
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
from scipy.stats import t as student

from promptopt.stats import verdict
from promptopt.trust.powered import DIFFERING, LEAST_LABELS, Item, powered_gain

MORE = 400
SIZES = (20, 50, 200)
GOOD, FAIR, NOISE = 0.8, 0.5, 0.0


@dataclass(frozen=True)
class Case:
    """One world. `latent`: r; `lean`: of the judge to the winner; `gain`: of x; `levels`: 2 or 5; `noise`: of e."""

    name: str
    latent: float = GOOD
    lean: float = 0.0
    gain: float = 0.0
    levels: int = 2
    threshold: float = 0.0
    noise: float = 0.6

    def draw(self, rng: numpy.random.Generator, count: int) -> tuple[numpy.ndarray, numpy.ndarray]:
        """(start, winner) of people and the judge's difference, of `count` items: shapes (2, count) and (count,)."""
        z = 0.8 * rng.standard_normal(count)
        replies = z + self.noise * rng.standard_normal((2, count))
        replies[1] += self.gain
        seen = self.latent * replies + math.sqrt(1.0 - self.latent**2) * rng.standard_normal((2, count))
        seen[1] += self.lean
        people, judge = self._scores(replies), self._scores(seen)
        return people, judge[1] - judge[0]

    def _scores(self, values: numpy.ndarray) -> numpy.ndarray:
        if self.levels == 2:
            return (values > self.threshold).astype(float)
        cuts = numpy.array([-1.2, -0.4, 0.4, 1.2])
        return numpy.searchsorted(cuts, values) / 4.0

    def truth(self, rng: numpy.random.Generator, count: int = 1_000_000) -> float:
        """The true gain of people's scores."""
        people, _ = self.draw(rng, count)
        return float((people[1] - people[0]).mean()) if self.gain else 0.0


CASES = (
    Case("good judge, no gain"),
    Case("judge leans to the new one, no gain", lean=0.4),
    Case("fair judge, gain", latent=FAIR, gain=0.3),
    Case("judge is noise, gain", latent=NOISE, gain=0.3),
    Case("five levels, judge leans, no gain", latent=0.9, lean=0.4, levels=5),
    Case("rare: few differ, gain", gain=0.3, threshold=-1.5, noise=0.3),
)


@dataclass
class Count:
    """How often an interval held the truth, and how often the verdict was *better*."""

    covered: int = 0
    better: int = 0
    width: float = 0.0

    def note(self, low: float, high: float, truth: float, better: bool) -> None:
        """One trial."""
        self.covered += low <= truth <= high
        self.better += better
        self.width += (high - low) / 2.0


def by_t(values: numpy.ndarray) -> tuple[float, float]:
    """The plain interval of a mean, by Student's t."""
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    half = float(student.isf(0.025, len(values) - 1)) * error
    return float(values.mean()) - half, float(values.mean()) + half


def simulate(case: Case, labels: int, trials: int, seed: int = 0) -> dict[str, Count]:
    """Every way to a verdict on the same draws."""
    rng = numpy.random.default_rng([seed, labels, CASES.index(case) if case in CASES else 99])
    truth = case.truth(rng)
    found = {name: Count() for name in ("people alone", "judge alone", "PPI++ t", "as shipped")}
    for _ in range(trials):
        people, judge = case.draw(rng, labels + MORE)
        gain = people[1, :labels] - people[0, :labels]
        for name, values in (("people alone", gain), ("judge alone", judge)):
            low, high = by_t(values)
            found[name].note(low, high, truth, low > 0.0)
        pairs = zip(people[0], people[1], judge[:labels].tolist(), strict=False)
        items = [Item(float(start), float(winner), each) for start, winner, each in pairs]
        rest = [(each, "") for each in judge[labels:].tolist()]
        for name, least, differing in (("PPI++ t", 0, 0), ("as shipped", LEAST_LABELS, DIFFERING)):
            powered = powered_gain(items, rest, least=least, differing=differing)
            found[name].note(*powered.gain.interval, truth, verdict(powered.gain) == "better")
    return found


def rows(trials: int, sizes: Sequence[int], tell: Callable[[str], None]) -> list[str]:
    """The table, a line a case and size."""
    names = ("people alone", "judge alone", "PPI++ t", "as shipped")
    lines = [
        "| case | labels | " + " | ".join(names) + " | half-width: people / shipped |",
        "| --- | --- | " + " | ".join("---" for _ in names) + " | --- |",
    ]
    for case in CASES:
        for size in sizes:
            found = simulate(case, size, trials)
            cells = [f"{100 * found[n].covered / trials:.1f} · {100 * found[n].better / trials:.1f}" for n in names]
            widths = (found["people alone"].width / trials, found["as shipped"].width / trials)
            lines.append(f"| {case.name} | {size} | " + " | ".join(cells) + f" | {widths[0]:.3f} / {widths[1]:.3f} |")
            tell(lines[-1])
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    lines = rows(given.trials, SIZES, print)
    if given.out is not None:
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
