"""What a user is to know of a winner, and of a search that found none."""

from __future__ import annotations

from promptopt.operators.reflect import reason_said
from promptopt.run import Run
from promptopt.run.door import Door
from promptopt.text import counted
from promptopt.types import Prompt


def warn_of_winner(run: Run, door: Door, method: str, winner: Prompt, guide: str) -> None:
    """`guide`: the evaluator that the search went by, where the verdict is by another one."""
    from promptopt.outcome.hygiene import findings_in

    if "teacher" in door.models and "teacher" not in door.account.by_role:
        run.warn(f"the teacher was never asked: {method} has none, or made no demonstrations")
    if len(run.candidates()) == 1:
        reasons = ", ".join(f"{count} {reason_said(why)}" for why, count in run.rejected.most_common())
        if not reasons:
            asked = run.spent.proposer_calls
            # A reply that says its parent again is no failure, and is not counted.
            reasons = f"{counted(asked, 'reply', 'replies')}, nothing new" if asked else "the proposer was not asked"
        run.warn(f"the search proposed no usable candidate, so the start is kept ({reasons})")
    ranked = run.ranked()
    if guide and winner == run.initial and ranked and ranked[0].prompt != winner:
        start, best = (run.searched(prompt).mean for prompt in (winner, ranked[0].prompt))
        # Of prompts that tie another than the start may rank first, and then nothing was improved.
        if best > start:
            run.warn(
                f"the search improved what it goes by ({guide}) from {start:.3f} to {best:.3f} on its own examples, "
                f"but on dev no finalist beats the start in what decides the verdict: it is a poor guide to that here"
            )
    if winner.layout != run.initial.layout:
        run.warn(
            f"the winner is read in the layout {winner.layout!r} of the task, not in the one in use: its text alone is "
            f"not what was measured (`promptopt runs export` writes all of it)"
        )
    if winner != run.initial:
        for finding in findings_in(winner, run.initial, run.task, run.train):
            run.warn(f"the winner {finding}")
