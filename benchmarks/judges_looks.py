"""What many looks at one test do: how often each rule calls a difference, holds a margin, and after how many items.

Two prompts differ on some items; each rule is asked every 20 items, up to 400, and stops where it is sure.

    python benchmarks/judges_looks.py                   # all of the table, some minutes
    python benchmarks/judges_looks.py --trials 100      # a look
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy

from promptopt.stats import Gain, paired_gain, verdict
from promptopt.stats.sequences import running_gain

LOOKS = tuple(range(20, 401, 20))
MARGIN = 0.05
Rule = Callable[[Sequence[float], Sequence[float], float], Gain]


@dataclass(frozen=True)
class World:
    """`differing`: the share of items of 0 and 1 that differ; 0: graded scores. `losses`: whether all of it is lost."""

    name: str
    gain: float
    differing: float = 0.0
    losses: bool = False

    def draw(self, rng: numpy.random.Generator) -> tuple[list[float], list[float]]:
        """Before and after, of as many items as the last look has."""
        count = LOOKS[-1]
        if self.losses:
            # A grain of difference on the others makes them graded.
            lost = rng.random(count) < -self.gain
            return [1.0 if each else 0.5 for each in lost], [0.0 if each else 0.5 + 1e-9 for each in lost]
        if not self.differing:
            moved = numpy.clip(rng.normal(self.gain, 0.3, count), -1.0, 1.0) / 2.0
            return (0.5 - moved).tolist(), (0.5 + moved).tolist()
        up = (self.differing + self.gain) / 2
        signs = rng.choice([1.0, -1.0, 0.0], size=count, p=[up, self.differing - up, 1.0 - self.differing])
        return [float(each < 0) for each in signs], [float(each > 0) for each in signs]


WORLDS = (
    World("right or wrong, a quarter differs, no gain", 0.0, 0.25),
    World("right or wrong, a quarter differs, gain 0.08", 0.08, 0.25),
    World("right or wrong, a quarter differs, gain 0.12", 0.12, 0.25),
    World("right or wrong, 6 % differ, no gain", 0.0, 0.06),
    World("right or wrong, a quarter differs, loss of the margin", -MARGIN, 0.25),
    World("right or wrong, 5 % differ and are lost", -MARGIN, 0.05),
    World("graded, no gain", 0.0),
    World("graded, gain 0.08", 0.08),
    World("graded, loss of the margin", -MARGIN),
    World("graded, one in twenty is lost altogether", -MARGIN, losses=True),
)


def fixed(before: Sequence[float], after: Sequence[float], alpha: float) -> Gain:
    """The test of a fixed size."""
    return paired_gain(before, after, alpha=alpha)


def running(before: Sequence[float], after: Sequence[float], alpha: float) -> Gain:
    """The sequential test."""
    return running_gain(before, after, alpha=alpha)


RULES: dict[str, tuple[Rule, Sequence[int]]] = {
    "fixed, once at 400": (fixed, LOOKS[-1:]),
    "fixed, at every look": (fixed, LOOKS),
    "sequential": (running, LOOKS),
}


@dataclass(frozen=True)
class Ended:
    """Shares of trials, and the mean number of items where it was so."""

    called: float
    items: float
    held: float
    held_items: float


def simulate(world: World, rule: str, trials: int, seed: int = 0) -> Ended:
    """Whether a difference is called at the level 0.05, and the margin held at 0.05 on one side."""
    of, looks = RULES[rule]
    called: list[int] = []
    held: list[int] = []
    for trial in range(trials):
        before, after = world.draw(numpy.random.default_rng([seed, trial]))
        for look in looks:
            if verdict(of(before[:look], after[:look], 0.05)) != "no_evidence":
                called.append(look)
                break
        for look in looks:
            if of(before[:look], after[:look], 0.1).interval[0] > -MARGIN:
                held.append(look)
                break
    return Ended(len(called) / trials, _mean(called), len(held) / trials, _mean(held))


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values) if values else float("nan")


def rows(trials: int, tell: Callable[[str], None]) -> list[str]:
    """A Markdown row of each world and rule."""
    found = ["| world | rule | a difference is called | after | a margin of 5 points is held | after |",
             "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for world in WORLDS:
        for rule in RULES:
            # Gaffke's interval takes a hundred times as long as the others.
            slow = RULES[rule][0] is fixed and (world.losses or not world.differing)
            ended = simulate(world, rule, max(1, trials // 10) if slow else trials)
            found.append(
                f"| {world.name} | {rule} | {100 * ended.called:.1f} % | {_items(ended.items)} | "
                f"{100 * ended.held:.1f} % | {_items(ended.held_items)} |"
            )
            tell(found[-1])
    return found


def _items(value: float) -> str:
    return "-" if value != value else f"{value:.0f}"


def main() -> None:
    """Print the table, and write it where told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = rows(given.trials, print)
    if given.out is not None:
        given.out.write_text("\n".join(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
