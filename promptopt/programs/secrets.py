"""Secrets out of source and of failures, before a model is shown them: what a user wrote there was for nobody's eyes.

What rules find in any text is found here too (`secret_rules`). Code says more: a literal is named by what it is given
to, so that a password of plain letters, and a key in no known form, are seen.
"""

from __future__ import annotations

import io
import keyword
import re
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from promptopt.programs.secret_rules import NAMES_PASSWORD, WHOLE_KEY, Named, secret_spans, words_of

MARK = "[secret]"
NAMES = 8
"""Names before a bracket that what stands in it is known by. Ours."""
COMPARED = 4
"""Tokens behind a literal in which a name is looked for that it is compared with. Ours."""
_LITERAL = re.compile(r"([A-Za-z]*)('''|\"\"\"|'|\")(.*)\2", re.DOTALL)
_NAME = re.compile(r"[\w.:-]+")
_LONG_NUMBER = re.compile(r"\d[\d_]{3,}")
_OPENS, _CLOSES = ("(", "[", "{"), (")", "]", "}")


# What a run may do is asked for often, and looking through a megabyte takes seconds.
@lru_cache(maxsize=16)
def without_secrets(source: str) -> str:
    """Python's source with a mark for each secret in a literal or a comment; what is no Python is read as a text."""
    source = WHOLE_KEY.sub(MARK, source)
    tokens, whole = _source_tokens(source)
    pieces: list[str] = []
    past = 0
    names = _Names()
    for place, token in enumerate(tokens):
        said = _shown(tokens, place, names)
        if said != token.text:
            pieces += [source[past : token.start], said]
            past = token.start + len(token.text)
    # A piece of a file, as a lambda's line is, may end in the middle of a statement.
    return "".join([*pieces, source[past:] if whole else marked(source[past:])])


def marked(text: str) -> str:
    """A text with a mark for each secret that rules find in it."""
    pieces: list[str] = []
    past = 0
    for start, stop in secret_spans(text):
        pieces += [text[past:start], MARK]
        past = stop
    return "".join([*pieces, text[past:]])


@dataclass(frozen=True, slots=True)
class _Token:
    kind: int
    text: str
    start: int
    """The place of its first character in the source."""


def _source_tokens(source: str) -> tuple[list[_Token], bool]:
    """Those of a source, and whether they are all: what is no Python ends them."""
    begins = [0]
    # As the tokenizer's lines end: `splitlines` knows other ends.
    for line in source.split("\n"):
        begins.append(begins[-1] + len(line) + 1)
    found: list[_Token] = []
    opened: list[int] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            start, stop = (begins[row - 1] + column for row, column in (token.start, token.end))
            # Since Python 3.12 a formatted text comes in pieces, and a secret may lie across them.
            name = tokenize.tok_name[token.type]
            if name in ("FSTRING_START", "TSTRING_START"):
                opened.append(start)
            elif name in ("FSTRING_END", "TSTRING_END"):
                start = opened.pop()
                if not opened:
                    found.append(_Token(tokenize.STRING, source[start:stop], start))
            elif not opened:
                if token.type == tokenize.ERRORTOKEN and token.string.strip():
                    return found, False
                found.append(_Token(token.type, token.string, start))
    except (tokenize.TokenError, SyntaxError):
        return found, False
    return found, True


@dataclass(slots=True)
class _Names:
    """What a literal is given to: the names before it on its line; in brackets those of its own entry alone."""

    said: list[str] = field(default_factory=list[str])
    around: list[tuple[str, list[str]]] = field(default_factory=list[tuple[str, list[str]]])
    """For each bracket that is open, which it is, and the names before it."""
    before: str = ""
    """The text that is the whole argument before this one: `setdefault("TOKEN", …)`, `auth=("me", …)`."""
    entry: int = 0
    """Tokens of the entry so far."""

    def take(self, token: _Token) -> None:
        """A token, which may name what comes."""
        text = token.text
        self.entry += 1
        if text in _OPENS:
            self.around.append((text, self.said[-NAMES:]))
            self.before, self.entry = "", 0
        elif text in _CLOSES and self.around:
            self.around.pop()
        elif text == "," and self.around:
            opened, names = self.around[-1]
            # Alone in its entry, and in a call or a pair.
            alone = self.entry == 2 and opened == "(" and len(self.said) > len(names)
            self.before, self.entry = self.said[-1] if alone else "", 0
            self.said = [*names, *([self.before] if alone else [])]
        elif token.kind == tokenize.NEWLINE:
            self.said, self.before = [], ""
        elif token.kind == tokenize.NAME and not keyword.iskeyword(text):
            self.said.append(words_of(text))
        elif token.kind == tokenize.STRING:
            body = _body(text)
            self.said.append(words_of(body) if _NAME.fullmatch(body) else "-")

    def named(self, after: Sequence[_Token]) -> Named:
        """What the next literal is given to. `after`: the tokens behind it."""
        compared = [words_of(each.text) for each in after if each.kind == tokenize.NAME]
        is_compared = bool(after) and after[0].text in ("==", "!=", "in")
        said = [*self.said[-2 * NAMES :], *(compared if is_compared else [])]
        return Named(" ".join(said), said[-1] if said else "", bool(self.before))


def _shown(tokens: Sequence[_Token], place: int, names: _Names) -> str:
    """What stands in the place of a token."""
    token, said = tokens[place], tokens[place].text
    if token.kind == tokenize.COMMENT:
        said = marked(said)
    elif token.kind == tokenize.STRING:
        named = names.named(tokens[place + 1 : place + 1 + COMPARED])
        said = _literal(said, Named("", "", False) if _looks_up(tokens, place) else named)
    elif token.kind == tokenize.NUMBER and _LONG_NUMBER.fullmatch(said):
        said = MARK if names.said and NAMES_PASSWORD.search(names.said[-1]) else said
    names.take(token)
    return said


def _looks_up(tokens: Sequence[_Token], place: int) -> bool:
    """Whether a literal stands in brackets behind a value: `tokens["kind"]`, which names what is taken from there."""
    behind = [each.text for each in tokens[max(0, place - 2) : place]]
    if len(behind) < 2 or behind[1] != "[":
        return False
    return behind[0] in (")", "]") or (tokens[place - 2].kind == tokenize.NAME and not keyword.iskeyword(behind[0]))


def _body(text: str) -> str:
    found = _LITERAL.fullmatch(text)
    return text if found is None else found[3]


def _literal(text: str, named: Named) -> str:
    found = _LITERAL.fullmatch(text)
    if found is None:
        return marked(text)
    prefix, quote, body = found.groups()
    formatted = bool({*prefix.casefold()} & {"f", "t"})
    return f"{prefix}{quote}{MARK if named.is_secret(body, formatted=formatted) else marked(body)}{quote}"
