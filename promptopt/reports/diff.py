"""Two runs side by side: what differed in how they were asked, what they scored, and the winners word by word."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import Any

from promptopt.reports import words
from promptopt.reports.summary import Report, verdict_line


def word_diff(
    before: str,
    after: str,
    removed: Callable[[str], str] = lambda text: f"[-{text}-]",
    added: Callable[[str], str] = lambda text: f"{{+{text}+}}",
) -> str:
    """`after` with what it lost and won against `before` marked, word by word; white space is kept as it is."""
    old, new = re.findall(r"\s+|[^\s]+", before), re.findall(r"\s+|[^\s]+", after)
    pieces: list[str] = []
    for kind, old_from, old_to, new_from, new_to in difflib.SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        gone, come = "".join(old[old_from:old_to]), "".join(new[new_from:new_to])
        if kind == "equal":
            pieces.append(come)
            continue
        if gone:
            pieces.append(removed(gone))
        if come:
            pieces.append(added(come))
    return "".join(pieces)


def compare(first: Report, second: Report) -> str:
    """Both runs' settings, scores and costs in columns, then the second winner against the first, word by word."""
    rows = [["", first["run_id"], second["run_id"]]]
    for name in ("task", "method", "seed", "model", "proposer", "status", "verdict"):
        rows.append([name, *(_said(report[name]) for report in (first, second))])
    for who in ("start", "best"):
        for split in ("dev", "test"):
            rows.append([f"{who} {split}", *(_measured(report[who][split]) for report in (first, second))])
    rows.append(["gain", *(_gain(report) for report in (first, second))])
    for name in ("evaluations", "calls", "proposer_calls"):
        rows.append([name.replace("_", " "), *(words.count(report["spent"][name]) for report in (first, second))])
    rows.append(["dollars", *(words.dollars(report["spent"]["usd"]) for report in (first, second))])
    return "\n\n".join([words.columns(rows), _prompts(first, second), *_verdicts(first, second)])


def _said(value: Any) -> str:
    return "-" if value is None else str(value).replace("_", " ")


def _measured(measured: Any) -> str:
    return "-" if measured is None else f"{words.score(measured['score'])} on {words.count(measured['n'])}"


def _gain(report: Report) -> str:
    gain = report["gain"]
    if gain is None:
        return "-"
    low, high = gain["ci95"]
    ends = " to ".join("unknown" if end is None else words.difference(end) for end in (low, high))
    return f"{words.difference(gain['mean'])} ({ends})"


def _prompts(first: Report, second: Report) -> str:
    if first["best"]["prompt_id"] == second["best"]["prompt_id"]:
        return f"Both end with the same prompt ({first['best']['prompt_id']}):\n{words.block(first['best']['prompt'])}"
    marked = word_diff(first["best"]["prompt"], second["best"]["prompt"])
    return f"From the first winner to the second ([-taken out-], {{+put in+}}):\n{words.block(marked)}"


def _verdicts(first: Report, second: Report) -> list[str]:
    lines = [f"{report['run_id']}: {verdict_line(report)}" for report in (first, second)]
    if first["task"] != second["task"]:
        lines.append("The runs are of different tasks: their scores cannot be compared.")
    return ["\n".join(lines)]
