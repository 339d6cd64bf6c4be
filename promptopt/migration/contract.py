"""What a task's contract asks of replies, on another model: losses of slices that are borne, and what must pass."""

from __future__ import annotations

from dataclasses import dataclass

from promptopt.evaluation import Evaluation, paired
from promptopt.outcome.decisions import Decision, decided, must_pass
from promptopt.outcome.slices import slices_of_task
from promptopt.stats.design import Design
from promptopt.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Scored:
    """One prompt on one model. `vital`: on the examples that must pass and are none of the test, where there are any.

    These are no look at the test: no mean is over them, and each decides for itself.
    """

    test: Evaluation
    vital: Evaluation | None = None


def asked_of_replies(task: Task, reference: Scored, found: Scored) -> tuple[Decision, ...]:
    """What becomes of `task`'s clauses on replies, the reference standing for the old prompt of a check.

    A judge's word is taken for them, as it is for the mean that they stand beside.
    """
    tested = paired(reference.test, found.test)
    slices = slices_of_task(task, tested, Design(found.test.weigh), judged=False)
    both = reference.vital, found.vital
    further = [] if both[0] is None or both[1] is None else paired(both[0], both[1])
    return (
        *decided(slices),
        *must_pass(task.gate.must_pass, [*tested, *further], passing=found.test.passing),
    )
