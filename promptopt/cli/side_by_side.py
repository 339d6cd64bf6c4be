"""Several evaluations on the same examples as one table, each held against the first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptopt.text import counted

if TYPE_CHECKING:
    from promptopt.evaluation import Evaluation, PromptComparison
    from promptopt.stats import Gain


@dataclass(frozen=True, slots=True)
class Compared:
    """What is compared: `kind` in the plural and how the first is called; a name a row, and a text a row or none."""

    kind: str
    first: str
    heading: str
    names: Sequence[str]
    texts: Sequence[str] = ()


def gain_cells(gain: Gain, verdict: str) -> list[str]:
    """A paired difference as cells: the difference, its interval, p, and the verdict."""
    from promptopt.reports import words

    bounds = map(words.difference, gain.ci95)
    return [words.difference(gain.mean), *bounds, words.p_cell(gain.p_value), verdict.replace("_", " ")]


def _against_cells(against: PromptComparison) -> list[str]:
    """What one gains; where the worst of several tasks counts, the smallest gain and the task that has it."""
    from promptopt.reports import words

    least = against.smallest
    if least is None:
        return gain_cells(against.gain, against.verdict)
    ends = ("unknown" if math.isinf(end) else words.difference(end) for end in least.interval)
    said = against.verdict.replace("_", " ")
    return [words.difference(least.mean), *ends, words.p_cell(least.p_value), said, least.task]


def as_table(found: Sequence[Evaluation], against: Sequence[PromptComparison], title: str, named: Compared) -> str:
    """`title`: what stands beside the task's name and the number of examples."""
    from promptopt.outcome.members import told_by_task
    from promptopt.reports import words

    first = found[0]
    worst = ["on task"] if any(each.smallest for each in against) else []
    text = ["prompt"] if named.texts else []
    rows = [[named.heading, "score", "from", "to", "unreadable", f"against {named.first}", "from", "to", "p", "verdict",
             *worst, *text]]  # fmt: skip
    for place, (evaluation, name) in enumerate(zip(found, named.names, strict=True)):
        measured = evaluation.measured
        row = [name, words.score(measured.score), *map(words.score, measured.ci95), words.count(measured.unreadable)]
        if place:
            row += _against_cells(against[place - 1])
        else:
            row += [""] * (5 + len(worst))
        rows.append([*row, *([words.one_line(named.texts[place], 40)] if named.texts else [])])
    # A pair that a judge could not read is in no test, so the least of them is told.
    examples = counted(min([first.measured.n, *(each.gain.n for each in against)]), f"{first.split} example")
    lines = [
        f"{first.task}, the same {examples}, {first.scored_by()}{title}",
        "",
        words.columns(rows, right=tuple(range(1, 8))),
        "",
        _against_said(against, named.first),
        *(told_by_task(each.by_member, name) for name, each in zip(named.names, found, strict=True) if each.by_member),
        *(f"{name}: better in the mean{each.unheld}."
          for name, each in zip(named.names[1:], against, strict=True) if each.unheld),
    ]  # fmt: skip
    if first.look is not None and first.next_look is not None:
        each = "a verdict needs" if len(against) == 1 else f"its {len(against)} verdicts share its level, each needs"
        lines.append(
            f"Look {first.look.number} at these test examples: {each} p below {against[0].gain.alpha:.2g}. What is "
            f"chosen by it needs new examples; the next look at these needs p below {first.next_look.alpha:.2g}."
        )
    elif len(against) > 1:
        lines.append(
            f"A verdict needs p below 0.05 / {len(against)}: so many {named.kind} are compared with "
            f"{'the first' if named.first == 'first' else named.first}."
        )
    return "\n".join(lines)


def _against_said(against: Sequence[PromptComparison], first: str) -> str:
    """What the cells on gains hold."""
    least = against[0].smallest
    if least is not None:
        return (
            f"From and to: 95 % intervals of the mean over all tasks. Against {first}: the smallest gain of "
            f"{least.tasks} tasks on the same examples, its {100 * (1 - least.alpha):.4g} % interval, and whether it "
            f"is sure of all tasks together (Holm's correction)."
        )
    tests = " or ".join(dict.fromkeys(each.gain.test for each in against))
    return f"From and to: 95 % intervals. Against {first}: the paired difference on the same examples ({tests})."
