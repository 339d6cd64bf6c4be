"""Simulated verdicts, and looks at one test again and again: scores are drawn as tests give them; no run, no model."""

from __future__ import annotations

import math
import os
import random
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy

from promptopt.outcome.looks import look_at
from promptopt.stats import ALPHA, Gain, means, paired_gain, verdict
from promptopt.store.runs import Store
from promptopt.types import Example, Prompt, Score

SIZES = (20, 50, 100, 200)
Pairs = tuple[list[float], list[float]]
"""Scores before and after, of the same items."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of scores. `draw`: pairs of n items, with a true gain added to the mean; `gain`: the one power is for.

    `group`: how many items are drawn together and are equal; `bounded`: whether scores lie in [0, 1].
    """

    name: str
    draw: Callable[[numpy.random.Generator, int, float], Pairs]
    gain: float
    group: int = 1
    bounded: bool = True


def _binary(share: float) -> Callable[[numpy.random.Generator, int, float], Pairs]:
    def draw(rng: numpy.random.Generator, n: int, gain: float) -> Pairs:
        before = (rng.random(n) < 0.6).astype(float)
        turned = rng.random(n) < numpy.where(before == 1.0, share / 1.2 - gain / 1.2, share / 0.8 + gain / 0.8)
        return before.tolist(), numpy.where(turned, 1.0 - before, before).tolist()

    return draw


def _skewed(rng: numpy.random.Generator, n: int, gain: float) -> Pairs:
    """+0.1 on 20 %, -0.5 on 4 %; a true gain comes as +0.5 on further items."""
    place = rng.random(n)
    steps = [place < 0.2, place < 0.24, place < 0.24 + 2 * gain]
    return [0.5] * n, (0.5 + numpy.select(steps, [0.1, -0.5, 0.5], 0.0)).tolist()


def _graded(rng: numpy.random.Generator, n: int, gain: float) -> Pairs:
    """Two beta-distributed scores, as F1 or a judge gives them."""
    level = rng.beta(2, 2, n)
    noise = rng.normal(0.0, 0.15, (2, n))
    before, after = numpy.clip(level + noise, 0, 1)
    return before.tolist(), numpy.clip(after + gain, 0, 1).tolist()


def _lognormal(sign: float) -> Callable[[numpy.random.Generator, int, float], Pairs]:
    """Losses in nats: what is added to each is lognormal less its mean, or minus that."""

    def draw(rng: numpy.random.Generator, n: int, gain: float) -> Pairs:
        before = -rng.lognormal(0.0, 0.5, n)
        return before.tolist(), (before + gain + sign * (rng.lognormal(0.0, 1.0, n) - numpy.exp(0.5))).tolist()

    return draw


def _impossible(rng: numpy.random.Generator, n: int, gain: float) -> Pairs:
    """+0.02 nats, but on 10 % of the items what is right has become impossible; with a gain: on those of the start."""
    before = -rng.lognormal(0.0, 0.5, n)
    lost = rng.random(n) < 0.1
    worst, better = numpy.where(lost, -numpy.inf, before), before + 0.02
    if gain:
        return worst.tolist(), better.tolist()
    return before.tolist(), numpy.where(lost, -numpy.inf, better).tolist()


SHAPES: Sequence[Shape] = (
    Shape("right or wrong, 25 % differ", _binary(0.25), 0.1),
    Shape("right or wrong, 10 equal rows a group", _binary(0.25), 0.1, group=10),
    Shape("graded: +0.1 on 20 %, -0.5 on 4 %", _skewed, 0.1),
    Shape("graded: beta, noise 0.15", _graded, 0.1),
    Shape("graded: the same, 5 equal rows a group", _graded, 0.1, group=5),
    Shape("graded: equal pairs", lambda rng, n, gain: ([0.5] * n, [0.5 + gain] * n), 0.1),
    Shape("nats: lognormal", _lognormal(1.0), 1.0, bounded=False),
    Shape("nats: minus lognormal", _lognormal(-1.0), 1.0, bounded=False),
    Shape("nats: +0.1 on 20 %, -0.5 on 4 %", _skewed, 0.1, bounded=False),
    Shape("nats: impossible on 10 %", _impossible, 1.0, bounded=False),
)


def judged(shape: Shape, rng: numpy.random.Generator, n: int, gain: float) -> Gain:
    """One test of `n` items."""
    before, after = shape.draw(rng, n // shape.group, gain)
    first, second = ([value for value in side for _ in range(shape.group)] for side in (before, after))
    groups = [str(number // shape.group) for number in range(len(first))] if shape.group > 1 else None
    return paired_gain(first, second, groups=groups, bounded=shape.bounded)


def verdicts(trials: int, sizes: Sequence[int] = SIZES) -> list[str]:
    """The table of shapes: false *better* and *worse*, coverage of no gain, and the power beside it."""
    lines = [
        "| scores | true gain for power | " + " | ".join(f"n = {n}" for n in sizes) + " |",
        "|" + " --- |" * (len(sizes) + 2),
    ]
    for shape in SHAPES:
        cells: list[str] = []
        for n in sizes:
            rng = numpy.random.default_rng(n)
            with without_intervals():
                none = [verdict(judged(shape, rng, n, 0.0)) for _ in range(trials)]
                some = [verdict(judged(shape, rng, n, shape.gain)) for _ in range(trials)]
            shares = [none.count("better") / trials, none.count("worse") / trials, some.count("better") / trials]
            cells.append(" / ".join(f"{100 * share:.1f}" for share in shares))
        lines.append(f"| {shape.name} | {shape.gain:g} | {' | '.join(cells)} |")
    return lines


@contextmanager
def without_intervals() -> Generator[None]:
    """Verdicts by p and mean alone: the interval agrees with the test by its making, and takes twenty times as long."""
    whole = means.interval
    means.interval = lambda values, lowest, highest, alpha: (math.fsum(values), math.fsum(values))
    try:
        yield
    finally:
        means.interval = whole


@dataclass(frozen=True, slots=True)
class Habit:
    """How a user looks ten times. `test`: the test items of the look of that number, out of 600 there are."""

    name: str
    test: Callable[[int, random.Random], list[int]]


ITEMS, LOOKS = 600, 10
HABITS: Sequence[Habit] = (
    Habit("the same 200 items, another winner each time", lambda look, rng: list(range(200))),
    Habit("a larger cap each time: 50, 100, ... 500 items", lambda look, rng: list(range(50 * look))),
    Habit("another seed each time: 200 of 600 items", lambda look, rng: rng.sample(range(ITEMS), 200)),
)


def looks(users: int) -> list[str]:
    """The table of users who look ten times, through the store's own ledger; nothing they try is better in truth."""
    lines = [
        f"| habit | told *better* at least once, of {users} | at the level 0.05 each time | third look's level |",
        "| --- | --- | --- | --- |",
    ]
    for habit in HABITS:
        found = [_looks(habit, user) for user in range(users)]
        ours, plain = (sum(pair[side] for pair in found) for side in (0, 1))
        lines.append(
            f"| {habit.name} | {ours} ({100 * ours / users:.1f} %) | {plain} ({100 * plain / users:.1f} %) "
            f"| {found[0][2]:.4f} |"
        )
    return lines


def _looks(habit: Habit, user: int) -> tuple[bool, bool, float]:
    """Whether the user was ever told *better*: by the ledger, and at the first level each time; the third level."""
    rng = random.Random(f"{habit.name}/{user}")
    items = [Example.of("yes", question=f"{user}/{number}") for number in range(ITEMS)]
    before = [float(rng.random() < 0.6) for _ in range(ITEMS)]
    ours = plain = False
    third = ALPHA
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder,
        Store(Path(folder) / "store.db") as store,
    ):
        for number in range(1, LOOKS + 1):
            winner = [float(rng.random() < 0.6) if rng.random() < 0.5 else old for old in before]
            chosen = habit.test(number, rng)
            first, second = ([values[place] for place in chosen] for values in (before, winner))
            shown = [
                (Prompt.of(name), [Score(value) for value in side])
                for name, side in (("start", first), (f"winner {number}", second))
            ]
            look = look_at(store.looks, ("model", "accuracy"), [items[place] for place in chosen], shown)
            third = look.alpha if number == 3 else third
            ours = ours or verdict(paired_gain(first, second, alpha=look.alpha)) == "better"
            plain = plain or verdict(paired_gain(first, second)) == "better"
    return ours, plain, third
