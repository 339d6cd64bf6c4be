"""What played conversations are like under a prompt: their length, how they end, how sure one is to pass again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from promptopt.evaluators.talk_figures import DRAWS, ENDED, PASSED, REPEATED, TOOL_CALLS, TURNS
from promptopt.stats import mean_interval
from promptopt.types import Score


@dataclass(frozen=True, slots=True)
class Conversations:
    """Means over the scenarios that have a score.

    `turns`: messages of the user; `ended`: the share that the user brought to an end; `repeated`: questions that the
    assistant asked before; `tool_calls`: what it called. `pass_hat`: for k = 1, 2, … draws of a scenario the chance
    that all k pass; empty where each is played once. `pass_hat_ci95`: the 95 % interval of each, over scenarios, of
    which those of one group count as one; empty where a run of an earlier version is read.
    """

    turns: float
    ended: float
    repeated: float
    tool_calls: float
    pass_hat: tuple[float, ...] = ()
    pass_hat_ci95: tuple[tuple[float, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        said: dict[str, Any] = {"turns": self.turns, "ended": self.ended, "repeated_questions": self.repeated,
                "tool_calls": self.tool_calls}  # fmt: skip
        if self.pass_hat:
            said["pass_hat"] = list(self.pass_hat)
        if self.pass_hat_ci95:
            said["pass_hat_ci95"] = [list(ends) for ends in self.pass_hat_ci95]
        return said

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Conversations:
        """The inverse of `to_json`. Raises KeyError."""
        return cls(data["turns"], data["ended"], data["repeated_questions"], data["tool_calls"],
                   tuple(data.get("pass_hat", ())),
                   tuple((low, high) for low, high in data.get("pass_hat_ci95", ())))  # fmt: skip

    def sentence(self) -> str:
        """The same for a person."""
        tools = f", {self.tool_calls:.1f} calls of tools" if self.tool_calls else ""
        sure = f"; passes {', '.join(self._passes(k) for k in range(1, len(self.pass_hat) + 1))}"
        return (
            f"{self.turns:.1f} messages of the user, {100 * self.ended:.0f} % ended by the user, "
            f"{self.repeated:.1f} questions asked again{tools}{sure if self.pass_hat else ''}"
        )

    def _passes(self, k: int) -> str:
        ends = self.pass_hat_ci95[k - 1] if self.pass_hat_ci95 else None
        return f"{k} of {k}: {self.pass_hat[k - 1]:.3f}" + (f" (95 % {ends[0]:.3f} to {ends[1]:.3f})" if ends else "")


def conversations_in(scores: Sequence[Score], groups: Sequence[str] = ()) -> Conversations | None:
    """Of the scores of one prompt, and the group of each; None where they are of no played conversations."""
    names = groups if groups else [""] * len(scores)
    # A test that a cap has cut has fewer scores than names.
    pairs = zip(scores, names, strict=False)
    held = [(parts, name) for score, name in pairs if score.judged and TURNS in (parts := dict(score.parts))]
    rows = [row for row, _ in held]
    if not rows:
        return None
    turns, ended, repeated, calls = (
        fmean([row[name] for row in rows]) for name in (TURNS, ENDED, REPEATED, TOOL_CALLS)
    )
    counts = [(round(row[DRAWS]), round(row[PASSED])) for row in rows if DRAWS in row]
    of = [name for row, name in held if DRAWS in row]
    return Conversations(turns, ended, repeated, calls, pass_hat(counts), _pass_hat_ci95(counts, of))


def pass_hat(counts: Sequence[tuple[int, int]]) -> tuple[float, ...]:
    """pass^k for k = 1, 2, … from (draws n, of which c passed) of each scenario: the mean of C(c, k) / C(n, k).

    The chance that k further draws of a scenario all pass, without bias (Yao et al. 2024, arXiv:2406.12045). A
    scenario of which fewer than k draws have a score says nothing of k.
    """
    return tuple(fmean([chance for _, chance in _chances(counts, k)]) for k in _lengths(counts))


def _pass_hat_ci95(counts: Sequence[tuple[int, int]], groups: Sequence[str]) -> tuple[tuple[float, float], ...]:
    """What is drawn by chance is the scenario, so its draws are one item, and so are the scenarios of one group."""
    ends: list[tuple[float, float]] = []
    for k in _lengths(counts):
        chances = _chances(counts, k)
        ends.append(mean_interval([chance for _, chance in chances], groups=[groups[at] for at, _ in chances]))
    return tuple(ends)


def _lengths(counts: Sequence[tuple[int, int]]) -> range:
    return range(1, max((n for n, _ in counts), default=0) + 1)


def _chances(counts: Sequence[tuple[int, int]], k: int) -> list[tuple[int, float]]:
    """The number of each scenario of which k draws have a score, and C(c, k) / C(n, k) of it."""
    return [(at, math.comb(c, k) / math.comb(n, k)) for at, (n, c) in enumerate(counts) if n >= k]
