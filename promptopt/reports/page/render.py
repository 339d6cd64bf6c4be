"""Pages from templates: what is a run's is text, and only the style and the script of this package may act.

Jinja (the extra `report`) escapes every value. The content security policy names the digests of the one style and the
one script, so nothing else would run even where an escape failed, and forbids every request.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module, resources
from typing import Any

from promptopt.errors import ConfigError
from promptopt.outcome.sentence import Report
from promptopt.reports import words
from promptopt.reports.page.items import ORDER
from promptopt.reports.page.views import CandidateRow, ReportedRun, curves, view_of
from promptopt.text import visible
from promptopt.types.identity import without_surrogates


def runs_page(asked: Sequence[ReportedRun]) -> str:
    """One run, or several side by side, as one HTML file. Raises ConfigError without Jinja, and for old results."""
    views = [view_of(each) for each in asked]
    reports = [each.report for each in asked]
    title = f"promptopt: {views[0].title}" if len(views) == 1 else f"promptopt: {len(views)} runs"
    values = {
        "runs": views,
        "order": ORDER,
        "names": [f"{view.id}: {view.title}" for view in views],
        "overview": _overview(reports),
        "remarks": _remarks_on_runs(reports),
        "curves": curves(reports) if len(views) > 1 else (),
    }
    return rendered("runs.html.j2", title, values)


def rendered(template: str, title: str, values: Mapping[str, Any]) -> str:
    """A page of this package's templates. Raises ConfigError where Jinja is not installed."""
    try:
        jinja2: Any = import_module("jinja2")
        markup: Any = import_module("markupsafe").Markup
    except ModuleNotFoundError as cause:
        raise ConfigError(
            'a report needs Jinja, which is not installed: pip install "promptopt-engine[report]"'
        ) from cause
    environment: Any = jinja2.Environment(
        loader=jinja2.PackageLoader("promptopt.reports.page", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        # A name that a template misspells is an error, and no gap in the page.
        undefined=jinja2.StrictUndefined,
        # Whatever a template shows: controls are made visible here, before they are escaped.
        finalize=_finalised,
    )

    def data(rows: Sequence[CandidateRow]) -> Any:
        return markup(_as_data(rows))

    environment.filters["data"] = data
    style, script = (_page_file(name) for name in ("report.css", "report.js"))
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; base-uri 'none'; "
        f"form-action 'none'"
    )
    page: str = environment.get_template(template).render(
        title=visible(title), policy=policy, style=markup(style), script=markup(script), **values
    )
    return without_surrogates(page)


def _finalised(value: object) -> object:
    # Markup is a subclass of str: style and script have to stay as their digests say.
    return visible(value) if type(value) is str else value


def _page_file(name: str) -> str:
    return resources.files("promptopt.reports.page").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _as_data(rows: Sequence[CandidateRow]) -> str:
    """JSON that ends no script element, whatever it holds: the three characters of markup are escaped in it."""
    text = json.dumps([asdict(row) for row in rows], ensure_ascii=False, separators=(",", ":"))
    # Within JSON these stand in strings alone, where the escape says the same.
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _overview(reports: Sequence[Report]) -> list[tuple[str, ...]]:
    rows = [("run", "task", "method", "model", "seed", "start", "best", "gain", "evaluations", "calls", "dollars",
             "verdict")]  # fmt: skip
    for report in reports:
        gain, spent = report["gain"], report["spent"]
        start, best = (
            None if report[who]["test"] is None else report[who]["test"]["score"] for who in ("start", "best")
        )
        rows.append(
            (str(report["run_id"]), visible(report["task"]), visible(report["method"]), visible(report["model"]),
             str(report["seed"]), words.score(start), words.score(best),
             "-" if gain is None else words.difference(gain["mean"]), words.count(spent["evaluations"]),
             words.count(spent["calls"]), words.dollars(spent["usd"]),
             str(report["verdict"]).replace("_", " ") if report["verdict"] else str(report["status"]))
        )  # fmt: skip
    return rows


def _remarks_on_runs(reports: Sequence[Report]) -> list[str]:
    """What has to be said before several runs are held against each other."""
    said: list[str] = []
    if len({report["task"] for report in reports}) > 1:
        said.append("The runs are of different tasks: their scores cannot be compared.")
    elif len({(report["evaluator"], report["model"]) for report in reports}) > 1:
        said.append("The runs were scored by different models or evaluators: their scores cannot be compared.")
    else:
        tested: list[set[str]] = [{item["key"] for item in report.get("items", ())} for report in reports]
        shared = tested[0].intersection(*tested[1:])
        if all(tested) and not shared:
            said.append("The runs share no test item: their scores are on different examples.")
        elif len(set(map(frozenset, tested))) > 1:
            said.append("The runs were not tested on the same items: differences are partly those of the examples.")
    return said
