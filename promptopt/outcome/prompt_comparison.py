"""Two prompts on the same examples: what one gains on the other, and whether that is sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from promptopt.outcome.decisions import ScoredPair, gain_of
from promptopt.outcome.members import MemberGain, of_members, within_floors
from promptopt.outcome.result import RunVerdict
from promptopt.outcome.sentence import unheld_floors
from promptopt.outcome.smallest import SmallestGain, smallest_of
from promptopt.protocols import Task
from promptopt.stats import Gain, verdict
from promptopt.stats.design import Design
from promptopt.text import counted
from promptopt.types import Weigh


@dataclass(frozen=True, slots=True)
class PromptComparison:
    """What one prompt gains on another on the same examples. `rivals`: how many are compared with that one.

    `judged`: the gain is a judge's word. `members`: the gain on each of several tasks. `smallest`: the least of these,
    by which the verdict goes where a prompt is worth what it does on the worst task.
    """

    gain: Gain
    rivals: int
    judged: bool
    verdict: RunVerdict
    """`better` or `worse` where the paired test says so at the gain's own level (`promptopt.evaluation.compare`).

    `undecided` where only a judge says so: nothing is known of how far it can be trusted on these replies.
    """
    smallest: SmallestGain | None = None
    members: tuple[MemberGain, ...] = ()

    def __str__(self) -> str:
        """The verdict in a line, with its numbers."""
        gain, said = self.gain, self.verdict.replace("_", " ")
        level = f"{100 * (1 - gain.alpha):.4g} %"
        if self.smallest is not None:
            (low, high), least = self.smallest.interval, self.smallest
            return (
                f"{said}: the smallest gain of {least.tasks} tasks is {least.mean:+.3f}, on {least.task} ({level} "
                f"interval {low:+.3f} to {high:+.3f}, p = {least.p_value:.2g} by Holm's correction)"
            )
        low, high = gain.interval
        return (
            f"{said}: {gain.mean:+.3f} on {counted(gain.n, 'example')} ({level} interval {low:+.3f} to {high:+.3f}, "
            f"{gain.test} p = {gain.p_value:.2g}){self.unheld}"
        )

    @property
    def unheld(self) -> str:
        """Why a gain that is sure is no verdict, from a comma on: the floors that are not held; else nothing."""
        sure = verdict(self.gain) == "better" and self.verdict == "no_evidence" and self.smallest is None
        return unheld_floors([each.to_json() for each in self.members]) if sure else ""

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        gain = self.gain
        several = {"members": [each.to_json() for each in self.members]} if self.members else {}
        worst = {} if self.smallest is None else {"smallest_gain": self.smallest.to_json()}
        return {"mean": gain.mean, "ci95": list(gain.ci95), "p_value": gain.p_value, "alpha": gain.alpha,
                "test": gain.test, "n": gain.n, "verdict": self.verdict, **several, **worst}  # fmt: skip


def prompts_compared(
    task: Task | None, pairs: Sequence[ScoredPair], *, weigh: Weigh, alpha: float, rivals: int, by_judge: bool,
    unjudged: frozenset[str],
) -> PromptComparison:  # fmt: skip
    """What the second prompt of `pairs` gains on the first, by what `task` asks for where it is several.

    task: None where it is not known, and then it is the mean. unjudged: those of several tasks that no judge scores.
    """
    gain = gain_of(pairs, Design(weigh), alpha)
    if task is None:
        return PromptComparison(gain, rivals, by_judge, "undecided" if by_judge else verdict(gain))
    sides = ([pair.example for pair in pairs], [pair.before for pair in pairs], [pair.after for pair in pairs])
    judged = frozenset(getattr(task, "members", ())) - unjudged if by_judge else frozenset[str]()
    members = of_members(task, *sides, judged=judged)
    smallest = None if by_judge else smallest_of(task, *sides, alpha)
    said = within_floors(verdict(gain), members, task) if smallest is None else smallest.verdict
    return PromptComparison(gain, rivals, by_judge, "undecided" if by_judge else said, smallest, members)
