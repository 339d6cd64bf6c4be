from __future__ import annotations

import pytest

from promptopt.errors import DataError
from promptopt.evaluators.structured import json, set_f1
from promptopt.types import Example
from tests.ends import ends, long

PERSON = '{"name": "Ada", "age": 36, "address": {"city": "London"}, "tags": ["x", "y"]}'


@pytest.mark.parametrize(
    ("answer", "value", "said"),
    [
        (PERSON, 1.0, ""),
        (f"```json\n{PERSON}\n```", 1.0, ""),
        (f"Here [1] it is: {PERSON} Done.", 1.0, ""),
        (PERSON.replace("36", "36.0").replace("Ada", " Ada"), 1.0, ""),
        (PERSON.replace("36", '"36"'), 0.8, "of another type: age (text, expected number)"),
        (PERSON.replace("36", "true"), 0.8, "of another type: age (true or false, expected number)"),
        (PERSON.replace("36", "null"), 0.8, "of another type: age (null, expected number)"),
        (PERSON.replace("Ada", "ada"), 0.8, 'wrong: name ("ada", expected "Ada")'),
        (PERSON.replace(', "age": 36', ""), 0.8, "missing: age"),
        (PERSON.replace('"age"', '"mood": "good", "age"'), 5 / 6, "not asked for: mood"),
        (PERSON.replace('{"city": "London"}', '"London"'), 4 / 6, "missing: address.city; not asked for: address"),
        (
            PERSON.replace('"x", "y"', '"y", "x"'),
            0.6,
            'wrong: tags[0] ("y", expected "x"), tags[1] ("x", expected "y")',
        ),
        ("{}", 0.0, "missing: name, age, address.city, tags[0], tags[1]; not asked for: the value"),
    ],
)
def test_json_is_worth_the_share_of_its_fields_that_are_right(answer: str, value: float, said: str) -> None:
    score = json(answer, Example.of(PERSON, q="?"))
    assert score.value == pytest.approx(value)
    assert (score.parsed, score.feedback) == (True, said)


@pytest.mark.parametrize("answer", ["", "no", "{", '{"a": NaN}', "{'a': 1}", "[" * 5_000])
def test_what_is_no_json_cannot_be_read(answer: str) -> None:
    score = json(answer, Example.of(PERSON, q="?"))
    assert (score.value, score.parsed) == (0.0, False)


def test_json_takes_the_best_over_all_right_answers_and_any_value_of_json() -> None:
    example = Example.of('{"a": 1}', ['{"a": 2}'], q="?")
    assert json('{"a": 2}', example).value == 1.0
    assert json("[]", Example.of("[]", q="?")).value == 1.0
    assert json("3", Example.of("3", q="?")).value == 1.0
    with pytest.raises(DataError, match="no JSON"):
        json("{}", Example.of("Ada", q="?"))


@pytest.mark.parametrize(
    ("answer", "target", "value"),
    [
        ("b, A", "a, b", 1.0),
        ("a and b", "a and b", 1.0),
        ("a, b, and c", '["a", "b", "c"]', 1.0),
        ("- a\n- b", "a; b", 1.0),
        ("1. a\n2. b.", "a, b", 1.0),
        ('["Paris, France", "Rome"]', "Paris, France; Rome", 1.0),
        ("a, a, a", "a", 1.0),
        ("cafe\u0301, Ｂ", "café、b", 1.0),
        ("a, c", "a, b", 0.5),
        ("a", "a, b, c", 0.5),
        ("c", "a, b", 0.0),
        ("", "a", 0.0),
        ("[]", "[]", 1.0),
        ("[1, 2]", "2, 1", 1.0),
        ("['a', 'b']", "a, b", 1.0),
        ("Answer: ['Paris, France', \"Rome\"].", "Paris, France; Rome", 1.0),
        ("it's [sic] a", "it's [sic] a", 1.0),
    ],
)
def test_lists_are_compared_as_sets(answer: str, target: str, value: float) -> None:
    assert set_f1(answer, Example.of(target, q="?")) == pytest.approx(value)
    assert set_f1(answer, Example.of("zzz", [target], q="?")) == pytest.approx(value)


@pytest.mark.parametrize(
    ("answer", "target", "value"),
    [
        ("red, green and blue", "blue; red; green", 1.0),
        ("red & green", '["green", "red"]', 1.0),
        ("salt and pepper", '["salt and pepper"]', 1.0),
        ("fish and chips, beer", "beer, fish and chips", 1.0),
        ("None.", "[]", 1.0),
        ("no items", "", 1.0),
        ("none", "red", 0.0),
    ],
)
def test_and_stands_between_items_or_in_one_and_none_is_an_empty_list(answer: str, target: str, value: float) -> None:
    assert set_f1(answer, Example.of(target, q="?")) == value


@ends
@pytest.mark.slow
@pytest.mark.parametrize("piece", ["[", "{", '{"a":', "a, ", "- a\n", "a;"])
def test_a_long_answer_is_read_to_its_end(piece: str) -> None:
    json(long(piece), Example.of("{}", q="?"))
    set_f1(long(piece), Example.of("a", q="?"))


def test_objects_in_a_list_are_one_item_whatever_the_order_of_their_members() -> None:
    example = Example.of('[{"name": "Zoë", "age": 3}, "b"]', text="t")
    assert set_f1('["B", {"age": 3, "name": "Zo\\u00eb"}]', example) == 1.0
    assert set_f1('[{"age": 4, "name": "Zoë"}, "b"]', example) == 0.5
