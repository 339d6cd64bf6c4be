"""DSPy's examples as ours: divided into train, dev and test, with a text for every field."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptopt.dspy.texts import value_as_text, varies
from promptopt.dspy.untyped import Gold, dspy
from promptopt.errors import DataError
from promptopt.tasks.layout import RESERVED
from promptopt.text import counted, folded
from promptopt.types import Example

DEV_SHARE = 0.2
"""Of the examples given, for the final choice where no `valset` is: as `Task.from_examples`."""
TEST_SHARE = 0.4
"""Of the examples given, for the verdict where no `testset` is: as `Task.from_examples`."""
FEWEST_TO_SPLIT = 8
"""Examples below which nothing can be split off. Ours."""


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
    sets = {"trainset": trainset, "valset": valset, "testset": testset}
    _check_all({name: given for name, given in sets.items() if given is not None})
    train = _distinct(trainset)
    val = None if valset is None else _distinct(valset)
    said = _remarks_on_sets({name: given for name, given in sets.items() if given is not None}, trainset[0])
    if val is not None:
        train, val, more = _disjoint_sets(train, val)
        said += more
    held = {_input_key(example) for example in testset or ()}
    seen = {_input_key(example) for example in [*train, *(val or [])]} & held
    if seen:
        raise DataError(
            f"{counted(sum(_input_key(example) in seen for example in testset or ()), 'example')} of testset stand in "
            f"trainset or valset too, by their inputs, so it would not be a test; take them out"
        )
    groups = _grouped(train)
    random.Random(f"{seed}/dspy split").shuffle(groups)
    count = len(train)
    if count < FEWEST_TO_SPLIT and (val is None or testset is None):
        alike = len(trainset) - len(_distinct(trainset))
        more = f" ({alike:,} more are equal to one of these)" if alike else ""
        raise DataError(
            f"trainset has {counted(count, 'example')}{more}, too few to split a test off; give {FEWEST_TO_SPLIT} or "
            f"more, or a valset and a testset"
        )
    test = list(testset) if testset is not None else _taken_off_end(groups, round(TEST_SHARE * count))
    if testset is None:
        said.append(
            f"no testset was given, so {counted(len(test), 'example')} of trainset are set aside for the verdict"
        )
    if val is None:
        val = _taken_off_end(groups, max(1, round(DEV_SHARE * count)))
        said.append(f"no valset was given, so {counted(len(val), 'example')} of trainset are set aside for the choice")
    return {"train": [example for group in groups for example in group], "dev": val, "test": test}, said


def _remarks_on_sets(sets: Mapping[str, Sequence[Gold]], first: Gold) -> list[str]:
    """What is odd about the sets, a sentence each."""
    said = [note for name, given in sets.items() for note in [*_blank(name, given), *_varying(name, given)]]
    return said + [note for name, given in sets.items() for note in _lacking(name, given, first)]


def _disjoint_sets(train: list[Gold], val: list[Gold]) -> tuple[list[Gold], list[Gold] | None, list[str]]:
    """Train without what stands in val, and val; None for val, with all in train, where train holds nothing else."""
    # By their inputs: an example that differs in its label, or in a number of its own, is still known.
    known = {_input_key(example) for example in val}
    both = [example for example in train if _input_key(example) in known]
    if both and len(both) == len(train):
        return _distinct([*train, *val]), None, ["valset holds all of trainset, so the two are divided anew"]
    if not both:
        return train, val, []
    said = (
        f"{counted(len(both), 'example of trainset stands', 'examples of trainset stand')} in valset too, and "
        f"{'is' if len(both) == 1 else 'are'} left out of training"
    )
    return [example for example in train if _input_key(example) not in known], val, [said]


def cells_of(data: Mapping[str, Sequence[Gold]], taken: Collection[str]) -> Cells:
    """The examples as ours. `taken`: names that no field may have, as a prompt part has them."""
    gold: dict[str, tuple[Example, Gold]] = {}
    splits: dict[str, tuple[Example, ...]] = {}
    for split, examples in data.items():
        found: dict[str, Example] = {}
        for example in examples:
            inputs = {_free(name, taken): value_as_text(value) for name, value in example.inputs().items()}
            labels = example.labels()
            target = "\n".join(value_as_text(value) for value in labels.values())
            own = Example.of(target, **inputs)
            gold.setdefault(own.id, (own, example))
            found.setdefault(own.id, own)
        splits[split] = tuple(found.values())
    return Cells(splits, gold)


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken or name in RESERVED:
        name += "_"
    return name


def _check_all(sets: Mapping[str, Any]) -> None:
    """Raise DataError for what is no list of examples, and for fields that differ."""
    first: tuple[str, ...] | None = None
    for name, given in sets.items():
        whole: object = given
        if isinstance(whole, str) or not isinstance(whole, Sequence):
            raise DataError(f"{name} is {given!r:.80}; give a list of dspy.Example(…).with_inputs(…)")
        if not given:
            some = "give it some dspy.Example(…).with_inputs(…)"
            raise DataError(f"{name} is empty; {some if name == 'trainset' else 'leave it out, or ' + some}")
        inputs = _inputs_of(name, given)
        first = inputs if first is None else first
        if inputs != first:
            raise DataError(
                f"{name} has the inputs {', '.join(inputs)}, and trainset {', '.join(first)}; every example needs the "
                f"same ones"
            )


def _inputs_of(name: str, given: Sequence[Gold]) -> tuple[str, ...]:
    """The inputs that all examples of a set name. Raises DataError where one differs from the first, or names none."""
    first: tuple[str, ...] | None = None
    inputs: tuple[str, ...] = ()
    for place, example in enumerate(given):
        where = f"{name}[{place}]"
        if not isinstance(example, dspy.Example):
            raise DataError(f"{where} is {example!r:.80}; give a dspy.Example(…).with_inputs(…)")
        every = tuple(sorted(example.keys()))
        if first is not None and every != first:
            lost = [field for field in first if field not in every]
            what = f"lacks the field {lost[0]!r}" if lost else f"has another field, {sorted({*every} - {*first})[0]!r}"
            raise DataError(f"{where} {what}; every example needs the same fields as the first one")
        named = tuple(sorted(_input_keys(example)))
        missing = [field for field in named if field not in every]
        if missing:
            raise DataError(f"{where} names the input {missing[0]!r}, and has no such field; give it one")
        if not named:
            raise DataError(f"{where} names no inputs; say which fields those are, by .with_inputs('question')")
        if first is not None and named != inputs:
            raise DataError(
                f"{where} has the inputs {', '.join(named)}, the first one {', '.join(inputs)}; name the same ones"
            )
        first, inputs = every, named
    return inputs


def _input_keys(example: Gold) -> Collection[str]:
    """The fields that `with_inputs` named, whether the example has them or not."""
    keys: Collection[str] | None = getattr(example, "_input_keys", None)
    return () if keys is None else keys


def _blank(name: str, given: Sequence[Gold]) -> list[str]:
    """A sentence on every field that examples leave without a value, as a table with holes does."""
    found: list[str] = []
    for field in given[0].keys():  # noqa: SIM118 - an Example is no mapping
        blank = sum(_empty(example[field]) for example in given)
        # Of a few an empty text may be what is right.
        blank = (
            len(given) if all(_empty(example[field]) or _is_empty_text(example[field]) for example in given) else blank
        )
        if blank:
            many = counted(blank, f"example of {name} has", f"examples of {name} have")
            found.append(f"{many} no value in {field!r}; such a row is used as it is")
    return found


def _lacking(name: str, given: Sequence[Gold], first: Gold) -> list[str]:
    """A sentence on every field that a set lacks and trainset has: a metric may look at it, after the search alone."""
    return [
        f"{name} has no field {field!r}, as trainset has; a metric that looks at it will fail there, when the search "
        f"has been paid for"
        for field in first.keys()  # noqa: SIM118 - an Example is no mapping
        if field not in given[0].keys()  # noqa: SIM118
    ]


def _varying(name: str, given: Sequence[Gold]) -> list[str]:
    """A sentence on every input that a model is shown otherwise in every process, as a set is."""
    return [
        f"{name} has in {field!r} what Python writes otherwise in every process (a set, or an object without a "
        f"__repr__): where a model is shown that, the run cannot be gone on with in another one; give a list or a text"
        for field in given[0].inputs().keys()  # noqa: SIM118 - an Example is no mapping
        if any(varies(example[field]) for example in given)
    ]


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _is_empty_text(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def _input_key(example: Gold) -> Any:
    """What a program is asked, as a reader would tell it from another: the task's own rule for equal inputs."""
    return tuple((name, folded(value_as_text(value))) for name, value in sorted(example.inputs().items()))


def _grouped(examples: Sequence[Gold]) -> list[list[Gold]]:
    """Examples with the same inputs together: they stand on one side."""
    groups: dict[Any, list[Gold]] = {}
    for example in examples:
        groups.setdefault(_input_key(example), []).append(example)
    return list(groups.values())


def _taken_off_end(groups: list[list[Gold]], count: int) -> list[Gold]:
    """`count` examples off the end, or a few more where the last have the same inputs; one group is left."""
    taken: list[Gold] = []
    while len(taken) < count and len(groups) > 1:
        taken += groups.pop()
    return taken


def _key(example: Gold) -> Any:
    return tuple((name, value_as_text(value)) for name, value in sorted(example.items()))


def _distinct(examples: Sequence[Gold]) -> list[Gold]:
    return list({_key(example): example for example in reversed(examples)}.values())[::-1]
