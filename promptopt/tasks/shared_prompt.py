"""The system prompt behind logs that hold it as it was sent: what is the same in all is the prompt, the rest variables.

A program fills a date, a name or a page into its prompt, and the log has what came of it. What the log says by name
stands for a variable of that name. What else differs does so only in many versions: a few are prompts of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptopt.tasks.chat_template import TEMPLATE_VARIABLE, marks_in, template_of
from promptopt.tasks.prompt_versions import LINE_WORD, NAMELESS, TAKEN_NAMES, aligned_versions
from promptopt.text import normalise, shorten

LEAST_VERSIONS = 5
"""Different prompts below which they are prompts of their own, and no one prompt filled anew. Ours."""
MOST_ALIGNED = 200
"""Different prompts that are held against each other at most; the others have to be of the form that is found. Ours."""
MOST_VARIABLES = 8
"""Places in which logs of one prompt differ, at most, but for those that the log names. Ours."""
WORDS_A_VARIABLE = 8
"""Words in common that each place beyond those takes: a long prompt has more of them. Ours."""
LEAST_WORDS = 20
"""Words in common by which prompts are one, however long what differs is; of shorter ones half, and four. Ours."""
MOST_SETS = 20
"""Prompts that have little in common, beyond which none is looked for among them. Ours."""
MOST_OTHERS = 0.1
"""The share of conversations under other prompts that may stand beside those of one. Ours."""
_VARIABLE_MARK = re.compile(r"\{\{\w+\}\}")


@dataclass(frozen=True, slots=True)
class FoundPrompt:
    """The prompt with its variables, and some of what stood for each."""

    text: str
    values: Mapping[str, tuple[str, ...]]

    def sentence(self) -> str:
        """What was taken for a variable, and what to do where it is none."""
        shown = [f"{{{{{name}}}}} ({', '.join(repr(shorten(normalise(each), 40)) for each in values[:2])}, …)"
                 for name, values in self.values.items()]  # fmt: skip
        return (
            f"the logs hold one system prompt, each time with something else for {' and '.join(shown)}: those are its "
            f"variables; where they are not, give the prompt with --system FILE"
        )


def found_prompt(texts: Sequence[str], said: Sequence[Mapping[str, str]]) -> FoundPrompt | None:
    """The prompt that these system messages are versions of; None where they are prompts of their own.

    `said`: what the row of each says by name. A few of them may be of other prompts: they are no versions of it.
    """
    found = _prompt_of(texts, said)
    if found is None:
        alike = _most_alike(texts)
        if len(texts) > len(alike) >= len(texts) * (1 - MOST_OTHERS):
            found = _prompt_of([texts[place] for place in alike], [said[place] for place in alike])
    return found


def _prompt_of(texts: Sequence[str], said: Sequence[Mapping[str, str]]) -> FoundPrompt | None:
    # What stands in braces as the log has it is a text of the prompt, and no name of a variable that is found.
    written = {name for text in texts for name in marks_in(text)}
    named = [name for name in _named_by_rows(texts, said) if name not in written]
    marked = [_with_marks(text, {name: row[name] for name in named}) for text, row in zip(texts, said, strict=True)]
    versions = list(dict.fromkeys(marked))
    if len(versions) == 1:
        found = versions[0]
    elif len(versions) < LEAST_VERSIONS:
        return None
    else:
        found = aligned_versions(versions[:MOST_ALIGNED], [*sorted(written), *named])
    # Where the log names all that differs, a few words are enough; the whole prompt under a name is none.
    same = len(_words_of(found)) > 1 if len(versions) == 1 else _mostly_the_same(found, texts)
    if not same:
        return None
    template = template_of(found)
    matches = [template.fullmatch(text) for text in texts]
    held = [match.groups() for match in matches if match is not None]
    if len(held) < len(texts) * (1 - MOST_OTHERS):
        return None
    most = max(MOST_VARIABLES, len(_words_of(found)) // WORDS_A_VARIABLE)
    found, values = _one_name_a_value(found, held, written)
    return FoundPrompt(found, values) if values and len(values.keys() - set(named)) <= most else None


def _one_name_a_value(
    found: str, held: Sequence[tuple[str, ...]], written: set[str]
) -> tuple[str, dict[str, tuple[str, ...]]]:
    """The prompt with one name for places that hold the same in all logs, and some of what each name stands for."""
    marks = [mark[2] for mark in TEMPLATE_VARIABLE.finditer(found)]
    columns = list(zip(*held, strict=True))
    names: dict[tuple[str, ...], str] = {}
    for name, column in zip(marks, columns, strict=True):
        # The first that says anything: `variable` says nothing.
        better = column not in names or (names[column].startswith(NAMELESS) and not name.startswith(NAMELESS))
        if name not in written and better:
            names[column] = name
    renamed = iter([name if name in written else names[column] for name, column in zip(marks, columns, strict=True)])
    text = TEMPLATE_VARIABLE.sub(lambda mark: mark[0].replace(mark[2], next(renamed)), found)
    return text, {name: tuple(dict.fromkeys(column)) for column, name in names.items()}


def _most_alike(texts: Sequence[str]) -> list[int]:
    """The places of those texts that share most of their words with one another: the largest set of such."""
    sets: list[tuple[set[str], list[int]]] = []
    for place, text in enumerate(texts):
        words = set(LINE_WORD.findall(text))
        near = next((held for first, held in sets if 2 * len(first & words) > len(first | words)), None)
        if near is None:
            sets.append((words, [place]))
        else:
            near.append(place)
        if len(sets) > MOST_SETS:
            return []
    return max((held for _, held in sets), key=len)


def _named_by_rows(texts: Sequence[str], said: Sequence[Mapping[str, str]]) -> list[str]:
    """What rows say by name that differs, and that stands in the prompt of each."""
    shared = set(said[0]).intersection(*said[1:])
    return [
        name
        for name in said[0]
        if name in shared
        and name.isidentifier()
        and name not in TAKEN_NAMES
        and len({row[name] for row in said}) > 1
        and all(len(row[name]) > 1 and _whole_words_at(row[name], text) for text, row in zip(texts, said, strict=True))
    ]


def _whole_words_at(value: str, text: str) -> list[int]:
    """Where a text holds a value as whole words. A pattern for each value of each row takes longer than all else."""
    found: list[int] = []
    place = text.find(value)
    while place >= 0:
        end = place + len(value)
        if not _is_of_word(text[max(0, place - 1) : place]) and not _is_of_word(text[end : end + 1]):
            found.append(place)
        place = text.find(value, end if found[-1:] == [place] else place + 1)
    return found


def _is_of_word(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


def _with_marks(text: str, values: Mapping[str, str]) -> str:
    # The longest first: one value may be a part of another.
    for name in sorted(values, key=lambda each: -len(values[each])):
        for place in reversed(_whole_words_at(values[name], text)):
            text = f"{text[:place]}{{{{{name}}}}}{text[place + len(values[name]) :]}"
    return text


def _words_of(found: str) -> list[str]:
    return LINE_WORD.findall(_VARIABLE_MARK.sub(" ", found))


def _mostly_the_same(found: str, texts: Sequence[str]) -> bool:
    words = len(_words_of(found))
    sizes = sorted(len(LINE_WORD.findall(text)) for text in texts)
    return words >= LEAST_WORDS or (words >= 4 and words * 2 >= sizes[len(sizes) // 2])
