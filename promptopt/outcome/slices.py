"""The slices that a task bears a loss of: its own, and those of each of several tasks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from promptopt.outcome.decisions import AskedSlice, Decision, ScoredPair, slices_asked
from promptopt.stats.design import Design
from promptopt.tasks.task import Task


def slices_of_task(
    task: Task, pairs: Sequence[ScoredPair], design: Design, *, judged: bool, unjudged: Collection[str] = ()
) -> list[Decision | AskedSlice]:
    """What `task` asks of slices, to be decided together; `judged`, `unjudged`, `design`: as in `slices_asked`."""
    found = slices_asked(pairs, task.gate.largest_loss, judged=judged, unjudged=unjudged, design=design)
    for name, gate in task.gate.members.items():
        own = [
            replace(pair, example=pair.example.source)
            for pair in pairs
            if pair.example.slice == name and pair.example.source is not None
        ]
        said = slices_asked(own, gate.largest_loss, judged=judged and name not in unjudged, design=design)
        found += [replace(each, name=f"{name}: {each.name}") for each in said]
    return found
