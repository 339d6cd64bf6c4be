"""Secrets out of source and of failures, before a model is shown them: what a user wrote there was for nobody's eyes.

What rules find in any text is found here too (`tasks/personal.py`). Code says more: a literal is named by what it is
given to, so that a password of plain letters, and a key in no known form, are seen.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from functools import lru_cache

from promptopt.tasks.personal import personal_spans

KINDS = frozenset({"key", "link with a password", "password"})
"""What lets somebody in. Addresses and numbers in a source are what the prompt may well name."""
MARK = "[secret]"
QUOTES = "\"'"
SHORTEST = 8
"""Characters of the shortest secret that rules know."""
_LITERAL = re.compile(r"([A-Za-z]*)('''|\"\"\"|'|\")(.*)\2", re.DOTALL)
_NAMES_PASSWORD = re.compile(r"(?:pass(?:word|wd|phrase|code)|pwd|secret|credentials?)(?![a-z])", re.IGNORECASE)
_NAMES_KEY = re.compile(r"(?:token|key|auth|authorization|bearer|cookie)(?![a-z])", re.IGNORECASE)
# One word, and no signature such as `question->secret`.
_PASSWORD = re.compile(r"[^\s<>{}()\[\]]{6,}")
_KEY = re.compile(r"(?=.*[A-Za-z])(?=.*\d)[^\s<>{}()\[\]]{8,}")
# As no person writes: whatever its name, it is a key or a digest.
_OPAQUE = re.compile(r"(?=.*[A-Za-z])(?=.*\d)[A-Za-z0-9+/]{32,}={0,2}")


# What a run may do is asked for often, and looking through a megabyte takes seconds.
@lru_cache(maxsize=16)
def without_secrets(source: str) -> str:
    """Python's source with a mark for each secret in a literal or a comment; what is no Python is read as a text."""
    pieces: list[str] = []
    past = 0
    # A piece of a file, as a lambda's line is, may end in the middle of a statement.
    try:
        for start, stop, said in _replaced(source):
            pieces += [source[past:start], said]
            past = stop
    except (tokenize.TokenError, SyntaxError):
        return "".join([*pieces, marked(source[past:])])
    return "".join([*pieces, source[past:]])


def marked(text: str) -> str:
    """A text with a mark for each secret that rules find in it."""
    if len(text) < SHORTEST:
        return text
    pieces: list[str] = []
    past = 0
    for kind, start, stop in sorted(personal_spans(text), key=lambda each: each[1]):
        if kind in KINDS:
            pieces += [text[past:start], MARK]
            past = stop
    return "".join([*pieces, text[past:]])


def _replaced(source: str) -> Iterator[tuple[int, int, str]]:
    """Where each literal and comment begins and ends, and what stands in its place."""
    begins = [0]
    # As the tokenizer's lines end: `splitlines` knows other ends.
    for line in source.split("\n"):
        begins.append(begins[-1] + len(line) + 1)
    # What was named since the last comma, and what each open bracket stands behind.
    named, around = "", list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        start, stop = (begins[row - 1] + column for row, column in (token.start, token.end))
        text = token.string
        if token.type == tokenize.ERRORTOKEN and text.strip():
            raise SyntaxError(text)
        if token.type == tokenize.COMMENT or tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
            yield start, stop, marked(source[start:stop])
        elif token.type == tokenize.STRING:
            yield start, stop, _literal(text, named)
            named = f"{named} {text.strip(QUOTES)}"
        elif token.type == tokenize.NAME:
            named = f"{named} {text}"
        elif token.type == tokenize.NEWLINE:
            named = ""
        elif text in ("(", "[", "{"):
            around.append(named)
        elif text in (")", "]", "}") and around:
            around.pop()
        elif text == ",":
            named = around[-1] if around else ""


def _literal(text: str, named: str) -> str:
    found = _LITERAL.fullmatch(text)
    if found is None:
        return marked(text)
    prefix, quote, body = found.groups()
    hidden = (
        _OPAQUE.fullmatch(body)
        or (_NAMES_PASSWORD.search(named) and _PASSWORD.fullmatch(body))
        or (_NAMES_KEY.search(named) and _KEY.fullmatch(body))
    )
    return f"{prefix}{quote}{MARK if hidden else marked(body)}{quote}"
