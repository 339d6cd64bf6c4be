"""Whether replies can be held against each other: beside replies that nobody could read, nothing can be worse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from promptopt.evaluators.generation import CUT, NO_ANSWER_READ
from promptopt.evaluators.judging import SHOWN_CAUSE
from promptopt.run.first_replies import MOST_UNREADABLE
from promptopt.text import counted, shorten
from promptopt.types import Score


def mostly_unread(sides: Mapping[str, Sequence[Score]]) -> str:
    """A sentence on the first of `sides` most of whose replies hold no answer; nothing where none is so.

    A claim of no worse needs replies in which a loss would show (the assay sensitivity of ICH E10). Where more than
    half of them are worth 0 because they could not be read, that is mostly a wrong setting, and says nothing of either
    prompt. The bound is that of the warning on first replies. Ours.
    """
    for side, scores in sides.items():
        causes = Counter(score.feedback for score in scores if _useless(score))
        if causes.total() > MOST_UNREADABLE * len(scores):
            cause = shorten(causes.most_common(1)[0][0].removeprefix(NO_ANSWER_READ).removeprefix(": "), SHOWN_CAUSE)
            lost = f"{causes.total()} of {counted(len(scores), 'reply', 'replies')} {side} hold no answer"
            return f"{lost} that could be read{f' (mostly: {cause})' if cause else ''}"
    return ""


def _useless(score: Score) -> bool:
    # What was cut short may be worth something where texts are compared.
    return score.judged and (not score.parsed or (CUT in score.feedback and score.value <= 0.0))
