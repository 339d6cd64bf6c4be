"""How users mark the place of an input in a prompt: `{x}`, `{{ x }}`, `${x}`, `<x>`; inside, all of them are `{x}`.

Spellings are read from what is there, not chosen: braces as deep as they are on both sides; a dollar sign where every
mark in braces has one (else "costs ${price}" would lose its sign); angle brackets where the name stands in no braces
and no closing tag says that it is markup.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.errors import ConfigError
from promptopt.types import HISTORY

_BLANK = r"[^\S\n]*"
# LaTeX writes a macro's argument in braces: \textbf{question} is no slot, and may well be meant as one.
_MACRO = re.compile(r"\\[A-Za-z]+$")
# Tags (`{% … %}`), marks (`{{ x | upper }}`) and `{x}`; not the braces of `\frac{a}{b}`, `f{x}` or JSON.
# Bounded, or a text of nothing but opened braces would take time in the square of its length.
_LIKE_A_SLOT = re.compile(
    r"\{%[^%\n]{0,80}%\}|(?<![\\\w$])\$?\{\{[#/^>!&]?[^\S\n]*[A-Za-z_][\w.]*(?:[^\S\n]*[|\w][^{}\n]{0,60})?[^\S\n]*\}\}"
    r"|(?<![\\\w${}])\$?\{(?:[A-Za-z_]\w*|\d?)\}(?!\})|(?<![\w%])%s\b"
)
_ESCAPED_JSON = re.compile(r"(?<!\{)\{\{\s{0,40}[\"'](?=[^{}]{0,400}\}\})[^{}\"']{0,20}[\"']?")
MARKS_NAMED = 3
"""Marks that a sentence names."""


@dataclass(frozen=True, slots=True)
class Respelt:
    """Texts with every slot as `{name}`. `marks`: for each name that is spelt otherwise, how it was written first."""

    texts: tuple[str, ...]
    marks: tuple[tuple[str, str], ...] = ()


def respelt(texts: Sequence[str], names: Sequence[str], *, tags: bool = True) -> Respelt:
    """Texts that belong together with the slots `names` in one spelling, and what the user's own was.

    `tags`: whether a name in angle brackets may be a slot, too. Raises ConfigError where one input is marked in two
    ways.
    """
    if not names:
        return Respelt(tuple(texts))
    # The longest first: a name may be the beginning of another.
    listed = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    braces = re.compile(rf"(\$?)(\{{+)({_BLANK})({listed})({_BLANK})(\}}+)")
    found = [match for text in texts for match in braces.finditer(text)]
    # In `${{x}` the sign belongs to the brace that is left over, which is text. The place of a conversation is no
    # variable of the user's: exports write `{history}` beside `${name}`.
    signed = [match for match in found if match[4] != HISTORY]
    dollar = bool(signed) and all(match[1] and len(match[2]) <= len(match[6]) for match in signed)
    seen: dict[str, str] = {}

    def in_braces(match: re.Match[str]) -> str:
        macro = _MACRO.search(match.string[max(0, match.start() - 24) : match.start()])
        if macro is not None:
            raise ConfigError(
                f"the prompt has {macro[0]}{match[0]}, and {match[4]!r} is an input of the data, so its place would be "
                f"there; write {{{match[4]}}} apart, or give the column another name"
            )
        # Braces beyond those that pair up are text: `{{{x}}` is `{` and a mark.
        depth = min(len(match[2]), len(match[6]))
        sign = match[1] if dollar else ""
        mark = f"{sign}{'{' * depth}{match[3]}{match[4]}{match[5]}{'}' * depth}"
        _agree(seen, match[4], mark)
        left = match[1][len(sign) :] + "{" * (len(match[2]) - depth)
        return f"{left}{{{match[4]}}}{'}' * (len(match[6]) - depth)}"

    changed = [braces.sub(in_braces, text) for text in texts]
    # Names in braces first: a prompt that has {text} may speak of a <text> tag besides.
    bare = [name for name in names if tags and name not in seen and not _is_markup(name, texts)]
    if bare:
        angles = re.compile(rf"(<+)({_BLANK})({'|'.join(map(re.escape, bare))})({_BLANK})(>+)")

        def in_angles(match: re.Match[str]) -> str:
            depth = min(len(match[1]), len(match[5]))
            _agree(seen, match[3], f"{'<' * depth}{match[2]}{match[3]}{match[4]}{'>' * depth}")
            return f"{'<' * (len(match[1]) - depth)}{{{match[3]}}}{'>' * (len(match[5]) - depth)}"

        changed = [angles.sub(in_angles, text) for text in changed]
    return Respelt(tuple(changed), tuple((name, mark) for name, mark in seen.items() if mark != f"{{{name}}}"))


def as_spelt(text: str, marks: Sequence[tuple[str, str]]) -> str:
    """A text whose slots are `{name}`, with those of `marks` as a user spells them, who looks for their own."""
    spelt = dict(marks)
    if not spelt:
        return text
    return re.sub(r"\{(" + "|".join(map(re.escape, spelt)) + r")\}", lambda found: spelt[found[1]], text)


def _agree(seen: dict[str, str], name: str, mark: str) -> None:
    first = seen.setdefault(name, mark)
    # Blanks inside of a mark tell nothing apart: `{{ x }}` is `{{x}}`.
    if "".join(first.split()) != "".join(mark.split()):
        raise ConfigError(
            f"the prompt marks the input {name!r} as {first} and as {mark}; write it one way (other braces reach the "
            f"model as they stand)"
        )


def _is_markup(name: str, texts: Sequence[str]) -> bool:
    closing = re.compile(rf"</{_BLANK}{re.escape(name)}{_BLANK}>|<{_BLANK}{re.escape(name)}{_BLANK}/>", re.IGNORECASE)
    return any(closing.search(text) for text in texts)


def other_mark(text: str, name: str) -> str | None:
    """What of `text` a template engine or a format would fill with the input `name`, and no spelling above reads."""
    inner = re.escape(name)
    # In this order: marks of Jinja and Handlebars with more in them, statements, `str.format` with a field, Python's %,
    # Windows' %, the shell's $, wikis' brackets, ERB's, braces of full width, Go's.
    forms = (
        rf"\{{\{{[^{{}}\n]*\b{inner}\b[^{{}}\n]*\}}\}}",
        rf"\{{%[^%\n]*\b{inner}\b[^%\n]*%\}}",
        rf"\{{{inner}[:!.\[][^{{}}\n]*\}}",
        rf"%\({inner}\)[sdr]",
        rf"%{inner}%",
        rf"(?<![\w$])\$\(?{inner}\b\)?",
        rf"\[+{_BLANK}{inner}{_BLANK}\]+(?!\()",
        rf"<%[=-]?{_BLANK}[@.]?{inner}{_BLANK}-?%>",
        rf"｛+{_BLANK}{inner}{_BLANK}｝+",
        # Go writes the names of fields large.
        rf"(?i:\{{\{{-?{_BLANK}\.{inner}{_BLANK}-?\}}\}})",
    )
    for form in forms:
        match = re.search(form, text)
        if match is not None:
            return match[0]
    return None


def marks_left(texts: Sequence[str], filled: Sequence[str]) -> list[str]:
    """What a template engine or a format would fill, and nothing here does. `filled`: all names that are filled."""
    found = (match[0] for text in texts for match in _LIKE_A_SLOT.finditer(text))
    return list(dict.fromkeys(mark for mark in found if mark.strip("${} ") not in filled))


def unfilled(texts: Sequence[str], inputs: Sequence[str], filled: Sequence[str]) -> str:
    """A sentence on what a template engine or a format would fill, and nothing here does; empty where there is none.

    `inputs`: those that a text may mark; none where the task lays them out itself. `filled`: all names that are filled.
    """
    left = marks_left(texts, filled)
    if not left:
        return ""
    more = f" and {len(left) - MARKS_NAMED} more" if len(left) > MARKS_NAMED else ""
    named = f"the inputs are {' and '.join(f'{{{name}}}' for name in inputs)}"
    return (
        f"the prompt has {', '.join(left[:MARKS_NAMED])}{more}, which nothing fills here: the model reads it as it "
        f"stands; {named if inputs else 'the task lays out its inputs itself'}"
    )


def doubled(texts: Sequence[str]) -> str:
    """A sentence on JSON in doubled braces beside inputs in single ones, as `str.format` has it; empty for none."""
    found = next((match[0] for text in texts for match in _ESCAPED_JSON.finditer(text)), None)
    if found is None:
        return ""
    return (
        f"the prompt has {found.strip()}… with doubled braces, which reach the model as they stand; where your program "
        f"makes one of two, write one"
    )
