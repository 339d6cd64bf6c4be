"""What `promptopt migrate` tells of replies: what breaks first on another model, and what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from promptopt.text import counted

if TYPE_CHECKING:
    from promptopt.migration import Migration, OnModel, Target
    from promptopt.migration.agreement import Agreement
    from promptopt.stats import Gain


def names_shown(found: Migration) -> Callable[[str], str]:
    """Puts models as they are called in the place of their full names, where no two are called the same.

    A full name says which file of weights it is, and how it is run: a column of each makes no line that is read.
    """
    full = dict.fromkeys((found.reference.model, *found.models, *(each.model for each in found.missing)))
    called = {name: name.partition("@")[0].removeprefix("llamacpp/") for name in full}
    if len(set(called.values())) < len(called):
        called = {}

    def shown(text: str) -> str:
        # The longest first: a name may begin another.
        for name in sorted(called, key=len, reverse=True):
            text = text.replace(name, called[name])
        return text

    return shown


def columns_of(rows: Sequence[Sequence[str]], shown: Callable[[str], str], right: Sequence[int] = ()) -> str:
    """The rows as columns, models by what `shown` makes of their names."""
    from promptopt.reports import words

    return words.columns([[shown(cell) for cell in row] for row in rows], right=right)


def _placed(found: Migration) -> list[tuple[str, OnModel]]:
    """What is told of on each target: the old prompt, its own new one, and the one for all where that is another."""
    placed: list[tuple[str, OnModel]] = []
    for at, target in enumerate(found.targets):
        placed.append((f"old prompt, {target.model}", target.old))
        placed += [] if target.new is None else [(f"new prompt, {target.model}", target.new)]
        if found.shared is not None and found.shared.costs[at] is not None:
            placed.append((f"prompt for all, {target.model}", found.shared.cells[at]))
    return placed


def faults(found: Migration) -> list[list[str]]:
    """What breaks first: replies that are no answers, under the old prompt on each model and under a new one."""
    placed = [(f"old prompt, {found.reference.model}", found.old_replies)]
    placed += [(name, each.replies) for name, each in _placed(found)]
    schema = [] if found.old_replies.schema is None else ["break the schema"]
    rows = [[f"of {counted(found.n, 'reply', 'replies')}", "refused", "cut", "unreadable", *schema]]
    for name, each in placed:
        broken = [] if each.schema is None else [each.schema]
        rows.append([name, *map(str, (each.refused, each.cut, each.unreadable, *broken))])
    return rows


def target_said(found: Migration, target: Target) -> str:
    """What became of a target, as a sentence."""
    prompt = "the old prompt" if target.kept else "a new prompt"
    return _outcome_sentence(found, target.chosen, prompt)


def for_all_said(found: Migration) -> list[str]:
    """What became of the prompt for all targets: a sentence for each of them."""
    if found.shared is None:
        return []
    if found.shared.search is None:
        return ["for all: the old prompt, which is no worse on any of them, so no other was looked for"]
    return [f"for all, {cell.model}: {_outcome_sentence(found, cell, 'the one prompt')}" for cell in found.shared.cells]


def costs_of_sharing(found: Migration) -> list[list[str]]:
    """What each target gains by a prompt of its own on the one for all."""
    if found.shared is None or found.shared.search is None:
        return []
    rows = [["the cost of sharing", "its own prompt less the one for all"]]
    for cell, cost in zip(found.shared.cells, found.shared.costs, strict=True):
        rows.append([cell.model, "none: this is its own" if cost is None else _interval_said(cost)])
    return rows


def _outcome_sentence(found: Migration, placed: OnModel, prompt: str) -> str:
    from promptopt.migration.moved import inferiority

    by = "by a judge's word " if found.judged else ""
    would_tell = "more test examples, or a wider margin, would tell"
    if placed.undecided:
        # A sure loss that the margin may still allow does show; what it is a loss of is not known.
        sure = placed.gain.interval[1] < 0.0
        would_tell = f"{placed.undecided}, so {'the loss may be no more than that' if sure else 'no loss could show'}"
    clauses = clauses_said(placed)
    said = {
        "non-inferior": f"{prompt} is no worse there{' on average' if clauses else ''}",
        "inferior": f"{prompt} is worse there than the margin allows",
        "open": f"whether {prompt} is no worse there is open: {would_tell}",
    }
    both_ways = (
        ", and no better by more than the margin either: equivalent" if placed.equivalent and found.judged else ""
    )
    # By the mean alone: what the contract asks is told behind it.
    by_mean = inferiority(placed.gain, found.margin, placed.undecided)
    return f"{by}{said[by_mean]}{both_ways} ({gain_cell(placed)}){clauses}"


def gain_cell(placed: OnModel | None) -> str:
    """The gain on the reference, with its interval."""
    return "-" if placed is None else _interval_said(placed.gain)


def _interval_said(gain: Gain) -> str:
    from promptopt.reports import words

    low, high = gain.interval
    return f"{words.difference(gain.mean)} ({words.difference(low)} to {words.difference(high)})"


def clauses(found: Migration) -> list[list[str]]:
    """What the contract asks of replies, under each prompt on each target; what is not kept.

    Nothing where it asks nothing.
    """
    placed = [(name, each) for name, each in _placed(found) if each.decisions]
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
    timed += [(name, each.latency) for name, each in _placed(found)]
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
    placed += [(name, each.agreement) for name, each in _placed(found)]
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
