"""The least and the most of what a search takes, where a single figure cannot stand for both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.stats.means import predicted

FAR_APART = 1.5
"""What ends of a search may differ by, as a factor, before both are told. Ours."""

Taken = tuple[int, int]
"""(evaluations, tokens) of a search."""


@dataclass(frozen=True, slots=True)
class ForecastRange:
    """(least, most) evaluations and tokens of a search that may end early or late, as the models' answers will be."""

    evaluations: tuple[int, int]
    tokens: tuple[int, int]

    @classmethod
    def of(cls, kinds: Sequence[Sequence[Taken]], most: tuple[int | None, int | None]) -> ForecastRange | None:
        """None where all ends are near each other.

        `kinds`: of each way that it may go, what it takes at several seeds. `most`: what the caps allow, if anything.
        """
        found: list[tuple[int, int]] = []
        for which, cap in enumerate(most):
            low, high = predicted([[float(taken[which]) for taken in kind] for kind in kinds])
            highest = max(taken[which] for kind in kinds for taken in kind)
            # A cap that stops the asking lets what is under way end, so that a play may be above it.
            found.append((round(low), round(high) if cap is None else min(round(high), max(cap, highest))))
        return cls.between(found[0], found[1])

    @classmethod
    def between(cls, evaluations: tuple[int, int], tokens: tuple[int, int]) -> ForecastRange | None:
        """None where either's ends are near each other."""
        near = all(most <= FAR_APART * least for least, most in (evaluations, tokens))
        return None if near else cls(evaluations, tokens)

    def describe(self) -> str:
        """In half a sentence."""
        (few, many), (short, long) = self.evaluations, self.tokens
        far = FAR_APART * few < many
        what = "how far it goes" if far else "how long its prompts become"
        said = f"{few:,} to {many:,} evaluations and " if far else ""
        return f"what the models answer decides {what}: {said}{short:,} to {long:,} tokens are likely"
