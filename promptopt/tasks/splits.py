"""Disjoint seeded splits: propose from train, select on dev, and a test that no search ever sees."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from promptopt.arguments import check_fields, told
from promptopt.errors import ConfigError, DataError
from promptopt.tasks.duplicates import outside_groups, without_duplicates, without_shared
from promptopt.text import counted
from promptopt.types import Example, digest

_SHARES = (40, 20, 40)
"""Hundredths of the rows that train, dev and test get: a verdict needs as many examples as a search. Ours."""
_MOST = (200, 100, 600)
"""Examples of train, dev and test at most where nobody says: each one costs a call. Ours."""
SHARED = 5
"""Rows from which on every split has its share of one, by `_SHARES`. Ours."""
_SMALL_TEST = "the test split has only"
FEW = 150
"""A test split of fewer examples is warned about: with 150, only gains of 12 points are found four times in five."""


@told
@dataclass(frozen=True, slots=True)
class Splits:
    """How many examples each split should have, and by `seed` which of them.

    None: a share of what there is (40/20/40 %, at most 200/100/600).
    """

    train: int | None = None
    dev: int | None = None
    test: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("train", "dev", "test"):
            size = getattr(self, name)
            # A slice takes a negative size for "all but so many".
            if size is not None and size < 0:
                raise ConfigError(f"the size of the {name} split is {size!r}; give a whole number of examples, or None")


DEFAULT_SPLITS = Splits()


@dataclass(frozen=True, slots=True)
class Pool:
    """All examples of a task, and what was noticed when they were read.

    `dev` and `test` are empty where the data has no official split of that name: `rows` then feeds it.
    """

    rows: tuple[Example, ...]
    dev: tuple[Example, ...] = ()
    test: tuple[Example, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SplitExamples:
    """Three disjoint sets of examples, each in shuffled order, and what the user should know about them."""

    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]
    warnings: tuple[str, ...] = ()


def cut(pool: Pool, splits: Splits, *, stratify: bool) -> SplitExamples:
    """Train, dev and test out of `pool`, at random from the stream "splits" of the seed.

    Examples of one group stand in one split; where the size of a split cuts a group in two, the rest of it is left out.
    With `stratify`, every split taken out of `pool.rows` has the targets in the pool's proportions. An official dev
    or test is taken from itself alone; rows that repeat one of its inputs are left out of the others. Raises DataError
    when the examples do not suffice.
    """
    rng = random.Random(f"{splits.seed}/splits")
    warnings = list(pool.warnings)
    # From the sealed split downwards: of two equal rows the one stays that is the harder to replace.
    test, notes = without_duplicates(pool.test)
    warnings += notes
    dev, notes = without_duplicates(without_shared(pool.dev, test, "dev", "test", warnings))
    warnings += notes
    rows, notes = without_duplicates(without_shared(pool.rows, (*dev, *test), "train", "another split", warnings))
    warnings += notes
    # Groups, like inputs, stand on one side alone.
    dev = outside_groups(dev, test, "dev", warnings)
    rows = outside_groups(rows, (*dev, *test), "train", warnings)

    wanted = _sizes(splits, len(rows), len(dev), len(test))
    _check_enough(wanted, rows, dev, test)

    ordered = _mixed(rows, rng, stratify=stratify)
    ordered_dev, ordered_test = _mixed(dev, rng, stratify=stratify), _mixed(test, rng, stratify=stratify)
    # Test first: asking for more train or dev examples leaves the sealed set as it was.
    test_part, ordered = _take(wanted[2], ordered_test, ordered)
    ordered = outside_groups(ordered, test_part, "dev and train", warnings)
    dev_part, ordered = _take(wanted[1], ordered_dev, ordered)
    ordered = outside_groups(ordered, dev_part, "train", warnings)
    parts = SplitExamples(ordered[: wanted[0]], dev_part, test_part)
    return replace(parts, warnings=(*warnings, *size_warnings(parts)))


def size_warnings(splits: SplitExamples) -> list[str]:
    """What the sizes of the splits will not allow: an empty split, or a test too small to show an ordinary gain."""
    found = [f"the {name} split is empty" for name in ("train", "dev", "test") if not getattr(splits, name)]
    # Of conversations each counts once, however many turns it has.
    count = len(_drawn_together(splits.test))
    if 0 < count < FEW:
        # Imported here, and only for small tests: it brings scipy in.
        from promptopt.stats.power import smallest_detectable

        gain = smallest_detectable(count)
        shown = f"true gains below {100 * gain:.0f} points" if math.isfinite(gain) else "gains of any size"
        what = "group" if count < len(splits.test) else "example"
        found.append(f"{_SMALL_TEST} {counted(count, what)}: {shown} will often go unseen; give more data")
    return found


def beside_test_size(warnings: Iterable[str]) -> tuple[str, ...]:
    """All but those that say that the test is small: an allocation says so too, of what it can pay for."""
    return tuple(warning for warning in warnings if _SMALL_TEST not in warning)


def _sizes(splits: Splits, rows: int, dev: int, test: int) -> list[int]:
    """The size of each split: as asked; else of its official split; else its share of the rows nobody asked for."""
    asked, official = (splits.train, splits.dev, splits.test), (0, dev, test)
    # What is asked for by number comes off first; shares are of the rest.
    left = rows - sum(size for size, own in zip(asked, official, strict=True) if size is not None and not own)
    open_shares = [
        share if size is None and not own else 0 for size, own, share in zip(asked, official, _SHARES, strict=True)
    ]
    shares = [max(0, left * share // sum(open_shares)) if share else 0 for share in open_shares]
    # What the shares leave over goes to the split that is filled last, so that no row stands in none.
    filled_last = next((place for place, share in enumerate(open_shares) if share), None)
    if filled_last is not None:
        shares[filled_last] += max(0, left) - sum(shares)
    wanted: list[int] = []
    for size, own, share, most in zip(asked, official, shares, _MOST, strict=True):
        wanted.append(min(own if own else share, most) if size is None else size)
    return wanted


def _check_enough(
    wanted: Sequence[int], rows: Sequence[Example], dev: Sequence[Example], test: Sequence[Example]
) -> None:
    from_rows = wanted[0] + (0 if dev else wanted[1]) + (0 if test else wanted[2])
    for name, asked, there in (
        ("dev", wanted[1], len(dev) if dev else wanted[1]),
        ("test", wanted[2], len(test) if test else wanted[2]),
        ("all splits together", from_rows, len(rows)),
    ):
        if asked > there:
            raise DataError(
                f"{counted(asked, 'example is', 'examples are')} asked for {name}, and there are {there}; ask for "
                "fewer, or add data"
            )
    if not rows:
        raise DataError("there are no examples to split; give the task at least a few labelled examples")


def _mixed(examples: Sequence[Example], rng: random.Random, *, stratify: bool) -> tuple[Example, ...]:
    """Shuffled, groups as a whole; stratified, every slice holds the targets in nearly the same proportions.

    A group that is mixed of several targets goes by the one that most of it has.
    """
    units = _drawn_together(examples)
    shuffled = rng.sample(units, len(units))
    if not stratify:
        return tuple(example for unit in shuffled for example in unit)
    strata: dict[str, list[Sequence[Example]]] = {}
    for unit in shuffled:
        strata.setdefault(_common_target(unit), []).append(unit)
    # The k-th of n units of a target belongs at (k + u) / n of the way through; u differs by target.
    places: list[tuple[float, int, Sequence[Example]]] = []
    for number, target in enumerate(sorted(strata)):
        offset = rng.random()
        members = strata[target]
        places += [((index + offset) / len(members), number, unit) for index, unit in enumerate(members)]
    # By the first two alone: examples have no order.
    return tuple(example for *_, unit in sorted(places, key=lambda place: place[:2]) for example in unit)


def _drawn_together(examples: Sequence[Example]) -> Sequence[Sequence[Example]]:
    """Groups, and examples without one, each to be drawn as likely as any other, however many examples it has.

    Where groups hold several examples, in the same order however they came: logs are exported in another each time.
    Other data keep their order, by which their splits were always cut.
    """
    sizes = Counter(example.group for example in examples if example.group)
    if not sizes or max(sizes.values()) < 2:
        return [(example,) for example in examples]
    groups: dict[str | int, list[Example]] = {}
    for number, example in enumerate(sorted(examples, key=lambda each: digest([each.fields, each.target]))):
        groups.setdefault(example.group if example.group else number, []).append(example)
    return list(groups.values())


def _common_target(unit: Sequence[Example]) -> str:
    counts = Counter(example.target for example in unit)
    # Of equally frequent ones the first by name, whatever the order of the rows.
    return min(counts, key=lambda target: (-counts[target], target))


def _take(
    count: int, official: tuple[Example, ...], rest: tuple[Example, ...]
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    return (official[:count], rest) if official else (rest[:count], rest[count:])
