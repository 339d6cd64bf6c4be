"""What is known of a judge from earlier: how it agreed with people, and which probes it passed. Kept in the home."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from promptopt.evaluators.own_judges import OwnJudges
from promptopt.outcome.criterion import by_judge
from promptopt.places import home, write_whole, writing
from promptopt.protocols import JUDGES, Evaluator, Judging, Model, Role
from promptopt.trust.calibration import COEFFICIENT_KEY, JudgeStatus, status_of
from promptopt.trust.probes import all_passed
from promptopt.types import canonical, digest

_ORDER: tuple[JudgeStatus, ...] = ("uncalibrated", "weak", "calibrated")


def _place(evaluator: Evaluator, models: Mapping[Role, Model]) -> Path:
    """Where what is known of these judges, asked like this, is kept: any change makes another judge."""
    roles = evaluator.judges if isinstance(evaluator, Judging) else ()
    named = [models[role].name for role in roles if role in models]
    return home() / "judges" / f"{digest([dict(evaluator.fingerprint()), named])}.json"


def judges_asked(models: Mapping[Role, Model], asked: Collection[Role]) -> dict[str, str]:
    """By role, the model of each judge that is among those `asked`, and of the one that has the last word."""
    return {role: models[role].name for role in (*JUDGES, "check_judge") if role in asked and role in models}


def remember(evaluator: Evaluator, models: Mapping[Role, Model], **found: object) -> None:
    """Keep what was found (`report`, `probes`), beside what is known. Raises ConfigError."""
    path = _place(evaluator, models)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, canonical({**_stored_trust(path), **found}) + "\n")


def trust_in(evaluator: Evaluator, models: Mapping[Role, Model]) -> dict[str, Any] | None:
    """`status` of the judge that an evaluator asks, and its agreement; None where it was never held to anything.

    Agreement: the coefficient's name, under `COEFFICIENT_KEY`, and its `value`.
    """
    if isinstance(evaluator, OwnJudges):
        return _least([trust_in(each, models) for each in evaluator.asked.values()])
    if not by_judge(evaluator):
        return None
    known = _stored_trust(_place(evaluator, models))
    report, probes = known.get("report"), known.get("probes", [])
    if report is None and not probes:
        return None
    failed = [each["name"] for each in probes if not each["passed"]]
    status = status_of(report, all_passed(probes))
    if report is None:
        return {"status": status, "failed": failed}
    return {"status": status, "failed": failed, COEFFICIENT_KEY: report[COEFFICIENT_KEY], "value": report["kappa"]}


def _least(found: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
    """What is known of the judge that deserves least trust; with every probe that one of them failed."""
    known = [each for each in found if each is not None]
    if not known:
        return None
    failed = list(dict.fromkeys(name for each in known for name in each["failed"]))
    if len(known) < len(found):
        return {"status": "uncalibrated", "failed": failed}
    # Their coefficients may be of two kinds, and are on one scale.
    worst = min(known, key=lambda each: (_ORDER.index(each["status"]), each.get("value", -1.0)))
    return {**worst, "failed": failed}


def _stored_trust(path: Path) -> dict[str, Any]:
    try:
        found: object = json.loads(path.read_text(encoding="utf-8"))
    # A damaged file is as good as none: the judge then counts as one that was held to nothing.
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
