"""The scan of a prompt before it is used: what it took from data, and whom it speaks to besides the model.

Findings are what a prompt holds and the one it comes from does not: what a user wrote is the user's business.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from promptopt.evaluators.leak import find_leaks
from promptopt.tasks.masking import is_personal, personal_in
from promptopt.text import shorten
from promptopt.types import Example

_INJECTIONS: Mapping[str, re.Pattern[str]] = {
    "tells the model to pass over its instructions": re.compile(
        r"\b(?:ignore|disregard|forget|override|bypass|skip)\b[^.!?\n]{0,40}\b(?:previous|prior|above|earlier|preceding"
        r"|all|any|other|former|your|system)\b[^.!?\n]{0,30}\b(?:instruction|direction|rule|prompt|guideline|message|context"
        r"|polic|order)\w*"
        r"|\b(?:forget|ignore|disregard)\s+(?:everything|all that|what)\b", re.IGNORECASE),
    "holds marks of roles or tools": re.compile(
        r"<\|[\w ]{2,30}\|>|\[/?INST\]|<</?SYS>>|</?(?:system|assistant|tool_call|tool_response|function_calls?)>"
        r"|^\s*(?:###\s*)?(?:system|assistant|human|user)\s*:\s*\S", re.IGNORECASE | re.MULTILINE),
    "speaks to whoever scores the reply": re.compile(
        r"\b(?:judge|judges|grader|graders|evaluator|evaluators|rubric|scorer|graded|marking scheme)\b"
        r"|\b(?:give|award|assign|deserve|deserves|rate|score|rated|scored|grade)\b[^.!?\n]{0,40}\b(?:highest|top|full"
        r"|perfect|maximum|max|best)\b[^.!?\n]{0,20}\b(?:score|mark|marks|rating|grade|points|stars)\b"
        r"|\b(?:highest|top|full|perfect|maximum)\s+(?:score|mark|marks|rating|grade)\b"
        r"|\b(?:10|5|100)\s?(?:/|out of)\s?(?:10|5|100)\b", re.IGNORECASE),
}  # fmt: skip


def findings(text: str, before: str, examples: Sequence[Example], labels: Collection[str] = ()) -> tuple[str, ...]:
    """A sentence for each thing that `text` holds and `before` does not; empty where all is well.

    `examples`: those that the search could see. Eight words in a row of an input or a target; personal data and keys;
    names of customers; words that turn the model, or speak to a judge.
    """
    known = set(find_leaks(before, examples, labels))
    found = [leak for leak in find_leaks(text, examples, labels) if leak not in known]
    mine = set(personal_in(before))
    kinds = dict.fromkeys(kind for kind, value in personal_in(text) if (kind, value) not in mine)
    found += [f"holds what looks like personal data or a secret ({kind})" for kind in kinds]
    found += _names(text, before, examples)
    for what, pattern in _INJECTIONS.items():
        # Compared without regard to case and line breaks, which rewriting changes first.
        old = {" ".join(match[0].casefold().split()) for match in pattern.finditer(before)}
        new = [match[0] for match in pattern.finditer(text) if " ".join(match[0].casefold().split()) not in old]
        if new:
            found.append(f'{what}: "{shorten(" ".join(new[0].split()), 80)}"')
    return tuple(found)


def _names(text: str, before: str, examples: Sequence[Example]) -> list[str]:
    """Values of variables that are personal by their name: whoever the prompt talks to next is another customer."""
    seen: dict[str, str] = {}
    for example in examples:
        for name, value in example.fields:
            if is_personal(name) and len(value.strip()) > 2:
                seen.setdefault(value.strip(), name)
    said: list[str] = []
    for value, name in seen.items():
        # Not by \b, which fails before a value that begins with a mark, such as a telephone number's plus.
        whole = re.compile(rf"(?<!\w){re.escape(value)}(?!\w)", re.IGNORECASE)
        if whole.search(text) and not whole.search(before):
            said.append(f"holds the {name} of a customer")
    return list(dict.fromkeys(said))
