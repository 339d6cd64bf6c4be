"""The four edits of a text in phrases (delete, swap, substitute, add), and crossover: pure text in, text out.

Edits act on chunks by their offsets, never by searching for their text, and leave one separator where two would meet.

Source   Pan et al. 2024, Plum, arXiv:2311.08364; Prasad et al. 2023, GrIPS, arXiv:2203.07281.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from promptopt.optimizers.plum.phrases import Phrases, unspaced
from promptopt.text import shorten

Kind = Literal["del", "swap", "sub", "add"]
Bank = tuple[str, ...]
"""Texts that accepted deletions took out, and that `add` may put back; a text may be in it several times."""

FRONT = -1
"""The place of an addition before the first chunk."""
_WEAK = ",;:，；：、"
_CLOSING_MARKS = ",;:.!?…。，；：！？、"
_CLOSING_RUN = re.compile(f"[{_CLOSING_MARKS}]+")
PHRASE_CHARACTERS = 60
"""Characters of a phrase shown in a lineage."""


@dataclass(frozen=True, slots=True)
class PhraseEdit:
    """One edit of some phrases. `at`: the chunks it touches; for `add` the chunk it follows, or `FRONT`.

    `old`: what it takes away (del, sub), or exchanges (swap); `new`: what it puts in (add; sub, once it is known).
    """

    kind: Kind
    at: tuple[int, ...]
    old: str = ""
    new: str = ""

    def describe(self) -> str:
        """The edit in a few words, for a lineage."""
        arrow = " -> " if self.old and self.new else ""
        return f"{self.kind}: {shorten(self.old, PHRASE_CHARACTERS)}{arrow}{shorten(self.new, PHRASE_CHARACTERS)}"


def active(bank: Bank) -> tuple[Kind, ...]:
    """The edits there are: `add` only while there is something to add."""
    return ("del", "swap", "sub", "add") if bank else ("del", "swap", "sub")


def draw_edit(
    phrases: Phrases, kinds: Sequence[Kind], bank: Bank, rng: random.Random, *, least: int = 2
) -> PhraseEdit | str:
    """One edit, uniformly over `kinds` and then over where it can be made; or why there is none, in a few words.

    least: chunks that must be editable for one of them to be deleted.
    """
    kind = rng.choice(kinds)
    chunks, places = phrases.chunks, phrases.editable
    if kind == "add":
        return PhraseEdit("add", (rng.choice([FRONT, *phrases.solid]),), new=rng.choice(bank))
    if len(places) < {"del": least, "swap": 2, "sub": 1}[kind]:
        return f"{kind}: too few phrases"
    at = tuple(rng.sample(places, 2 if kind == "swap" else 1))
    return PhraseEdit(kind, at, " | ".join(chunks[index].text for index in at))


def substitute(edit: PhraseEdit, variants: Sequence[str], rng: random.Random) -> PhraseEdit | str:
    """A `sub` that says by what, drawn from `variants`; any other edit as it is; or why there is none."""
    if edit.kind != "sub":
        return edit
    return replace(edit, new=rng.choice(variants)) if variants else "sub: no paraphrase"


def apply(phrases: Phrases, edit: PhraseEdit) -> str:
    """The text with the edit made; the rest of it stays, but for one of two separators that meet."""
    if edit.kind == "del":
        return _without(phrases, edit.at[0])
    if edit.kind == "add":
        return _with(phrases, edit.at[0], edit.new)
    text, chunks = phrases.text, phrases.chunks
    if edit.kind == "sub":
        new = {edit.at[0]: edit.new}
    else:
        new = {edit.at[0]: chunks[edit.at[1]].text, edit.at[1]: chunks[edit.at[0]].text}
    # By offsets: the code replaces the phrase's text wherever it stands, also within words.
    position, pieces = 0, list[str]()
    for index in sorted(new):
        pieces += [text[position : chunks[index].start], _fitted(phrases, index, new[index])]
        position = chunks[index].end
    return "".join([*pieces, text[position:]])


def settle(bank: Bank, edits: Sequence[PhraseEdit]) -> Bank:
    """The bank once these edits are accepted: what was put back leaves it, what was deleted enters it."""
    left = list(bank)
    for edit in edits:
        # Once: a text that was deleted twice may come back twice.
        if edit.kind == "add" and edit.new in left:
            left.remove(edit.new)
        elif edit.kind == "del":
            left.append(edit.old)
    return tuple(left)


def crossover(first: Phrases, second: Phrases, split: int) -> str:
    """The chunks of `first` before its `split`-th, then those of `second` from its `split`-th on.

    Punctuation is not counted, but comes along. Where `first` has fewer, all of it; where `second` has, none of it.
    """
    left, right = first.solid, second.solid
    stop = left[split] if split < len(left) else len(first.chunks)
    head = first.part(0, stop).text
    if split >= len(right):
        return head
    tail = second.text[second.chunks[right[split]].start :]
    # What stood at the cut in the first; where that is used up, what stood there in the second.
    gap = first.gap(stop) if split < len(left) else "" if head[-1:].isspace() else second.gap(right[split])
    return head + gap + tail if gap else join(head, tail)


def join(left: str, right: str) -> str:
    """The two texts, with a space where words would run together, and one mark where two would meet."""
    mark = _CLOSING_RUN.match(right)
    if mark and left[-1:] in _CLOSING_MARKS:
        left, right = (left[:-1], right) if left[-1:] in _WEAK else (left, right[mark.end() :])
    return left + (" " if _words_meet(left, right) else "") + right


def _fitted(phrases: Phrases, index: int, new: str) -> str:
    """`new` for chunk `index`, with spaces where it would run into what stands beside it without a gap."""
    chunks = phrases.chunks
    if index and not phrases.gap(index):
        before = chunks[index - 1]
        # A link would go on with the word that follows it; after braces and tags too, a word is set apart.
        runs_on = not before.editable and new[0].isalnum() and not unspaced(new[0])
        new = " " + new if runs_on or _words_meet(before.text, new) else new
    if index + 1 < len(chunks) and not phrases.gap(index + 1) and _words_meet(new, chunks[index + 1].text):
        new += " "
    return new


def _words_meet(left: str, right: str) -> bool:
    """Whether a word would begin where a word or what closes it ends, in a script with spaces."""
    if not left or not right or unspaced(left[-1]) or unspaced(right[0]):
        return False
    return right[0].isalnum() and (left[-1].isalnum() or left[-1] in ")]}>%.,;:!?…")


def _without(phrases: Phrases, index: int) -> str:
    """The text without one chunk, and without one of two separators that would meet: gaps, or punctuation."""
    chunks, (first, last) = phrases.chunks, _with_mark(phrases, index)
    if first == 0 and last == len(chunks) - 1:
        return ""
    left, right = phrases.text[: chunks[first].start], phrases.text[chunks[last].end :]
    before, after = phrases.gap(first), phrases.gap(last + 1)
    inner, rest = left[: len(left) - len(before)], right[len(after) :]
    if first == 0:
        # The outer gap stays; so does the mark of the list item that comes first now.
        return left + (after.rpartition("\n")[2] if "\n" in after else "") + rest
    if last == len(chunks) - 1:
        return inner + right
    if (not after and not chunks[last + 1].solid) or (not before and not chunks[first - 1].solid):
        return inner + rest
    # Of the two gaps the one with more line breaks: a paragraph must not run into the next.
    gap = max((after, before), key=lambda gap: (gap.count("\n"), bool(gap)))
    return inner + gap + rest if gap else join(inner, rest)


def _with_mark(phrases: Phrases, index: int) -> tuple[int, int]:
    """The first and the last chunk that go with chunk `index`: itself, and a mark that would be left without words.

    Of a comma before it and the mark after it the comma goes; after the end of a sentence or line, the mark after it.
    """
    chunks = phrases.chunks
    marked = index + 1 < len(chunks) and not chunks[index + 1].solid and not phrases.gap(index + 1)
    if not marked:
        return index, index
    if index == 0 or "\n" in phrases.gap(index):
        return index, index + 1
    if chunks[index - 1].solid:
        return index, index
    return (index - 1, index) if chunks[index - 1].text[0] in _WEAK else (index, index + 1)


def _with(phrases: Phrases, place: int, new: str) -> str:
    """The text with `new` after chunk `place`, or before all, set apart as the script has it."""
    text, chunks = phrases.text, phrases.chunks
    if place == FRONT:
        start = chunks[0].start if chunks else len(text)
        return text[:start] + new + (_between(new, chunks[0].text) if chunks else "") + text[start:]
    chunk = chunks[place]
    return join(text[: chunk.end] + _between(chunk.text, new) + new, text[chunk.end :])


def _between(left: str, right: str) -> str:
    """What sets an added text apart from what it stands beside."""
    # A fence of code must stay alone on its lines.
    if "\n" in left or "\n" in right:
        return "\n"
    return "" if unspaced(left[-1]) or unspaced(right[0]) or right[0] in _CLOSING_MARKS else " "
