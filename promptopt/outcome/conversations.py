"""What played conversations are like under a prompt: their length, how they end, how sure one is to pass again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from promptopt.evaluators.talk_figures import DRAWS, ENDED, PASSED, REPEATED, TOOL_CALLS, TURNS
from promptopt.types import Score


@dataclass(frozen=True, slots=True)
class Conversations:
    """Means over the scenarios that have a score.

    `turns`: messages of the user; `ended`: the share that the user brought to an end; `repeated`: questions that the
    assistant asked before; `tool_calls`: what it called. `pass_hat`: for k = 1, 2, … draws of a scenario the chance
    that all k pass; empty where each is played once.
    """

    turns: float
    ended: float
    repeated: float
    tool_calls: float
    pass_hat: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        said = {"turns": self.turns, "ended": self.ended, "repeated_questions": self.repeated,
                "tool_calls": self.tool_calls}  # fmt: skip
        return {**said, **({"pass_hat": list(self.pass_hat)} if self.pass_hat else {})}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Conversations:
        """The inverse of `to_json`. Raises KeyError."""
        return cls(data["turns"], data["ended"], data["repeated_questions"], data["tool_calls"],
                   tuple(data.get("pass_hat", ())))  # fmt: skip

    def sentence(self) -> str:
        """The same for a person."""
        tools = f", {self.tool_calls:.1f} calls of tools" if self.tool_calls else ""
        sure = f"; passes {', '.join(f'{k} of {k}: {share:.3f}' for k, share in enumerate(self.pass_hat, 1))}"
        return (
            f"{self.turns:.1f} messages of the user, {100 * self.ended:.0f} % ended by the user, "
            f"{self.repeated:.1f} questions asked again{tools}{sure if self.pass_hat else ''}"
        )


def conversations_in(scores: Sequence[Score]) -> Conversations | None:
    """Of the scores of one prompt; None where they are of no played conversations."""
    rows = [parts for score in scores if score.judged and TURNS in (parts := dict(score.parts))]
    if not rows:
        return None
    turns, ended, repeated, calls = (
        fmean([row[name] for row in rows]) for name in (TURNS, ENDED, REPEATED, TOOL_CALLS)
    )
    counts = [(round(row[DRAWS]), round(row[PASSED])) for row in rows if DRAWS in row]
    return Conversations(turns, ended, repeated, calls, pass_hat(counts))


def pass_hat(counts: Sequence[tuple[int, int]]) -> tuple[float, ...]:
    """pass^k for k = 1, 2, … from (draws n, of which c passed) of each scenario: the mean of C(c, k) / C(n, k).

    The chance that k further draws of a scenario all pass, without bias (Yao et al. 2024, arXiv:2406.12045). A
    scenario of which fewer than k draws have a score says nothing of k.
    """
    most = max((n for n, _ in counts), default=0)
    return tuple(fmean([math.comb(c, k) / math.comb(n, k) for n, c in counts if n >= k]) for k in range(1, most + 1))
