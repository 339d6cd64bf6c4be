"""Answers with parts: JSON compared field by field, lists compared as sets."""

from __future__ import annotations

import json as jsonlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import cast

from promptopt.errors import DataError
from promptopt.json_members import NamedTwice, named_once
from promptopt.text import INVISIBLE, caseless, normalise, shorten
from promptopt.types import Example, Score, canonical

NAMED = 5
"""Fields that a feedback sentence names of each kind of fault."""
VALUE_CHARACTERS = 60
"""Characters of a value in it."""
TRIED = 50
"""Brackets in a reply at which JSON may begin; a reply with more of them holds no answer. Ours."""

_OPENING = re.compile(r"[\[{]")
_BULLET = re.compile(r"^\s*(?:(?:[-*•·–—▪◦‣+☑✓✔✅]|\(?[0-9]{1,3}[.)]|[a-z][.)]|\([a-zA-Z]\))\s+(?:\[[ xX]?\]\s+)?)")
_LEAD = re.compile(r"^[^\W\d](?:[^\W\d]|[ '’*-]){0,50}:[*_]{0,2}\s+(?=\S)")
"""What a list is called, before it: "The colours are: red, blue"."""
_LEAD_IN_CLAUSE = re.compile(
    r"^(?:the|these|those|they|it|i|we|my|there)\b[^,;:|\n]{0,60}?\s(?:are|is|were|include|includes|mentions?|contains?|found)\s+(?=\S)",
    re.IGNORECASE,
)
"""A list in a sentence: "The colours are red and blue"."""
_INLINE = re.compile(r"\s*(?:(?<!\S)[•◦▪·]|(?<!\S)\(?[0-9]{1,2}[.)])\s+")
"""Bullets and numbers of items in one line: "1) red 2) blue"."""
_SLASH = re.compile(r"\s/\s")
_LIST_TAG = re.compile(r"</?(?:li|ul|ol|br|(?:final[_ -]?)?answers?)\s?/?>", re.IGNORECASE)
_RULE = re.compile(r"\s*\|?\s*:?-{2,}:?\s*\|?\s*")
"""Below the name of the one column that a table has."""
_WRAPPED = re.compile(r"\[[^\[\]]*\]|\{[^{}]*\}|\([^()]*\)")
# From the first of some blanks only: tried from each of them, a long gap would take quadratic time.
_COMMA = re.compile(r"(?<!\s)\s*(?:,|，|、|،)\s*(?:(?:and|or|und|et|y)\s+)?")
_QUOTED_ENTRY = r"(?:'[^'\\\n]{0,500}'|\"[^\"\\\n]{0,500}\")"
_SEMICOLON, _BAR = re.compile(";"), re.compile(r"\|")
_PRINTED = re.compile(
    rf"[\[{{(]\s{{0,9}}{_QUOTED_ENTRY}(?:\s{{0,9}},\s{{0,9}}{_QUOTED_ENTRY})*\s{{0,9}},?\s{{0,9}}[\]}})]"
)
"""A list, set or tuple as Python prints it."""
_AND_BETWEEN_ENTRIES = re.compile(
    r"(?<!\s)\s+(?:and|und|et|y|e|и|i|ve|&)\s+|(?<=[\u3040-\u9fff])(?:和|与|與|及|と)(?=[\u3040-\u9fff])"
)
_NONE = re.compile(
    r"(?:(?:there\s(?:are|is)\s)?(?:none|nothing)(?:\s(?:found|present|mentioned))?|\(none\)|n/a|empty"
    r"|(?:there\s(?:are|is|were)\s)?no\s\w{1,20}(?:\s\w{1,20}){0,2})"
)
_EDGES = " \t\"'`*“”‘’«»「」.。"

_PLAIN_NAME = re.compile(r"[^.\[\]\"]+")

_NOTHING = object()


def json(answer: str, example: Example) -> Score:
    """The share of fields that are right, of all that the answer or the target has: missing and extra ones are wrong.

    Both are JSON; around the answer's there may be code fences and prose. A field is a path to a value that is neither
    an object nor a list (`address.city`, `items[0]`), or to an empty one. Its value has to be of the same type and
    equal: 5 is 5.0 and not "5", texts may differ in white space only. Not JSON at all is unreadable. Raises DataError
    where the target is no JSON.
    """
    found = _json_in(answer)
    if found is _NOTHING:
        return Score(0.0, answer, answer, parsed=False, feedback="no answer could be read: expected JSON")
    given = dict(_leaves(found))
    judged = [_compared_members(given, _right_leaves(right)) for right in (example.target, *example.accepted)]
    value, feedback = max(judged, key=lambda each: each[0])
    return Score(value, answer, answer, feedback=feedback)


def set_f1(answer: str, example: Example) -> float:
    """F1 in [0, 1] of two lists as sets: order and repetition do not matter, nor case, white space, quotes, full stop.

    A list is JSON, or one item a line, or items between semicolons, bars or commas, with or without brackets around it.
    Where some lines have bullets, these alone are items. "a, b and c" is read both as two items and as three, and
    "Colours: a" with and without what stands before the colon, as is best for the answer. Two empty lists are equal,
    and "none" is one where the right list is.
    The best over target and accepted, each of them a whole list.
    """
    bare = _LEAD.sub("", answer.strip())
    said = _LEAD_IN_CLAUSE.sub("", bare)
    readings = [_item_set(each, apart) for each in dict.fromkeys((answer, bare, said)) for apart in (False, True)]
    right = [_item_set(each) for each in (example.target, *example.accepted)]
    if frozenset() in right and all(map(_NONE.fullmatch, readings[0])):
        return 1.0
    return max(_overlap(found, each) for found in readings for each in right)


def _overlap(found: frozenset[str], right: frozenset[str]) -> float:
    if not found or not right:
        return float(found == right)
    return 2 * len(found & right) / (len(found) + len(right))


@lru_cache(maxsize=16_384)
def _item_set(text: str, apart: bool = False) -> frozenset[str]:
    """`apart`: what stands on the two sides of an "and" are two items."""
    text = _LIST_TAG.sub("\n", text).strip()
    value = _json_in(text)
    if isinstance(value, list):
        entries = [each if isinstance(each, str) else canonical(each) for each in cast("list[object]", value)]
    elif (printed := _PRINTED.search(text)) is not None:
        # A list in both senses: between printed items no "and" is looked for below.
        value = entries = [each[1:-1] for each in re.findall(_QUOTED_ENTRY, printed[0])]
    else:
        entries = _plain_items(text[1:-1] if _WRAPPED.fullmatch(text) else text)
    if apart and not isinstance(value, list):
        entries = [each for entry in entries for each in _AND_BETWEEN_ENTRIES.split(entry)]
    folded = (
        caseless(normalise(unicodedata.normalize("NFKC", each).translate(INVISIBLE))).strip(_EDGES) for each in entries
    )
    return frozenset(each for each in folded if each)


def _plain_items(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip(" \t`")]
    listed = [line for line in lines if _BULLET.match(line)]
    if len(lines) > 2 and _RULE.fullmatch(lines[1]):
        return [line.strip().strip("|") for line in lines[2:] if "|" in line or "|" not in lines[0]]
    if len(lines) > 1:
        # What introduces a list, and what follows it, is no item.
        kept = listed if listed else lines[1:] if lines[0].rstrip("* ").endswith(":") else lines
        return [_BULLET.sub("", line) for line in kept]
    inline = _INLINE.split(text)
    if len(inline) > 2 and not inline[0].strip():
        return inline[1:]
    if _SLASH.search(text) and not re.search("[,;|]", text):
        return _SLASH.split(text)
    between = _SEMICOLON if ";" in text else _BAR if "|" in text else _COMMA
    return between.split(_BULLET.sub("", text))


def json_in(text: str) -> tuple[bool, object]:
    """Whether there is JSON in a text, and what it says: all of the text, or the longest object or list in it."""
    found = _json_in(text)
    return found is not _NOTHING, found


def _json_in(text: str) -> object:
    """The JSON that a text is, or else the longest object or list in it.

    `_NOTHING` where there is none, or where two objects have the same fields and other values, or one object two values
    for a field: nothing says which.
    """
    try:
        return _decoded(text.strip())[0]
    except NamedTwice:
        return _NOTHING
    except (ValueError, RecursionError):
        pass
    best: tuple[object, int] = (_NOTHING, 0)
    records: dict[frozenset[str], object] = {}
    stop = 0
    for tried, match in enumerate(_OPENING.finditer(text)):
        # Each bracket costs a reading to the end, so a reply of nothing but brackets would take quadratic time.
        if tried >= TRIED:
            break
        # Within what was read already.
        if match.start() < stop:
            continue
        try:
            found = _DECODER.raw_decode(text, match.start())
        except NamedTwice:
            return _NOTHING
        except (ValueError, RecursionError):
            continue
        value, end = cast("tuple[object, int]", found)
        stop = end
        record = _object_members(value)
        # Two records with the same fields are two answers.
        if record and records.setdefault(frozenset(record), record) != record:
            return _NOTHING
        best = max(best, (value, end - match.start()), key=lambda each: each[1])
    return best[0]


def _object_members(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


# Python's reader takes NaN and Infinity, which are no JSON.
_DECODER = jsonlib.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=named_once)


def _decoded(text: str) -> tuple[object, int]:
    value, end = _DECODER.raw_decode(text)
    if end != len(text):
        raise ValueError("more than one value")
    return value, end


@lru_cache(maxsize=16_384)
def _right_leaves(target: str) -> Mapping[str, object]:
    value = _json_in(target)
    if value is _NOTHING:
        raise DataError(
            f"target {shorten(target, VALUE_CHARACTERS)!r} is no JSON: metric 'json' needs an object, such as {{…}}"
        )
    return dict(_leaves(value))


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for name, each in cast("dict[str, object]", value).items():
            # {"a.b": 1} is not {"a": {"b": 1}}.
            name = name if _PLAIN_NAME.fullmatch(name) else f"[{jsonlib.dumps(name, ensure_ascii=False)}]"
            yield from _leaves(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for place, each in enumerate(cast("list[object]", value)):
            yield from _leaves(each, f"{path}[{place}]")
    else:
        yield path, value


def _compared_members(given: Mapping[str, object], right: Mapping[str, object]) -> tuple[float, str]:
    missing = [path for path in right if path not in given]
    extra = [path for path in given if path not in right]
    shared = [path for path in right if path in given]
    kinds = [path for path in shared if _json_type(given[path]) != _json_type(right[path])]
    wrong = [
        path
        for path in shared
        if path not in kinds and _normalised_value(given[path]) != _normalised_value(right[path])
    ]
    total = len(right) + len(extra)
    faults = [
        _paths_sentence("missing", missing),
        _paths_sentence("not asked for", extra),
        _paths_sentence(
            "of another type",
            [f"{path} ({_json_type(given[path])}, expected {_json_type(right[path])})" for path in kinds],
        ),
        _paths_sentence(
            "wrong",
            [f"{path} ({_shortened_json(given[path])}, expected {_shortened_json(right[path])})" for path in wrong],
        ),
    ]
    return (len(shared) - len(kinds) - len(wrong)) / total, "; ".join(fault for fault in faults if fault)


def _paths_sentence(what: str, paths: Sequence[str]) -> str:
    if not paths:
        return ""
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return f"{what}: {', '.join(path if path else 'the value' for path in paths[:NAMED])}{more}"


def _json_type(value: object) -> str:
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        # bool first: True is an int to Python.
        (bool, "true or false"), ((int, float), "number"), (str, "text"), (list, "list"), (dict, "object"),
    )  # fmt: skip
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")


def _normalised_value(value: object) -> object:
    return normalise(unicodedata.normalize("NFC", value)) if isinstance(value, str) else value


def _shortened_json(value: object) -> str:
    return shorten(jsonlib.dumps(value, ensure_ascii=False), VALUE_CHARACTERS)
