"""Versions of one prompt, held against each other line by line and within lines: what they share and where they differ.

What differs gets a mark, named by the words before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import chain, count, pairwise

from promptopt.tasks.layout import RESERVED

LONGEST_LINE = 400
"""Words and signs of a line beyond which only its beginning and its end are looked at. Ours."""
NAMELESS = "variable"
"""The name of what nothing before it tells the name of."""
# What scripts without spaces write counts as a word, each character.
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_PROMPT_TOKEN = re.compile(rf"\{{\{{\w+\}}\}}|[{_UNSPACED}]|[^\W{_UNSPACED}]+|\s+|[^\w\s]")
_LINE_LABEL = re.compile(r"\s*(?:\w+ ){0,3}\w+: ")
LINE_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
_WRITTEN_WORD = re.compile(r"\w+")
_JOINABLE_WORD = re.compile(rf"[^\W{_UNSPACED}]+")
_OPENS_OR_CLOSES = frozenset('<>()[]{}"“”«»„|=')
"""Signs that stand around what differs, and are no part of it."""
_SMALL_WORDS = frozenset({"the", "a", "an", "is", "are", "was", "of", "to", "for", "with", "by", "in", "on", "at",
                          "and", "now", "named", "called", "you", "your", "this", "it"})  # fmt: skip
TAKEN_NAMES = ("history", "instruction", *RESERVED)
"""Names that layouts have for something else."""
_GAP_TOKEN = ""
"""Stands among the tokens that all have for what differs: no token is empty."""


def aligned_versions(versions: Sequence[str], names: list[str]) -> str:
    """The first version, with a mark wherever one of the others differs: line by line, and within lines.

    `names`: those that are taken; the new ones are added.
    """
    lines = [text.split("\n") for text in versions]
    anchors = [line.strip() for line in lines[0] if line.strip()]
    for other in lines[1:]:
        anchors = _common_lines(anchors, [line.strip() for line in other if line.strip()])
    blocks = [_lines_between(each, anchors) for each in lines]
    # As they are indented in the first one.
    kept = _lines_at(lines[0], anchors)
    found: list[str] = []
    for place, block in enumerate(blocks[0]):
        held = [_without_blank_ends(each[place]) for each in blocks]
        if any(each != held[0] for each in held):
            before = anchors[place - 1] if place else ""
            whole = _lines_with_marks(held, before if before.endswith(":") else "", names)
            # Blank lines around what differs are the prompt's.
            blank = next((at for at, line in enumerate(block) if line.strip()), 0)
            found += [*block[:blank], *whole, *block[blank + len(held[0]) :]]
        else:
            found += block
        if place < len(anchors):
            found.append(kept[place])
    return "\n".join(found)


def _without_blank_ends(lines: Sequence[str]) -> list[str]:
    said = [place for place, line in enumerate(lines) if line.strip()]
    return list(lines[said[0] : said[-1] + 1]) if said else []


def _lines_with_marks(blocks: Sequence[list[str]], before: str, names: list[str]) -> list[str]:
    """What these lines are with marks; `before`: what says what they are."""
    if all(len(block) == 1 for block in blocks):
        return [
            _line_with_marks([block[0] for block in blocks], names)
            or f"{_margin_of(blocks)}{{{{{_name_for(before, names)}}}}}"
        ]
    if all(len(block) == len(blocks[0]) for block in blocks):
        tried = list(names)
        each = [lines[0] if len(set(lines)) == 1 else _line_with_marks(lines, tried)
                for lines in zip(*blocks, strict=True)]  # fmt: skip
        # Lines that have no word in common are a page, and no lines of the prompt.
        if all(line or not lines[0].strip() for line, lines in zip(each, zip(*blocks, strict=True), strict=True)):
            names[:] = tried
            return each
    # `Current date: …` below a page or above it is a line of its own.
    ends = [[block[-1] for block in blocks if block], [block[0] for block in blocks if block]]
    for at, lines in zip((-1, 0), ends, strict=True):
        label = _LINE_LABEL.match(lines[0])
        if label and len(lines) == len(blocks) and all(line.startswith(label[0]) for line in lines):
            rest = [_without_blank_ends(block[:-1] if at else block[1:]) for block in blocks]
            inner = _lines_with_marks(rest, before, names) if any(rest) else []
            own = _line_with_marks(lines, names) if len(set(lines)) > 1 else lines[0]
            beside = blocks[0][-2:-1] if at else blocks[0][1:2]
            blank = [line for line in beside if not line.strip()]
            return [*inner, *blank, own] if at else [own, *blank, *inner]
    return [f"{_margin_of(blocks)}{{{{{_name_for(before, names)}}}}}"]


def _margin_of(blocks: Sequence[list[str]]) -> str:
    """How far the first lines are indented, where all are."""
    margins = {block[0][: len(block[0]) - len(block[0].lstrip())] for block in blocks if block}
    return margins.pop() if len(margins) == 1 else ""


def _common_lines(one: Sequence[str], other: Sequence[str]) -> list[str]:
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return [line for block in blocks for line in one[block.a : block.a + block.size]]


def _lines_between(lines: Sequence[str], anchors: Sequence[str]) -> list[list[str]]:
    """The lines before, between and after the anchors."""
    found: list[list[str]] = [[]]
    left = iter([*anchors, None])
    anchor = next(left)
    for line in lines:
        if anchor is not None and line.strip() == anchor:
            found.append([])
            anchor = next(left)
        else:
            found[-1].append(line)
    return found


def _lines_at(lines: Sequence[str], anchors: Sequence[str]) -> list[str]:
    left = iter(lines)
    return [next(line for line in left if line.strip() == anchor) for anchor in anchors]


def _line_with_marks(lines: Sequence[str], names: list[str]) -> str:
    """One line for all of these, with marks; empty where they have no word in common."""
    tokens = [_PROMPT_TOKEN.findall(line) for line in lines]
    pattern: list[str] = list(tokens[0])
    if max(map(len, tokens)) > LONGEST_LINE:
        begin, end = (_same_beginning([each[::step] for each in tokens]) for step in (1, -1))
        pattern[begin : max(begin, len(pattern) - end)] = [_GAP_TOKEN]
    else:
        for each in tokens[1:]:
            pattern = _common_tokens(pattern, each)
            # What has no word in common by now has none in the end.
            if not _holds_word(pattern):
                return ""
    pattern = _whole_values(pattern)
    if not _holds_word(pattern):
        return ""
    found = ""
    for token in pattern:
        found += f"{{{{{_name_for(found, names)}}}}}" if token == _GAP_TOKEN else token
    return found


def _holds_word(pattern: Sequence[str]) -> bool:
    return any(token != _GAP_TOKEN and LINE_WORD.fullmatch(token) for token in pattern)


def _same_beginning(tokens: Sequence[Sequence[str]]) -> int:
    """How many tokens all begin with."""
    return next(
        (place for place, each in enumerate(zip(*tokens, strict=False)) if len(set(each)) > 1), min(map(len, tokens))
    )


def _common_tokens(pattern: Sequence[str], tokens: Sequence[str]) -> list[str]:
    found: list[str] = []
    one = other = 0
    for block in SequenceMatcher(None, pattern, tokens, autojunk=False).get_matching_blocks():
        if (block.a > one or block.b > other) and (not found or found[-1] != _GAP_TOKEN):
            found.append(_GAP_TOKEN)
        found += pattern[block.a : block.a + block.size]
        one, other = block.a + block.size, block.b + block.size
    return found


def _whole_values(pattern: list[str]) -> list[str]:
    """The pattern, its gaps widened to whole values: a date is more than its day, one word between two is of both."""
    gaps = [place for place, token in enumerate(pattern) if token == _GAP_TOKEN]
    dropped: set[int] = set()
    for one, other in pairwise(gaps):
        between = [token for token in pattern[one + 1 : other] if token != _GAP_TOKEN]
        marks = any(token.startswith("{{") for token in between)
        if not marks and sum(LINE_WORD.fullmatch(token) is not None for token in between) < 2:
            dropped.update(range(one + 1, other))
    for gap in gaps:
        for step in (-1, 1):
            place = gap + step
            # `2026-11-` before what differs, and `@acme.org` behind it: joined by a sign to a word.
            while (
                0 <= place + step < len(pattern)
                and _is_sign(pattern[place])
                and _JOINABLE_WORD.fullmatch(pattern[place + step])
            ):
                dropped.update((place, place + step))
                place += 2 * step
    kept = [token for place, token in enumerate(pattern) if place not in dropped]
    return [
        token for place, token in enumerate(kept) if token != _GAP_TOKEN or place == 0 or kept[place - 1] != _GAP_TOKEN
    ]


def _is_sign(token: str) -> bool:
    return (
        token != _GAP_TOKEN
        and not token.isspace()
        and token not in _OPENS_OR_CLOSES
        and LINE_WORD.fullmatch(token) is None
        and not token.startswith("{{")
    )


def _name_for(before: str, names: list[str]) -> str:
    """A name out of the words before a place, that no other has."""
    sentence = re.split(r"[.!?;]\s|[。！？；，、]", before.rpartition("\n")[2])[-1]
    plain = [word.casefold() for word in _WRITTEN_WORD.findall(sentence) if not word[0].isdigit()]
    told = [word for word in plain if word not in _SMALL_WORDS][-2:]
    name = "_".join(told) if told else NAMELESS
    taken = {*names, *TAKEN_NAMES}
    unique = next(each for each in chain([name], (f"{name}_{number}" for number in count(2))) if each not in taken)
    names.append(unique)
    return unique
