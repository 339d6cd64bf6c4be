"""Results read back from their JSON: the inverse of `Result.to_json`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from promptopt.errors import DataError
from promptopt.outcome.contender import Contender, Measured
from promptopt.outcome.conversations import Conversations
from promptopt.outcome.front import Tradeoff
from promptopt.outcome.items import items_from
from promptopt.outcome.looks import Look
from promptopt.outcome.members import MemberGain
from promptopt.outcome.result import Bought, Guide, Result
from promptopt.outcome.smallest import SmallestGain
from promptopt.run import Candidate
from promptopt.run.budget import Ledger
from promptopt.run.events import StepDone
from promptopt.stats import ALPHA, Gain
from promptopt.tasks.demos import demo_from_json
from promptopt.types import Estimate, Prompt, Proposal

Table = Mapping[str, Any]


def load_result(path: str | Path) -> Result:
    """The result in a file that `Result.save` wrote, or that holds what `--json` printed.

    Raises DataError where it cannot be read, or holds something else.
    """
    try:
        value: object = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as cause:
        raise DataError(
            f"the result {str(path)!r} cannot be read: {cause.strerror}; give a file that `Result.save` wrote"
        ) from cause
    except ValueError as cause:
        raise DataError(f"{str(path)!r} is not valid JSON ({cause}); save the result again") from cause
    if not isinstance(value, dict):
        raise DataError(f"{str(path)!r} holds no result; give a file that `Result.save` or `--json` wrote")
    try:
        return _result_of(cast("Table", value))
    except (KeyError, TypeError, AttributeError) as cause:
        raise DataError(f"{str(path)!r} is not a whole result (at {cause}); save it again with this version") from cause


def _result_of(data: Table) -> Result:
    lineage: list[Candidate] = []
    known: dict[str, Prompt] = {}
    for each in data["candidates"]:
        prompt = _stored_prompt(each)
        known[each["prompt_id"]] = prompt
        # Candidates are written in the order they came up, so parents are read before their children.
        parents = tuple(known[parent] for parent in each["parents"] if parent in known)
        proposal = Proposal(prompt, parents, each["operator"], each["note"])
        lineage.append(Candidate(proposal, _estimate(prompt, each["search"]), _estimate(prompt, each["dev"])))
    start, best = _contender(data["start"]), _contender(data["best"])
    look: Table | None = data.get("look")
    count = 0 if best.test is None else best.test.n
    return Result(
        **{name: data[name] for name in ("run_id", "task", "method", "seed", "model", "evaluator", "proposer", "status",
                                         "reason", "verdict", "optimism", "wall_s", "rejected")},
        search=Guide(**data["search"]),
        start=start,
        best=best,
        # Older results are all by a metric.
        basis=data.get("basis", "metric"),
        weigh=data.get("weigh", "turn"),
        trust=data.get("trust"),
        pairs=data.get("pairs", ""),
        gain=None if data["gain"] is None else _stored_gain(data["gain"], look, count),
        look=None if look is None else Look(look["number"], look["alpha"], look["shared"]),
        spent=Ledger(**data["spent"]),
        paid=Ledger(**data["paid"]),
        lineage=tuple(lineage),
        front=tuple(Tradeoff(known[each["prompt_id"]], each["score"], each["n"], each["tokens"])
                    for each in data["front"]),
        steps=tuple(_step(each, known) for each in data["steps"]),
        warnings=tuple(data["warnings"]),
        # Older results have none of these.
        items=items_from(data.get("items", ())),
        by_role={role: Ledger(**each) for role, each in data.get("spent_by_role", {}).items()},
        members=tuple(map(MemberGain.from_json, data.get("members", ()))),
        smallest=SmallestGain.from_json(data["smallest_gain"]) if "smallest_gain" in data else None,
        scored_by=data.get("scored_by", ""),
        judges=data.get("judges", {}),
        earlier=None if data.get("earlier") is None else Bought.from_json(data["earlier"]),
    )  # fmt: skip


def _stored_gain(data: Table, look: Table | None, count: int) -> Gain:
    interval = _stored_interval(data["ci95"])
    units = count
    alpha = ALPHA
    verdict = interval
    if look is not None:
        units = look["units"]
        alpha = look["alpha"]
        verdict = _stored_interval(look["interval"])
    return Gain(
        mean=data["mean"],
        ci95=interval,
        p_value=data["p_value"],
        test=data["test"],
        n=data.get("n", count),
        units=units,
        alpha=alpha,
        interval=verdict,
    )


def _stored_prompt(data: Table) -> Prompt:
    demos = tuple(map(demo_from_json, data.get("demos", ())))
    return Prompt(tuple(data["parts"].items()), demos, data.get("layout", ""))


def _contender(data: Table) -> Contender:
    tested = _stored_measure(data["test"])
    return Contender(_stored_prompt(data), data["prompt"], _stored_measure(data["dev"]), tested, data.get("tokens"))


def _stored_measure(data: Table | None) -> Measured | None:
    if data is None:
        return None
    # Older results kept no interval of dev.
    counts = (data["n"], data["unreadable"], data.get("cut", 0), data.get("unjudged", 0))
    interval = _stored_interval(data.get("ci95", (math.nan, math.nan)))
    played = data.get("conversations")
    return Measured(
        data["score"],
        interval,
        *counts,
        macro_f1=data.get("macro_f1"),
        conversations=None if played is None else Conversations.from_json(played),
    )


def _estimate(prompt: Prompt, data: Table | None) -> Estimate:
    if data is None:
        return Estimate(prompt, math.nan, 0)
    return Estimate(prompt, -math.inf if data["score"] is None else data["score"], data["n"])


def _step(data: Table, known: Mapping[str, Prompt]) -> StepDone:
    pool = tuple(_estimate(known[each["prompt_id"]], each) for each in data["pool"] if each["prompt_id"] in known)
    kept = tuple(known[name] for name in data["kept"] if name in known)
    return StepDone(data["number"], pool, kept, Ledger(**data["spent"]), data.get("note", ""))


def _stored_interval(values: Any) -> tuple[float, float]:
    # JSON has no infinities.
    low, high = values
    return -math.inf if low is None else low, math.inf if high is None else high
