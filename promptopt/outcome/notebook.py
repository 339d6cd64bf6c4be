"""A result in a notebook: short, with what is long behind a click; and its search as a figure."""

from __future__ import annotations

import math
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

from promptopt.errors import ConfigError
from promptopt.outcome.sentence import verdict_line
from promptopt.text import dollars, shorten, visible

if TYPE_CHECKING:
    from promptopt.outcome.contender import Measured
    from promptopt.outcome.result import Result

LONGEST_SHOWN = 20_000
"""Characters of a prompt that are shown."""


def html_of(result: Result) -> str:
    """The verdict, the prompts, the scores and the cost, as HTML in which everything of the run is text."""
    start, best = result.start, result.best
    kept = best.prompt == start.prompt
    rows = [
        f"<tr><td>{split}</td><td>{_score(getattr(start, split))}</td><td>{_score(getattr(best, split))}</td></tr>"
        for split in ("test", "dev")
    ]
    spent = result.spent
    counts = f"{spent.evaluations:,} evaluations, {spent.calls:,} calls, {spent.tokens:,} tokens"
    return "".join([
        f"<div><p><b>{_escaped(verdict_line(result.to_json()))}</b></p>",
        _details_element("Prompt (the start)" if kept else "Best prompt", best.text, opened=True),
        "" if kept else _details_element("Start prompt", start.text),
        "<details><summary>Scores and cost</summary><table>",
        "<thead><tr><th></th><th>start</th><th>best</th></tr></thead>",
        f"<tbody>{''.join(rows)}</tbody></table><p>{counts}, {dollars(spent.usd)}</p></details>",
        f"<p>Run {_escaped(result.run_id)}: {_escaped(result.method)} on {_escaped(result.task)}, "
        f"{len(result.lineage):,} prompts considered.</p></div>",
    ])  # fmt: skip


def _details_element(name: str, text: str, *, opened: bool = False) -> str:
    mark = " open" if opened else ""
    shown = _escaped(shorten(text, LONGEST_SHOWN))
    return (
        # Prompts may be written from right to left: the browser finds out.
        f'<details{mark}><summary>{name}</summary><pre dir="auto" style="white-space:pre-wrap">{shown}</pre></details>'
    )


def _escaped(text: str) -> str:
    return escape(visible(text))


def _score(measured: Measured | None) -> str:
    if measured is None:
        return "-"
    low, high = measured.ci95
    ends = f" ({low:.3f} to {high:.3f})" if math.isfinite(low) and math.isfinite(high) else ""
    return f"{measured.score:.3f}{ends} on {measured.n:,}"


def figure_of(result: Result) -> Any:
    """A matplotlib Figure. Raises ConfigError where matplotlib is not installed."""
    try:
        figures: Any = import_module("matplotlib.figure")
    except ModuleNotFoundError as cause:
        raise ConfigError("Result.plot needs matplotlib, which is not installed: pip install matplotlib") from cause
    # Not by pyplot, which would keep every figure in memory until it is told to close it.
    figure: Any = figures.Figure(figsize=(7.0, 3.5), layout="constrained")
    axes: Any = figure.add_subplot()
    points: list[tuple[int, float]] = []
    for step in result.steps:
        scored = {estimate.prompt: estimate.mean for estimate in step.pool if estimate.count}
        best = next((scored[prompt] for prompt in step.kept if prompt in scored), None)
        if best is not None and math.isfinite(best):
            points.append((step.spent.evaluations, best))
    if points:
        axes.step(*zip(*points, strict=True), where="post", label="best kept, by the search's own examples")
    for name, contender in (("start", result.start), ("best", result.best)):
        if contender.test is not None:
            low, high = contender.test.ci95
            score = contender.test.score
            bars = [[score - low], [high - score]] if math.isfinite(low) and math.isfinite(high) else None
            axes.errorbar(
                [result.spent.evaluations], [score], yerr=bars, fmt="o", capsize=4, label=f"{name}, sealed test"
            )
    axes.set_xlabel("evaluations")
    axes.set_ylabel("score")
    # What stands between two dollar signs is mathematics to matplotlib.
    axes.set_title(visible(f"{result.method} on {result.task}").replace("$", r"\$"))
    if points or result.best.test is not None:
        axes.legend()
    return figure
