"""Components of system prompts: sentences that stand for themselves, in categories; and the rules that they keep."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import cast

from promptopt.errors import ConfigError, DataError

CATEGORIES = ("reasoning", "behavioural", "property", "safety", "role", "style", "emotion", "scenario", "custom")
"""What components are about; those of users are `custom`."""
FEWEST_WORDS, MOST_WORDS = 3, 40
"""Of a component: one or two sentences. Ours."""
_CLOSING_STOPS = (".", "!", "?", "。", "！", "？", "؟")
_FULL_STOP = re.compile(r"[.!?。！？؟]+(?=\s|$)")
_FORMAT = re.compile(r"####|<[^>]*>|\banswer is:|final answer:|benchmark", re.IGNORECASE)
"""Marks that readers of answers go by, and names of what models are measured on."""


@dataclass(frozen=True, slots=True)
class Component:
    """One component. `family`: the id of the one that it is a rephrasing of; of others, their own id."""

    id: str
    text: str
    category: str
    family: str


def fault(text: str, category: str = "custom") -> str:
    """What rule of the corpus a text breaks, in a few words; empty where it keeps them all."""
    count = len(text.split())
    if category not in CATEGORIES:
        return f"category {category!r} is none of {', '.join(CATEGORIES)}"
    if "\n" in text or "\r" in text:
        return "a line break"
    # In a prompt they would be places for the inputs.
    if any(brace in text for brace in "{}"):
        return "braces"
    if not FEWEST_WORDS <= count <= MOST_WORDS:
        return f"{count} words, and it has to have {FEWEST_WORDS} to {MOST_WORDS}"
    # Components are joined by blanks: without an end two would run into one sentence.
    if not text.rstrip("\"'”’)").endswith(_CLOSING_STOPS):
        return "no full stop, exclamation or question mark at its end"
    if len(_FULL_STOP.findall(text)) > 2:
        return "more than two sentences"
    if _FORMAT.search(text):
        return "a mark that answers are read by, or the name of a benchmark"
    return ""


def closed(text: str) -> str:
    """The text with a full stop, where it ends in a letter or a digit: models leave it out in lists."""
    return f"{text}." if text[-1:].isalnum() else text


def read_corpus(name: str, lines: Iterable[str]) -> tuple[Component, ...]:
    """The components in lines of JSON. Raises DataError, naming `name` and the line, for what breaks a rule."""
    found: list[Component] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        try:
            value: object = json.loads(line)
        # Brackets nested deeply enough overflow the parser.
        except (ValueError, RecursionError) as cause:
            raise DataError(f"{where}: not valid JSON ({cause}); write an object with id, text and category") from cause
        row: Mapping[str, object] = cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
        text, category, id = (str(row.get(key, "")) for key in ("text", "category", "id"))
        broken = fault(text, category)
        key = " ".join(text.casefold().split())
        if not broken and key in seen:
            broken = f"the same text as line {seen[key]}"
        if broken or not id:
            raise DataError(f"{where}: {broken if broken else 'no id'}; correct or remove the line ({text[:60]!r})")
        seen[key] = number
        found.append(Component(id, text, category, id))
    if not found:
        raise DataError(f"{name} holds no component; write at least one line")
    return tuple(found)


@cache
def own_corpus() -> tuple[Component, ...]:
    """The corpus that comes with the package."""
    text = (files("promptopt.optimizers.sprig") / "components.jsonl").read_text("utf-8")
    return read_corpus("components.jsonl", text.splitlines())


def corpus_of(path: str, texts: Sequence[str]) -> tuple[Component, ...]:
    """The components of a user's file and list; without either, our own.

    Raises DataError for a file that cannot be read, and ConfigError for a text that breaks a rule.
    """
    found: list[Component] = []
    if path:
        try:
            lines = Path(path).read_bytes().splitlines()
        except OSError as cause:
            raise DataError(f"the corpus {path} cannot be read ({cause}); check the path") from cause
        found += read_corpus(path, [_utf8_line(path, number, line) for number, line in enumerate(lines, start=1)])
    for number, text in enumerate(dict.fromkeys(texts), start=1):
        broken = fault(text)
        if broken:
            raise ConfigError(f"the component {text[:60]!r} has {broken}; correct it, or leave it out")
        found.append(Component(f"custom-{number:04}", text, "custom", f"custom-{number:04}"))
    return tuple(found) if found else own_corpus()


def _utf8_line(path: str, number: int, line: bytes) -> str:
    try:
        # A byte order mark, as some editors write, is no part of the first line.
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise DataError(f"{path}, line {number}: not UTF-8 text ({cause}); save the file as UTF-8") from cause
