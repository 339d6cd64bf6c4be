"""A system prompt as a template: what it looks like once something stands for its variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from promptopt.text import counted, normalise

TEMPLATE_VARIABLE = re.compile(r"(\$?)\{+[^\S\n]*([^\W\d]\w*)[^\S\n]*\}+")
"""A variable in any spelling that stands in braces."""
_OTHER = re.compile(
    r"\{+[^{}\n]{1,80}\}+|%\(\w+\)s|%\w+%|(?<!\w)\$\(?[^\W\d]\w*\)?|\[+[^\S\n]*[^\W\d]\w*[^\S\n]*\]+|<+[^\W\d]\w*>+"
)
"""What may be a variable as well: with a filter, behind a dollar sign or a per cent sign, in other brackets."""

_VARIABLE_NAME = re.compile(r"[^\W\d]\w*")
_NO_VARIABLE = re.compile(r"\{+\s*[\"'%#]")
"""How JSON, statements and comments of a template begin."""


def template_of(prompt: str, mark: re.Pattern[str] = TEMPLATE_VARIABLE) -> re.Pattern[str]:
    """What the prompt becomes, however its lines are broken: one group for each mark, in order."""
    plain = normalise(prompt)
    places = [found.span() for found in mark.finditer(plain)]
    begins, ends = [0, *(end for _, end in places)], [*(begin for begin, _ in places), len(plain)]
    first, *rest = [_by_any_space(plain[one:other], behind=one > 0) for one, other in zip(begins, ends, strict=True)]
    if not rest:
        return re.compile(rf"\s*{first}\s*")
    # What stands between two marks is found where it first comes, for good: to try all places takes a time that grows
    # with the power of the marks, and finds nothing more.
    *inner, last = rest
    return re.compile(rf"\s*{first}{''.join(f'(?>(.*?){each})' for each in inner)}(.*?){last}\s*", re.DOTALL)


def read_off(template: re.Pattern[str], marks: Iterable[str], text: str) -> dict[str, str] | None:
    """What stands in a text for the variables named `marks`, one a group; None where it is not of this template.

    Nor is a text in which something else stands at each place of one variable.
    """
    match = template.fullmatch(text)
    if match is None:
        return None
    read: dict[str, str] = {}
    for name, value in zip(marks, match.groups(), strict=True):
        if read.setdefault(name, value) != value:
            return None
    return read


def with_values(prompt: str, values: Mapping[str, str]) -> str:
    """The prompt with these values for its variables."""
    return TEMPLATE_VARIABLE.sub(lambda mark: values[mark[2]], prompt)


def marks_in(prompt: str) -> list[str]:
    """The name of each variable of a prompt, as often as it stands there."""
    return [mark[2] for mark in TEMPLATE_VARIABLE.finditer(normalise(prompt))]


def of_other_prompts(prompt: str, logged: Mapping[str, Sequence[int]]) -> dict[str, Sequence[int]]:
    """The logged prompts that are not this one. A log may hold it as it was sent, its variables filled in."""
    template, marks = template_of(prompt), marks_in(prompt)
    return {
        text: rows
        for text, rows in logged.items()
        if text.strip() and read_off(template, marks, normalise(text)) is None
    }


def _by_any_space(text: str, *, behind: bool) -> str:
    """What finds a text by any white space between its words; `behind`: a mark, for which nothing may stand."""
    first = r"(?:\s+|(?<=\s))" if behind and text[:1].isspace() else ""
    return first + re.escape(text[1:] if first else text).replace("\\ ", r"\s+")


def named_otherwise(prompt: str, names: Iterable[str]) -> str:
    """A sentence where the prompt marks one of these names in a way that is not read as a variable; else nothing."""
    known = set(names)
    marks = (found[0] for found in _OTHER.finditer(normalise(prompt)))
    found = dict.fromkeys(
        mark
        for mark in marks
        if not (TEMPLATE_VARIABLE.fullmatch(mark) or _NO_VARIABLE.match(mark) or f"</{mark[1:]}" in prompt)
        and known.intersection(_VARIABLE_NAME.findall(mark))
    )
    if not found:
        return ""
    return (
        f"the prompt has {', '.join(found)}, and the log says what such names stand for: the model sees the mark as it "
        f"is written; write such a variable as {{{{name}}}} to have it filled"
    )


def marked_otherwise(prompt: str, logged: Iterable[tuple[str, int]]) -> str:
    """A sentence where logs hold the prompt with something for marks that are not read as variables; else nothing.

    logged: system prompts that are not the template that `TEMPLATE_VARIABLE` makes of it, and how many
    conversations have each.
    """
    template, marks = template_of(prompt, _OTHER), [found[0] for found in _OTHER.finditer(normalise(prompt))]
    found = [(template.fullmatch(normalise(text)), many) for text, many in logged]
    count = sum(many for match, many in found if match is not None)
    held = [match.groups() for match, _ in found if match is not None]
    # What stands there as it is written, such as a word in brackets, is text.
    filled = dict.fromkeys(
        mark
        for place, mark in enumerate(marks)
        if not TEMPLATE_VARIABLE.fullmatch(mark) and any(values[place] != mark for values in held)
    )
    if not filled:
        return ""
    return (
        f"{counted(count, 'conversation holds', 'conversations hold')} the prompt with something in the place of "
        f"{', '.join(filled)}, which the model sees as it is written; write such a variable as {{{{name}}}} to have it "
        f"filled"
    )
