"""Components of system prompts: sentences that stand for themselves, in categories; and the rules that they keep.

Those of a user may be paragraphs: the method needs only that they end, and can be told from inputs and answers.
"""

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
from promptopt.text import counted

CATEGORIES = ("reasoning", "behavioural", "property", "safety", "role", "style", "emotion", "scenario", "custom")
"""What components are about; those of users are `custom`."""
FEWEST_WORDS, MOST_WORDS = 3, 40
"""Of a component: one or two sentences. Ours."""
_CLOSING_STOPS = (".", "!", "?", "。", "！", "？", "؟")
_FULL_STOP = re.compile(r"[.!?。！？؟]+(?=\s|$)")
_SEPARATOR = ", and "
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
    """What rules of the corpus a text breaks, in a few words each; empty where it keeps them all."""
    count = len(text.split())
    found = [] if category in CATEGORIES else [f"category {category!r} is none of {', '.join(CATEGORIES)}"]
    found += ["a line break"] if "\n" in text or "\r" in text else []
    found += _unusable(text)
    if not FEWEST_WORDS <= count <= MOST_WORDS:
        found.append(f"{counted(count, 'word')}, and it has to have {FEWEST_WORDS} to {MOST_WORDS}")
    found += _open_end(text)
    found += ["more than two sentences"] if len(_FULL_STOP.findall(text)) > 2 else []
    return _SEPARATOR.join(found)


def own_fault(text: str, longest: int) -> str:
    """What keeps a text of the user's own from being a component, as `fault`; it may be a paragraph, or several lines.

    `longest`: tokens that may be added to a prompt.
    """
    count = len(text.split())
    found = _unusable(text)
    found += [f"{counted(count, 'word')}, and it has to have {FEWEST_WORDS} at least"] if count < FEWEST_WORDS else []
    # A word is a token or more.
    if count > longest:
        found.append(f"{counted(count, 'word')}, more than the {longest} tokens that may be added (set longest)")
    return _SEPARATOR.join(found + _open_end(text))


def _unusable(text: str) -> list[str]:
    # In a prompt braces would be places for the inputs.
    braces = ["braces"] if any(brace in text for brace in "{}") else []
    return braces + (["a mark that answers are read by, or the name of a benchmark"] if _FORMAT.search(text) else [])


def _open_end(text: str) -> list[str]:
    # Components are joined by blanks: without an end two would run into one sentence.
    ended = text.rstrip().rstrip("\"'”’)").endswith(_CLOSING_STOPS)
    return [] if ended else ["no full stop, exclamation or question mark at its end"]


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


def corpus_of(path: str, texts: Sequence[str], longest: int) -> tuple[Component, ...]:
    """The components of a user's file and list; without either, our own. `longest`: tokens that may be added.

    Raises DataError for a file that cannot be read, and ConfigError for texts that cannot be components.
    """
    found: list[Component] = []
    if path:
        try:
            lines = Path(path).read_bytes().splitlines()
        except OSError as cause:
            raise DataError(f"the corpus {path} cannot be read ({cause}); check the path") from cause
        found += read_corpus(path, [_utf8_line(path, number, line) for number, line in enumerate(lines, start=1)])
    broken = [f"the component {text[:60]!r} has {said}" for text in texts if (said := own_fault(text, longest))]
    if broken:
        raise ConfigError(
            f"{'; '.join(broken)}; correct {'it' if len(broken) == 1 else 'them'}, or leave out what is so"
        )
    for number, text in enumerate(dict.fromkeys(text.strip().replace("\r\n", "\n") for text in texts), start=1):
        found.append(Component(f"custom-{number:04}", text, "custom", f"custom-{number:04}"))
    return tuple(found) if found else own_corpus()


def _utf8_line(path: str, number: int, line: bytes) -> str:
    try:
        # A byte order mark, as some editors write, is no part of the first line.
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise DataError(f"{path}, line {number}: not UTF-8 text ({cause}); save the file as UTF-8") from cause
