"""Clauses: rules that a reply keeps or not, told without a judge."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promptopt.errors import ConfigError
from promptopt.text import Regex, counted
from promptopt.types import Score


@dataclass(frozen=True, slots=True)
class Clauses:
    """1 where a reply keeps every clause, else 0. Case does not count, nor how letters are composed (`é` as 1 or 2)."""

    must_contain: tuple[str, ...] = ()
    """Texts that stand in it."""
    must_not_contain: tuple[str, ...] = ()
    """Texts that do not."""
    pattern: str = ""
    """A regular expression that it matches somewhere."""
    max_words: int | None = None
    """Words it may have at most."""
    _regex: Regex | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.max_words is not None and self.max_words < 1:
            raise ConfigError(f"clauses: max_words is {self.max_words}; give 1 or more")
        object.__setattr__(self, "_regex", Regex.of(self.pattern) if self.pattern else None)

    def fingerprint(self) -> Mapping[str, Any]:
        """The clauses."""
        return {
            "must_contain": list(self.must_contain),
            "must_not_contain": list(self.must_not_contain),
            "pattern": self.pattern,
            "max_words": self.max_words,
        }

    def judge(self, reply: str) -> Score:
        """What a reply is worth, and the clauses that it breaks."""
        folded, count = _folded_clause(reply), len(reply.split())
        broken = [f"lacks {text!r}" for text in self.must_contain if _folded_clause(text) not in folded]
        broken += [f"says {text!r}" for text in self.must_not_contain if _folded_clause(text) in folded]
        if self.max_words is not None and count > self.max_words:
            broken.append(f"has {counted(count, 'word')}, {self.max_words} are allowed")
        if self._regex is not None and self._regex.search(reply) is None:
            broken.append(f"does not match {self.pattern}")
        return Score(0.0 if broken else 1.0, reply, feedback="; ".join(broken))


def _folded_clause(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
