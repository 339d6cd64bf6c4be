"""The leak guard: a rewritten prompt must not quote the examples that the rewriter was shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from promptopt.evaluators.leak import find_leaks
from promptopt.types import Example

WORDS = 8
"""Words in a row that make a quote (pmpo.md, "Meta-prompts"); a shorter text is one as a whole, from two words on."""


class Quotes:
    """Finds what texts share with some examples: inputs, targets, solutions, preferred and rejected outputs.

    A phrase that several examples share is the task's own, and so are its labels.
    """

    def __init__(self, examples: Sequence[Example], labels: Collection[str]) -> None:
        """`labels`: answers that every prompt may name."""
        passages = [_passages(example) for example in examples]
        holders = Counter(text for texts in passages for text in dict.fromkeys(texts))
        self._common = (*labels, *(text for text, count in holders.items() if count > 1))
        self._examples = [
            # As inputs they are searched for runs of words, as right answers for the whole of them.
            replace(
                example,
                fields=tuple((str(place), text) for place, text in enumerate(texts)),
                accepted=tuple(text for text in texts if len(text.split()) < WORDS),
            )
            for example, texts in zip(examples, passages, strict=True)
        ]

    def new_in(self, text: str, parent: str) -> bool:
        """Whether `text` quotes an example where `parent` does not."""
        found = self._found(text)
        return bool(found) and not set(found) <= set(self._found(parent))

    def _found(self, text: str) -> list[str]:
        return find_leaks(text, self._examples, self._common, WORDS)


def _passages(example: Example) -> list[str]:
    inputs = (value for _, value in example.fields)
    return [text for text in (*inputs, example.target, *example.accepted, example.solution, *example.rejected) if text]
