from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.errors import ConfigError, DataError, UnknownName
from promptopt.evaluators import metrics, readers
from promptopt.protocols import METRICS, READERS
from promptopt.types import Example

TEXTS = st.text(max_size=40)


@pytest.mark.parametrize(
    ("name", "answer", "target", "value"),
    [
        ("exact", " two  words", "two words", 1.0),
        ("exact", "Yes", "yes", 0.0),
        ("contains", "It was PARIS, France.", "paris", 1.0),
        ("contains", "comparison", "paris", 0.0),
        ("contains", "a comparison of Paris", "paris", 1.0),
        ("contains", "anything", "", 0.0),
        ("contains", "cost: $5.", "$5", 1.0),
        ("contains", "C++ rocks", "C", 0.0),
        ("contains", "I write C#.", "C", 0.0),
        ("contains", "I write C++.", "C++", 1.0),
        ("f1", "我住在北京。", "我住在北京", 1.0),
        ("f1", "北京", "我住在北京市", 0.5),
        ("contains", "我住在北京市", "北京", 1.0),
        ("contains", "我住在上海市", "北京", 0.0),
        ("contains", "東京タワーに行った", "東京", 1.0),
        ("contains", "ผมอยู่กรุงเทพครับ", "กรุงเทพ", 1.0),
        ("contains", "서울에서 살아요", "서울", 1.0),
        ("contains", "أعيش في والقاهرة", "القاهرة", 1.0),
        ("contains", "بالقاهرة", "قاهرة", 1.0),
        ("contains", "הייתי בירושלים", "ירושלים", 1.0),
        ("contains", "用Python写", "python", 1.0),
        ("contains", "Ｐａｒｉｓ", "paris", 1.0),
        ("contains", "un cafe\u0301 noir", "café", 1.0),
        ("contains", "cafés", "café", 0.0),
        ("exact", "cafe\u0301", "café", 1.0),
        ("exact", "café", "cafe\u0301", 1.0),
        ("exact", "Ｂ", "B", 0.0),
        ("f1", "un cafe\u0301", "un café", 1.0),
        ("number", "7,5", "3,5", 0.0),
        ("number", "3,5", "3.5", 1.0),
        ("number", "3.5", "3,5", 1.0),
        ("number", "1.234,50 €", "1234.5", 1.0),
        ("number", "1,500", "1,5", 1.0),
        ("number", "1,500", "1500", 1.0),
        ("number", "12", "0012", 1.0),
        ("regex", "abc123", r"c\d+$", 1.0),
        ("regex", "abc", r"^c", 0.0),
        ("number", "$1,234.00", "1234", 1.0),
        ("number", "1235", "1234", 0.0),
        ("number", "0.75", "3/4", 1.0),
        ("number", "1e999", "1", 0.0),
        ("number", "none", "1234", 0.0),
        ("number", "72", "48/2=24\n24+48=72\n#### 72", 1.0),
        ("contains", "It costs 1,200.", "200", 0.0),
        ("contains", "It costs 1200.50.", "1200", 0.0),
        ("contains", "It is -5.", "5", 0.0),
        ("contains", "Items 1,2,3.", "2", 1.0),
        ("contains", "on 5.11.2024.", "2024", 1.0),
        ("contains", "from 3-5 to 7", "5", 1.0),
        ("contains", "It costs 1,200.", "1,200", 1.0),
        ("choice", "(B)", "b.", 1.0),
        ("choice", "(B)", "(A)", 0.0),
        ("f1", "the cat sat", "A cat sat.", 1.0),
        ("f1", "cat", "cat sat", pytest.approx(2 / 3)),
        ("f1", "dog", "cat sat", 0.0),
        ("f1", "the", "an", 1.0),
    ],
)
def test_what_an_answer_is_worth(name: str, answer: str, target: str, value: float) -> None:
    assert metrics.resolve(name)(answer, Example.of(target, q="?")) == value


@pytest.mark.parametrize(
    ("name", "answer", "right"),
    [("exact", "b", "b"), ("contains", "so b it is", "b"), ("regex", "bb", "b+"), ("f1", "b", "b")],
)
def test_the_best_over_target_and_accepted_counts(name: str, answer: str, right: str) -> None:
    metric = metrics.resolve(name)
    assert metric(answer, Example.of("zzz", [right], q="?")) == 1.0
    assert metric(answer, Example.of("zzz", ["yyy"], q="?")) == 0.0


@pytest.mark.slow
@settings(deadline=None)
@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=3))
def test_every_metric_is_in_range_and_gives_the_target_itself_full_marks(answer: str, right: list[str]) -> None:
    example = Example.of(right[0], right[1:], q="?")
    for metric in (metrics.exact, metrics.contains, metrics.f1):
        assert 0.0 <= metric(answer, example) <= 1.0  # type: ignore[operator]
        assert metric(right[-1], example) == 1.0


@pytest.mark.parametrize(("name", "target"), [("number", "many"), ("regex", "("), ("choice", "the red one")])
def test_a_target_that_the_metric_cannot_use_is_bad_data(name: str, target: str) -> None:
    with pytest.raises(DataError, match="target"):
        metrics.resolve(name)("1", Example.of(target, q="?"))


def test_own_functions_are_imported_by_name() -> None:
    assert metrics.resolve("operator:contains") is __import__("operator").contains
    with pytest.raises(ConfigError, match="PYTHONPATH"):
        metrics.resolve("no_such_module:f")
    with pytest.raises(ConfigError, match="has no function"):
        metrics.resolve("math:nothing")
    with pytest.raises(ConfigError, match="is a float"):
        metrics.resolve("math:pi")
    with pytest.raises(UnknownName, match="did you mean 'exact'"):
        metrics.resolve("exakt")


def test_the_description_of_a_function_changes_with_its_source_and_its_closure() -> None:
    def strict(limit: float) -> object:
        def metric(answer: str, example: Example) -> float:
            return float(len(answer) < limit)

        return metric

    def other(answer: str, example: Example) -> float:
        return 0.5

    describe = metrics.function_identity
    assert describe("exact") == "exact"
    assert describe(strict(3)) == describe(strict(3))  # type: ignore[arg-type]
    assert describe(strict(3)) != describe(strict(4))  # type: ignore[arg-type]
    assert describe(other)["name"].endswith("other")
    assert describe(other)["source"]
    assert " at 0x" not in str([describe(other), describe(partial(other))])
    assert describe(partial(other, "x")) != describe(partial(other, "y"))


def test_the_names_that_a_task_may_give_are_the_metrics_and_readers_there_are() -> None:
    assert all(metrics.is_builtin(metrics.resolve(name)) for name in METRICS)
    assert all(callable(readers.resolve(name, ["yes", "no"])) for name in READERS)


def test_a_function_that_a_metric_is_given_is_described_and_not_where_it_lies() -> None:
    def paired(text: str) -> str:
        return text

    def other(text: str) -> str:
        return text.lower()

    for one, two in ((paired, other), ([paired], [other]), ({"by": (paired, 1)}, {"by": (paired, 2)})):
        described = metrics.function_identity(partial(metrics.resolve, by=one))
        assert " at 0x" not in str(described)
        assert described != metrics.function_identity(partial(metrics.resolve, by=two))
    assert metrics.function_identity(partial(metrics.resolve, by=3))["bound"] == "((), [('by', 3)])", (
        "the key that it always had"
    )


def test_a_metric_that_was_typed_in_is_told_by_its_code() -> None:
    def typed(text: str) -> object:
        made: dict[str, Any] = {}
        exec(f"def metric(answer, example):\n    return float({text})", made)
        return metrics.function_identity(made["metric"])

    assert typed("answer in {'a', 'b', 'c'}") == typed("answer in {'a', 'b', 'c'}")
    assert (
        len(
            {
                str(typed(each))
                for each in (
                    "answer == 'a'",
                    "answer == 'b'",
                    "(lambda x: 1)(answer)",
                    "(lambda x: 2)(answer)",
                    "answer.a",
                    "answer.b",
                )
            }
        )
        == 6
    )
