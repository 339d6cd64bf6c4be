"""The tables of real searches, and the published patterns that they are held against."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
CONTROL = "random"
COUNTS = ("evaluations", "proposer_calls", "read", "written", "best_tokens")
ERRORS = 2.0
"""Standard errors that a mean difference must be away from zero, to be called one."""


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


def by_method(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each method, in order."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["method"], []).append(row)
    return groups


def paired(rows: Sequence[Row], others: Sequence[Row], difference: Callable[[Row, Row], float]) -> list[float]:
    """`difference` of every two rows of the same task and seed."""
    known = {(row["task"], row["seed"]): row for row in others}
    return [
        difference(row, known[row["task"], row["seed"]]) for row in rows if (row["task"], row["seed"]) in known
    ]  # fmt: skip


def better_by(row: Row, other: Row) -> float:
    """Test score over test score."""
    return row["best"] - other["best"]


def real_tables(rows: Sequence[Row]) -> list[str]:
    """One table over all tasks, and one of the winners by task."""
    groups = by_method(rows)
    heads = (
        "search", "runs", "start", "winner", "gain", f"over {CONTROL}", "better : worse", "evaluations",
        "proposer calls", "tokens read", "written", "prompt tokens", "minutes",
    )  # fmt: skip
    lines = ["## All tasks", "", f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    ranked = sorted(groups.items(), key=lambda group: -mean(row["best"] - row["start"] for row in group[1]))
    for method, found in ranked:
        over = paired(found, groups.get(CONTROL, ()), better_by) if method != CONTROL else []
        verdicts = [row["verdict"] for row in found]
        cells = [
            method,
            f"{len(found)}",
            f"{mean(row['start'] for row in found):.3f}",
            f"{mean(row['best'] for row in found):.3f}",
            with_error([row["best"] - row["start"] for row in found], "+"),
            with_error(over, "+"),
            f"{verdicts.count('better')} : {verdicts.count('worse')}",
            *(f"{mean(row[name] for row in found):,.0f}" for name in COUNTS),
            f"{mean(row['minutes'] for row in found):.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    lines += ["", "## Winners by task: test accuracy, mean over seeds", ""]
    lines += [f"| search | {' | '.join(tasks)} |", f"|{' --- |' * (len(tasks) + 1)}"]
    starts = [mean(row["start"] for row in rows if row["task"] == task) for task in tasks]
    lines.append(f"| (the start) | {' | '.join(map(_score, starts))} |")
    for method, found in ranked:
        cells = [mean(row["best"] for row in found if row["task"] == task) for task in tasks]
        lines.append(f"| {method} | {' | '.join(map(_score, cells))} |")
    return lines


def floor(rows: Sequence[Row]) -> list[str]:
    """Which searches are above random on average at equal budget, and which are not."""
    groups = by_method(rows)
    over = {
        method: paired(found, groups.get(CONTROL, ()), better_by)
        for method, found in groups.items()
        if method != CONTROL
    }
    over = {method: differences for method, differences in over.items() if differences}
    above = [method for method, differences in over.items() if mean(differences) > 0]
    sure = [method for method in above if above_zero(over[method])]
    rest = [method for method in over if method not in above]
    return [
        f"## Beside {CONTROL}",
        "",
        f"- Above it on average over tasks and seeds: {_listed(above)}.",
        f"- Above it by more than {ERRORS:g} standard errors: {_listed(sure)}.",
        f"- Not above it: {_listed(rest)}.",
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"


def _score(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def patterns(rows: Sequence[Row]) -> list[str]:
    """One published pattern each of Plum, PromptQuine and CAPO, and whether these rows show it."""
    groups = by_method(rows)
    return ["## Published patterns", "", *plum(groups), "", *promptquine(groups), "", *capo(groups)]


def plum(groups: Mapping[str, Sequence[Row]]) -> list[str]:
    """A metaheuristic beats the start, and random search."""
    lines = ["### Plum: a metaheuristic beats the start and random search under the same budget", ""]
    found = {method: rows for method, rows in groups.items() if method.startswith("plum-")}
    if not found:
        return [*lines, "No runs of Plum yet."]
    lines += ["| search | runs | over the start | over random, same task and seed |", "| --- | --- | --- | --- |"]
    shown: list[str] = []
    for method, rows in found.items():
        gains = [row["best"] - row["start"] for row in rows]
        over = paired(rows, groups.get(CONTROL, ()), better_by)
        lines.append(f"| {method} | {len(rows)} | {with_error(gains, '+')} | {with_error(over, '+')} |")
        if above_zero(gains) and above_zero(over):
            shown.append(method)
    said = (
        f"Shown by {', '.join(shown)}." if shown
        else "Not shown: none of them is above both by two standard errors with this model and budget."
    )  # fmt: skip
    return [*lines, "", said]


def promptquine(groups: Mapping[str, Sequence[Row]]) -> list[str]:
    """Pruned demonstrations beat the unpruned ones, on average over seeds."""
    lines = ["### PromptQuine: pruned demonstrations beat unpruned ones, on average over seeds", ""]
    found = {
        method: measured
        for method in ("promptquine", "tapruning")
        if (measured := [row for row in groups.get(method, ()) if "pruned" in row])
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
        over = [row["pruned"] - row["unpruned"] for row in rows]
        won = sum(row["pruned_won"] for row in rows)
        lines.append(
            f"| {method} | {len(rows)} | {mean(row['unpruned'] for row in rows):.3f} "
            f"| {mean(row['pruned'] for row in rows):.3f} | {with_error(over, '+')} "
            f"| {mean(row['unpruned_tokens'] for row in rows):.0f} | {mean(row['pruned_tokens'] for row in rows):.0f} "
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
        scores = paired(groups[method], groups[rival], better_by)
        if not scores:
            lines.append(f"| {method} | {rival} | 0 | - | - | - | no pair of runs |")
            continue
        prompts = _ratio(groups[method], groups[rival], lambda row: row["best_tokens"])
        tokens = _ratio(groups[method], groups[rival], lambda row: row["read"] + row["written"])
        # As good: not below by more than its error explains.
        good = not above_zero([-score for score in scores])
        missing = [
            *([] if good else ["lower score"]),
            *([] if prompts < 1 else ["prompts not shorter"]),
            *([] if tokens < 1 else ["not fewer tokens"]),
        ]
        lines.append(
            f"| {method} | {rival} | {len(scores)} | {with_error(scores, '+')} | {prompts:.2f} | {tokens:.2f} "
            f"| {'yes' if not missing else 'no: ' + ', '.join(missing)} |"
        )
    return lines


def _ratio(rows: Sequence[Row], others: Sequence[Row], value: Callable[[Row], float]) -> float:
    """The geometric mean of the ratios of paired rows."""
    logs = paired(rows, others, lambda row, other: math.log(max(1.0, value(row)) / max(1.0, value(other))))
    return math.exp(mean(logs))
