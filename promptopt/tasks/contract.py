"""The contract between a task and a search: what no candidate may lose, checked before a candidate costs anything."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from promptopt.arguments import told
from promptopt.errors import Endless
from promptopt.text import REGEX_LIMIT_S, Regex, counted
from promptopt.types import Prompt


@told
@dataclass(frozen=True, slots=True)
class Contract:
    """Clauses on the editable parts, and the names of the parts that may not change at all.

    `placeholders`: field names; `{name}` occurs in an editable part exactly as often as in the start's.
    `frozen`: spans that stay, verbatim and in this order. `max_tokens`: the most tokens an editable part may have.
    Letters with marks count as the same in either Unicode form.
    Where several parts are editable, each keeps those of `frozen` and `must_contain` that it began with.
    `frozen_parts`: prompt parts that stay byte for byte those of the start. `template`: the expressions and statements
    of a template language (`{{ … }}`, `{% … %}`, `${…}`) stay those of the start, verbatim, statements in their order.
    `pattern`: a regular expression that an editable part has a match of; empty: any text. `parts`: the clauses of those
    editable parts that have some of their own, in the place of these. `may_contain`: words that are no finding, where
    the scan of a prompt would else name them. `further`: contracts that hold beside this one, as those of several tasks
    under one prompt.
    """

    placeholders: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    must_contain: tuple[str, ...] = ()
    must_not_contain: tuple[str, ...] = ()
    max_tokens: int | None = None
    frozen_parts: tuple[str, ...] = ()
    template: bool = False
    pattern: str = ""
    parts: tuple[tuple[str, Contract], ...] = ()
    may_contain: tuple[str, ...] = ()
    further: tuple[Contract, ...] = ()

    def broken_by(
        self, prompt: Prompt, initial: Prompt, editable: str | Sequence[str], count_tokens: Callable[[str], int]
    ) -> str | None:
        """The first clause that `prompt` breaks, in a few words, or None. Tokens are counted last, they cost most."""
        editables = (editable,) if isinstance(editable, str) else editable
        start = dict(initial.texts)
        given = dict(prompt.texts)
        own = dict(self.parts)
        for part in editables:
            text, before = given.get(part, ""), start.get(part, "")
            broken = ("empty" if before.strip() and not text.strip() else _unprintable(text)) or self._changed_part(
                start, given
            )
            for clauses in own.get(part, self)._together():
                broken = (
                    broken
                    or clauses._placeholder(before, text)
                    or clauses._template(before, text)
                    or clauses._of_part(before, len(editables))._spans(text)
                )
            if broken is not None:
                return broken
        long = (
            clauses._too_long(given[part], count_tokens)
            for part in editables
            for clauses in own.get(part, self)._together()
        )
        return next((each for each in long if each is not None), None)

    def _together(self) -> tuple[Contract, ...]:
        return (self, *self.further)

    def without_cap(self) -> Contract:
        """The same clauses without those on tokens: where no model is known, nobody can count them."""
        return replace(self, max_tokens=None, further=tuple(each.without_cap() for each in self.further))

    def kept_spans(self) -> tuple[str, ...]:
        """The spans that have to stay, each once."""
        spans = (span for each in self._together() for span in (*each.frozen, *each.must_contain))
        return tuple(filter(None, dict.fromkeys(spans)))

    def _of_part(self, before: str, parts: int) -> Contract:
        """The clauses on one of several parts: it keeps those spans that it began with."""
        if parts == 1:
            return self
        return replace(
            self,
            frozen=tuple(span for span in self.frozen if _composed_text(span) in _composed_text(before)),
            must_contain=tuple(span for span in self.must_contain if _composed_text(span) in _composed_text(before)),
        )

    def missing(self, texts: Sequence[str]) -> str | None:
        """The first span that some editable part has to hold and none of `texts` does."""
        held = [_composed_text(text) for text in texts]
        lost = (span for span in self.kept_spans() if not any(_composed_text(span) in text for text in held))
        return next(lost, None)

    def most_tokens(self, part: str) -> int | None:
        """The most tokens that an editable part may have; None for no cap."""
        own = dict(self.parts).get(part, self)
        return min((each.max_tokens for each in own._together() if each.max_tokens is not None), default=None)

    def allowed_in(self, part: str) -> tuple[str, ...]:
        """The words that are no finding in an editable part."""
        return tuple(word for each in dict(self.parts).get(part, self)._together() for word in each.may_contain)

    def to_json(self) -> list[object]:
        """What a fingerprint is made of; without `may_contain`, which no search goes by."""
        own = [[part, clauses.to_json()] for part, clauses in self.parts]
        beside = [each.to_json() for each in self.further]
        further = {"template": self.template, "pattern": self.pattern, "parts": own, "further": beside}
        # What a contract does not have is left out: fingerprints of tasks made before there was such a clause stay.
        kept = {name: value for name, value in further.items() if value}
        return [self.placeholders, self.frozen, self.must_contain, self.must_not_contain, self.max_tokens,
                self.frozen_parts, *([kept] if kept else [])]  # fmt: skip

    def _changed_part(self, start: dict[str, str], given: dict[str, str]) -> str | None:
        for part in self.frozen_parts:
            if given.get(part) != start.get(part):
                return f"lost frozen part {part}" if part not in given else f"changed frozen part {part}"
        return None

    def _placeholder(self, start: str, text: str) -> str | None:
        for name in self.placeholders:
            slot = f"{{{name}}}"
            wanted, found = start.count(slot), text.count(slot)
            if found < wanted:
                return f"lost placeholder {slot}"
            if found > wanted:
                return f"repeated placeholder {slot}" if wanted else f"added placeholder {slot}"
        return None

    def _template(self, start: str, text: str) -> str | None:
        if not self.template:
            return None
        wanted, found = _ATOM.findall(start), _ATOM.findall(text)
        for atom in dict.fromkeys((*wanted, *found)):
            if wanted.count(atom) > found.count(atom):
                return f"lost template {_quoted_span(atom)}"
            if wanted.count(atom) < found.count(atom):
                return f"added template {_quoted_span(atom)}"
        # Expressions may change places; an `endif` before its `if` would be another template.
        in_order = ([atom for atom in atoms if atom.startswith("{%")] for atoms in (wanted, found))
        return None if len({tuple(atoms) for atoms in in_order}) == 1 else "template statements in another order"

    def _spans(self, text: str) -> str | None:
        position, text = 0, _composed_text(text)
        passed_over: list[str] = []
        for span in self.frozen:
            found = text.find(_composed_text(span), position)
            if found < 0:
                # Within another frozen span it is a piece of that, and its own place is gone.
                if any(_composed_text(span) in piece for piece in passed_over):
                    return f"frozen text {_quoted_span(span)} in another order"
                return f"lost frozen text {_quoted_span(span)}"
            passed_over.append(text[position:found])
            # Behind it: frozen spans stay in their order, and none may stand in another.
            position = found + len(_composed_text(span))
        for span in self.must_contain:
            if _composed_text(span) not in text:
                return f"does not contain {_quoted_span(span)}"
        for span in self.must_not_contain:
            if holds_forbidden(text, span):
                return f"contains {_quoted_span(span)}"
        try:
            if self.pattern and Regex.of(_composed_text(self.pattern)).search(text) is None:
                return f"has no match of {_quoted_span(self.pattern)}"
        # A candidate's fault or the pattern's: a search that has been paid for goes on without the candidate.
        except Endless:
            return f"is not searched for {_quoted_span(self.pattern)} within {REGEX_LIMIT_S:g} s"
        return None

    def _too_long(self, text: str, count_tokens: Callable[[str], int]) -> str | None:
        if self.max_tokens is not None and count_tokens(text) > self.max_tokens:
            return f"longer than {counted(self.max_tokens, 'token')}"
        return None


def holds_forbidden(text: str, span: str) -> bool:
    """Whether a text holds what it must not, as it is written or with a capital, as at the beginning of a sentence."""
    text, span = _composed_text(text), _composed_text(span)
    return span in text or (span[:1].islower() and span[:1].upper() + span[1:] in text)


# A task of a user's own kind need not have one.
@runtime_checkable
class _UnderContract(Protocol):
    @property
    def contract(self) -> Contract: ...


def contract_in(task: object) -> Contract:
    """The task's contract; one without clauses where it has none."""
    return task.contract if isinstance(task, _UnderContract) else Contract()


_ATOM = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|\$\{\w+\}", re.DOTALL)
"""What a template engine would fill or run."""


def _composed_text(text: str) -> str:
    """With letters and their marks as one sign (NFC): editors differ in that, and no reader sees it."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _unprintable(text: str) -> str | None:
    # Cc: control characters; Cs: lone surrogates, which no server accepts. Joiners and direction marks (Cf) are
    # ordinary spelling in many scripts.
    if text.isprintable():
        return None
    for character in text:
        if character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs"):
            return f"control character U+{ord(character):04X}"
    return None


def _quoted_span(span: str, limit: int = 40) -> str:
    return repr(span if len(span) <= limit else span[: limit - 1] + "…")
