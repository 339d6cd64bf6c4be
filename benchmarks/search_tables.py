"""Published patterns, and whether the rows of real searches show them."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

from benchmarks.search_real import Line
from promptopt.comparison.cells import FLOOR, Row
from promptopt.comparison.statistics import ERRORS, Lead, gain_of, leads_of

CONTROL = FLOOR


def mean(values: Iterable[float]) -> float:
    """The mean; NaN of nothing."""
    found = list(values)
    return statistics.fmean(found) if found else math.nan


def standard_error(values: Sequence[float]) -> float:
    """Of the mean; NaN of fewer than two."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def with_error(values: Sequence[float], sign: str = "") -> str:
    """Mean ± standard error; a dash for nothing."""
    return f"{mean(values):{sign}.3f} ± {standard_error(values):.3f}" if values else "-"


def above_zero(values: Sequence[float]) -> bool:
    """Whether the mean is above zero by more than its error explains."""
    return len(values) > 1 and mean(values) > ERRORS * standard_error(values)


def patterns(lines: Sequence[Line]) -> list[str]:
    """One published pattern each of Plum, PromptQuine and CAPO, and whether these runs show it."""
    rows = by_method([line.row for line in lines])
    return ["## Published patterns", "", *plum(rows), "", *promptquine(lines), "", *capo(rows)]


def by_method(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each method, in order."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.cell.method, []).append(row)
    return groups


def gains(rows: Sequence[Row]) -> list[float]:
    """What each winner gains on its start."""
    return [gain_of([row]).mean for row in rows]


def lead_of(rows: Sequence[Row], others: Sequence[Row]) -> Lead | None:
    """How far one method is above another; None where no run of theirs shares task and seed."""
    if not rows or not others:
        return None
    return next(iter(leads_of([*rows, *others], [rows[0].cell.method], others[0].cell.method)), None)


def said_lead(lead: Lead | None) -> str:
    """Mean ± standard error; a dash for none."""
    return "-" if lead is None else f"{lead.mean:+.3f} ± {math.nan if lead.error is None else lead.error:.3f}"


def plum(groups: Mapping[str, Sequence[Row]]) -> list[str]:
    """A metaheuristic beats the start, and random search."""
    lines = ["### Plum: a metaheuristic beats the start and random search under the same budget", ""]
    found = {method: rows for method, rows in groups.items() if method.startswith("plum-")}
    if not found:
        return [*lines, "No runs of Plum yet."]
    lines += ["| search | runs | over the start | over random, same task and seed |", "| --- | --- | --- | --- |"]
    shown: list[str] = []
    for method, rows in found.items():
        lead = lead_of(rows, groups.get(CONTROL, ()))
        lines.append(f"| {method} | {len(rows)} | {with_error(gains(rows), '+')} | {said_lead(lead)} |")
        if above_zero(gains(rows)) and lead is not None and lead.sure:
            shown.append(method)
    said = (
        f"Shown by {', '.join(shown)}." if shown
        else "Not shown: none of them is above both by two standard errors with this model and budget."
    )  # fmt: skip
    return [*lines, "", said]


def promptquine(runs: Sequence[Line]) -> list[str]:
    """Pruned demonstrations beat the unpruned ones, on average over seeds."""
    lines = ["### PromptQuine: pruned demonstrations beat unpruned ones, on average over seeds", ""]
    found = {
        method: measured
        for method in ("promptquine", "tapruning")
        if (measured := [line.pruned for line in runs if line.row.cell.method == method and line.pruned is not None])
    }
    if not found:
        return [*lines, "No runs with demonstrations to prune yet."]
    lines += [
        "The best pruned prompt against the one it was pruned from, on the same test examples, whether or not it won: "
        "the start prompt without demonstrations takes part in the final choice.",
        "",
        "| search | runs | unpruned | pruned | pruned over unpruned | prompt tokens, unpruned | pruned | pruned won |",
        f"|{' --- |' * 8}",
    ]
    shown: list[str] = []
    for method, rows in found.items():
        over = [each.pruned - each.unpruned for each in rows]
        won = sum(each.won for each in rows)
        lines.append(
            f"| {method} | {len(rows)} | {mean(each.unpruned for each in rows):.3f} "
            f"| {mean(each.pruned for each in rows):.3f} | {with_error(over, '+')} "
            f"| {mean(each.unpruned_tokens for each in rows):.0f} | {mean(each.pruned_tokens for each in rows):.0f} "
            f"| {won} |"
        )
        if above_zero(over):
            shown.append(method)
    said = (
        f"Shown by {', '.join(shown)}." if shown
        else "Not shown: no gain over the unpruned prompt of two standard errors with this model and budget."
    )  # fmt: skip
    return [*lines, "", said]


def capo(groups: Mapping[str, Sequence[Row]]) -> list[str]:
    """CAPO scores as EvoPrompt does, with shorter prompts and fewer tokens."""
    lines = ["### CAPO: the score of EvoPrompt, with shorter prompts and fewer tokens", ""]
    own = [method for method in ("capo", "capo-zero-shot") if method in groups]
    rivals = [method for method in ("evoprompt-ga", "evoprompt-de") if method in groups]
    if not own or not rivals:
        return [*lines, "No runs of CAPO and EvoPrompt to compare yet."]
    lines += [
        "EvoPrompt shows no demonstrations, so its prompts are the shorter ones unless CAPO shows none either.",
        "",
        "| CAPO | against | pairs | score, difference | prompt tokens, ratio | tokens of the run, ratio | shown |",
        f"|{' --- |' * 7}",
    ]
    for method, rival in itertools.product(own, rivals):
        lead = lead_of(groups[method], groups[rival])
        if lead is None:
            lines.append(f"| {method} | {rival} | 0 | - | - | - | no pair of runs |")
            continue
        prompts = _ratio(groups[method], groups[rival], lambda row: row.tokens or 1)
        tokens = _ratio(groups[method], groups[rival], lambda row: row.spent.tokens)
        # As good: not below by more than its error explains.
        below = lead.error is not None and -lead.mean > ERRORS * lead.error
        missing = [
            *(["lower score"] if below else []),
            *([] if prompts < 1 else ["prompts not shorter"]),
            *([] if tokens < 1 else ["not fewer tokens"]),
        ]
        lines.append(
            f"| {method} | {rival} | {lead.blocks} | {said_lead(lead)} | {prompts:.2f} | {tokens:.2f} "
            f"| {'yes' if not missing else 'no: ' + ', '.join(missing)} |"
        )
    return lines


def _ratio(rows: Sequence[Row], others: Sequence[Row], value: Callable[[Row], float]) -> float:
    """The geometric mean of the ratios of two runs on the same task with the same seed."""
    known = {(row.cell.task, row.cell.seed): row for row in others}
    logs = [
        math.log(max(1.0, value(row)) / max(1.0, value(known[row.cell.task, row.cell.seed])))
        for row in rows if (row.cell.task, row.cell.seed) in known
    ]  # fmt: skip
    return math.exp(mean(logs))
