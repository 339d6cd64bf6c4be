"""What `promptopt evaluate` shows of the layouts of one prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from promptopt.text import counted

if TYPE_CHECKING:
    from promptopt.evaluation import Evaluation
    from promptopt.tasks.task import Task


def layouts_json(found: Sequence[tuple[str, Evaluation]], task: Task) -> dict[str, Any]:
    """The same as one JSON object."""
    from promptopt.tasks.parts import edited_text

    first = found[0][1]
    return {
        "task": first.task,
        "model": first.model,
        **scorer(first),
        "split": first.split,
        "prompt": edited_text(task, first.prompt),
        "prompt_id": first.prompt.id,
        "layouts": [entry(name, evaluation) for name, evaluation in found],
    }


def scorer(evaluation: Evaluation) -> dict[str, Any]:
    """What scored it, as JSON; of several tasks that each have their own, that of each beside it."""
    own = {"by_task": dict(evaluation.by_task)} if evaluation.by_task else {}
    return {"evaluator": evaluation.evaluator, "scored_by": evaluation.scored_by(), **own}


def entry(layout: str, evaluation: Evaluation) -> dict[str, Any]:
    """What one prompt scores in one layout, as JSON."""
    looks = {"look": evaluation.look, "next_look": evaluation.next_look}
    found = {name: asdict(look) for name, look in looks.items() if look is not None}
    return {"layout": layout, **evaluation.figures(), **found}


def layouts_table(found: Sequence[tuple[str, Evaluation]]) -> str:
    """A row a layout, the best first, with what the numbers mean."""
    from promptopt.outcome.looks import look_said
    from promptopt.outcome.members import told_by_task
    from promptopt.reports import words

    first = found[0][1]
    rows = [["layout", "score", "from", "to", "unreadable", "calls paid"]]
    for name, evaluation in found:
        measured = evaluation.measured
        low, high = measured.ci95
        rows.append(
            [name, words.score(measured.score), words.score(low), words.score(high), words.count(measured.unreadable),
             words.count(evaluation.paid.calls)]
        )  # fmt: skip
    examples = counted(first.measured.n, f"{first.split} example")
    lines = [
        f"{first.task}, {examples}, {first.scored_by()} on {first.model}",
        "",
        words.columns(rows, right=(1, 2, 3, 4, 5)),
        "",
        "From and to: 95 % interval. Unreadable: replies without an answer that could be read; each scores 0.",
    ]
    lines += [told_by_task(each.by_member, name) for name, each in found if each.by_member]
    for name, each in found:
        if each.measured.conversations is not None:
            lines.append(f"Conversations, {name}: {each.measured.conversations.sentence()}.")
    looks = [(each.look, each.next_look) for _, each in found if each.look is not None and each.next_look is not None]
    if looks:
        last = max((look for look, _ in looks), key=lambda look: look.number)
        lines.append(look_said([last], max((ahead for _, ahead in looks), key=lambda look: look.number)))
    return "\n".join(lines)
