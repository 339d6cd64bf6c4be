"""Arguments held against their annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from promptopt.api import optimize
from promptopt.arguments import check_fields, checked, told
from promptopt.binding.models import Models
from promptopt.errors import ConfigError, UnknownName
from promptopt.protocols import Model
from promptopt.registry import load, names
from promptopt.run.budget import Budget
from promptopt.tasks.layout import Layout, Turns
from promptopt.tasks.task import Task
from promptopt.types import (
    Cell,
    Demand,
    Estimate,
    Example,
    Message,
    Prompt,
    Proposal,
    Reply,
    Request,
    Sampling,
    Score,
    ScoreRequest,
)

PROMPT = Prompt.of("Say it.")
OF_ANOTHER_LIBRARY: Any = [{"role": "user", "content": "a"}]
KINDS: list[tuple[object, list[object], list[object]]] = [
    (int, [0, -3], [True, 1.5, "1", None]),
    (float, [0, 0.5], [True, "1"]),
    (bool, [True], [1, "yes"]),
    (str, ["", "a"], [b"a", 3, Path()]),
    (str | Path | None, ["a", Path(), None], [3, ["a"]]),
    (Literal["a", "b"], ["a"], ["c", 0, ["a"]]),
    (Sequence[str], [[], ["a"], ("a",)], ["a", [1], {"a"}, {"a": 1}, iter("a")]),
    (tuple[str, int], [("a", 1)], [("a",), ("a", "b"), ["a", 1]]),
    (Iterable[int], [[1], iter(["a"])], [3, "1", ["a"]]),
    (Mapping[str, Any], [{}, {"a": object()}], [[], {1: 2}]),
    (Mapping[str, float], [{"a": 1}], [{"a": "b"}]),
    (Callable[[int], str], [str, print], [3, "print"]),
    (Any, [None, 3], []),
    # Asking an object for its attributes may load a model: what is meant as one is told where it is bound.
    (Model, [3], []),
]


@pytest.mark.parametrize(("kind", "right", "wrong"), KINDS, ids=[str(kind) for kind, _, _ in KINDS])
def test_a_value_fits_its_annotation_or_is_refused(kind: object, right: list[object], wrong: list[object]) -> None:
    def takes(value: object) -> object:
        return value

    takes.__annotations__["value"] = kind
    guarded = checked(takes)
    for value in right:
        assert guarded(value) is value
    for value in wrong:
        with pytest.raises(ConfigError, match=r"takes: value is .*; give "):
            guarded(value)


def test_only_what_has_a_default_may_be_left_out() -> None:
    @checked
    def takes(first: int, second: int = 0) -> int:
        return first + second

    assert takes(1) == 1
    with pytest.raises(ConfigError, match=r"first is 'a'; give a whole number$"):
        takes("a")  # pyright: ignore
    with pytest.raises(ConfigError, match=r"second is 'a'; give a whole number; or leave it out$"):
        takes(1, second="a")  # pyright: ignore


def test_a_long_value_is_shown_short() -> None:
    with pytest.raises(ConfigError) as refused:
        checked(len_of)("x" * 10_000)  # pyright: ignore
    assert len(str(refused.value)) < 200


def len_of(values: Sequence[int]) -> int:
    return len(values)


@dataclass(frozen=True)
class Fields:
    count: int = 0
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)


def test_fields_are_held_against_their_annotations_too() -> None:
    assert Fields(1, ("a",)).count == 1
    with pytest.raises(ConfigError, match=r"Fields: names is \['a'\]; give a list, each of it a text"):
        Fields(names=["a"])  # pyright: ignore


def test_an_argument_that_is_misspelt_is_told_with_the_nearest_one() -> None:
    @checked
    def takes(budget: int = 0) -> int:
        return budget

    with pytest.raises(UnknownName, match=r"no argument of takes is named .buget.; did you mean .budget.\?"):
        takes(buget=3)  # pyright: ignore


@dataclass(frozen=True, slots=True)
class Machines:
    address: str = ""


def test_a_field_of_what_a_parameter_takes_is_told_by_that_parameter() -> None:
    @checked
    def ask(task: str, model: str | Machines | None = None) -> None:
        del task, model

    with pytest.raises(UnknownName, match=r"named 'address'; did you mean model=Machines\(address=…\)"):
        ask("x", address="http://127.0.0.1")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("method", "optimizer=…"),
        ("max_evaluations", r"budget=Budget\(evaluations=…\)"),
        ("max_usd", r"budget=Budget\(usd=…\)"),
        ("proposer", r"model=Models\(proposer=…\)"),
    ],
)
def test_an_option_of_the_command_line_is_told_as_python_has_it(option: str, meant: str) -> None:
    with pytest.raises(UnknownName, match=f"named '{option}'; did you mean {meant}"):
        optimize("sst-2", **{option: 1})  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_what_a_function_returns_is_no_argument() -> None:
    with pytest.raises(UnknownName, match="named 'verdict'; known: budget"):
        optimize("sst-2", verdict="better")  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Budget(evals=1), r"no argument of Budget is named 'evals'; did you mean 'evaluations'"),  # type: ignore[call-arg]
        (lambda: Budget(max_evaluations=1), r"did you mean 'evaluations'"),  # type: ignore[call-arg]
        (lambda: Budget(1, evaluations=1), r"^Budget: evaluations is given twice"),  # type: ignore[misc]
        (lambda: Budget(1, 2, 3, 4, 5, 6), r"^Budget: 6 is one argument too many"),  # type: ignore[call-arg]
        (lambda: Models(proposr="a/b"), r"no argument of Models is named 'proposr'; did you mean 'proposer'"),  # type: ignore[call-arg]
        (lambda: Sampling(temprature=1.0), r"did you mean 'temperature'"),  # type: ignore[call-arg]
        (lambda: Proposal(), r"^Proposal needs prompt; give Prompt"),  # type: ignore[call-arg]
        (lambda: replace(Budget(1), usdd=1), r"did you mean 'usd'"),  # type: ignore[call-arg]
        (lambda: Task(), r"^Task needs name; make one as Task.from_examples\("),  # type: ignore[call-arg]
        (lambda: Task(examples=[]), r"named 'examples'; did you mean Task.from_examples\("),  # type: ignore[call-arg]
        (lambda: Example("a", text="b"), r"named 'text'; did you mean Example.of\('the answer', text="),  # type: ignore
        (lambda: Message(role="user", text="a"), r"named 'text'; did you mean Message\('user', 'the text'\)"),  # type: ignore[call-arg]
        (lambda: Score(), r"^Score needs value; give a number$"),  # type: ignore[call-arg]
        (lambda: Score(1, parse=True), r"named 'parse'; did you mean 'parsed'"),  # type: ignore[call-arg]
        (lambda: Request("a", temperature=1.0), r"did you mean sampling=Sampling\(temperature=…\)"),  # type: ignore[call-arg]
        (lambda: Reply("a", token=3), r"did you mean 'tokens'"),  # type: ignore[call-arg]
        (lambda: Estimate(PROMPT, n=3), r"no argument of Estimate is named 'n'; known: count"),  # type: ignore[call-arg]
        (lambda: Cell(PROMPT), r"^Cell needs example; give Example"),  # type: ignore[call-arg]
        (lambda: Layout(), r"^Layout needs name"),  # type: ignore[call-arg]
        (lambda: Demand(), r"^Demand needs kind; give 'says' or"),  # type: ignore[call-arg]
    ],
)
def test_a_field_that_a_class_has_not_is_told_with_the_near_ones(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group in ("optimizers", "selection") for name in names(group)]
)
def test_every_method_and_selector_tells_a_setting_that_it_has_not(group: Any, name: str) -> None:
    kind = load(group, name)
    with pytest.raises(UnknownName, match=f"no argument of {kind.__name__} is named 'nothing_of_it'"):
        kind(nothing_of_it=1)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Request(OF_ANOTHER_LIBRARY), r"is no message; give each as Message\('user', 'the text'\)"),
        (lambda: ScoreRequest(OF_ANOTHER_LIBRARY, ("a",)), r"is no message"),
        (lambda: Request("a", {"temperature": 1}), r"^Request: sampling is .*; give Sampling; or leave it out"),  # type: ignore
        (lambda: Request(None), r"^Request: content is None; give a list, each of it Message"),  # type: ignore
        (lambda: Message("user", 3), r"^Message: content is 3; give a text"),  # type: ignore
        (lambda: Message("user", "a", "b"), r"^Message: tool_calls is 'b'; give a list"),  # type: ignore
        (lambda: Proposal("a"), r"^Proposal: prompt is 'a'; give Prompt \(as task.starting_from"),  # type: ignore
        (lambda: Proposal(PROMPT, PROMPT), r"^Proposal: parents is Prompt"),  # type: ignore
        (lambda: Estimate(PROMPT, "0.5", 1), r"^Estimate: mean is '0.5'; give a number"),  # type: ignore
        (lambda: Example(3), r"^Example: fields is 3; give a list"),  # type: ignore
        (lambda: Layout("chat", "user {instruction}"), r"^Layout: messages is 'user"),  # type: ignore
        (lambda: Turns(3), r"^Turns: user is 3; give a text"),  # type: ignore
    ],
)
def test_a_field_of_another_kind_is_told_where_the_object_is_made(make: Callable[[], object], said: str) -> None:
    # Twice: what was right once for values of these classes is not looked at again.
    for _ in range(2):
        with pytest.raises(ConfigError, match=said):
            make()


def test_numbers_of_array_libraries_lists_for_tuples_and_truth_for_a_number_do() -> None:
    class Float32:
        def __float__(self) -> float:
            return 0.5

    assert float(Estimate(PROMPT, cast("Any", Float32()), 3).mean) == 0.5
    assert Estimate(PROMPT, True, 3).mean
    assert Request(cast("Any", [Message("user", "a")])).content


def test_a_type_error_of_a_constructors_own_is_no_fault_of_its_arguments() -> None:
    @told
    @dataclass
    class Odd:
        field: int

        def __post_init__(self) -> None:
            raise TypeError("its own")

    with pytest.raises(TypeError, match="its own"):
        Odd(1)
    with pytest.raises(ConfigError, match="Odd needs field; give a whole number"):
        Odd()  # type: ignore[call-arg]
