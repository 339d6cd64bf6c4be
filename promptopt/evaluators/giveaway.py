"""Does what a judge is told name the answers of examples? Then it grades by heart, and so will a prompt."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction

from promptopt.evaluators.leak import COMMON, spoken_words
from promptopt.evaluators.numerals import numbers_named, value
from promptopt.text import shorten
from promptopt.types import Example

SEVERAL = 3
"""Answers from which on naming one alone is no naming of all classes. Ours."""
_COMMON_WORDS = frozenset({"yes", "no", "true", "false", "none", "good", "bad", "correct", "wrong", "right"})
"""Answers that criteria name for other reasons."""


def given_away(questions: Sequence[str], examples: Sequence[Example], labels: Collection[str] = ()) -> str:
    """A sentence on the longest answer that the criteria name, and how many; empty where they name none."""
    named = named_answers(questions, examples, labels)
    if not named:
        return ""
    answer, found = max(named.items(), key=lambda item: len(item[0]))
    others = f", and the answers of others ({len(named)} answers in all)" if len(named) > 1 else ""
    whose = f"example {found[0].id}{others}"
    if len(found) > 1:
        whose = f"{len(found)} of {len(examples)} examples{others}"
    return (
        f"what the judge is asked to go by names {shorten(answer, 60)!r}, the answer of {whose}; "
        f"unless that is chance, write criteria that hold for any example: a target can be shown as the reference"
    )


def named_answers(
    questions: Sequence[str], examples: Sequence[Example], labels: Collection[str] = ()
) -> dict[str, list[Example]]:
    """The answers that stand in `questions`, as examples write them, each with the examples that it is right for.

    Case and punctuation do not count, nor how a number is written: 4.90 is 4.9. Labels, one letter, one digit, and
    what more than a tenth of the examples share are named for other reasons: but for one of several answers that are
    as common, where it alone is named.
    """
    said = f" {' '.join(word for text in questions for word in spoken_words(text))} "
    numbers = frozenset[Fraction]().union(*map(numbers_named, questions))
    ignored = {_heard(label) for label in labels} | _COMMON_WORDS
    holders: dict[str, list[Example]] = {}
    written: dict[str, str] = {}
    for example in examples:
        for answer in dict.fromkeys((example.target, *example.accepted)):
            heard = _heard(answer)
            if (
                len(heard) > 1
                and heard not in ignored
                and (heard in holders or f" {heard} " in said or _number_said(answer) in numbers)
            ):
                holders.setdefault(heard, []).append(example)
                written.setdefault(heard, " ".join(answer.split()))
    rare = {answer: found for answer, found in holders.items() if len(found) == 1
            or len(found) <= COMMON * len(examples)}  # fmt: skip
    kinds = {_heard(example.target) for example in examples}
    alone = len(holders) == 1 and not rare and len(kinds) >= SEVERAL
    # Who names what is right for most speaks of the rule, and not of a row.
    told = holders if alone and all(2 * len(found) < len(examples) for found in holders.values()) else rare
    return {written[answer]: found for answer, found in told.items()}


def _heard(answer: str) -> str:
    """What two answers are one by: their number, or their words."""
    number = _number_said(answer)
    return " ".join(spoken_words(answer)) if number is None else str(number)


def _number_said(answer: str) -> Fraction | None:
    """The number that an answer is, where it is nothing else."""
    if not all(word.isdigit() for word in spoken_words(answer)):
        return None
    return value(answer) or value(answer, comma=True)
