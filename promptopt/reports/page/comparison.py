"""The page of a comparison, from its JSON: the table, the curves, the fronts, the tests, and every run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from promptopt.reports import words
from promptopt.reports.page.charts import Bar, Chart, Series, bars, chart
from promptopt.reports.page.render import rendered
from promptopt.text import counted

Table = Mapping[str, Any]
"""The object of `Comparison.to_json()`."""


def comparison_page(found: Table, text: str) -> str:
    """One HTML file. `text`: the same as plain text. Raises ConfigError where Jinja is not installed."""
    names: list[str] = found["methods"]
    tasks = ", ".join(found["tasks"])
    values = {
        "head": f"{tasks} with {', '.join(found['models'])}, {counted(len(found['seeds']), 'seed')}, "
                f"{counted(len(found['cells']), 'run')}",
        "names": names,
        "table": _methods_rows(found["table"]),
        "bars": _bars(found["table"]),
        "curves": _curves(found["curves"], names),
        "fronts": _fronts(found["table"], names),
        "beaten": [f"Not beaten at fewer {cost.replace('_', ' ').replace('usd', 'dollars')}: {', '.join(front)}."
                   for cost, front in found["fronts"].items() if front],
        "pairs": _pairwise_rows(found["pairs"]),
        "ranks": _ranks_sentence(found["ranks"]),
        "chance": _chance(found["chance"]),
        "cells": _cells(found["cells"]),
        "text": text,
    }  # fmt: skip
    return rendered("comparison.html.j2", f"promptopt: {counted(len(names), 'method')} on {tasks}", values)


def _methods_rows(methods: Sequence[Table]) -> list[list[str]]:
    rows = [["method", "runs", "test", "95 % interval", "gain", "better : none : worse", "evaluations", "calls",
             "tokens", "dollars", "minutes", "prompt tokens"]]  # fmt: skip
    for each in methods:
        gain, verdicts = each["gain"], each["verdicts"]
        rows.append(
            [each["name"], f"{each['runs'] - each['left']} of {each['runs']}", words.score(each["score"]),
             _interval(each["ci95"]), "-" if gain is None else words.difference(gain["mean"]),
             " : ".join(str(verdicts[name]) for name in ("better", "no_evidence", "worse")),
             *(words.rounded(each[name]) for name in ("evaluations", "calls", "tokens")),
             "-" if each["score"] is None else words.dollars(each["usd"]),
             "-" if each["minutes"] is None else f"{each['minutes']:.1f}", words.rounded(each["prompt_tokens"])]
        )  # fmt: skip
    return rows


def _interval(ends: Any) -> str:
    return "-" if ends is None else f"{words.score(ends[0])} to {words.score(ends[1])}"


def _bars(methods: Sequence[Table]) -> list[tuple[str, str, Bar]]:
    # One example alone has no interval, so there is no bar.
    known = [each for each in methods if each["ci95"] is not None and all(map(math.isfinite, each["ci95"]))]
    drawn = bars([(each["ci95"][0], each["score"], each["ci95"][1]) for each in known])
    return [(each["name"], f"{words.score(each['score'])} ({_interval(each['ci95'])})", bar)
            for each, bar in zip(known, drawn, strict=True)]  # fmt: skip


def _curves(found: Table, names: Sequence[str]) -> list[Chart]:
    made: list[Chart] = []
    for budget, lines in found.items():
        # A method has one colour in every chart, whichever others a chart leaves out.
        series = [Series(name, tuple((x, y) for x, y in lines[name]), place) for place, name in enumerate(names)]
        drawn = chart(f"score against {budget.replace('usd', 'dollars')}", series)
        # A budget that nobody spent (dollars on a local model) would put all points on the axis.
        if drawn is not None and any(x > 0 for each in series for x, _ in each.points):
            made.append(drawn)
    return made


def _fronts(methods: Sequence[Table], names: Sequence[str]) -> list[Chart]:
    """Each method as a point of score against what it costs."""
    made: list[Chart] = []
    for cost, said in (("prompt_tokens", "prompt tokens"), ("usd", "dollars a run")):
        known = {each["name"]: (each[cost], each["score"]) for each in methods
                 if each[cost] is not None and each["score"] is not None}  # fmt: skip
        series = [Series(name, (known[name],), place) for place, name in enumerate(names) if name in known]
        drawn = chart(f"test score against {said}", series, room=1.1)
        if drawn is not None and any(x > 0 for x, _ in known.values()):
            made.append(drawn)
    return made


def _pairwise_rows(found: Sequence[Table]) -> list[list[str]]:
    rows = [["first", "second", "first - second", "95 % interval", "p", "p, Holm", "items", ""]]
    for pair in found:
        gain = pair["gain"]
        if gain is None:
            rows.append([pair["first"], pair["second"], "-", "-", "-", "-", "0", "no common test items"])
            continue
        ends = " to ".join("unknown" if end is None else words.difference(end) for end in gain["ci95"])
        values = map(words.p_cell, (gain["p_value"], pair["adjusted"]))
        rows.append([pair["first"], pair["second"], words.difference(gain["mean"]), ends, *values,
                     words.count(gain["n"]), "differ" if pair["differ"] else ""])  # fmt: skip
    return rows


def _ranks_sentence(found: Table | None) -> str:
    if found is None:
        return ""
    listed = ", ".join(f"{name} {rank:.2f}" for name, rank in found["ranks"].items())
    critical = "" if found["critical"] is None else f" Ranks closer than {found['critical']:.2f} are not told apart."
    return f"Average ranks over {counted(found['blocks'], 'block')}: {listed}.{critical}"


def _chance(found: Table) -> list[str]:
    if not found["verdicts"]:
        return []
    return [
        f"Were no winner better than its start, chance alone would give {found['plain']:.2f} better verdicts of "
        f"{found['verdicts']} at p < 0.05, and {found['corrected']:.3f} at the levels used here."
    ]


def _cells(found: Sequence[Table]) -> list[list[str]]:
    rows = [["task", "method", "model", "seed", "status", "start", "best", "look", "verdict", "run", "why"]]
    for each in found:
        verdict = "-" if each["verdict"] is None else str(each["verdict"]).replace("_", " ")
        rows.append([each["task"], each["method"], each["model"], str(each["seed"]), each["status"],
                     words.score(each["start"]), words.score(each["best"]), words.count(each["look"]), verdict,
                     each["run_id"], each["why"]])  # fmt: skip
    return rows
