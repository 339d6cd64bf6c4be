"""What the frames of the task `word-problems` are written with: people, amounts, steps, and the story itself."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal


@dataclass(frozen=True, slots=True)
class Earlier:
    """As an operand: the result of step `index`, counted from 0."""

    index: int


Operand = int | Fraction | Earlier
Step = tuple[Operand, Literal["+", "-", "*", "/"], Operand]


@dataclass(frozen=True, slots=True)
class Story:
    """A question and its exact, positive answer.

    `steps` lead from numbers in the question, and from constants such as the minutes of an hour, to the answer; the
    last step gives it. A percentage is written as its hundredth part.
    """

    question: str
    steps: tuple[Step, ...]
    answer: Fraction


Frame = Callable[[random.Random], Story]
"""Draws its numbers from the generator and tells one story."""


@dataclass(frozen=True, slots=True)
class Person:
    """A made-up person with the pronouns that go with the name."""

    name: str
    they: str
    their: str


_WOMEN = "Aisha Beatrice Carmen Dilek Esther Fiona Greta Hana Ingrid Joanna Keiko Lucia Mina Nadia Priya Ruth"
_MEN = "Adam Bruno Chidi Dmitri Emil Farid George Hugo Ivan Jamal Kenji Luis Mateo Niall Omar Pavel Ravi"
_PEOPLE = (
    *(Person(name, "she", "her") for name in _WOMEN.split()),
    *(Person(name, "he", "his") for name in _MEN.split()),
)


def people(rng: random.Random, count: int = 1) -> list[Person]:
    """`count` different people."""
    return rng.sample(_PEOPLE, count)


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def many(count: int, singular: str, plural: str = "") -> str:
    """The count with its noun: "1 box", "1,200 boxes"; the plural is the singular with an s where none is given."""
    if count == 1:
        return f"1 {singular}"
    return f"{count:,} {singular + 's' if plural == '' else plural}"


def dollars(amount: Fraction | int) -> str:
    """An amount of money: "$12" or "$12.40"."""
    cents = int(amount * 100)
    return f"${cents // 100:,}" if cents % 100 == 0 else f"${cents // 100:,}.{cents % 100:02d}"


def story_text(
    rng: random.Random,
    facts: Sequence[str],
    asides: Sequence[str],
    question: str,
    steps: Sequence[Step],
    answer: Fraction | int,
) -> Story:
    """The story out of its sentences.

    Three in five stories get one of the `asides`, whose numbers do not matter: after the first fact or the last.
    """
    sentences = list(facts)
    if rng.random() < 0.6:
        sentences.insert(rng.choice((1, len(facts))), rng.choice(asides))
    return Story(" ".join((*sentences, question)), tuple(steps), Fraction(answer))
