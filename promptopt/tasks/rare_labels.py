"""Labels that are hardly meant as they stand: rare ones beside another spelling, or too rare for three splits."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher

from promptopt.tasks.splits import SHARED
from promptopt.tasks.toml_text import quoted
from promptopt.text import counted

MUCH_RARER = 5
"""A label that another one is so many times as frequent as may be a slip of it. Ours."""
SHORTEST = 4
"""Letters from which on a label may be a slip of another: "no" and "do" are two words. Ours."""
NAMED = 3
"""Labels that a sentence names."""
_NEGATING_PREFIXES = ("a", "de", "dis", "il", "im", "in", "ir", "mis", "non", "re", "un")
_OPPOSED = (("in", "de"), ("hyper", "hypo"), ("inter", "intra"), ("micro", "macro"), ("im", "ex"), ("as", "des"))
"""What turns a word into its opposite, and differs by two letters or less."""


def doubtful(counts: Mapping[str, int]) -> list[str]:
    """A sentence on the labels that look misspelt, and one on those that are too rare, where there are such.

    `counts`: of each label, the rows that have it.
    """
    slips = {label: found for label in sorted(counts) if (found := _likely_label(label, counts)) is not None}
    rare = sorted(label for label, count in counts.items() if count < SHARED and label not in slips)
    said: list[str] = []
    if slips:
        pairs = _first_names(
            [f"{label!r} ({counts[label]:,}) of {meant!r} ({counts[meant]:,})" for label, meant in slips.items()]
        )
        label, meant = next(iter(slips.items()))
        said.append(
            f"{'labels that are' if len(slips) > 1 else 'a label that is'} likely another spelling: {pairs}; mend the "
            f"data and make the task file anew, or write classes = {{ {quoted(label)} = {quoted(meant)}, … }} under "
            f"[data], with every label on the left, and take what is misspelt out of labels and parts"
        )
    if rare:
        named = _first_names([f"{label!r} ({counts[label]:,})" for label in rare])
        said.append(
            f"{counted(len(rare), 'label has', 'labels have')} fewer than {SHARED} rows, too few for a share in each "
            f"of train, dev and test: {named}; add rows, or leave {'it' if len(rare) == 1 else 'them'} out"
        )
    return said


def _first_names(named: list[str]) -> str:
    return ", ".join(named[:NAMED]) + (f" and {len(named) - NAMED} more" if len(named) > NAMED else "")


def _likely_label(label: str, counts: Mapping[str, int]) -> str | None:
    """The more frequent label that `label` may be a slip or another number of; None where there is none."""

    def weight(each: str) -> tuple[int, int, str]:
        # Of two that are as frequent the shorter one stands: a plural of it is told.
        return counts[each], -len(each), each

    found = [other for other in counts if weight(other) > weight(label) and _is_slip(label, other, counts)]
    return max(found, key=weight, default=None)


def _is_slip(label: str, other: str, counts: Mapping[str, int]) -> bool:
    short, long = sorted((label.casefold(), other.casefold()), key=len)
    if len(short) < SHORTEST:
        return False
    # A plural is told however frequent it is.
    if long in {f"{short}s", f"{short}es", f"{short.removesuffix('y')}ies"}:
        return True
    # Digits count something: "level 1" and "level 2" are two labels. So do prefixes: "polite" and "impolite".
    apart = _digits(short) != _digits(long) or (long.endswith(short) and long.removesuffix(short) in _NEGATING_PREFIXES)
    apart = apart or any(
        {short, long} == {one + rest, two + rest}
        for one, two in _OPPOSED
        for rest in (short.removeprefix(one), short.removeprefix(two))
    )
    if apart or counts[other] < MUCH_RARER * counts[label]:
        return False
    return _edits(short, long) <= (1 if len(long) < 2 * SHORTEST else 2)


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _edits(one: str, other: str) -> int:
    """Letters to be exchanged, left out, added or swapped with their neighbour: at least so many."""
    edits = 0
    for kind, start, stop, begin, end in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        edits += 0 if kind == "equal" else max(stop - start, end - begin)
    swapped = sorted(one) == sorted(other) and sum(a != b for a, b in zip(one, other, strict=True)) == 2
    return 1 if swapped else edits
