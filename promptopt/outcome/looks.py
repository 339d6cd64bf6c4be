"""A look at a sealed split, and what it costs: the level of its verdict.

A look is what it shows: the scores of a start and a winner on the same examples. One that shows what an earlier one
showed (the same command once more, read from the store) is that look. Every other counts, whatever its task, model,
method, seed or size, where it shares an example with an earlier one. Examples are told by their inputs alone, in the
form in which duplicates across splits are found. So other targets, other columns' names and other splits do not make
the same data new. Nor does a copy in other letters, marks or Unicode forms, nor an input more or less: two examples are
the same where the inputs of one are among those of the other. Nor do inputs that are joined or cut, marks around or
within them, labels before them, or other numbers in columns beside them (`outcome.looks_worded`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from promptopt.outcome.looks_worded import worded_keys
from promptopt.stats import ALPHA, level
from promptopt.store.looks import Looks, Opening
from promptopt.tasks.duplicates import alike_input, same_input
from promptopt.text import counted
from promptopt.types import Example, Prompt, Score, digest

REACH = 2
"""Inputs that one of two equal examples may have more than the other; also what is left of many inputs. Ours."""
MANY_INPUTS = 8
"""Above so many, one input more or less is looked for: the parts of an example would be hundreds."""


@dataclass(frozen=True, slots=True)
class Look:
    """Which look at its examples this is, from 1, among those that share an example with it.

    alpha: the two-sided level of its verdict (`stats.level`). shared: the most examples that an earlier look shares.
    """

    number: int
    alpha: float
    shared: int


@dataclass(frozen=True, slots=True)
class Shown:
    """What an earlier execution of a run has shown of its test: a winner (its id) on so many examples, as which look.

    A run that is finished, executed again, shows just that, and opens nothing.
    """

    best: str
    examples: int
    look: Look

    @classmethod
    def of(cls, result: Mapping[str, Any] | None) -> Shown | None:
        """From a stored result; None where the test was not opened, or where it cannot be read."""
        try:
            if result is None or result["look"] is None:
                return None
            best, look = result["best"], result["look"]
            found = Look(int(look["number"]), float(look["alpha"]), int(look["shared"]))
            return cls(best["prompt_id"], int(best["test"]["n"]), found)
        except (KeyError, TypeError, ValueError):
            return None


def example_keys(examples: Sequence[Example]) -> list[str]:
    """What tells examples apart: the texts of their inputs, but for white space and order."""
    return [digest(sorted(same_input(example))) for example in examples]


def ledger_keys(examples: Sequence[Example]) -> tuple[list[str], dict[str, int]]:
    """What the ledger enters examples by, and what it knows them by again, with the number of the example.

    Both are of the texts of their inputs as a reader takes them, but for order. Entered are all inputs of an example
    together, and each part of them as such. It is known again by all of its inputs, by any part of them that was all of
    an earlier one, and as a part of an earlier one. Two that only share a part, as questions on one text do, differ.
    Where there are words enough, they are entered and known by these too (`worded_keys`).
    """
    entered: list[str] = []
    known: dict[str, int] = {}
    for number, (example, worded) in enumerate(zip(examples, worded_keys(examples), strict=True)):
        texts = sorted(alike_input(example))
        whole = digest(texts)
        parts = list(_parts(texts))
        entered += [whole, *(digest({"within": part}) for part in parts), *worded]
        # Earlier versions entered all inputs alone; those up to 0.1 by their exact words.
        exact = sorted(same_input(example))
        older = (digest(exact), *map(digest, _parts(exact)))
        for key in (whole, digest({"within": texts}), *map(digest, parts), *older, *worded):
            known.setdefault(key, number)
    return entered, known


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    """What is left of the inputs without a few of them, and a few alone; never what holds no text."""
    reach = REACH if len(texts) <= MANY_INPUTS else 1
    for size in range(1, len(texts)):
        if size <= reach or size >= len(texts) - reach:
            yield from (list(part) for part in combinations(texts, size) if any(part))


def looked_at(look: int, alpha: float) -> str:
    """What a further look at the same test examples costs."""
    return (
        f"these test examples were looked at {counted(look - 1, 'time')} before; a look that shows something new "
        f"is look {look}, and needs p below {alpha:.2g}"
    )


def level_of(looks: Sequence[Look | None], verdicts: int) -> float:
    """The two-sided level of each of `verdicts` verdicts that are given at once of what was shown.

    looks: the look of each side, None for what was not sealed. Verdicts of one look share its level in equal parts, and
    so do those of no look 0.05 (Bonferroni). A look pays as well where the other side is an earlier one; that may be
    any of those before it, so there are no fewer verdicts than these.
    """
    numbers = [look.number for look in looks if look is not None]
    if not numbers:
        return ALPHA / verdicts
    last = max(numbers)
    return level(last) / (verdicts if min(numbers) == last else max(verdicts, last - 1))


def look_said(looks: Sequence[Look], ahead: Look) -> str:
    """Which looks one command has made (at least one), and what the next one needs."""
    *others, last = map(str, sorted({look.number for look in looks}))
    which = f"Looks {', '.join(others)} and {last}" if others else f"Look {last}"
    return (
        f"{which} at these test examples: what is chosen by {'them' if others else 'it'} needs new ones for a verdict, "
        f"and the next look at these needs p below {ahead.alpha:.2g}."
    )


def units_of(examples: Sequence[Example]) -> int:
    """How many of them were drawn independently: groups, and examples without one."""
    return len({example.group for example in examples if example.group}) + sum(not each.group for each in examples)


def look_at(
    looks: Looks,
    by: Sequence[str],
    examples: Sequence[Example],
    scores: Sequence[tuple[Prompt, Sequence[Score | None]]],
) -> Look:
    """Enter what was shown into the ledger: the scores of each prompt on `examples`, None where it has none.

    `by`: the models and the evaluator. Raises StoreError.
    """
    # What was shown is told as it always was: a run of an earlier version, shown again, is the look that it was.
    exact = example_keys(examples)
    return _look_of(looks.enter(_look_digest(by, exact, scores), *ledger_keys(examples)))


def look_in_parts(
    looks: Looks,
    by: tuple[Sequence[str], Sequence[str]],
    examples: Sequence[Example],
    scores: Sequence[tuple[Prompt, Sequence[Score | None]]],
    *,
    lacking: bool,
) -> Look:
    """As `look_at`, where some of a comparison may be `lacking` now and come later: that is the look it began with.

    by: the models and the evaluator, and the names of all that is asked. All of it shares the level of the first time,
    so what was lacking then has its share still. Where nothing ever was, it is `look_at`'s look. Raises StoreError.
    """
    exact = example_keys(examples)
    begun = _look_digest(("in parts", *by[1]), exact, scores[:1])
    if not lacking and not looks.entered(begun):
        return look_at(looks, by[0], examples, scores)
    return _look_of(looks.enter(begun, *ledger_keys(examples)))


def _look_digest(
    by: Sequence[str], exact: Sequence[str], scores: Sequence[tuple[Prompt, Sequence[Score | None]]]
) -> str:
    """What tells one look from others. In the order of keys: the same scores of other orders are the same look."""
    items = zip(exact, *(row for _, row in scores), strict=True)
    # `repr` is the shortest text that gives the number back, so equal digests are equal scores.
    values = sorted([key, *(repr(score and score.value) for score in row)] for key, *row in items)
    return digest([list(by), [prompt.id for prompt, _ in scores], values])


def look_ahead(looks: Looks, examples: Sequence[Example]) -> Look:
    """The look that the next new opening of `examples` would be. Raises StoreError."""
    return _look_of(looks.ahead(ledger_keys(examples)[1]))


def _look_of(opening: Opening) -> Look:
    number = opening.earlier + 1
    return Look(number, level(number), opening.shared)
