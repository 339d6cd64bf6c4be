"""Every default and range of every method, and its plans in a few rooms, as text: a change of a number is meant.

After a change that is meant: `PROMPTOPT_GOLDEN=write pytest tests/golden`, and read the difference.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from promptopt import registry
from promptopt.binding.settings import build_optimizer
from promptopt.errors import ConfigError
from promptopt.protocols import BoundsCost, BoundsCostInRoom, Planning
from promptopt.types import Room

FOLDER = Path(__file__).parent / "plans"
ROOMS = {
    "273 evaluations": Room(273, None, 1, 120, 40),
    "1,400 evaluations": Room(1_400, None, 1, 300, 40),
    "900 calls, two a cell": Room(None, 900, 2, 60, 40),
    "20,000 evaluations": Room(20_000, None, 1, 400, 40),
    "no cap": Room(None, None, 1, 100, 0),
}
NUMBERS = {"int": (*range(-2, 9), 10**9), "float": (-1e6, *(half / 2 for half in range(-4, 6)), 1e6)}
"""What is tried of a setting, by the kind of number that it is."""


def defaults(value: object, prefix: str = "") -> Iterator[str]:
    """`name = value` of every field, groups in groups included."""
    assert dataclasses.is_dataclass(value)
    for field in dataclasses.fields(value):
        own = getattr(value, field.name)
        if dataclasses.is_dataclass(own) and not isinstance(own, type):
            yield f"{prefix}{field.name}: {type(own).__name__}"
            yield from defaults(own, f"{prefix}{field.name}.")
        elif field.init and not callable(own):
            yield f"{prefix}{field.name} = {own!r}"


def ranges(value: object, within: Callable[[object], object], prefix: str = "") -> Iterator[str]:
    """`name: 1 or more` of every number that is bounded; `within` puts a group of settings back into its method."""
    assert dataclasses.is_dataclass(value)
    assert not isinstance(value, type)
    for field in dataclasses.fields(value):
        own, name = getattr(value, field.name), f"{prefix}{field.name}"

        def put(given: object, field: str = field.name) -> object:
            return within(dataclasses.replace(value, **{field: given}))

        if dataclasses.is_dataclass(own) and not isinstance(own, type):
            yield from ranges(own, put, f"{name}.")
        elif str(field.type).partition(" ")[0] in NUMBERS:
            tried = NUMBERS[str(field.type).partition(" ")[0]]
            taken = [each for each in tried if takes(put, each)]
            if taken and taken != list(tried):
                yield f"{name}: {taken[0]} " + ("or more" if taken[-1] == tried[-1] else f"to {taken[-1]}")


def takes(put: Callable[[object], object], given: float) -> bool:
    """Whether a setting may be that."""
    try:
        put(given)
    except ConfigError:
        return False
    return True


def plans(method: object) -> Iterator[str]:
    """A line for each room: the plan, the least that is of use, and the bounds."""
    for name, room in ROOMS.items():
        said = [name]
        if isinstance(method, Planning):
            said += [method.plan(room).describe(), f"least {method.least(room)}"]
        if isinstance(method, BoundsCostInRoom):
            said.append(f"at most {method.upper_bounds_in(room)}")
        if len(said) > 1:
            yield "; ".join(said)
    if isinstance(method, BoundsCost):
        yield f"by settings alone, 60 training examples: at most {method.upper_bounds(60)}"


@pytest.mark.parametrize("name", registry.names("optimizers"))
def test_a_method_has_the_defaults_it_had_and_plans_as_it_did(name: str) -> None:
    method = build_optimizer(name, {})
    found = "\n".join([*defaults(method), *ranges(method, lambda whole: whole), *plans(method)]) + "\n"
    golden = FOLDER / f"{name}.txt"
    if os.environ.get("PROMPTOPT_GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")


def test_every_plan_is_some_method_s() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} <= set(registry.names("optimizers"))
