"""The task `word-problems`: arithmetic stories of two to five steps with exact answers, made from a seed.

Each story is written by one of the frames in `stories_money` and `stories_amounts`, which also lists the steps that
lead to the answer, so that the answer can be checked against the facts in the text.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction

from promptopt.errors import ConfigError
from promptopt.tasks.library import stories_amounts, stories_money
from promptopt.tasks.library.story import Story
from promptopt.types import Example

_FRAMES = (*stories_money.FRAMES, *stories_amounts.FRAMES)

# Far above what the frames can repeat by chance; reached only where every story they can tell has been told.
_MOST_REPEATS = 10_000


def generate(count: int, seed: int) -> list[Example]:
    """`count` different stories as examples with the field `question`; the target is the answer in digits.

    The first n of a longer list are the list of n. Answers are positive: whole numbers without separators, or sums of
    money with two decimals. Raises ConfigError for a negative count, or where the frames cannot make so many stories.
    """
    return [Example.of(written(story.answer), question=story.question) for story in tell(count, seed)]


def tell(count: int, seed: int) -> list[Story]:
    """The stories behind `generate`, with their steps. Raises as `generate` does."""
    if count < 0:
        raise ConfigError(f"the number of word problems must be at least 0, found {count!r}; ask for 1 or more")
    endless = _endless(random.Random(f"{seed}/word-problems"))
    told: dict[str, Story] = {}
    repeats = 0
    while len(told) < count:
        story = next(endless)
        if story.question not in told:
            told[story.question] = story
        elif (repeats := repeats + 1) > _MOST_REPEATS:
            raise ConfigError(f"only {len(told)} of {count} different word problems could be made; ask for fewer")
    return list(told.values())


def written(answer: Fraction) -> str:
    """The answer as it is compared: "1250" for a whole number, otherwise two decimals ("12.40")."""
    if answer.denominator == 1:
        return str(answer.numerator)
    whole, cents = divmod(int(answer * 100), 100)
    return f"{whole}.{cents:02d}"


def _endless(rng: random.Random) -> Iterator[Story]:
    """Rounds in which each frame tells one story, in shuffled order, so that any slice mixes the frames evenly."""
    while True:
        for frame in rng.sample(_FRAMES, len(_FRAMES)):
            yield frame(rng)
