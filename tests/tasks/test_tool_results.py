"""Tools on offer and what they give, as scenarios hold them: read strictly, looked up, never run."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.errors import DataError
from promptopt.evaluators.tools import filled
from promptopt.tasks.tool_results import checked_tools, results_of
from promptopt.types import tool_names

FIND = {"name": "find_order", "parameters": {"type": "object", "properties": {"order": {"type": "string"}}}}
ASK = {"name": "ask"}
TOOLS = checked_tools([FIND, ASK], "here")


def said(gives: object, arguments: Mapping[str, object], tool: str = "find_order") -> str | None:
    (result,) = results_of([{"calls": tool, "gives": gives}], TOOLS, "here")
    return filled(result, arguments)


def test_schemas_of_three_forms_are_one() -> None:
    schema = {"type": "object", "properties": {"order": {"type": "string"}}}
    forms = [
        {"type": "function", "function": {"name": "find_order", "parameters": schema}},
        {"name": "find_order", "parameters": schema},
        {"name": "find_order", "input_schema": schema},
    ]
    assert len({checked_tools([each], "here") for each in forms}) == 1
    assert checked_tools(json.dumps(forms[:1]), "here") == checked_tools(forms[:1], "here")
    assert tool_names(checked_tools([FIND, ASK], "here")) == ["find_order", "ask"]
    assert checked_tools(None, "here") == checked_tools("", "here") == ()


def test_a_result_is_filled_from_the_arguments_of_the_call() -> None:
    assert said("Order {order} is sent.", {"order": "H1"}) == "Order H1 is sent."
    assert said("Order {order} is sent.", {"order": 17}) == "Order 17 is sent."
    assert said({"order": "{order}", "items": ["{order}-a", 2]}, {"order": 'a"b'}) == (
        '{"items":["a\\"b-a",2],"order":"a\\"b"}'
    )


def test_a_call_without_an_argument_that_stands_in_a_result_gets_another() -> None:
    assert said("Order {order} is sent.", {}) is None


def test_braces_with_anything_else_in_them_are_themselves() -> None:
    assert said('{"a": {"b": 1}} {} {0}', {}) == '{"a": {"b": 1}} {} {0}'
    # Nothing is known of the arguments of a tool without a schema, so any may stand there.
    assert said("about {topic}", {"topic": "{topic}"}, "ask") == "about {topic}"


@settings(max_examples=20)
@given(st.text(max_size=20))
def test_what_fills_a_slot_is_never_read_for_slots(value: str) -> None:
    assert said("<{order}>", {"order": value}) == f"<{value}>"
    held = said({"order": "{order}"}, {"order": value})
    assert held is not None
    assert json.loads(held) == {"order": value}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["find_order"], "here, tool 1: 'find_order' is not JSON"),
        ([{}], "write a table with a name"),
        ([{"name": "two words"}], "write a table with a name"),
        ([{"name": 3}], "write a table with a name"),
        ([{"name": "a", "parameters": []}], "parameters of a is"),
        ([{"name": "a", "parameters": {"properties": []}}], "parameters of a is"),
        ([FIND, FIND], "two tools are named 'find_order'"),
        ("nonsense", "not JSON"),
        (7, "tools is 7"),
    ],
)
def test_what_is_no_tool_is_refused_in_a_sentence(given: object, why: str) -> None:
    with pytest.raises(DataError, match=why):
        checked_tools(given, "here")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["sent"], "here, result 1 is 'sent'"),
        ([{"calls": "find_orders", "gives": "x"}], "did you mean 'find_order'"),
        ([{"gives": "x"}], "has no 'calls'"),
        ([{"calls": "ask"}], "has no 'gives'"),
        ([{"calls": "ask", "gives": None}], "has no 'gives'"),
        ([{"calls": "ask", "gives": "x", "where": {}}], "no member is named 'where'"),
        ([{"calls": "find_order", "gives": "{ordr}"}], "no argument of find_order is named 'ordr'"),
        ([{"calls": "find_order", "gives": {"a": ["{ordr}"]}}], "no argument of find_order is named 'ordr'"),
        ([{"calls": "find_order", "with": {"ordr": 1}, "gives": "x"}], "no argument of find_order is named 'ordr'"),
        ([{"calls": "find_order", "with": "H1", "gives": "x"}], "with is 'H1'"),
        ([{"calls": ["ask"], "gives": "x"}], "calls is"),
        ("[", "not JSON"),
        ([{"calls": "ask", "gives": "x"}] * 1001, "1,001 results"),
    ],
)
def test_what_is_no_result_is_refused_in_a_sentence(given: object, why: str) -> None:
    with pytest.raises(DataError, match=why):
        results_of(given, TOOLS, "here")
