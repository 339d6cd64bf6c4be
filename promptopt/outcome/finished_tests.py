"""Which tests of two prompts are over, and by which rule: to add examples until it is green would be many looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from promptopt.errors import ConfigError
from promptopt.outcome.looks import example_keys
from promptopt.store.looks import Looks
from promptopt.text import counted
from promptopt.types import Example, digest

Rule = Literal["fixed", "sequential"]
"""`fixed`: all examples are scored, and then it is decided. `sequential`: it is decided as soon as it can be."""


def check_unfinished(looks: Looks, pair: str, rule: Rule, examples: Sequence[Example]) -> None:
    """Raise ConfigError where a test of `pair` is over that this one would go on with, though it was not to be.

    `pair`: what is compared, and by what. A sequential test goes on with further examples. One of a fixed size may be
    looked at again, with the same ones or fewer. StoreError where the store cannot be read.
    """
    for earlier in ("fixed", "sequential"):
        shared = looks.ahead(_pair_marks(pair, earlier, examples)).shared
        if not shared:
            continue
        of = f"{shared} of these examples" if shared < len(examples) else "these examples"
        if earlier == "sequential" and rule == "fixed":
            raise ConfigError(
                f"these prompts were compared on {of} by a sequential test, whose looks are paid for by its own "
                f"intervals; go on with --sequential, or give new examples"
            )
        if earlier == "fixed" and (rule == "sequential" or shared < len(examples)):
            raise ConfigError(
                f"these prompts were compared on {counted(shared, 'example')} of these by a test of that size, which "
                f"is over: more of them until it is decided would be many looks at the price of one; give new "
                f"examples, and --sequential from the first, which may go on"
            )


def enter_finished(looks: Looks, pair: str, rule: Rule, examples: Sequence[Example]) -> None:
    """Enter a test that is over. It counts as no look at its examples, which is entered apart. Raises StoreError."""
    marks = _pair_marks(pair, rule, examples)
    looks.enter(digest(["finished", *sorted(marks)]), marks)


def _pair_marks(pair: str, rule: Rule, examples: Sequence[Example]) -> list[str]:
    # No key of an example: what is marked here is shared by tests of one pair alone.
    return [digest(["finished", pair, rule, key]) for key in example_keys(examples)]
