"""A stored result as what its page shows: texts and numbers by section, cut where a file would become too large."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptopt.errors import ConfigError
from promptopt.operators.reflect import reason_said
from promptopt.outcome.criterion import told_scorer
from promptopt.outcome.length_matched import from_report
from promptopt.outcome.sentence import Report, verdict_line
from promptopt.reports import words
from promptopt.reports.curves import points_of
from promptopt.reports.diff import diff_pieces
from promptopt.reports.page.charts import Bar, Chart, PlottedTree, Series, bars, chart, tree
from promptopt.reports.page.items import Items, items_of
from promptopt.text import shorten, visible

CANDIDATE_TEXT = 1_500_000
"""Characters of all candidates' prompts and notes in one file; longer ones are shortened in the middle."""
PROMPT_TEXT = 200_000
"""Characters of one prompt that is shown in full; 10,000 words have some 60,000."""
BUDGETS = (("evaluations", "evaluations"), ("tokens", "tokens"), ("usd", "dollars"))


@dataclass(frozen=True, slots=True)
class ReportedRun:
    """A run to report: its result's JSON, the command that starts it (empty: started from Python), and its version."""

    report: Report
    command: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    version: str = ""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One line of the table of scores."""

    split: str
    who: str
    score: str
    interval: str
    n: str
    unreadable: str
    bar: Bar | None


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One candidate, in the order it came up."""

    number: int
    id: str
    operator: str
    parents: tuple[int, ...]
    score: str
    n: str
    dev: str
    text: str
    note: str
    lit: bool


@dataclass(frozen=True, slots=True)
class RunView:
    """Everything that the page shows of one run."""

    id: str
    title: str
    verdict: str
    tone: str
    facts: tuple[tuple[str, str], ...]
    command: str
    start: str
    best: str
    same: bool
    pieces: tuple[tuple[str, str], ...]
    parts: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    demos: tuple[tuple[str, str], ...]
    scores: tuple[ScoreRow, ...]
    gain: str
    items: Items
    curves: tuple[Chart, ...]
    tree: PlottedTree
    candidates: tuple[CandidateRow, ...]
    spent: tuple[tuple[str, ...], ...]
    rejected: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def view_of(asked: ReportedRun) -> RunView:
    """The view of one run. Raises ConfigError for a result that lacks what every result has."""
    report = asked.report
    try:
        return _view(asked, report)
    # A result is read as it lies in the store, and what wrote it may have been another version.
    except (KeyError, TypeError, AttributeError, IndexError) as cause:
        run = str(report.get("run_id", "?"))
        raise ConfigError(
            f"the result of run {run} was written by another version (at {cause}); run its command again, which costs "
            f"nothing that is stored"
        ) from cause


def _view(asked: ReportedRun, report: Report) -> RunView:
    start, best = report["start"], report["best"]
    same = start["prompt_id"] == best["prompt_id"]
    candidates, lit = _candidates(report), _lineage(report)
    scores = [_search(each) for each in report["candidates"]]
    return RunView(
        id=str(report["run_id"]),
        title=f"{report['method']} on {report['task']}",
        verdict=visible(verdict_line(report)),
        tone=_tone(report),
        facts=_facts(asked),
        command=visible(asked.command),
        start=_visible_text(start["prompt"]),
        best=_visible_text(best["prompt"]),
        same=same,
        pieces=() if same else _diff(start["prompt"], best["prompt"]),
        # The part whose text is the prompt is in `pieces` already.
        parts=tuple(
            (visible(name), _diff(start["parts"].get(name, ""), text))
            for name, text in best["parts"].items()
            if text != best["prompt"]
        ),
        demos=tuple(_demo(demo) for demo in best.get("demos", ())),
        scores=_score_rows(report),
        gain=_gain_words(report),
        items=items_of(report),
        curves=curves([report]),
        tree=tree(scores, [row.parents for row in candidates], lit),
        candidates=candidates,
        spent=_spent(report),
        rejected=tuple((visible(reason_said(why)), words.count(count)) for why, count in _ordered(report["rejected"])),
        warnings=tuple(map(visible, report["warnings"])),
    )


def _tone(report: Report) -> str:
    if report["status"] == "suspended":
        return "suspended"
    return {"better": "better", "worse": "worse"}.get(str(report["verdict"]), "neutral")


def _visible_text(text: str) -> str:
    return visible(shorten(text, PROMPT_TEXT))


def _diff(before: str, after: str) -> tuple[tuple[str, str], ...]:
    pieces = diff_pieces(shorten(before, PROMPT_TEXT), shorten(after, PROMPT_TEXT))
    return tuple((kind, visible(text)) for kind, text in pieces)


def _demo(demo: Mapping[str, Any]) -> tuple[str, str]:
    fields: Any = demo.get("fields", demo)
    inputs = "\n".join(f"{name}: {text}" for name, text in dict(fields).items() if name not in ("target", "solution"))
    return visible(inputs), visible(str(demo.get("solution") or demo.get("target", "")))


def _facts(asked: ReportedRun) -> tuple[tuple[str, str], ...]:
    report = asked.report
    search: Any = report.get("search") or {}
    known = [("task", report["task"]), ("method", report["method"]), ("seed", report["seed"]),
             ("model", report["model"]), ("proposer", report["proposer"]),
             ("verdict by", told_scorer(report)),
             ("search by", told_scorer(search)),
             ("read in layout", report["best"].get("layout", "")),
             ("status", report["status"]), ("why", report["reason"]),
             ("time, last session", words.duration(report["wall_s"])), ("promptopt", asked.version)]  # fmt: skip
    if report.get("earlier") is not None:
        known.append(("time, earlier sessions", words.duration(report["earlier"]["wall_s"])))
    gains = [
        (f"points on {row[0]}", " ".join([row[1], f"({row[2]})", *row[4:]]))
        for row in words.members(report.get("members", ()))[1:]
    ]
    return tuple(
        (name, visible(str(value))) for name, value in [*known, *gains, *asked.settings] if value not in ("", None)
    )


def _score_rows(report: Report) -> tuple[ScoreRow, ...]:
    found: list[tuple[str, str, Any]] = [
        (split, who, report[who][split])
        for split in ("test", "dev") for who in ("start", "best") if report[who][split] is not None
    ]  # fmt: skip
    ends = [
        (_interval_end(each.get("ci95"), 0), float(each["score"]), _interval_end(each.get("ci95"), 1))
        for _, _, each in found
    ]
    drawn = bars(ends)
    return tuple(
        ScoreRow(
            split=split,
            who=who,
            score=words.score(each["score"]),
            interval=_interval(each.get("ci95")),
            n=words.count(each["n"]),
            unreadable=words.count(each.get("unreadable")),
            bar=drawn[place] if drawn and all(map(math.isfinite, ends[place])) else None,
        )
        for place, (split, who, each) in enumerate(found)
    )


def _interval_end(interval: Any, place: int) -> float:
    value = None if interval is None else interval[place]
    return math.nan if value is None else float(value)


def _interval(interval: Any) -> str:
    return "-" if interval is None else " to ".join("unknown" if end is None else words.score(end) for end in interval)


def _gain_words(report: Report) -> str:
    gain = report["gain"]
    if gain is None:
        return "-"
    low, high = ("unknown" if end is None else words.difference(end) for end in gain["ci95"])
    said = f"{words.difference(gain['mean'])} (95 % interval {low} to {high}; {words.p_value(gain['p_value'])})"
    if report.get("smallest_gain") is not None:
        said += f"; of several tasks {words.smallest(report['smallest_gain'])}"
    matched = from_report(report)
    return said if matched is None else f"{said}. {matched.sentence().rstrip('.')}"


def _search(candidate: Mapping[str, Any]) -> float | None:
    known = candidate["search"]
    return None if known is None or known["score"] is None else float(known["score"])


def _candidates(report: Report) -> tuple[CandidateRow, ...]:
    listed = report["candidates"]
    places = {each["prompt_id"]: place for place, each in enumerate(listed)}
    limit = max(200, CANDIDATE_TEXT // max(1, len(listed)))
    edited = next((part for part, text in report["start"]["parts"].items() if text == report["start"]["prompt"]), "")
    lit = set(_lineage(report))
    rows: list[CandidateRow] = []
    for place, each in enumerate(listed):
        # Where several parts are edited, the prompt is told as all of them.
        text = each["parts"].get(edited, "\n".join(each["parts"].values()))
        known, dev = each["search"], each["dev"]
        demos = len(each.get("demos", ()))
        shown = f"{text}\n[{demos} demonstrations]" if demos else text
        shown += f"\n[layout {each['layout']}]" if each.get("layout") else ""
        rows.append(
            CandidateRow(
                number=place,
                id=each["prompt_id"],
                operator=visible(each["operator"]),
                parents=tuple(places[parent] for parent in each["parents"] if parent in places),
                score=words.score(_search(each)),
                n="" if known is None else words.count(known["n"]),
                dev="" if dev is None or dev["score"] is None else words.score(dev["score"]),
                text=visible(shorten(shown, limit)),
                note=visible(shorten(each["note"], max(100, limit // 3))),
                lit=place in lit,
            )
        )
    return tuple(rows)


def _lineage(report: Report) -> list[int]:
    """The way from the start to the winner: of several parents, the one that came up first."""
    places = {each["prompt_id"]: place for place, each in enumerate(report["candidates"])}
    found: list[int] = []
    here = places.get(report["best"]["prompt_id"])
    # A stored result is not trusted to have no ring among its parents.
    while here is not None and here not in found:
        found.append(here)
        parents = [places[name] for name in report["candidates"][here]["parents"] if name in places]
        # Nobody's child stands behind the start.
        here = min(parents) if parents else (0 if here else None)
    return found[::-1]


def curve(report: Report, budget: str) -> list[tuple[float, float]]:
    """(spent of `budget`, score) after each step; without those whose cost is unknown."""
    known = [(getattr(point, budget), point.score) for point in points_of(report)]
    return [(float(used), score) for used, score in known if used is not None]


def curves(reports: Sequence[Report]) -> tuple[Chart, ...]:
    """Score against each budget; those left out that nothing is known of, or that cost nothing."""
    made: list[Chart] = []
    for budget, name in BUDGETS:
        series = [Series(str(report["run_id"]), tuple(curve(report, budget)), place)
                  for place, report in enumerate(reports)]  # fmt: skip
        drawn = chart(f"score against {name}", series)
        if drawn is not None and any(x > 0 for each in series for x, _ in each.points):
            made.append(drawn)
    return tuple(made)


def _spent(report: Report) -> tuple[tuple[str, ...], ...]:
    """Rows of role, calls, tokens read, tokens written, dollars; the whole run last."""
    roles: Mapping[str, Any] = report.get("spent_by_role", {})
    ledgers = [*roles.items(), ("all", report["spent"]), ("paid this session", report["paid"])]
    return tuple(
        (role, words.count(each["calls"]), words.count(each["prompt_tokens"]), words.count(each["completion_tokens"]),
         words.dollars(each["usd"]))
        for role, each in ledgers
    )  # fmt: skip


def _ordered(rejected: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
