"""Style transfer: a rewritten sentence is worth the content that it keeps, where its style and its grammar are right.

Source   the joint score of RLPrompt (Deng et al. 2022, arXiv:2205.12548, style transfer) and of PromptQuine (Wang et
         al. 2025, arXiv:2506.17930); theirs is 100 times as large, with BERTScore-F1 for content and classifiers for
         style and grammar. Those models are the user's: any function of texts will do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from promptopt.errors import ConfigError, DataError
from promptopt.types import Example, Score

_FIRST_STOP = re.compile(r"[.!?]")


def first_sentence(reply: str) -> str | None:
    """The answer reader: what stands before the closing quote, up to the end of its first sentence (their clean-up).

    The prompt's last character is the opening quote. None where nothing is left.
    """
    quoted = reply.partition('"')[0].strip()
    end = _FIRST_STOP.search(quoted)
    return (quoted[: end.end()].strip() if end else quoted) or None


@dataclass(frozen=True, slots=True)
class Parts:
    """What one rewritten sentence is worth: content in [0, 1], style and grammar right or not."""

    content: float
    style: bool
    fluent: bool

    @property
    def joint(self) -> float:
        """Content times style times fluent, in [0, 1]: one wrong part is worth nothing."""
        return self.content * self.style * self.fluent


@dataclass(frozen=True, slots=True)
class Joint:
    """The metric: content * 1[right style] * 1[grammatical], in [0, 1]. The mean over examples is the paper's J / 100.

    content: (rewritten, source) to a number of at most 1, such as BERTScore-F1; below 0 counts as 0. style:
    (rewritten, the example's target: the style wanted) to whether it has that style. fluent: rewritten to whether it
    is grammatical. source: the field of the example that holds the sentence to be rewritten.

    A search can please a style classifier without having the style: judge the winner by other scorers than these.
    """

    content: Callable[[str, str], float]
    style: Callable[[str, str], bool]
    fluent: Callable[[str], bool]
    source: str = "text"

    def __call__(self, answer: str, example: Example) -> Score:
        """The joint score, and which part is wrong. Raises as `parts` does."""
        parts = self.parts(answer, example)
        faults = [
            *([] if parts.style else [f"the style is not {example.target}"]),
            *([] if parts.fluent else ["it is not grammatical"]),
            f"it keeps {parts.content:.0%} of the content",
        ]
        return Score(parts.joint, answer=answer, feedback="" if parts.joint == 1.0 else "; ".join(faults))

    def parts(self, answer: str, example: Example) -> Parts:
        """The three parts of the score. Raises DataError without that field, ConfigError for a content above 1."""
        fields = dict(example.fields)
        if self.source not in fields:
            raise DataError(
                f"the example has no field {self.source!r} to be rewritten; its fields are {', '.join(fields)}: name "
                f"one as source"
            )
        content = float(self.content(answer, fields[self.source]))
        # In 32 bits equal texts can get 1.0000001.
        if math.isnan(content) or content > 1.0 + 1e-6:
            raise ConfigError(f"the content scorer gave {content}: expected a number of at most 1")
        return Parts(min(1.0, max(0.0, content)), bool(self.style(answer, example.target)), bool(self.fluent(answer)))


def geometric_mean(parts: Sequence[Parts]) -> float:
    """GM, for reports: the geometric mean of mean content, share of right style and share of grammatical, in [0, 1].

    0 where one of them is 0, and for no parts at all.
    """
    if not parts:
        return 0.0
    totals = (
        math.fsum(each.content for each in parts),
        sum(each.style for each in parts),
        sum(each.fluent for each in parts),
    )
    return math.prod(total / len(parts) for total in totals) ** (1 / 3)
