"""DSPy's examples as ours: divided into train, dev and test, with a text for every field."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptopt.dspy.untyped import Gold, dspy
from promptopt.errors import DataError
from promptopt.tasks.layout import RESERVED
from promptopt.text import counted
from promptopt.types import Example

DEV_SHARE = 0.2
"""Of the examples given, for the final choice where no `valset` is: as `Task.from_examples`."""
TEST_SHARE = 0.4
"""Of the examples given, for the verdict where no `testset` is: as `Task.from_examples`."""
FEWEST = 8
"""Examples below which nothing can be split off."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Examples of ours, by split, and the user's own by the id of ours."""

    splits: Mapping[str, tuple[Example, ...]]
    gold: Mapping[str, tuple[Example, Gold]]


def divided(
    trainset: Sequence[Gold],
    valset: Sequence[Gold] | None,
    testset: Sequence[Gold] | None,
    seed: int,
) -> tuple[dict[str, list[Gold]], list[str]]:
    """Train, dev and test, and sentences on how they came about. Raises DataError for too little, or for overlaps."""
    for name, given in (("trainset", trainset), ("valset", valset), ("testset", testset)):
        _check(name, given)
    train, said = _distinct(trainset), list[str]()
    held = {_key(example) for example in testset or ()}
    val = None if valset is None else _distinct(valset)
    if val is not None:
        known = {_key(example) for example in val}
        both = [example for example in train if _key(example) in known]
        if both and len(both) == len(train):
            said.append("valset holds all of trainset, so the two are divided anew")
            train, val = _distinct([*train, *val]), None
        elif both:
            said.append(
                f"{counted(len(both), 'example')} of trainset stand in valset too, and are left out of training"
            )
            train = [example for example in train if _key(example) not in known]
    seen = [example for example in [*train, *(val or [])] if _key(example) in held]
    if seen:
        raise DataError(
            f"{counted(len(seen), 'example')} of testset stand in trainset or valset too, so it would not be a test; "
            f"take them out"
        )
    random.Random(f"{seed}/dspy split").shuffle(train)
    count = len(train)
    if count < FEWEST and (val is None or testset is None):
        raise DataError(
            f"trainset has {counted(count, 'example')}, too few to split a test off; give {FEWEST} or more, or a "
            f"valset and a testset"
        )
    test = list(testset) if testset is not None else [train.pop() for _ in range(round(TEST_SHARE * count))]
    if testset is None:
        said.append(
            f"no testset was given, so {counted(len(test), 'example')} of trainset are set aside for the verdict"
        )
    if val is None:
        val = [train.pop() for _ in range(max(1, round(DEV_SHARE * count)))]
        said.append(f"no valset was given, so {counted(len(val), 'example')} of trainset are set aside for the choice")
    return {"train": train, "dev": val, "test": test}, said


def cells_of(data: Mapping[str, Sequence[Gold]], taken: Collection[str]) -> Cells:
    """The examples as ours. `taken`: names that no field may have, as a prompt part has them."""
    gold: dict[str, tuple[Example, Gold]] = {}
    splits: dict[str, tuple[Example, ...]] = {}
    for split, examples in data.items():
        found: dict[str, Example] = {}
        for example in examples:
            inputs = {_free(name, taken): as_text(value) for name, value in example.inputs().items()}
            labels = example.labels()
            target = "\n".join(as_text(value) for value in labels.values())
            own = Example.of(target, **inputs)
            gold.setdefault(own.id, (own, example))
            found.setdefault(own.id, own)
        splits[split] = tuple(found.values())
    return Cells(splits, gold)


def as_text(value: Any) -> str:
    """A field as a text: a text as it is, else JSON, else what it says of itself."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    except (TypeError, ValueError):
        return repr(value)


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken or name in RESERVED:
        name += "_"
    return name


def _check(name: str, given: Any) -> None:
    if given is None:
        return
    whole: object = given
    if isinstance(whole, str) or not isinstance(whole, Sequence):
        raise DataError(f"{name} is {given!r:.80}; give a list of dspy.Example(…).with_inputs(…)")
    if not given and name == "trainset":
        raise DataError("trainset is empty; give it some dspy.Example(…).with_inputs(…)")
    first: tuple[str, ...] | None = None
    for place, example in enumerate(given):
        if not isinstance(example, dspy.Example):
            raise DataError(f"{name}[{place}] is {example!r:.80}; give a dspy.Example(…).with_inputs(…)")
        try:
            inputs = tuple(example.inputs().keys())
        except ValueError:
            inputs = ()
        if not inputs:
            raise DataError(f"{name}[{place}] names no inputs; say which fields those are, by .with_inputs('question')")
        every = tuple(sorted(example.keys()))
        if first is None:
            first = every
        elif every != first:
            lost = [field for field in first if field not in every]
            what = f"lacks the field {lost[0]!r}" if lost else f"has another field, {sorted({*every} - {*first})[0]!r}"
            raise DataError(f"{name}[{place}] {what}; every example needs the same fields as the first one")


def _key(example: Gold) -> Any:
    return tuple((name, as_text(value)) for name, value in sorted(example.items()))


def _distinct(examples: Sequence[Gold]) -> list[Gold]:
    return list({_key(example): example for example in reversed(examples)}.values())[::-1]
