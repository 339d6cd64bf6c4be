"""Examples by their words alone: in whatever columns these stand, and whatever marks are around them."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import permutations

from promptopt.text import folded
from promptopt.types import Example, digest

FEWEST_WORDS = 8
"""Different words from which on they tell examples apart: below it marks may be all the difference (`3 - 4`). Ours."""
IN_ANY_ORDER = 3
"""Inputs whose order may change; of more, the order that they are given in counts."""
_LABEL = re.compile(r"^\W*\w[\w ]{0,19}:\s", re.MULTILINE)
"""`Review: …`, at the beginning of a line."""
_WORD = re.compile(r"[^\W_]+")
_TAG = re.compile(r"</?[a-z][^<>]{0,80}>", re.IGNORECASE)


def worded_keys(examples: Sequence[Example]) -> list[list[str]]:
    """The keys of each example: none where it has few words, or no more than another one has.

    An input of which every word holds a digit (an id, a date, an amount) is left out: beside a text it is no other
    example. Where texts are the same and only such inputs differ, nothing is left that tells examples apart.
    """
    found = [_keys_of(example) for example in examples]
    holders: defaultdict[str, set[tuple[tuple[str, str], ...]]] = defaultdict(set)
    for example, keys in zip(examples, found, strict=True):
        for key in keys:
            holders[key].add(example.fields)
    return [[key for key in keys if len(holders[key]) == 1] for keys in found]


def _keys_of(example: Example) -> list[str]:
    inputs = [_words(value) for _, value in example.fields if not _is_number_like(value)]
    whole = [words for words in inputs if words]
    if len({word for words in whole for word in words}) < FEWEST_WORDS:
        return []
    orders = permutations(whole) if len(whole) <= IN_ANY_ORDER else [whole]
    return list(dict.fromkeys(digest({"words": [word for words in order for word in words]}) for order in orders))


def _words(text: str) -> list[str]:
    return _WORD.findall(folded(_LABEL.sub("", _TAG.sub(" ", html.unescape(text)))))


def _is_number_like(text: str) -> bool:
    return all(any(map(str.isdigit, word)) for word in text.split())
