"""The leak scan: does a winning prompt repeat training examples instead of describing the task?"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from promptopt.text import shorten
from promptopt.types import Example

LISTED = 10
"""Findings given in full; the rest are counted in one more sentence."""

COMMON = 0.1
"""A run of words that more than this share of the examples have is the task's own phrasing, not a leak. Ours."""

_UNSPACED = r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]"
_WORD_OR_UNSPACED = re.compile(rf"{_UNSPACED}|\w+")
"""A word; in scripts written without spaces, a character."""
_BETWEEN_UNSPACED = re.compile(rf"(?<={_UNSPACED}) (?={_UNSPACED})")


def find_leaks(
    text: str, train: Sequence[Example], labels: Collection[str] = (), words: int = 8, *, before: str = ""
) -> list[str]:
    """One sentence for each training text or answer that stands in `text`, the longest first; empty where all is well.

    text: what the search wrote (demonstrations are examples on purpose: leave them out). words: how many words in a row
    must be shared with an input; case and punctuation do not count. Answers count from two words or twelve characters
    on, and labels never. before: what was there before the search; words that stand in it are no finding.
    """
    spoken, known = spoken_words(text), spoken_words(before)
    findings = _shared_inputs(spoken, known, train, words) + _verbatim_answers(spoken, known, train, labels)
    findings.sort(key=lambda finding: -finding[0])
    sentences = [sentence for _, sentence in findings[:LISTED]]
    if len(findings) > LISTED:
        sentences.append(f"{len(findings) - LISTED} more passages of the prompt also stand in training examples")
    return sentences


def spoken_words(text: str) -> list[str]:
    """The words of `text` without case and punctuation, in order; in scripts written without spaces, its characters."""
    return _WORD_OR_UNSPACED.findall(text.casefold())


def _shared_inputs(spoken: list[str], known: list[str], train: Sequence[Example], size: int) -> list[tuple[int, str]]:
    # Run by run, and not passage by passage: a passage of before that lost a word in its middle is two shorter ones.
    grams, old = (set(zip(*(each[start:] for start in range(size)), strict=False)) for each in (spoken, known))
    grams -= old
    holders: dict[str, list[Example]] = {}
    for example in train:
        passages: dict[str, None] = {}
        for _, value in example.fields:
            heard = spoken_words(value)
            shifted = [heard[start:] for start in range(size)]
            # Most inputs share nothing: these are passed over without looking for the passages.
            if not grams.isdisjoint(zip(*shifted, strict=False)):
                passages.update(dict.fromkeys(_copied_passages(heard, grams, size)))
        for passage in passages:
            holders.setdefault(passage, []).append(example)
    found: list[tuple[int, str]] = []
    for passage, examples in holders.items():
        # A passage of one example is a leak in the smallest data too, where one is more than a tenth.
        if len(examples) > 1 and len(examples) > COMMON * len(train):
            continue
        count = passage.count(" ") + 1
        others = f" and {len(examples) - 1} more" if len(examples) > 1 else ""
        sentence = (
            f"shares {count} words in a row with training example {examples[0].id}{others}: "
            f'"{_shortened_passage(passage)}"'
        )
        found.append((len(passage), sentence))
    return found


def _copied_passages(heard: list[str], grams: set[tuple[str, ...]], size: int) -> list[str]:
    """The maximal runs of words all of whose n-grams are in `grams`."""
    passages: list[str] = []
    begin = -1
    # A step beyond the last run, which closes a passage that reaches the end.
    for start in range(len(heard) - size + 2):
        if start <= len(heard) - size and tuple(heard[start : start + size]) in grams:
            begin = start if begin < 0 else begin
        elif begin >= 0:
            passages.append(" ".join(heard[begin : start + size - 1]))
            begin = -1
    return passages


def _verbatim_answers(
    spoken: list[str], known: list[str], train: Sequence[Example], labels: Collection[str]
) -> list[tuple[int, str]]:
    # With spaces at both ends, so that an answer is found as whole words.
    joined, old = (f" {' '.join(each)} " for each in (spoken, known))
    vocabulary = set(spoken)
    ignored = {" ".join(spoken_words(label)) for label in labels}
    holders: dict[str, list[Example]] = {}
    written: dict[str, str] = {}
    for example in train:
        for answer in (example.target, *example.accepted):
            heard = spoken_words(answer)
            folded = " ".join(heard)
            # Most answers lack even the first word, and the long text need not be searched for them.
            if (len(heard) < 2 and len(folded) < 12) or folded in ignored or heard[0] not in vocabulary:
                continue
            if folded in holders or (f" {folded} " in joined and f" {folded} " not in old):
                holders.setdefault(folded, []).append(example)
                written.setdefault(folded, " ".join(answer.split()))
    found: list[tuple[int, str]] = []
    for answer, examples in holders.items():
        others = f" and {len(examples) - 1} more" if len(examples) > 1 else ""
        shown = _shortened_passage(written[answer])
        sentence = f'gives away the answer of training example {examples[0].id}{others}: "{shown}"'
        found.append((len(answer), sentence))
    return found


def _shortened_passage(passage: str) -> str:
    return shorten(_BETWEEN_UNSPACED.sub("", passage), 160)
