"""The smallest gain over several tasks, by which the objective `worst` has its verdict.

Better is sure where each task gains for sure, and worse where any one loses for sure: by Holm's correction over all
tasks, as many looks at chance as there are tasks. The interval goes with it. Its lower end is the smallest lower end of
all tasks; once all are sure each has the whole level, for all of them have to be wrong about one and the same task. Its
upper end is the smallest upper end, each at its share of the level (Bonferroni): any of them may be the one that is
wrong.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from promptopt.outcome.decisions import AskedSlice, Bars, Decision, ScoredPair, decided, gain_of, shown_better
from promptopt.outcome.looks import units_of
from promptopt.protocols import HasObjective, Task
from promptopt.stats import ALPHA, Verdict
from promptopt.stats.design import PLAIN, Design
from promptopt.stats.families import holm
from promptopt.stats.power import smallest_detectable
from promptopt.tasks.task import Task as OwnTask
from promptopt.types import Example, Score

_ORDER = ("regression", "inconclusive", "passed")


@dataclass(frozen=True, slots=True)
class SmallestGain:
    """The smallest of the gains on `tasks` tasks: that of `task`, on its `n` test examples.

    `p_value`: adjusted by Holm's correction. Of a smallest gain it is the largest of all, for each has to be sure; of a
    smallest loss the least of those that lose. `interval`: of level 1 - alpha.
    """

    task: str
    tasks: int
    mean: float
    interval: tuple[float, float]
    p_value: float
    alpha: float
    n: int
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {**asdict(self), "interval": [end if math.isfinite(end) else None for end in self.interval]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SmallestGain:
        """The inverse of `to_json`. Raises KeyError and TypeError for anything else."""
        low, high = data["interval"]
        ends = (-math.inf if low is None else low, math.inf if high is None else high)
        whole: dict[str, Any] = {**data, "interval": ends}
        return cls(**whole)


def goes_by_worst(task: Task) -> bool:
    """Whether `task` is several, and a prompt is worth what it does on the worst of them."""
    return isinstance(task, HasObjective) and task.objective == "worst"


def smallest_of(
    task: Task, examples: Sequence[Example], before: Sequence[Score], after: Sequence[Score], alpha: float
) -> SmallestGain | None:
    """The smallest gain of a winner over several tasks; None where a verdict goes by another objective."""
    if not (isinstance(task, OwnTask) and task.members and goes_by_worst(task)):
        return None
    # A test that a cap cut short has fewer scores than examples, and may lack a task: nothing is sure of that one.
    pairs = [ScoredPair(*each) for each in zip(examples, before, after, strict=False)]
    return smallest_gain(by_member(task.members, pairs), alpha, Design(task.weigh))


def by_member(members: Sequence[str], pairs: Sequence[ScoredPair]) -> dict[str, list[ScoredPair]]:
    """The pairs of each of several tasks."""
    return {name: [pair for pair in pairs if pair.example.slice == name] for name in members}


def smallest_gain(pairs: Mapping[str, Sequence[ScoredPair]], alpha: float, design: Design = PLAIN) -> SmallestGain:
    """The smallest gain over the tasks that `pairs` are of, at the two-sided level `alpha` for all of them together."""
    whole = {name: gain_of(each, design, alpha) for name, each in pairs.items()}
    shared = {name: gain_of(each, design, alpha / len(pairs)) for name, each in pairs.items()}
    adjusted = dict(zip(whole, holm([gain.p_value for gain in whole.values()]), strict=True))
    sure = [name for name, p_value in adjusted.items() if p_value < alpha]
    least = min(whole, key=lambda name: whole[name].mean)
    # The ends are found to a tolerance: where they and the test part, nothing is claimed.
    better = len(sure) == len(whole) and all(gain.mean > 0.0 and gain.interval[0] > 0.0 for gain in whole.values())
    worse = any(whole[name].mean < 0.0 and whole[name].interval[1] < 0.0 for name in sure)
    low = min(gain.interval[0] for gain in (whole if better else shared).values())
    high = min(gain.interval[1] for gain in shared.values())
    gains = whole[least].mean > 0.0
    p_values = [adjusted[name] for name, gain in whole.items() if gains or gain.mean < 0.0]
    return SmallestGain(
        task=least,
        tasks=len(whole),
        mean=whole[least].mean,
        # One that is worse beside others that are sure has more than its share of the level, as Holm says.
        interval=(low, min(0.0, high) if worse else high),
        p_value=max(p_values) if gains else min(p_values, default=1.0),
        alpha=alpha,
        n=whole[least].n,
        verdict="better" if better else "worse" if worse else "no_evidence",
    )


def smallest_found(task: Task, examples: Sequence[Example], alpha: float) -> tuple[float, str]:
    """The smallest true gain that a verdict on `examples` finds four times in five; and of what, in words, if of tasks.

    Of the worst of several tasks each has to gain it, and the one with the fewest examples finds the least.
    """
    if not (isinstance(task, OwnTask) and task.members):
        return smallest_detectable(units_of(examples), alpha=alpha), ""
    if goes_by_worst(task):
        count = len(task.members)
        return smallest_detectable(fewest_of_a_task(task, examples), alpha=alpha, among=count), on_each(count)
    weighted = len(set(task.weights)) > 1
    return smallest_detectable(units_of(examples), alpha=alpha), f" in the {'weighted ' if weighted else ''}mean"


def fewest_of_a_task(task: OwnTask, examples: Sequence[Example]) -> int:
    """How many were drawn independently of that one of several tasks that has the fewest."""
    return min(units_of([each for each in examples if task.member_of(each) == name]) for name in task.members)


def on_each(tasks: int) -> str:
    """Where a gain has to be, behind its number."""
    return f" on each of {tasks} tasks"


def worst_decision(
    pairs: Mapping[str, Sequence[ScoredPair]], bars: Bars, *, judged: Collection[str] = (), design: Design = PLAIN
) -> Decision:
    """The score of a gate where a prompt is worth what it does on the worst of several tasks: what each has to hold.

    It is that of the task that stands worst. None may lose more than the margin, and one alone may look worse by chance
    (`decided`); where better is asked for, each has to gain. `judged`: the tasks whose scores are a judge's word.
    """
    asked = [AskedSlice(name, each, bars.margin, name in judged, design) for name, each in pairs.items()]
    found = decided(asked)
    if bars.better:
        found = [shown_better(each, pairs[each.name], design) for each in found]
    worst = min(found, key=lambda each: (_ORDER.index(each.outcome), each.gain.mean if each.gain else 0.0))
    said = replace(worst, name="score", message=f"{worst.name}, the worst of {len(found)} tasks: {worst.message}")
    # Each by itself may look better by chance.
    if bars.better and worst.outcome == "passed" and smallest_gain(pairs, ALPHA, design).verdict != "better":
        chance = "alone it would be a gain, but one of several may look so by chance: give more examples of it"
        return replace(said, outcome="inconclusive", message=f"{said.message}; {chance}")
    return said
