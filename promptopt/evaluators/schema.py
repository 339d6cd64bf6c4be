"""Whether a reply keeps a JSON Schema. Needs the package jsonschema, which is imported when a schema is first read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, cast

from promptopt.errors import ConfigError, Endless
from promptopt.evaluators.structured import json_in
from promptopt.text import Regex, shorten


def schema_fault(schema: str) -> Callable[[str], str]:
    """A function that says in half a sentence how a reply breaks `schema` (JSON); empty where it keeps it.

    Prose and code fences around the JSON of a reply count for nothing. References are not followed out of the schema.
    Raises ConfigError for what is no schema, and where jsonschema is not installed; the function raises Endless for a
    pattern that does not end on a reply.
    """
    try:
        library: Any = import_module("jsonschema")
    except ImportError as cause:
        raise ConfigError(
            "output_schema needs the package jsonschema; install it with: pip install 'promptopt-engine[schema]'"
        ) from cause
    try:
        given: Any = json.loads(schema)
        kind = _checked_kind(library, given)
    except RecursionError as cause:
        raise ConfigError("output_schema is nested too deep to be followed; write it flatter, by $defs") from cause
    # By `re`, as the library searches, one reply could hold a check up for ever.
    kind = library.validators.extend(kind, {"pattern": _matched(library), "patternProperties": _named_alike})
    # An empty registry: a reference out of the schema is an error, where the default would fetch it from the web.
    validator: Any = kind(given, registry=import_module("referencing").Registry())

    def fault(reply: str) -> str:
        there, value = json_in(reply)
        if not there:
            return "it holds no JSON"
        try:
            errors: list[Any] = sorted(
                validator.iter_errors(value), key=lambda error: list(map(str, error.absolute_path))
            )
        except Endless:
            raise
        except RecursionError as cause:
            # Where nothing is nested, it is the schema that leads round in a circle.
            if value not in ([], {}, None) and not _leads_round(validator):
                return "it is nested too deep to be followed"
            raise ConfigError("output_schema cannot be followed: it leads round in a circle; write it whole") from cause
        # Part of it may be of another draft, whose references are found only now.
        except Exception as cause:
            raise ConfigError(
                f"output_schema cannot be followed: {shorten(str(cause), 200)}; write it whole"
            ) from cause
        return f"{errors[0].json_path}: {shorten(str(errors[0].message), 160)}" if errors else ""

    return fault


def _checked_kind(library: Any, given: Any) -> Any:
    """The validator of the schema's draft. Raises ConfigError for what is no schema."""
    draft: object = cast("dict[str, object]", given).get("$schema", "") if isinstance(given, dict) else ""
    if not isinstance(draft, str):
        raise ConfigError(f"output_schema is no JSON Schema: its $schema is {draft!r}, and is the address of a draft")
    kind: Any = library.validators.validator_for(given, default=library.Draft202012Validator)
    try:
        kind.check_schema(given)
    except library.SchemaError as cause:
        raise ConfigError(f"output_schema is no JSON Schema: {shorten(str(cause.message), 200)}; correct it") from cause
    _check_references(given, kind)
    return kind


def _check_references(schema: Any, kind: Any) -> None:
    """Raise ConfigError for a reference that leads nowhere within the schema: nothing is fetched."""
    referencing: Any = import_module("referencing")
    jsonschema: Any = import_module("referencing.jsonschema")
    draft = kind.META_SCHEMA.get("$schema", "")
    root: Any = referencing.Resource.from_contents(
        schema, default_specification=jsonschema.specification_with(draft, default=jsonschema.DRAFT202012)
    )
    left = [(root, referencing.Registry().resolver_with_root(root))]
    while left:
        resource, resolver = left.pop()
        held = cast("dict[str, object]", resource.contents) if isinstance(resource.contents, dict) else {}
        for name in ("$ref", "$dynamicRef"):
            led = held.get(name)
            try:
                if isinstance(led, str):
                    resolver.lookup(led)
            # A ValueError for an address that is none.
            except (referencing.exceptions.Unresolvable, ValueError) as cause:
                raise ConfigError(
                    f"output_schema refers to {led!r}, which stands nowhere in it, and nothing is fetched; write that "
                    f"part into the schema"
                ) from cause
        left += [(part, resolver.in_subresource(part)) for part in resource.subresources()]


def _leads_round(validator: Any) -> bool:
    """Whether a schema does not end on values in which nothing is nested."""
    try:
        flats: tuple[Any, ...] = (None, [], {}, "", 0)
        for flat in flats:
            list(validator.iter_errors(flat))
    except RecursionError:
        return True
    return False


def _matched(library: Any) -> Callable[..., Iterator[Any]]:
    """The keyword `pattern`: the text has a match of it."""

    def check(validator: Any, pattern: str, value: Any, _: Any) -> Iterator[Any]:
        if validator.is_type(value, "string") and Regex.of(pattern).search(value) is None:
            yield library.ValidationError(f"{value!r} does not match {pattern!r}")

    return check


def _named_alike(validator: Any, patterns: Mapping[str, Any], value: Any, _: Any) -> Iterator[Any]:
    """The keyword `patternProperties`: what is named by a match of a pattern keeps the schema of that pattern."""
    if not validator.is_type(value, "object"):
        return
    for pattern, below in patterns.items():
        for name, held in value.items():
            if Regex.of(pattern).search(name) is not None:
                yield from validator.descend(held, below, path=name, schema_path=pattern)
