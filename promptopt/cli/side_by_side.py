"""Several evaluations on the same examples as one table, each held against the first."""

from __future__ import annotations

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


def as_table(found: Sequence[Evaluation], against: Sequence[PromptComparison], title: str, named: Compared) -> str:
    """`title`: what stands beside the task's name and the number of examples."""
    from promptopt.outcome.criterion import scored_by
    from promptopt.reports import words

    first = found[0]
    text = ["prompt"] if named.texts else []
    rows = [[named.heading, "score", "from", "to", "unreadable", f"against {named.first}", "from", "to", "p", "verdict",
             *text]]  # fmt: skip
    for place, (evaluation, name) in enumerate(zip(found, named.names, strict=True)):
        measured = evaluation.measured
        row = [name, words.score(measured.score), *map(words.score, measured.ci95), words.count(measured.unreadable)]
        if place:
            gain, verdict = against[place - 1].gain, against[place - 1].verdict
            row += gain_cells(gain, verdict)
        else:
            row += [""] * 5
        rows.append([*row, *([words.one_line(named.texts[place], 40)] if named.texts else [])])
    # A pair that a judge could not read is in no test, so the least of them is told.
    examples = counted(min([first.measured.n, *(each.gain.n for each in against)]), f"{first.split} example")
    lines = [
        f"{first.task}, the same {examples}, {scored_by(first.evaluator, first.by_task)}{title}",
        "",
        words.columns(rows, right=tuple(range(1, 8))),
        "",
        f"From and to: 95 % intervals. Against {named.first}: the paired difference on the same examples "
        f"({' or '.join(dict.fromkeys(each.gain.test for each in against))}).",
    ]
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
