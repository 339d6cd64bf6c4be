"""Replies held against a JSON Schema, whatever patterns it has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptopt.errors import ConfigError
from promptopt.evaluators.schema import schema_fault

pytest.importorskip("jsonschema")


@pytest.mark.parametrize("draft", ["draft-04/schema#", "draft-07/schema#"])
@pytest.mark.parametrize(
    ("schema", "reply", "said"),
    [
        ({"type": "string", "pattern": "^a+$"}, "aaa", ""),
        ({"type": "string", "pattern": "^a+$"}, "ab", "$: 'ab' does not match '^a+$'"),
        ({"pattern": "^a+$"}, 3, ""),
        ({"patternProperties": {"^n": {"type": "number"}}}, {"n1": 1, "m": "x"}, ""),
        ({"patternProperties": {"^n": {"type": "number"}}}, {"n1": "x"}, "$.n1: 'x' is not of type 'number'"),
        ({"patternProperties": {"^n": {}}, "additionalProperties": False}, {"m": 1}, "does not match"),
    ],
)
def test_patterns_are_kept_or_told(draft: str, schema: dict[str, Any], reply: object, said: str) -> None:
    whole = {"$schema": f"http://json-schema.org/{draft}", **schema}
    found = schema_fault(json.dumps(whole))(json.dumps(reply))
    assert said in found
    assert bool(said) == bool(found)


@pytest.mark.parametrize("kind", [5, [], {}, None])
def test_a_draft_that_is_no_name_is_told(kind: object) -> None:
    with pytest.raises(ConfigError, match=r"\$schema"):
        schema_fault(json.dumps({"$schema": kind, "type": "object"}))


def test_a_reply_too_deep_to_be_followed_breaks_the_schema_and_one_that_leads_round_is_the_schemas_fault() -> None:
    tree = {"$defs": {"node": {"type": "array", "items": {"$ref": "#/$defs/node"}}}, "$ref": "#/$defs/node"}
    fault = schema_fault(json.dumps(tree))
    assert fault("[[[]]]") == ""
    assert "too deep" in fault("[" * 500 + "]" * 500)
    with pytest.raises(ConfigError, match="cannot be followed"):
        schema_fault('{"$ref": "#"}')("[]")


def test_a_pattern_that_takes_for_ever_holds_nothing_up() -> None:
    # By `re` this takes hours.
    assert "does not match" in schema_fault('{"pattern": "(a+)+$"}')(json.dumps("a" * 40 + "!"))


@pytest.mark.parametrize("schema", [{"properties": {"x": {"pattern": "("}}}, {"patternProperties": {"(": {}}}])
def test_a_pattern_that_is_none_is_told_before_a_reply_is_read(schema: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="output_schema is no JSON Schema"):
        schema_fault(json.dumps(schema))
    assert schema_fault(json.dumps({"const": {"pattern": "("}}))('{"pattern": "("}') == ""


@pytest.mark.parametrize("depth", [300, 1_000, 100_000])
def test_a_schema_too_deep_to_be_followed_is_told_before_a_reply_is_read(depth: int) -> None:
    with pytest.raises(ConfigError, match="output_schema is nested too deep to be followed"):
        schema_fault('{"not": ' * depth + "{}" + "}" * depth)


LED_OUT = [
    {"$ref": "http://127.0.0.1:9/reply.json"}, {"properties": {"a": {"$ref": "#/$defs/none"}}}, {"$ref": "http://[x"},
    {"items": {"$dynamicRef": "#none"}}, {"$ref": "file:///etc/passwd"},
]  # fmt: skip


@pytest.mark.parametrize("schema", LED_OUT)
def test_a_reference_out_of_the_schema_is_told_before_a_reply_is_read(schema: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="stands nowhere in it, and nothing is fetched"):
        schema_fault(json.dumps(schema))


WITHIN = [
    {"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"type": "string"}}},
    {"$id": "http://e.x/root", "properties": {"a": {"$ref": "part"}}, "$defs": {"p": {"$id": "part"}}},
    {"properties": {"$ref": {"type": "string"}}, "examples": [{"$ref": "http://127.0.0.1:9/x"}]},
    {"$anchor": "k", "additionalProperties": {"type": "string"}, "$defs": {"x": {"items": {"$ref": "#k"}}}},
]


@pytest.mark.parametrize("schema", WITHIN)
def test_references_within_the_schema_and_what_only_looks_like_one_are_followed(schema: dict[str, Any]) -> None:
    assert schema_fault(json.dumps(schema))('{"a": "x"}') == ""
