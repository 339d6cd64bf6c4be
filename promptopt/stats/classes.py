"""How well each of several labels is told: F1 by label and its mean, for labels of which one is rare. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Answered = tuple[str, str | None]
"""The right label and the one that was answered; None where no answer could be read."""


def f1_of(label: str, answered: Iterable[Answered]) -> float:
    """2 TP / (2 TP + FP + FN) of one label; 0 where it is neither right nor answered anywhere.

    An answer that cannot be read misses the right label, and is none of another.
    """
    hits = misses = 0
    for right, said in answered:
        hits += right == said == label
        misses += (right == label) != (said == label)
    return 2 * hits / (2 * hits + misses) if hits + misses else 0.0


def macro_f1(labels: Sequence[str], answered: Sequence[Answered]) -> float | None:
    """The mean of `f1_of` over those of a task's labels that are right or answered somewhere; None without labels.

    What cannot be read is no label more. Where none of the labels is there it is 0.
    """
    if not labels or not answered:
        return None
    # Few examples may lack a rare label, which nobody can then be asked for.
    there = [label for label in labels if any(label in pair for pair in answered)]
    return sum(f1_of(label, answered) for label in there) / len(there) if there else 0.0
