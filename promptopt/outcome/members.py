"""What a winner over several tasks gains on each of them, and whether the floor of each holds."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from promptopt.outcome.decisions import AskedSlice, Decision, ScoredPair, bound_said, decided, gain_of
from promptopt.protocols import HoldsFloors, Task
from promptopt.stats import ALPHA, Gain, Verdict
from promptopt.stats.design import Design
from promptopt.stats.families import holm
from promptopt.tasks.task import Task as OwnTask
from promptopt.types import Example, Score, mean_of

Held = Literal["held", "broken", "open", "undecided"]
Claim = Literal["better", "worse", ""]
_HELD_BY_OUTCOME: Mapping[str, Held] = {"passed": "held", "regression": "broken", "inconclusive": "open"}


@dataclass(frozen=True, slots=True)
class Floor:
    """The loss that is borne of a task, from 0 to 1, and what became of it.

    `held`: `undecided` where a judge alone scores the task. `bound`: that end of the one-sided 95 % interval which
    decides, in words and points.
    """

    loss: float
    held: Held
    bound: str


@dataclass(frozen=True, slots=True)
class MemberGain:
    """The gain of one of several tasks on its own `n` test examples, with its 95 % interval. `floor` None: no floor.

    `unreadable`: replies of the start and of the winner that hold no answer that could be read. `claim`: what is sure
    of this task as one of several, by Holm's correction over all of them; empty where nothing is, None where a judge
    alone scores it, and decides nothing.
    """

    task: str
    mean: float
    ci95: tuple[float, float]
    n: int
    floor: Floor | None = None
    unreadable: tuple[int, int] = (0, 0)
    claim: Claim | None = ""

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        floor = None if self.floor is None else {name: getattr(self.floor, name) for name in ("loss", "held", "bound")}
        # JSON has no infinities, which a single example gives.
        ends = [end if math.isfinite(end) else None for end in self.ci95]
        return {"task": self.task, "mean": self.mean, "ci95": ends, "n": self.n, "floor": floor,
                "unreadable": list(self.unreadable), "claim": self.claim}  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MemberGain:
        """The inverse of `to_json`. Raises KeyError and TypeError for anything else."""
        low, high = data["ci95"]
        low, high = -math.inf if low is None else low, math.inf if high is None else high
        floor = None if data["floor"] is None else Floor(**data["floor"])
        # Older results have neither.
        before, after = data.get("unreadable", (0, 0))
        claim = data.get("claim", "")
        return cls(data["task"], data["mean"], (low, high), data["n"], floor, (before, after), claim)


def within_floors(verdict: Verdict, members: Sequence[MemberGain], task: Task) -> Verdict:
    """The verdict on a winner; where the search went by floors nothing is better that does not hold all of them.

    Of a task that no test example was scored of, as where a cap came first, nothing was held.
    """
    held = {member.task for member in members if member.floor is not None and member.floor.held == "held"}
    floors = task.floors.keys() if isinstance(task, HoldsFloors) else ()
    return "no_evidence" if verdict == "better" and not held.issuperset(floors) else verdict


def of_members(
    task: Task,
    examples: Sequence[Example],
    before: Sequence[Score],
    after: Sequence[Score],
    *,
    judged: Collection[str] = (),
) -> tuple[MemberGain, ...]:
    """One for each task that has test examples, where `task` is several; else none.

    `judged`: the tasks whose scores are a judge's word, by which no floor is decided.
    """
    if not isinstance(task, OwnTask):
        return ()
    # A test that a cap cut short has fewer scores than examples.
    pairs = [ScoredPair(*each) for each in zip(examples, before, after, strict=False)]
    own = {name: [pair for pair in pairs if pair.example.slice == name] for name in task.members}
    own = {name: held for name, held in own.items() if held}
    # Shown on both sides, as every gain is; the floor alone is held on one.
    design = Design(task.weigh)
    gains = {name: gain_of(held, design) for name, held in own.items()}
    claims = _claims({name: gain for name, gain in gains.items() if name not in judged})
    losses = {name: loss for name in own if (loss := task.floor_of(name)) is not None}
    floors = _floors([AskedSlice(name, own[name], loss, name in judged, design) for name, loss in losses.items()])
    return tuple(
        MemberGain(name, gain.mean, gain.interval, gain.n, floors.get(name), _unreadable(own[name]), claims.get(name))
        for name, gain in gains.items()
    )


def means_by_task(task: Task | None, examples: Sequence[Example], scores: Sequence[Score]) -> dict[str, float]:
    """A prompt's mean on each of several tasks, of the scores that are finite and were judged; empty for one task."""
    if not (isinstance(task, OwnTask) and task.members):
        return {}
    held: dict[str, tuple[list[float], list[str]]] = {}
    for example, score in zip(examples, scores, strict=True):
        if score.judged and math.isfinite(score.value):
            values, groups = held.setdefault(task.member_of(example), ([], []))
            values.append(score.value)
            groups.append(example.group)
    return {name: mean_of(*held[name], task.weigh) for name in task.members if name in held}


def told_by_task(means: Mapping[str, float], called: str = "") -> str:
    """These means as a sentence. `called`: which prompt they are of, where there are several."""
    of = f", {called}" if called else ""
    return f"The mean on each task{of}: {', '.join(f'{name} {mean:.3f}' for name, mean in means.items())}."


def _claims(gains: Mapping[str, Gain]) -> dict[str, Claim]:
    adjusted = holm([gain.p_value for gain in gains.values()])
    return {
        name: "" if p_value >= ALPHA else "better" if gain.mean > 0 else "worse"
        for (name, gain), p_value in zip(gains.items(), adjusted, strict=True)
    }


def _unreadable(pairs: Sequence[ScoredPair]) -> tuple[int, int]:
    before, after = (
        sum(score.judged and not score.parsed for score in side)
        for side in zip(*((pair.before, pair.after) for pair in pairs), strict=True)
    )
    return before, after


def _floors(asked: Sequence[AskedSlice]) -> dict[str, Floor]:
    return {
        each.name: _floor(each.margin, found, judged=each.judged)
        for each, found in zip(asked, decided(asked), strict=True)
    }


def _floor(loss: float, decision: Decision, *, judged: bool) -> Floor:
    # One about scores has it always.
    assert decision.gain is not None
    least, most = decision.gain.interval
    held: Held = "undecided" if judged else _HELD_BY_OUTCOME[decision.outcome]
    beyond = held in ("broken", "undecided") and most < -loss
    said = f"{bound_said(most, -loss)} or less" if beyond else f"{bound_said(least, -loss)} or more"
    return Floor(loss, held, said)
