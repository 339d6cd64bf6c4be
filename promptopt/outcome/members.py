"""What a winner over several tasks gains on each of them, and whether the floor of each holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from promptopt.outcome.decisions import ScoredPair, bound_said, gain_of, non_inferior
from promptopt.protocols import Task
from promptopt.tasks.task import Task as OwnTask
from promptopt.types import Example, Score

Held = Literal["held", "broken", "open"]
_HELD_BY_OUTCOME: Mapping[str, Held] = {"passed": "held", "regression": "broken", "inconclusive": "open"}


@dataclass(frozen=True, slots=True)
class Floor:
    """The loss that is borne of a task, from 0 to 1, and what became of it.

    `bound`: that end of the one-sided 95 % interval which decides, in words and points.
    """

    loss: float
    held: Held
    bound: str


@dataclass(frozen=True, slots=True)
class MemberGain:
    """The gain of one of several tasks on its own `n` test examples, with its 95 % interval. `floor` None: no floor.

    `unreadable`: replies of the start and of the winner that hold no answer that could be read.
    """

    task: str
    mean: float
    ci95: tuple[float, float]
    n: int
    floor: Floor | None = None
    unreadable: tuple[int, int] = (0, 0)

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        floor = None if self.floor is None else {name: getattr(self.floor, name) for name in ("loss", "held", "bound")}
        # JSON has no infinities, which a single example gives.
        ends = [end if math.isfinite(end) else None for end in self.ci95]
        return {"task": self.task, "mean": self.mean, "ci95": ends, "n": self.n, "floor": floor,
                "unreadable": list(self.unreadable)}  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MemberGain:
        """The inverse of `to_json`. Raises KeyError and TypeError for anything else."""
        low, high = data["ci95"]
        low, high = -math.inf if low is None else low, math.inf if high is None else high
        floor = None if data["floor"] is None else Floor(**data["floor"])
        # Older results did not count them.
        before, after = data.get("unreadable", (0, 0))
        return cls(data["task"], data["mean"], (low, high), data["n"], floor, (before, after))


def of_members(
    task: Task, examples: Sequence[Example], before: Sequence[Score], after: Sequence[Score]
) -> tuple[MemberGain, ...]:
    """One for each task that has test examples, where `task` is several; else none."""
    if not isinstance(task, OwnTask):
        return ()
    # A test that a cap cut short has fewer scores than examples.
    pairs = [ScoredPair(*each) for each in zip(examples, before, after, strict=False)]
    found: list[MemberGain] = []
    for name in task.members:
        own = [pair for pair in pairs if pair.example.slice == name]
        if own:
            # Shown on both sides, as every gain is; the floor alone is held on one.
            gain = gain_of(own)
            floor = _floor(own, task.floor_of(name))
            found.append(MemberGain(name, gain.mean, gain.interval, gain.n, floor, _unreadable(own)))
    return tuple(found)


def _unreadable(pairs: Sequence[ScoredPair]) -> tuple[int, int]:
    before, after = (
        sum(score.judged and not score.parsed for score in side)
        for side in zip(*((pair.before, pair.after) for pair in pairs), strict=True)
    )
    return before, after


def _floor(pairs: Sequence[ScoredPair], loss: float | None) -> Floor | None:
    if loss is None:
        return None
    decision = non_inferior("", pairs, loss)
    # `non_inferior` gives one with every decision.
    assert decision.gain is not None
    least, most = decision.gain.interval
    said = f"{bound_said(most, -loss)} or less" if most < -loss else f"{bound_said(least, -loss)} or more"
    return Floor(loss, _HELD_BY_OUTCOME[decision.outcome], said)
