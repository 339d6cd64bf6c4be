"""Numbers, columns and tables of array libraries where Python's own are annotated; classes derived from ours."""

# pyright: reportArgumentType=false, reportCallIssue=false, reportUnknownMemberType=false
from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from promptopt import Budget, Example, Request, Sampling, Score, Task
from promptopt.errors import ConfigError
from promptopt.tasks import Splits
from promptopt.types import Message, Token

ROWS = [Example.of("good" if place % 2 else "bad", text=f"text {place}") for place in range(40)]


class Missing:
    """What pandas has for a missing text: compared with anything it gives itself, which is neither true nor false."""

    def __repr__(self) -> str:
        return "<NA>"

    def __ne__(self, other: object) -> Any:
        return self

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")


class Table:
    """As much of a table of pandas as is looked at."""

    ndim = 2

    def __iter__(self) -> Any:
        return iter(["text", "mood"])


@pytest.mark.parametrize(
    ("made", "own"),
    [
        (lambda: Budget(evaluations=np.int64(3)).evaluations, 3),
        (lambda: Budget(usd=np.float32(0.5)).usd, 0.5),
        (lambda: Budget(evaluations=np.array(3)).evaluations, 3),
        (lambda: Splits(train=np.int32(9)).train, 9),
        (lambda: Sampling(temperature=np.float32(0.5)).temperature, 0.5),
        (lambda: Sampling(max_tokens=np.int64(7)).max_tokens, 7),
        (lambda: Request("a", seed=np.int64(7)).seed, 7),
        (lambda: Token("a", np.float64(-0.5)).logprob, -0.5),
        (lambda: Task.from_examples(ROWS, prompt="Say it.", labels=np.array(["bad", "good"])).labels, ("bad", "good")),
    ],
)
def test_what_is_losslessly_the_same_is_taken_as_pythons_own(made: Callable[[], Any], own: Any) -> None:
    # Twice: what was right once for values of these classes is not looked at again.
    for _ in range(2):
        found = made()
        assert found == own
        assert type(found) is type(own)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Budget(evaluations=np.array([3])), r"a budget of array\(\[3\]\) evaluations cannot be counted down"),
        (lambda: Budget(evaluations=np.float32(0.5)), "a budget of 0.5 evaluations cannot be counted down"),
        (lambda: Splits(train=np.array([3, 4])), r"Splits: train is array\(\[3, 4\]\); give a whole number"),
        (lambda: Splits(train=np.bool_(True)), "Splits: train is True; give a whole number"),
        (lambda: Request("a", seed=np.float64(0.5)), "Request: seed is 0.5; give a whole number"),
        (lambda: Token("a", np.array([1.0, 2.0])), r"Token: logprob is array\(\[1., 2.\]\); give a number"),
        (lambda: Example.of(np.array(["a", "b"]), text="x"), "give one right answer, and others as a list behind it"),
        (lambda: Example.of(["a", "b"], text="x"), "give one right answer, and others as a list behind it"),
        (lambda: Example.of(Missing(), text="x"), "the target is <NA>; leave it out where there is none"),
        (lambda: Example.of("a", text=np.float64("nan")), "leave it out where there is none"),
        (lambda: Task.from_examples(Table(), prompt="Say it."), "examples is a table; make examples of its rows"),
    ],
)
def test_what_is_not_is_told(make: Callable[[], Any], said: str) -> None:
    for _ in range(2):
        with pytest.raises(ConfigError, match=said):
            make()


@dataclass(frozen=True)
class Marked(Message):
    """A dataclass derived from one of ours."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Ranked(Marked):
    """One derived from that."""

    rank: int = 0


@dataclass(frozen=True)
class Graded(Score):
    """One derived from a class whose values are looked at by who reads them."""

    note: str = ""


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Marked("user", "a", nota="b"), "no argument of Marked is named 'nota'; did you mean 'note'"),
        (lambda: Marked("user", 5), "Marked: content is 5; give a text"),
        (lambda: Marked("user"), "Marked needs content; give a text"),
        (lambda: Ranked("user", "a", rnk=1), "no argument of Ranked is named 'rnk'; did you mean 'rank'"),
        (lambda: Ranked("user", "a", rank="first"), "Ranked: rank is 'first'; give a whole number"),
        (lambda: Graded(1.0, nota="b"), "no argument of Graded is named 'nota'; did you mean 'note'"),
    ],
)
def test_a_dataclass_derived_from_ours_tells_of_its_fields(make: Callable[[], Any], said: str) -> None:
    for _ in range(2):
        with pytest.raises(ConfigError, match=said):
            make()


def test_what_is_derived_is_made_copied_and_used_as_ours_is() -> None:
    made = Ranked("user", "a", note="b", rank=np.int64(2))
    assert type(made.rank) is int
    assert copy.deepcopy(made) == made == pickle.loads(pickle.dumps(made))

    @dataclass(frozen=True)
    class Sourced(Example):
        place: Local | None = None

    class Local: ...

    rows = [Sourced.of(row.target, text=row["text"]) for row in ROWS]
    assert len(Task.from_examples(rows, prompt="Say it.", labels=["bad", "good"]).train) > 0

    class Said(Message):
        def __init__(self, content: str) -> None:
            super().__init__("user", content)

    assert Said("a").role == "user"


def test_what_is_derived_shows_its_fields_as_its_signature() -> None:
    assert list(inspect.signature(Marked).parameters)[:2] == ["role", "content"]
    assert list(inspect.signature(Ranked).parameters)[-2:] == ["note", "rank"]
    assert list(inspect.signature(Graded).parameters) == [*inspect.signature(Score).parameters, "note"]
