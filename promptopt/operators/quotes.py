"""The leak guard: a rewritten prompt must not quote the examples that the rewriter was shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from promptopt.evaluators.leak import COMMON, find_leaks, spoken_words
from promptopt.text import normalise
from promptopt.types import Example, Prompt

QUOTE_WORDS = 8
"""Words in a row that make a quote, whatever they are; a shorter text is one as a whole, from two words on."""
SHORT_QUOTE_WORDS = 5
"""Words in a row that make a quote where they say something of their own. Ours: a paper's rule of eight lets pass what
short inputs are about."""
TELLING = 3
"""How many of those must not be among the commonest words of English. Ours."""

_ENGLISH_COMMON = (
    "a about after all also am an and any are as at be because been before being both but by can could did do "
    "does each every few for from had has have he her his how i if in into is it its just like many may me might "
    "more most much must my no not of off on one only or other our out over she should so some such than that the "
    "their them then there these they this those to too up us very was we were what when where which while who "
    "why will with would you your"
)
_COMMON_WORDS = frozenset(_ENGLISH_COMMON.split())


class Quotes:
    """Finds what texts share with some examples: inputs, targets, solutions, preferred and rejected outputs.

    A phrase that several examples share is the task's own, and so are its labels.
    """

    def __init__(self, examples: Sequence[Example], labels: Collection[str], start: Prompt | None = None) -> None:
        """`labels`: answers that every prompt may name. `start`: what it says may stand in replies, as rules do."""
        self._start = "" if start is None else "\n".join(text for _, text in start.texts)
        passages = [_quotable_texts(example) for example in examples]
        holders = Counter(text for texts in passages for text in dict.fromkeys(texts))
        self._common = (*labels, *(text for text, count in holders.items() if count > 1))
        self._answers = frozenset(_folded_quote(text) for text in (*labels, *(each.target for each in examples)))
        runs = Counter(
            run for texts in passages for run in dict.fromkeys(run for text in texts for run in _telling_runs(text))
        )
        # One at least: the share of a few examples is less than one, and nothing would count as a quote.
        most = max(1, COMMON * len(examples))
        self._runs = frozenset(run for run, count in runs.items() if count <= most)
        self._examples = [
            # As inputs they are searched for runs of words, as right answers for the whole of them.
            replace(
                example,
                fields=tuple((str(place), text) for place, text in enumerate(texts)),
                accepted=tuple(text for text in texts if len(text.split()) < QUOTE_WORDS),
            )
            for example, texts in zip(examples, passages, strict=True)
        ]

    def new_in(self, text: str, parent: str) -> bool:
        """Whether `text` quotes an example where neither `parent` nor the start does, or is nothing but an answer."""
        # Such a text tells the model what to say, whatever the input.
        if _folded_quote(text) in self._answers:
            return True
        said = {run for run in _telling_runs(text) if run in self._runs}
        before = f"{self._start}\n{parent}"
        if said and not said.issubset(_telling_runs(before)):
            return True
        return bool(find_leaks(text, self._examples, self._common, QUOTE_WORDS, before=before))


def _quotable_texts(example: Example) -> list[str]:
    inputs = (value for _, value in example.fields)
    return [text for text in (*inputs, example.target, *example.accepted, example.solution, *example.rejected) if text]


def _folded_quote(text: str) -> str:
    return normalise(text).strip(" .!?\"'").casefold()


def _telling_runs(text: str) -> Iterator[tuple[str, ...]]:
    """Every five words in a row of which three tell something; in scripts without spaces, none."""
    heard = spoken_words(text)
    # Windows over the words: the shortest slice ends them with the last whole one.
    for run in zip(*(heard[start:] for start in range(SHORT_QUOTE_WORDS)), strict=False):
        # In scripts without spaces every character is heard as a word, and five in a row are no quote.
        if sum(word not in _COMMON_WORDS and (word.isascii() or len(word) > 1) for word in run) >= TELLING:
            yield run
