"""Values read out of a reply, by name."""

from __future__ import annotations

import pytest

from promptopt.operators.suggestions import UNCHANGED, suggestions


@pytest.mark.parametrize(
    ("text", "names", "found"),
    [
        ("<name>a</name>\n<value>one</value>", ("a",), {"a": "one"}),
        ("< NAME > `a` </ name ><Value>\none\n</ value >", ("a", "b"), {"a": "one"}),
        ("<name>a</name><value>one</value> <name>b</name><value>two</value>", ("a", "b"), {"a": "one", "b": "two"}),
        # The last of a name counts; a name without a value before the next one is none.
        ("<name>a</name><value>one</value><name>a</name><value>two</value>", ("a",), {"a": "two"}),
        ("<name>a</name><name>b</name><value>two</value>", ("a", "b"), {"b": "two"}),
        ("<value>one</value><name>a</name>", ("a", "b"), {}),
        # Tags within a value are of the value.
        ("<name>a</name><value>x <value>y</value> z</value>", ("a",), {"a": "x <value>y</value> z"}),
        ("<name>a</name><value>```\none\n```</value>", ("a",), {"a": "one"}),
        # Of one variable a value alone will do, the last of them.
        ("<value>one</value> or <value>two</value>", ("a",), {"a": "two"}),
        ("<value>one</value>", ("a", "b"), {}),
        ('{"suggestion": {"a": "one"}}', ("a",), {"a": "one"}),
        ('{"a": "one", "suggestion": "x"}', ("a",), {"a": "one", "suggestion": "x"}),
        ('```json\n{"a": 1}\n```', ("a",), {"a": 1}),
        ('Well: {"a": {"b": "}"}} and so on', ("a",), {"a": {"b": "}"}}),
        ('{"suggestion": {"a": "one\ntwo\tthree"}}', ("a",), {"a": "one\ntwo\tthree"}),
        ('["a"]', ("a",), {}),
        ("}{", ("a",), {}),
        ("{'a': 'one'}", ("a",), {"a": "one"}),
        ("[" * 5_000 + "]" * 5_000, ("a",), {}),
        ("", ("a",), {}),
    ],
)
def test_what_a_reply_suggests(text: str, names: tuple[str, ...], found: dict[str, object]) -> None:
    assert suggestions(text, names) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [("NO CHANGE", True), ("So:\n**NO CHANGE.**\n", True), ("NO CHANGE is needed", False), ("no change", False)],
)
def test_no_change_is_said_alone_on_a_line(text: str, said: bool) -> None:
    assert bool(UNCHANGED.search(text)) is said


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"plan": "A"}\n{"solve": "B"}', {"plan": "A", "solve": "B"}),
        ('{"reasoning": "x"}\n\n{"suggestion": {"plan": "A"}}', {"plan": "A"}),
        ('{"plan": "A"} {"plan": "B"}', {"plan": "B"}),
        ('```json\n{"plan": "A"}\n```\nand\n```json\n{"solve": "B"}\n```', {"plan": "A", "solve": "B"}),
        ('Use {braces}. {"plan": "As {\\"a\\": 1}."}', {"plan": 'As {"a": 1}.'}),
        ('{"plan": "A, ]", "solve": ["B",],}', {"plan": "A, ]", "solve": ["B"]}),
        ('{"plan": "http://x // y", // why\n"solve": "B" /* c */}', {"plan": "http://x // y", "solve": "B"}),
        ("Here: {'plan': 'A \"b\"', 'solve': 'C',}", {"plan": 'A "b"', "solve": "C"}),
        ("{'plan': '\\d+'}", {"plan": "\\d+"}),
        ("{'plan': open('/etc/passwd')}", {}),
        ('{"other": {"plan": "A"}} {"x": 1}', {}),
        ("{" * 5000, {}),
    ],
)
def test_json_that_is_nearly_right_is_read_without_being_asked_for_once_more(text: str, found: dict) -> None:
    assert suggestions(text, ["plan", "solve"]) == found
