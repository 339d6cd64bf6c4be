"""What `promptopt migrate` tells of replies: what breaks first on another model, and what they have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptopt.text import counted

if TYPE_CHECKING:
    from promptopt.migration import Migration, OnModel
    from promptopt.migration.agreement import Agreement


def faults(found: Migration) -> list[list[str]]:
    """What breaks first: replies that are no answers, under the old prompt on each model and under a new one."""
    placed = [(f"old prompt, {found.reference.model}", found.old_replies)]
    for target in found.targets:
        placed.append((f"old prompt, {target.model}", target.old.replies))
        placed += [] if target.new is None else [(f"new prompt, {target.model}", target.new.replies)]
    schema = [] if found.old_replies.schema is None else ["break the schema"]
    rows = [[f"of {counted(found.n, 'reply', 'replies')}", "refused", "cut", "unreadable", *schema]]
    for name, each in placed:
        broken = [] if each.schema is None else [each.schema]
        rows.append([name, *map(str, (each.refused, each.cut, each.unreadable, *broken))])
    return rows


def clauses(found: Migration) -> list[list[str]]:
    """What the contract asks of replies, under the old prompt on each target and under a new one; what is not kept.

    Nothing where it asks nothing.
    """
    placed = [
        (f"{name} prompt, {each.model}", each)
        for target in found.targets
        for name, each in (("old", target.old), ("new", target.new))
        if each is not None and each.decisions
    ]
    if not placed:
        return []
    rows = [["the contract", "kept"]]
    for name, each in placed:
        lost = [decision for decision in each.decisions if decision.outcome != "passed"]
        first = [name, f"{len(each.decisions) - len(lost)} of {len(each.decisions)}"]
        told = [[decision.name, decision.outcome, decision.message] for decision in lost]
        rows += [[*(["", ""] if at else first), *row] for at, row in enumerate(told)] if told else [first]
    return rows


def clauses_said(placed: OnModel) -> str:
    """What decides beside the mean, from a comma on: the clauses that are broken, else those that are open."""
    from promptopt.outcome.decisions import deciding

    why = deciding(placed.decisions)
    if not why:
        return ""
    verb = "breaks the contract" if why[0].outcome == "regression" else "may break the contract"
    return f", and {verb}: {', '.join(each.name for each in why)}"


def latencies(found: Migration) -> list[list[str]]:
    """How long replies took on each model, under the old prompt and under a new one; nothing where none was timed."""
    from promptopt.migration import Latency

    timed = [(f"old prompt, {found.reference.model}", Latency.of(found.reference.seconds))]
    for target in found.targets:
        timed.append((f"old prompt, {target.model}", target.old.latency))
        timed += [] if target.new is None else [(f"new prompt, {target.model}", target.new.latency)]
    if not any(each for _, each in timed):
        return []
    rows = [["seconds a reply", "half of them", "95 %", "timed"]]
    return rows + [[name, *(["-", "-", "0"] if each is None else [f"{each.p50:.2f}", f"{each.p95:.2f}", str(each.n)])]
                   for name, each in timed]  # fmt: skip


LATENCY_SAID = (
    "Seconds from a request to its whole reply, at the concurrency of this command: of replies that were asked for in "
    "it. Those out of the store, and those of a model in this process, carry no time."
)


def agreements(found: Migration) -> list[list[str]]:
    """In how many examples a model says or calls what the old one did under the old prompt; the ceiling first."""
    placed = [] if found.ceiling is None else [(f"old prompt, {found.reference.model}, drawn again", found.ceiling)]
    for target in found.targets:
        placed.append((f"old prompt, {target.model}", target.old.agreement))
        placed += [] if target.new is None else [(f"new prompt, {target.model}", target.new.agreement)]
    rows = [["as the old model's", "replies", "tools called", "with their arguments"]]
    return rows + [[name, *_agreement_cells(each)] for name, each in placed]


def ceiling_said(found: Migration) -> list[str]:
    """What the first row is for, where there is one."""
    if found.ceiling is None:
        return []
    return ["Nobody can agree with the old model more than it does with itself. Agreement is no quality: a better "
            "model differs, too."]  # fmt: skip


def _agreement_cells(each: Agreement) -> list[str]:
    called = [f"{count} of {each.called}" if each.called else "-" for count in (each.tools, each.arguments)]
    said = each.n - each.called
    return [f"{each.alike} of {said}" if said else "-", *called]
