"""Schemas of tools as each program writes them, in OpenAI's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from promptopt.tasks.tool_results import as_openai
from promptopt.types import canonical

_DECLARATION_LISTS = ("functionDeclarations", "function_declarations")
_SCHEMAS = ("inputSchema", "input_schema", "parametersJsonSchema")


def tools_in(given: object) -> tuple[str, ...]:
    """The schemas in a list of tools, as JSON; those that only a provider's own server can run are left out."""
    listed = cast("list[object]", given) if isinstance(given, list) else []
    tables = [cast("dict[str, object]", tool) for tool in listed if isinstance(tool, dict)]
    return tuple(canonical(plain) for tool in tables for plain in _function_tools(tool))


def _function_tools(tool: Mapping[str, object]) -> list[dict[str, object]]:
    if isinstance(tool.get("function"), dict):
        return [dict(tool)]
    for name in _DECLARATION_LISTS:
        # Gemini's hold several, whose types are in capitals.
        held = cast("list[object]", tool[name]) if isinstance(tool.get(name), list) else []
        inner = [cast("dict[str, object]", each) for each in held if isinstance(each, dict)]
        if inner:
            return [plain for each in inner for plain in _function_tools(cast("dict[str, object]", _small(each)))]
    spec = tool.get("toolSpec")
    flat = {name: value for name, value in (cast("dict[str, object]", spec) if isinstance(spec, dict) else tool).items()
            if not (name == "type" and value in ("function", "custom"))}  # fmt: skip
    for name in _SCHEMAS:
        schema = flat.pop(name, None)
        held = cast("dict[str, object]", schema) if isinstance(schema, dict) else {}
        if held:
            # Bedrock says of what kind a schema is.
            flat["parameters"] = held["json"] if isinstance(held.get("json"), dict) and len(held) == 1 else held
    return [as_openai(flat)] if isinstance(flat.get("name"), str) else []


def _small(value: object) -> object:
    if isinstance(value, list):
        return [_small(each) for each in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    return {name: each.lower() if name == "type" and isinstance(each, str) else _small(each)
            for name, each in cast("dict[str, object]", value).items()}  # fmt: skip
