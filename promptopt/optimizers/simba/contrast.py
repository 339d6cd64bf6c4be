"""Where runs on one input differ most, and how programs are drawn by their means."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.types import Example, Score


@dataclass(frozen=True, slots=True)
class Bucket:
    """The runs on one example, best first; ties to the earlier."""

    example: Example
    runs: tuple[Score, ...]

    @property
    def key(self) -> tuple[float, float, float]:
        """(max - min, max, max - mean): what comes first tells most."""
        values = [score.value for score in self.runs]
        return values[0] - values[-1], values[0], values[0] - math.fsum(values) / len(values)


def buckets(examples: Sequence[Example], runs: Sequence[Sequence[Score]]) -> list[Bucket]:
    """The runs of each example, those that differ most first; ties to the earlier. `runs`: for each example."""
    found = [
        Bucket(example, tuple(sorted(own, key=lambda score: -score.value)))
        for example, own in zip(examples, runs, strict=True)
    ]
    return sorted(found, key=lambda bucket: bucket.key, reverse=True)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them are at or below, between neighbours in proportion (numpy's default)."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def softmax_draw(rng: random.Random, means: Sequence[float], temperature: float) -> int:
    """A place, by exp(mean / temperature)."""
    most = max(means)
    # Less the largest, which changes no share: exp of a large mean by a small temperature would overflow.
    return rng.choices(range(len(means)), [math.exp((mean - most) / temperature) for mean in means])[0]


def poisson(rng: random.Random, mean: float) -> int:
    """A draw of a Poisson distribution of a small mean (Knuth)."""
    limit = math.exp(-mean)
    product = rng.random()
    count = 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def dropped(rng: random.Random, demos: Sequence[Example], most: int) -> list[Example]:
    """The demonstrations without some: min(D, max(Poisson(D / m), [D >= m])) places, drawn with replacement.

    `most`: m; 3 where it is 0 (code).
    """
    count, m = len(demos), most if most else 3
    gone = min(count, max(poisson(rng, count / m), int(count >= m)))
    # With replacement (code), so fewer may go than were drawn.
    places = {rng.randrange(count): None for _ in range(gone)}
    return [demo for place, demo in enumerate(demos) if place not in places]


def positions(steps: int, candidates: int) -> list[int]:
    """The winners that are scored in the end: round(i M / n) for i = 0 ... n, each once."""
    return list(dict.fromkeys(round(place * steps / candidates) for place in range(candidates + 1)))
