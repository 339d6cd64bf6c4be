"""Harmonies: new texts from segments of remembered ones, each kept as it is, paraphrased, or edited.

Source   Pan et al. 2024, Plum, arXiv:2311.08364; its code loses the last phrase of every segment, which is mended here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from promptopt.optimizers.plum.edits import Bank, Kind, PhraseEdit, active, draw_edit, join, settle
from promptopt.optimizers.plum.phrases import Phrases

Segment = tuple[Phrases, PhraseEdit | None]
"""Where a segment of a harmony comes from, and what is to be done to it."""


def draw_segments(
    rng: random.Random, cuts: Sequence[Phrases], bank: Bank, segments: int, consider: float, adjust: float
) -> list[Segment]:
    """The segments of one harmony, each of a text drawn anew; at the j-th slot of ks it has chunks b_j to b_(j+1) - 1.

    consider: the probability that a segment is kept but for an adjustment; adjust: that a kept one is paraphrased.
    """
    drawn: list[Segment] = []
    for slot in range(segments):
        # Each segment of a text drawn anew: that is what mixes the memory.
        source = rng.choice(cuts)
        # b_j = ceil(j * L / ks)
        begin, end = (-(-place * len(source.chunks) // segments) for place in (slot, slot + 1))
        part = source.part(begin, end)
        kinds: tuple[Kind, ...] = active(bank)
        # Textbook harmony search draws a fresh value where it does not consider its memory; here that is an edit.
        if rng.random() < consider:
            kinds = ("sub",) if rng.random() < adjust else ()
        edit = draw_edit(part, kinds, bank, rng, least=1) if kinds and part.chunks else None
        if isinstance(edit, PhraseEdit):
            drawn.append((part, edit))
            # A harmony puts each text of the bank back once at most; what it deletes is not in the bank yet.
            bank = settle(bank, [edit] if edit.kind == "add" else [])
        else:
            drawn.append((part, None))
    return drawn


def harmony_of(
    drawn: Sequence[Segment], made: Iterator[tuple[str, PhraseEdit] | None]
) -> tuple[str, tuple[PhraseEdit, ...], list[str]]:
    """The harmony with the edits that are in it, and the texts that it was made of.

    made: what became of the edits that were drawn, in order; None leaves the segment as it is.
    """
    text, before, edits = "", "", list[PhraseEdit]()
    for part, edit in drawn:
        done = next(made) if edit is not None else None
        segment = part.text if done is None else done[0]
        if not text and part.offset:
            # What stood between this segment and one that is not there.
            segment = segment.removeprefix(part.gap(0))
        # Segments kept from one prompt follow upon each other as they did there; others may not fit.
        text = text + segment if done is None and before == part.whole else join(text, segment)
        before = part.whole if done is None else ""
        if done is not None:
            edits.append(done[1])
    return text, tuple(edits), list(dict.fromkeys(part.whole for part, _ in drawn))
