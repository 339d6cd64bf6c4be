"""Tools on offer and what they give, as scenarios and task files hold them: read strictly, all of it data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from promptopt.errors import DataError, UnknownName
from promptopt.json_members import read_json
from promptopt.tasks.demands import shortened_repr
from promptopt.text import shorten
from promptopt.types import ToolResult, canonical, tool_names

_KEYS = ("calls", "with", "gives")
# `{order}` stands for what the call gave as `order`.
_SLOT = re.compile(r"\{([^\W\d]\w*)\}")
_FUNCTION_NAME = re.compile(r"[\w.:-]{1,200}")
MOST_RESULTS = 1_000
"""Results of one conversation: more is a mistake in the data."""


def checked_tools(given: object, where: str) -> tuple[str, ...]:
    """Schemas of tools as canonical JSON in OpenAI's form; they may come without the envelope, or as Anthropic's.

    `given`: a list of them, or that list as JSON. `where`: how errors begin. Raises DataError for what is no tool.
    """
    found: list[str] = []
    for number, entry in enumerate(_listed_entries(given, "tools", where), start=1):
        place = f"{where}, tool {number}"
        if isinstance(entry, str):
            entry = _parsed_cell(entry, "tool", place)
        table = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
        inner = table.get("function") if "function" in table else table
        function = cast("dict[str, object]", inner) if isinstance(inner, dict) else {}
        name = function.get("name")
        if not isinstance(name, str) or not _FUNCTION_NAME.fullmatch(name):
            shown = shortened_repr(cast("object", entry))
            raise DataError(
                f"{place} is {shown}; write a table with a name of letters, digits, - and _, such as "
                f'{{"name": "find_order", "parameters": {{"properties": {{"order": {{"type": "string"}}}}}}}}'
            )
        parameters = function.get("parameters", function.get("input_schema", {}))
        schema = cast("dict[str, object]", parameters) if isinstance(parameters, dict) else None
        if schema is None or not isinstance(schema.get("properties", {}), dict):
            shown = shortened_repr(cast("object", parameters))
            raise DataError(f"{place}: parameters of {name} is {shown}; write a JSON Schema of an object")
        found.append(canonical(table if "function" in table else as_openai(table)))
    names = tool_names(found)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{where}: two tools are named {twice!r}; keep one of them")
    return tuple(found)


def as_openai(tool: Mapping[str, object]) -> dict[str, object]:
    """A schema in the envelope that the older form of OpenAI's, and Anthropic's, do without."""
    function = {("parameters" if name == "input_schema" else name): value for name, value in tool.items()}
    return {"type": "function", "function": function}


def results_of(given: object, tools: Sequence[str], where: str) -> tuple[ToolResult, ...]:
    """What tools give, in the order in which it is looked for: the first that fits a call is its result.

    `given`: a list of tables of `calls` (a tool), `gives` (a text, or any JSON) and `with` (arguments of the call), or
    that list as JSON. Raises DataError for a tool or an argument that is not on offer, and for what is no result.
    """
    listed = _listed_entries(given, "results", where)
    if len(listed) > MOST_RESULTS:
        raise DataError(f"{where}: {len(listed):,} results of tools; give {MOST_RESULTS:,} at most")
    known = {name: _arguments_of(tool) for name, tool in zip(tool_names(tools), tools, strict=True)}
    return tuple(
        _tool_result(entry, known, f"{where}, result {number}") for number, entry in enumerate(listed, start=1)
    )


def _tool_result(entry: object, known: Mapping[str, Sequence[str] | None], where: str) -> ToolResult:
    if not isinstance(entry, dict):
        raise DataError(
            f'{where} is {shortened_repr(entry)}; write a table, such as {{"calls": "find_order", '
            f'"with": {{"order": "H17"}}, "gives": "sent on Monday"}}'
        )
    table = cast("Mapping[str, object]", entry)
    for key in table:
        if key not in _KEYS:
            raise DataError(f"{where}: {UnknownName('member', key, _KEYS)}")
    lost = next((key for key in ("calls", "gives") if table.get(key) is None), None)
    if lost is not None:
        raise DataError(f"{where} has no {lost!r}; write the name of a tool under calls, and what it says under gives")
    tool, wanted = table["calls"], table.get("with", {})
    if not isinstance(tool, str) or tool not in known:
        raise DataError(f"{where}: calls is {shortened_repr(tool)}: {UnknownName('tool', str(tool), known)}")
    if not isinstance(wanted, dict):
        raise DataError(
            f'{where}: with is {shortened_repr(wanted)}; write a table of arguments, such as {{"order": "H17"}}'
        )
    gives = table["gives"]
    named = list(dict.fromkeys(name for text in texts_in(gives) for name in _SLOT.findall(text)))
    arguments = known[tool]
    # What stands in braces has to be an argument, or no call could fill it.
    for name in (*cast("dict[str, object]", wanted), *named):
        if arguments is not None and name not in arguments:
            raise DataError(f"{where}: {UnknownName(f'argument of {tool}', name, arguments)}")
    return ToolResult(
        tool,
        gives if isinstance(gives, str) else canonical(gives),
        canonical(wanted) if wanted else "",
        tuple(named),
        not isinstance(gives, str),
    )


def texts_in(value: object) -> Iterator[str]:
    """Every text in a JSON value, but for the names of members."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in cast("dict[str, object]", value).values():
            yield from texts_in(each)
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from texts_in(each)


def _arguments_of(tool: str) -> list[str] | None:
    """The arguments that a tool's schema names; None where it names none, so that nothing is known of them."""
    function = cast("dict[str, dict[str, dict[str, object]]]", json.loads(tool)["function"])
    found = list(function.get("parameters", {}).get("properties", {}))
    return found if found else None


def _listed_entries(given: object, noun: str, where: str) -> list[object]:
    value = _parsed_cell(given, noun, where) if isinstance(given, str) else given
    if value is None:
        return []
    if isinstance(value, dict):
        return [cast("object", value)]
    if not isinstance(value, list | tuple):
        raise DataError(
            f"{where}: {noun} is {shortened_repr(value)}; write a list of tables, in a table's cell as JSON"
        )
    return list(cast("Sequence[object]", value))


def _parsed_cell(text: str, noun: str, where: str) -> object:
    if not text.strip():
        return None
    try:
        return read_json(text)
    except (ValueError, RecursionError) as cause:
        raise DataError(f"{where}: {shorten(text, 60)!r} is not JSON ({cause}); mend the {noun}") from cause
