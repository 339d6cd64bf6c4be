"""Inputs that stand twice: in one split, or in two that must not meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from promptopt.errors import DataError
from promptopt.text import counted, folded, normalise
from promptopt.types import Example


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


def _right(example: Example) -> tuple[object, ...]:
    return example.target, example.accepted, example.solution


def without_shared(
    examples: Sequence[Example], others: Sequence[Example], name: str, other: str, warnings: list[str]
) -> Sequence[Example]:
    """`examples` (of the split `name`) without inputs that `others` (of the split `other`) hold; `warnings` counts."""
    taken = {key for example in others for key in _keys(example)}
    kept = [example for example in examples if taken.isdisjoint(_keys(example))]
    if len(kept) < len(examples):
        warnings.append(f"{counted(len(examples) - len(kept), 'input')} of {name} left out: also in {other}")
    return kept


def outside_groups(
    examples: tuple[Example, ...], others: Sequence[Example], name: str, warnings: list[str]
) -> tuple[Example, ...]:
    """`examples` without those of a group that stands in `others`; `warnings` counts them."""
    taken = {example.group for example in others if example.group}
    kept = tuple(example for example in examples if example.group not in taken)
    if len(kept) < len(examples):
        left_out = counted(len(examples) - len(kept), "example")
        warnings.append(f"{left_out} left out of {name}: others of the same group stand in another split")
    return kept


def _clip(text: str, limit: int = 60) -> str:
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")
