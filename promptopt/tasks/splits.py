"""Disjoint seeded splits: propose from train, select on dev, and a test that no search ever sees."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from promptopt.arguments import check_fields, told
from promptopt.errors import ConfigError, DataError
from promptopt.text import counted, folded, normalise
from promptopt.types import Example

_SHARES = (40, 20, 40)
_MOST = (200, 100, 600)
SHARED = 5
"""Rows from which on every split has its share of one, by `_SHARES`."""
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


def same_input(example: Example) -> tuple[str, ...]:
    """What two examples share that have one input: it, but for white space."""
    return tuple(normalise(value) for _, value in example.fields)


def alike_input(example: Example) -> tuple[str, ...]:
    """What two examples share whose inputs are the same to a reader: them, but for case, full stop, Unicode form."""
    return tuple(folded(value) for _, value in example.fields)


def nearly_same(example: Example) -> tuple[str, ...]:
    """What two examples share that are the same to a reader: `alike_input`, and the target in that form.

    With another target they are two examples: there are tasks where case or a question mark decides.
    """
    return ("", folded(example.target), *alike_input(example))


@lru_cache(maxsize=16_384)  # a task is split and checked many times over: for each run, and each seed
def _keys(example: Example) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return same_input(example), nearly_same(example)


def without_duplicates(examples: Sequence[Example]) -> tuple[tuple[Example, ...], tuple[str, ...]]:
    """The examples with the first of every set of (nearly) equal ones, and a warning for each kind of duplicate met.

    An example whose rejected outputs alone are others is joined to the first: data sets of preferences give one input
    several times, a pair each.
    """
    first: dict[tuple[str, ...], Example] = {}
    near: set[tuple[str, ...]] = set()
    repeats = 0
    joined = 0
    alike = 0
    conflicts = list[Example]()
    for example in examples:
        key, fold = _keys(example)
        # Nearly equal to another one, and equal to none: a copy with another full stop.
        if key not in first and fold in near:
            alike += 1
            continue
        near.add(fold)
        # Not by identity: a list that was repeated holds the same objects again.
        if key not in first:
            first[key] = example
            continue
        kept = first[key]
        rejected = tuple(dict.fromkeys((*kept.rejected, *example.rejected)))
        if rejected != kept.rejected and _right(example) == _right(kept):
            joined += 1
            first[key] = replace(kept, rejected=rejected)
            continue
        repeats += 1
        if kept.target != example.target:
            conflicts.append(kept)
    warnings: list[str] = []
    if joined:
        warnings.append(f"{counted(joined, 'example')} joined to an earlier one: same input and target")
    if repeats:
        warnings.append(f"{counted(repeats, 'example')} left out: same input as an earlier one")
    if alike:
        warnings.append(
            f"{counted(alike, 'example')} left out: as an earlier one but for case, closing marks or Unicode form"
        )
    if conflicts:
        warnings.append(
            f"{counted(len(conflicts), 'repeated input has', 'repeated inputs have')} more than one target (the first "
            f"is kept), such as {_clip(conflicts[0].fields[0][1])}"
        )
    return tuple(first.values()), tuple(warnings)


def check_disjoint(train: Sequence[Example], dev: Sequence[Example], test: Sequence[Example]) -> None:
    """Raises DataError when one input, or one group, stands in two splits: what was trained on would be tested on."""
    seen: dict[tuple[str, ...], str] = {}
    groups: dict[str, str] = {}
    for name, split in (("train", train), ("dev", dev), ("test", test)):
        for example in split:
            other = next((there for key in _keys(example) if (there := seen.setdefault(key, name)) != name), name)
            if other != name:
                raise DataError(
                    f"the same input is in both {other} and {name}: {_clip(example.fields[0][1])}; remove it from "
                    f"one of them, or give all examples as one set and let it be split"
                )
            other = groups.setdefault(example.group, name) if example.group else name
            if other != name:
                raise DataError(
                    f"examples of the group {_clip(example.group)} are in both {other} and {name}; move them into "
                    f"one of them, or give all examples as one set and let it be split"
                )


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
    dev, notes = without_duplicates(_apart(pool.dev, test, "dev", "test", warnings))
    warnings += notes
    rows, notes = without_duplicates(_apart(pool.rows, (*dev, *test), "train", "another split", warnings))
    warnings += notes
    # Groups, like inputs, stand on one side alone.
    dev = _outside(dev, test, "dev", warnings)
    rows = _outside(rows, (*dev, *test), "train", warnings)

    wanted = _sizes(splits, len(rows), len(dev), len(test))
    _check_enough(wanted, rows, dev, test)

    ordered = _mixed(rows, rng, stratify=stratify)
    ordered_dev, ordered_test = _mixed(dev, rng, stratify=stratify), _mixed(test, rng, stratify=stratify)
    # Test first: asking for more train or dev examples leaves the sealed set as it was.
    test_part, ordered = _take(wanted[2], ordered_test, ordered)
    ordered = _outside(ordered, test_part, "dev and train", warnings)
    dev_part, ordered = _take(wanted[1], ordered_dev, ordered)
    ordered = _outside(ordered, dev_part, "train", warnings)
    parts = SplitExamples(ordered[: wanted[0]], dev_part, test_part)
    return replace(parts, warnings=(*warnings, *size_warnings(parts)))


def size_warnings(splits: SplitExamples) -> list[str]:
    """What the sizes of the splits will not allow: an empty split, or a test too small to show an ordinary gain."""
    found = [f"the {name} split is empty" for name in ("train", "dev", "test") if not getattr(splits, name)]
    count = len(splits.test)
    if 0 < count < FEW:
        # Imported here, and only for small tests: it brings scipy in.
        from promptopt.stats import smallest_detectable

        gain = smallest_detectable(count)
        shown = f"true gains below {100 * gain:.0f} points" if math.isfinite(gain) else "gains of any size"
        found.append(f"{_SMALL_TEST} {counted(count, 'example')}: {shown} will often go unseen; give more data")
    return found


def beside_test_size(warnings: Iterable[str]) -> tuple[str, ...]:
    """All but those that say that the test is small: a plan says so too, of as many examples as it can pay for."""
    return tuple(warning for warning in warnings if _SMALL_TEST not in warning)


def _right(example: Example) -> tuple[object, ...]:
    return example.target, example.accepted, example.solution


def _apart(
    examples: Sequence[Example], others: Sequence[Example], name: str, other: str, warnings: list[str]
) -> Sequence[Example]:
    taken = {key for example in others for key in _keys(example)}
    kept = [example for example in examples if taken.isdisjoint(_keys(example))]
    if len(kept) < len(examples):
        warnings.append(f"{counted(len(examples) - len(kept), 'input')} of {name} left out: also in {other}")
    return kept


def _outside(
    examples: tuple[Example, ...], others: Sequence[Example], name: str, warnings: list[str]
) -> tuple[Example, ...]:
    """`examples` without those of a group that stands in `others`."""
    taken = {example.group for example in others if example.group}
    kept = tuple(example for example in examples if example.group not in taken)
    if len(kept) < len(examples):
        left_out = counted(len(examples) - len(kept), "example")
        warnings.append(f"{left_out} left out of {name}: others of the same group stand in another split")
    return kept


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

    Groups that are mixed of several targets come as they do.
    """
    shuffled = rng.sample(examples, len(examples))
    if not stratify:
        return _together(shuffled)
    groups: dict[str, list[Example]] = {}
    for example in shuffled:
        groups.setdefault(example.target, []).append(example)
    # The k-th of n examples of a target belongs at (k + u) / n of the way through; u differs by target.
    places: list[tuple[float, int, Example]] = []
    for number, target in enumerate(sorted(groups)):
        offset = rng.random()
        members = groups[target]
        places += [((index + offset) / len(members), number, example) for index, example in enumerate(members)]
    # By the first two alone: examples have no order.
    return _together([example for _, _, example in sorted(places, key=lambda place: place[:2])])


def _together(examples: Sequence[Example]) -> tuple[Example, ...]:
    """The same order, but every group at the place of its first example."""
    groups: dict[str | int, list[Example]] = {}
    for number, example in enumerate(examples):
        groups.setdefault(example.group if example.group else number, []).append(example)
    return tuple(example for group in groups.values() for example in group)


def _take(
    count: int, official: tuple[Example, ...], rest: tuple[Example, ...]
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    return (official[:count], rest) if official else (rest[:count], rest[count:])


def _clip(text: str, limit: int = 60) -> str:
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")
