"""What in a program's source lets somebody in, by its form, by its name, or by what is written before it.

Who writes prompts needs the shape of a program and none of its values, so these rules hide more than those for data
(`tasks/personal.py`): a word too many that is marked costs nothing, and a key that is sent cannot be called back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from promptopt.tasks.personal import personal_spans

KINDS = frozenset({"key", "link with a password", "password"})
"""What lets somebody in. Addresses and numbers in a source are what the prompt may well name."""
SHORTEST = 8
"""Characters of the shortest text in which something is looked for."""
_PASSWORDS = r"(?:pass(?:word|wd|phrase|code|wort)?|pwd|pw|kennwort|secret|credential)s?"
_KEY_NAMES = r"(?:(?:token|apikey|api_?key|key)s?|auth|authorization|bearer|cookie|salt)"
_LETTER_AND_DIGIT = r"(?=[^\s\"']{0,200}[A-Za-z])(?=[^\s\"']{0,200}\d)"
_BARE = r"[^\s\"'\\,;&)\]}]"
_TEXT = re.compile(
    "|".join(
        (
            # An environment file, a header, a string of settings: `DB_PASSWORD=…`, `"token": "…"`, `AccountKey=…;`.
            rf"(?<![A-Za-z]){_PASSWORDS}[\"'\\]*[ \t]*(?:=|:=)[ \t]*[{{\\\"']*(?!(?:None|True|False|null)\b)"
            rf"(?![<$\[%]|[A-Za-z_][\w.]*[(\[])(?!self\.|os\.|args\.)({_BARE}{{4,}})",
            # Behind a colon one word at the end of the line, for what follows it may be a sentence.
            rf"(?<![A-Za-z]){_PASSWORDS}[\"'\\]*[ \t]*:[ \t]*[\\\"']*(?![{{<$\[%])({_BARE}{{4,}})"
            rf"(?=[\"'\\,;}}]|[ \t]*(?:$|[\r\n]))",
            rf"(?<![A-Za-z])(?:[A-Za-z]{{1,30}})?{_KEY_NAMES}[\"'\\]*[ \t]*(?:=|:=|:|\bis\b)[ \t]*[{{\\\"']*"
            rf"(?![{{<$\[%])({_LETTER_AND_DIGIT}{_BARE}{{8,}})",
            # As `curl` and `wget` are told who asks.
            r"(?<!\S)(?:-u|--user|--proxy-user)[ =][\"']?[^\s:\"']{1,80}:[^\s\"']{4,}",
            r"\b[a-z][a-z0-9+.-]{0,20}://(?=\S{0,80}\d)[\w-]{16,80}(?::[\w-]+)?@[^\s\"']+",
            rf"[?&](?:api_?)?key={_LETTER_AND_DIGIT}[^\s&#\"']{{8,}}",
            r"\bdiscord(?:app)?\.com/api/webhooks/\d+/[\w-]{16,}",
        )
    ),
    re.IGNORECASE,
)
_PRIVATE_KEY = r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----"
_END_OF_KEY = r"-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----"
WHOLE_KEY = re.compile(rf"{_PRIVATE_KEY}[\s\S]{{0,20000}}?{_END_OF_KEY}")
"""A private key, whatever literals or comments it is spread over."""
_REST_OF_KEY = re.compile(rf"{_PRIVATE_KEY}[\s\S]*")
_ESCAPE = re.compile(r"\\(?:[abfnrtv0\\'\"]|x[0-9a-fA-F]{2})")
_OPAQUE = re.compile(r"(?<![\w+/-])(?:[0-9a-fA-F]{20,}|[\w+/-]{32,}={0,2})(?![\w+/-])")
_SIGNS = re.compile(r"(?P<small>[a-z])|(?P<capital>[A-Z])|(?P<digit>\d)")
CHANGES = 0.35
"""Of the neighbours in a random text those of other kinds (small, capital, digit), at least: drawn, some 0.6 are. Ours.
"""

NAMES_PASSWORD = re.compile(rf"(?<![a-z]){_PASSWORDS}(?![a-z])")
NAMES_KEY = re.compile(rf"(?<![a-z]){_KEY_NAMES}(?![a-z])")
NAMES_OWN_KEY = re.compile(
    r"(?<![a-z])(?:(?:api|access|account|private|secret|auth|session|bearer|refresh)_?(?:key|token)s?)(?![a-z])"
)
"""A key that is nothing else: even one of letters alone."""
NAMES_LOGIN = re.compile(r"(?<![a-z])(?:auth|login|logon|credentials?)(?: \S+)?$")
"""Behind which stand a user and, two names on, what that one logs in by."""
ENDS_IN_PASSWORD = re.compile(r"(?<![a-z])(?:pass(?:word|wd|phrase|code|wort)?|pwd|pw|kennwort)$")
_KEY = re.compile(r"(?=.*[A-Za-z])(?=.*\d)[^\s<>{}()\[\]]{8,}")
_LETTERS_ALONE = re.compile(r"(?![A-Z_]+$)[^\s<>{}()\[\]]{8,}")
_FORMAT_SLOT = re.compile(r"\{[^{}]*\}")
_PLACEHOLDER = re.compile(r"[<{\[(%$].*|.*(?:->|:$).*")
"""A slot, a signature of DSPy's, or what stands before an entry: `{password}`, `question -> secret`, `Password:`."""
SHORTEST_PASSWORD, LONGEST_PASSWORD = 4, 80
"""Characters of a password at least, and of one of several words at most. Ours."""


def words_of(name: str) -> str:
    """A name by its words: `clientSecret`, `CLIENT_SECRET` and `client-secret` are one."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).casefold().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Named:
    """What a literal is given to: all names, the nearest, and whether a text is the argument before it."""

    names: str
    last: str
    behind_a_text: bool

    def is_secret(self, body: str, *, formatted: bool = False) -> bool:
        """Whether a literal lets somebody in, by what it is given to. `formatted`: it has slots to be filled."""
        text = body.strip()
        bare = _FORMAT_SLOT.sub("", text).strip() if formatted else text
        spelt = words_of(text)
        logs_in = self.behind_a_text and NAMES_LOGIN.search(self.names) is not None
        if (NAMES_PASSWORD.search(self.names) or logs_in) and len(bare) >= SHORTEST_PASSWORD:
            spaced = any(map(str.isspace, bare))
            # A word that is the name of a secret is where one is looked up.
            label = NAMES_PASSWORD.search(spelt) is not None and not any(map(str.isdigit, text))
            fits = not spaced or (len(bare) <= LONGEST_PASSWORD and ENDS_IN_PASSWORD.search(self.last) is not None)
            if fits and not label and not _PLACEHOLDER.fullmatch(bare):
                return True
        if NAMES_OWN_KEY.search(self.names) and _LETTERS_ALONE.fullmatch(bare) and not NAMES_KEY.search(spelt):
            return True
        return NAMES_KEY.search(self.names) is not None and _KEY.fullmatch(bare) is not None


def secret_spans(text: str) -> list[tuple[int, int]]:
    """Where secrets lie in a text, in order, none within another."""
    if len(text) < SHORTEST:
        return []
    # As many signs as before, for what stands behind an escape begins a word.
    plain = _ESCAPE.sub(lambda match: " " * len(match[0]), text)
    found = [match.span() for rule in (WHOLE_KEY, _REST_OF_KEY) for match in rule.finditer(text)]
    found += [(start, stop) for kind, start, stop in personal_spans(plain) if kind in KINDS]
    # Of a group the value alone: the name before it says what it was.
    found += [match.span(match.lastindex if match.lastindex else 0) for match in _TEXT.finditer(plain)]
    found += [match.span() for match in _OPAQUE.finditer(plain) if _is_drawn(match[0])]
    apart: list[tuple[int, int]] = []
    for start, stop in sorted(found):
        if apart and start < apart[-1][1]:
            apart[-1] = apart[-1][0], max(stop, apart[-1][1])
        else:
            apart.append((start, stop))
    return apart


def _is_drawn(word: str) -> bool:
    """Whether signs follow each other as nobody writes: a key, or a digest."""
    kinds = [match.lastgroup for match in _SIGNS.finditer(word)]
    if "digit" not in kinds or len(set(kinds)) < 2:
        return False
    # Names of models have capitals and digits too, between hyphens.
    if re.fullmatch(r"[0-9a-fA-F]+", word) or (len(set(kinds)) == 3 and not {*word} & {*"-_"}):
        return True
    return sum(one != other for one, other in pairwise(kinds)) >= CHANGES * len(kinds)
