"""Regular expressions of strangers (from task files and data), which cannot hang a run: a search has a second.

Written as for Python's `re`, run by the `regex` package, whose searches can be stopped. A search that takes longer ends
in an error rather than in a score, which would depend on how busy the machine is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from promptopt.errors import ConfigError, DataError

LIMIT_S = 1.0
"""Seconds that one expression may take on one text; a thousandth of it is usual."""
LONGEST = 10_000
"""Characters of an expression, and the most repeats that it may ask for: compiling takes time and memory too."""

# `regex` reads `{e<=1}` as "with one error", which is plain text for `re`.
_FUZZY = re.compile(r"(?<!\\)\{(?=[ides0-9<=>+,:\s]*[ides][ides0-9<=>+,:\s]*\})")
_REPEAT = re.compile(r"\{(\d*)(?:,(\d*))?\}")


@dataclass(frozen=True, slots=True)
class Regex:
    """A compiled expression. Every method raises DataError where it takes longer than `LIMIT_S` on a text."""

    source: str
    _compiled: Any = field(repr=False, compare=False)

    @classmethod
    def of(cls, source: str) -> Regex:
        """The expression. Raises ConfigError, in a sentence to go on from, for what is none, or is too large."""
        return _made(source)

    @property
    def groups(self) -> int:
        """How many groups it captures."""
        return self._compiled.groups

    def search(self, text: str) -> Any:
        """The first match, or None."""
        try:
            return self._compiled.search(text, timeout=LIMIT_S)
        except TimeoutError as cause:
            raise self._endless(text) from cause

    def finditer(self, text: str) -> Iterator[Any]:
        """Every match, in order."""
        try:
            yield from self._compiled.finditer(text, timeout=LIMIT_S)
        except TimeoutError as cause:
            raise self._endless(text) from cause

    def without(self, text: str) -> str:
        """The text without what matches."""
        try:
            return str(self._compiled.sub("", text, timeout=LIMIT_S))
        except TimeoutError as cause:
            raise self._endless(text) from cause

    def _endless(self, text: str) -> DataError:
        return DataError(
            f"the regular expression {self.source[:80]!r} took more than {LIMIT_S:g} s on a text of {len(text):,} "
            f"characters, {text[:40]!r}…; write it without a repeat inside a repeat, as (a+)+ is"
        )


@lru_cache(maxsize=16_384)
def _made(source: str) -> Regex:
    # Not `import regex` above: it takes as long to import as the rest of what reads a task.
    import regex

    repeats = [int(number) for match in _REPEAT.finditer(source) for number in match.groups() if number]
    if len(source) > LONGEST or any(number > LONGEST for number in repeats) or _product(repeats) > LONGEST**2:
        raise ConfigError(f"{source[:80]!r} is too large a regular expression; write one that repeats less")
    try:
        re.compile(source)
        return Regex(source, regex.compile(_FUZZY.sub(r"\\{", source)))
    except (re.error, regex.error, RecursionError, OverflowError) as cause:
        raise ConfigError(f"{source[:80]!r} is no regular expression: {cause}") from cause


def _product(numbers: list[int]) -> int:
    product = 1
    for number in numbers:
        product *= max(1, number)
    return product
