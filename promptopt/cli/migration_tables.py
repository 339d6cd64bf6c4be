"""What `promptopt migrate` tells of replies: what breaks first on another model, and what they have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptopt.text import counted

if TYPE_CHECKING:
    from promptopt.migration import Migration
    from promptopt.migration.agreement import Agreement


def faults(found: Migration) -> list[list[str]]:
    """What breaks first: replies that are no answers, under the old prompt on each model and under a new one."""
    from promptopt.migration.moved import Replies

    placed = [(f"old prompt, {found.reference.model}", Replies.of(found.reference.scores))]
    for target in found.targets:
        placed.append((f"old prompt, {target.model}", target.old.replies))
        placed += [] if target.new is None else [(f"new prompt, {target.model}", target.new.replies)]
    rows = [[f"of {counted(found.n, 'reply', 'replies')}", "refused", "cut", "unreadable"]]
    return rows + [[name, *map(str, (each.refused, each.cut, each.unreadable))] for name, each in placed]


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
