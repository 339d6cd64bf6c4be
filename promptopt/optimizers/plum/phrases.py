"""Phrases: a text cut into short chunks by character offsets, so that an edit touches its chunks and nothing else.

What stands between chunks (white space, list marks) is a gap; chunks and gaps joined are the text, byte for byte.
Placeholders, code fences, tags, URLs and what the task's contract freezes are chunks that no edit may touch.

The paper (Pan et al. 2024, Plum, arXiv:2311.08364) cuts by a constituency parser; the rules here need none.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from promptopt.protocols import Chunker, Task
from promptopt.ranges import within
from promptopt.tasks.contract import contract_in

Span = tuple[int, int]
"""Where a stretch of a text begins and ends, in characters."""
Level = Literal["phrase", "word", "sentence", "span"]

CHUNK_CHARACTERS = 6
"""Characters of a chunk in a script without spaces: two or three words. Ours."""
SPAN_PARTS = (2, 3, 4)
"""Into how many word runs a sentence is cut at level `span` (the reference draws one of these)."""

_UNSPACED_SCRIPTS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_IS_UNSPACED = re.compile(f"[{_UNSPACED_SCRIPTS}]")
_TOKEN = re.compile(
    r"(?P<lead>^[ \t]*(?:[-*•–>]|#{1,6}|\(?\d{1,3}[.)]|\(?[A-Za-z][.)])[ \t]+)"
    rf"|(?P<run>[{_UNSPACED_SCRIPTS}]+)|(?P<word>[^\s{_UNSPACED_SCRIPTS}]+)",
    re.MULTILINE,
)
"""The mark of a list item or heading; a stretch of a script without spaces; what stands between spaces."""
_CLOSING_MARKS_AT_END = re.compile(r"(?:[,;:.!?…。，；：！？、—]+[\"'”’»)\]）」』]*)+$")
_SENTENCE_CLOSING = re.compile(r"[.!?…。！？]")
# Like e.g. and i.e.: their last full stop ends no phrase.
_ABBREVIATION = re.compile(r"(?:[^\W\d_]\.){2,}")
_SENTENCE_BOUNDARY = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]|\n")
_STARTERS = frozenset([
    "and", "or", "but", "nor", "so", "yet", "for", "after", "although", "as", "because", "before", "if", "once",
    "since", "that", "though", "unless", "until", "when", "whenever", "where", "whereas", "whether", "while", "how",
    "what", "which", "who", "whom", "whose", "why", "about", "above", "across", "against", "along", "among",
    "around", "at", "behind", "below", "beneath", "beside", "between", "beyond", "by", "despite", "during", "except",
    "from", "in", "inside", "into", "like", "near", "of", "off", "on", "onto", "outside", "over", "per", "through",
    "throughout", "to", "toward", "towards", "under", "upon", "using", "via", "with", "within", "without"
])  # fmt: skip
"""Conjunctions, subordinators, relative words and prepositions: a phrase may begin with them."""
_NO_LINK = rf"\s<>\"'{{}}\u3000-\u303f\uff00-\uffef{_UNSPACED_SCRIPTS}"
# Fences also where they are left open, braces with a macro before them (\boxed{...}), tags, and links without the
# mark after them.
_PROTECTED = re.compile(
    r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)"
    r"|(?:\\[A-Za-z]+)?\{\{?[^{}\n]{0,80}\}\}?"
    r"|</?[A-Za-z][^<>\n]{0,80}>"
    rf"|https?://[^{_NO_LINK}]*[^{_NO_LINK}.,;:!?)\]]",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of a text: `text` stands in it from `start` to `end`. Edits leave it alone where not `editable`."""

    start: int
    end: int
    text: str
    editable: bool = True

    @property
    def solid(self) -> bool:
        """Whether it is more than punctuation."""
        return not self.editable or any(map(str.isalnum, self.text))


@dataclass(frozen=True, slots=True)
class Phrases:
    """A text and its chunks, in order. `whole` is the text this one was taken from, at `offset`."""

    text: str
    chunks: tuple[Chunk, ...]
    whole: str
    offset: int = 0

    def gap(self, index: int) -> str:
        """What stands before chunk `index`; for the number of chunks, what stands after the last."""
        begin = self.chunks[index - 1].end if index else 0
        return self.text[begin : self.chunks[index].start if index < len(self.chunks) else len(self.text)]

    @property
    def solid(self) -> list[int]:
        """The chunks that are more than punctuation, by index."""
        return [index for index, chunk in enumerate(self.chunks) if chunk.solid]

    @property
    def editable(self) -> list[int]:
        """Those of them that an edit may touch."""
        return [index for index in self.solid if self.chunks[index].editable]

    def part(self, begin: int, end: int) -> Phrases:
        """Chunks `begin` to `end` - 1 with the gaps before them; what follows the last chunk goes with it.

        Parts that follow upon each other, joined, are the text.
        """
        if begin >= end:
            return Phrases("", (), self.whole, self.offset)
        start = self.chunks[begin - 1].end if begin else 0
        stop = len(self.text) if end == len(self.chunks) else self.chunks[end - 1].end
        moved = tuple(
            Chunk(chunk.start - start, chunk.end - start, chunk.text, chunk.editable)
            for chunk in self.chunks[begin:end]
        )
        return Phrases(self.text[start:stop], moved, self.whole, self.offset + start)

    def sentence(self, index: int) -> str:
        """The sentence that chunk `index` stands in."""
        start, end = self.offset + self.chunks[index].start, self.offset + self.chunks[index].end
        ends = [match.end() for match in _SENTENCE_BOUNDARY.finditer(self.whole)]
        begin = max((place for place in ends if place <= start), default=0)
        return self.whole[begin : min((place for place in ends if place >= end), default=len(self.whole))].strip()


def cut_phrases(text: str, chunker: Chunker, rng: random.Random, frozen: Sequence[str] = ()) -> Phrases:
    """`text` in chunks: what is protected, and between it what the chunker says.

    frozen: texts that are protected wherever they stand. Raises ValueError where the chunker's spans are out of order,
    and whatever the chunker raises.
    """
    chunks, position = list[Chunk](), 0
    for start, end in [*protected(text, frozen), (len(text), len(text))]:
        stretch, last = text[position:start], 0
        for begin, stop in chunker.spans(stretch, rng) if stretch.strip() else ():
            # A chunker is anybody's code: spans that overlap would break the text that chunks and gaps make.
            if not last <= begin < stop <= len(stretch):
                raise ValueError(f"the span ({begin}, {stop}) after {last} in a text of {len(stretch)} characters")
            chunks.append(Chunk(position + begin, position + stop, stretch[begin:stop]))
            last = stop
        if start < end:
            chunks.append(Chunk(start, end, text[start:end], editable=False))
        position = end
    return Phrases(text, tuple(chunks), text)


def protected(text: str, frozen: Sequence[str] = ()) -> list[Span]:
    """What no edit may touch: placeholders and other braces, fenced code, tags, URLs, and the `frozen` texts."""
    found = [match.span() for match in _PROTECTED.finditer(text)]
    for span in frozen:
        found += [match.span() for match in re.finditer(re.escape(span), text)]
    merged: list[Span] = []
    for start, end in sorted(found):
        # What overlaps is one stretch: chunks must not share a character.
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def frozen_texts(task: Task) -> tuple[str, ...]:
    """The texts that the task's contract wants to stay."""
    return contract_in(task).kept_spans()


def unspaced(character: str) -> bool:
    """Whether its script is written without spaces."""
    return _IS_UNSPACED.match(character) is not None


@dataclass(frozen=True, slots=True)
class RuleChunker:
    """Cuts by rule, without a model: the same text gives the same chunks, but for level `span`, which draws.

    A phrase ends after closing punctuation (a chunk of its own), at a line break, and at `longest` words. Once it has
    two words, it ends before a conjunction, a relative word or a preposition. Where no spaces set words apart, it is a
    run of six characters.
    """

    level: Level = "phrase"
    """What a chunk is; `span`: each sentence in 2, 3 or 4 runs of words, drawn at random."""
    longest: int = 8
    """Words a phrase has at most. Ours."""

    def __post_init__(self) -> None:
        within(self, longest=(1, float("inf")))

    def spans(self, text: str, rng: random.Random) -> list[Span]:
        """See `Chunker.spans`."""
        cutters: dict[Level, Callable[[], Iterator[Span]]] = {
            "phrase": lambda: _phrases(text, self.longest),
            "word": lambda: ((piece.start, piece.end) for piece in _pieces(text) if piece.kind != "lead"),
            "sentence": lambda: ((pieces[0].start, pieces[-1].end) for pieces in _sentence_pieces(text)),
            "span": lambda: _word_runs(text, rng),
        }
        return list(cutters[self.level]())


RULES = RuleChunker()


@dataclass(frozen=True, slots=True)
class _Piece:
    kind: Literal["lead", "word", "run", "mark"]
    start: int
    end: int


def _pieces(text: str) -> Iterator[_Piece]:
    """Marks of list items, words, closing punctuation, and runs of scripts without spaces, in order."""
    for match in _TOKEN.finditer(text):
        start, end = match.span()
        if match["lead"]:
            yield _Piece("lead", start, end)
        elif match["run"]:
            while start < end:
                stop = min(start + CHUNK_CHARACTERS, end)
                # A sign that combines with the one before it stays with it.
                while stop < end and unicodedata.category(text[stop]).startswith("M"):
                    stop += 1
                yield _Piece("run", start, stop)
                start = stop
        else:
            closing = None if _ABBREVIATION.fullmatch(match["word"]) else _CLOSING_MARKS_AT_END.search(match["word"])
            middle = end if closing is None else start + closing.start()
            if start < middle:
                yield _Piece("word", start, middle)
            if middle < end:
                yield _Piece("mark", middle, end)


def _phrases(text: str, longest: int) -> Iterator[Span]:
    words: list[_Piece] = []
    for piece in _pieces(text):
        # From two words on: a conjunction or preposition after one word would leave phrases of one.
        starts = len(words) >= 2 and text[piece.start : piece.end].casefold() in _STARTERS
        broken = bool(words) and "\n" in text[words[-1].end : piece.start]
        if words and (piece.kind != "word" or starts or broken or len(words) == longest):
            yield words[0].start, words[-1].end
            words = []
        if piece.kind == "word":
            words.append(piece)
        elif piece.kind != "lead":
            yield piece.start, piece.end
    if words:
        yield words[0].start, words[-1].end


def _sentence_pieces(text: str) -> Iterator[list[_Piece]]:
    """The words and marks of each sentence."""
    pieces: list[_Piece] = []
    for piece in _pieces(text):
        if pieces and (piece.kind == "lead" or "\n" in text[pieces[-1].end : piece.start]):
            yield pieces
            pieces = []
        # The mark of a list item begins a sentence, and is no part of it.
        if piece.kind == "lead":
            continue
        pieces.append(piece)
        if piece.kind == "mark" and _SENTENCE_CLOSING.search(text[piece.start : piece.end]):
            yield pieces
            pieces = []
    if pieces:
        yield pieces


def _word_runs(text: str, rng: random.Random) -> Iterator[Span]:
    for pieces in _sentence_pieces(text):
        words = [piece for piece in pieces if piece.kind != "mark"]
        count = min(rng.choice(SPAN_PARTS), len(words))
        bounds = [place * len(words) // count for place in range(count + 1)] if count else []
        for first, stop in pairwise(bounds):
            yield words[first].start, words[stop - 1].end
