"""A comparison in numbers, all of them computed from its rows: the same rows give the same numbers anywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from promptopt.comparison.cells import Row
from promptopt.comparison.statistics import (
    Chance,
    Lead,
    MethodPair,
    Ranks,
    chance_of,
    finite_mean,
    gain_of,
    leads_of,
    levels,
    pairs_of,
    ranks_of,
    start_mean,
    verdict_of,
    weigh_of_rows,
    winner_mean,
)
from promptopt.stats import ALPHA, Gain, mean_interval

START = "(start)"
"""What the start's scores stand under, beside those of methods."""
GRID = 20
"""Budgets at which a curve has a point."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method over all its cells. Costs are means over those that were measured; None: unknown, or nothing measured.

    `score`, `ci95`: of the winners on the test. `gain`: on the starts. `verdicts`: better, no evidence, worse, each at
    the comparison's level. `left`: cells that failed or were suspended.
    """

    name: str
    runs: int
    left: int
    score: float | None
    ci95: tuple[float, float] | None
    gain: Gain | None
    verdicts: tuple[int, int, int]
    evaluations: float | None
    calls: float | None
    tokens: float | None
    usd: float | None
    minutes: float | None
    prompt_tokens: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `promptopt.compare` found: its rows, and every number that follows from them."""

    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]

    @property
    def alphas(self) -> dict[str, float]:
        """The two-sided level of each verdict, by task."""
        return levels(self.rows)

    def table(self) -> tuple[Method, ...]:
        """One entry for each method, the best score first; those without a score last.

        Before the score counts the share of test items that are impossible under the winner, for no mean has them.
        """
        found = [_method(name, [row for row in self.rows if row.cell.method == name], self.alphas)
                 for name in self.methods]  # fmt: skip
        impossible = self._impossible()

        def place(each: Method) -> tuple[float, float]:
            return (math.inf, 0.0) if each.score is None else (impossible[each.name], -each.score)

        return tuple(sorted(found, key=place))

    def pairs(self) -> tuple[MethodPair, ...]:
        """Every two methods on the items they share."""
        return pairs_of(self.rows, self.methods)

    def ranks(self) -> Ranks | None:
        """Average ranks over tasks, models and seeds."""
        return ranks_of(self.rows, self.methods)

    def leads(self) -> tuple[Lead, ...]:
        """How far each method is above the floor, by task, model and seed; the largest lead first."""
        return leads_of(self.rows, self.methods)

    def by_task(self) -> dict[str, dict[str, float]]:
        """The mean test score of each method's winners, by task; under `START`, what they began with."""
        found: dict[str, dict[str, float]] = {}
        for task in self.tasks:
            own = [row for row in self.rows if row.cell.task == task and row.measured]
            scores = {START: [start_mean(row) for row in own]}
            for row in own:
                scores.setdefault(row.cell.method, []).append(winner_mean(row))
            found[task] = {name: fmean(values) for name, values in scores.items() if values}
        return found

    def chance(self) -> Chance:
        """What chance alone would have called better."""
        return chance_of(self.rows, self.alphas)

    def curves(self, budget: str) -> dict[str, list[tuple[float, float]]]:
        """(spent, mean score so far) of each method. `budget`: evaluations, tokens or usd.

        By the search's own examples, which flatter.
        """
        return {name: _curve([row for row in self.rows if row.cell.method == name], budget) for name in self.methods}

    def front(self, cost: str) -> tuple[str, ...]:
        """The methods that no other beats in score without costing more, the cheapest first.

        `cost`: prompt_tokens or usd.
        """
        known: list[tuple[float | None, float | None, str]] = [
            (getattr(each, cost), each.score, each.name) for each in self.table()
        ]
        impossible = self._impossible()
        # Of one cost the best comes first, so one pass finds what none beats.
        priced = sorted(
            (price, (impossible[name], -score), name)
            for price, score, name in known
            if price is not None and score is not None
        )
        found: list[str] = []
        best = (math.inf, math.inf)
        for _, short_of, name in priced:
            if short_of < best:
                found.append(name)
                best = short_of
        return tuple(found)

    def _impossible(self) -> dict[str, float]:
        """The share of test items on which each method's winners are impossible (a score of minus infinity)."""
        items = {name: [each for row in self.rows if row.cell.method == name and row.measured for each in row.items]
                 for name in self.methods}  # fmt: skip
        return {
            name: sum(not math.isfinite(each.best) for each in own) / len(own) if own else 0.0
            for name, own in items.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Everything as one JSON object; the rows without their items and curves."""
        ranks, alphas = self.ranks(), self.alphas
        return {
            "tasks": list(self.tasks),
            "methods": list(self.methods),
            "models": list(self.models),
            "seeds": list(self.seeds),
            "table": [_method_json(each) for each in self.table()],
            "cells": [_cell_json(row, alphas) for row in self.rows],
            "pairs": [_pair_json(pair) for pair in self.pairs()],
            "ranks": None if ranks is None else {**asdict(ranks), "ranks": dict(ranks.ranks)},
            "leads": [asdict(each) for each in self.leads()],
            "by_task": self.by_task(),
            "chance": asdict(self.chance()),
            "levels": alphas,
            "curves": {budget: self.curves(budget) for budget in ("evaluations", "tokens", "usd")},
            "fronts": {cost: list(self.front(cost)) for cost in ("prompt_tokens", "usd")},
        }

    def __str__(self) -> str:
        from promptopt.comparison.text import comparison_as_text

        return comparison_as_text(self)


def _method(name: str, rows: Sequence[Row], alphas: Mapping[str, float]) -> Method:
    measured = [row for row in rows if row.measured]
    said = [verdict_of(row, alphas.get(row.cell.task, ALPHA)) for row in measured]
    counts = (said.count("better"), len(said) - said.count("better") - said.count("worse"), said.count("worse"))
    if not measured:
        return Method(name, len(rows), len(rows), None, None, None, counts, *[None] * 6)
    # Grouped by example: several seeds and models that saw one are no further draws of it.
    finite = [(each.best, f"{row.cell.task}/{each.group if each.group else each.key}")
              for row in measured for each in row.items if math.isfinite(each.best)]  # fmt: skip
    values, groups, weigh = [value for value, _ in finite], [group for _, group in finite], weigh_of_rows(measured)
    lengths = [row.tokens for row in measured if row.tokens is not None]
    dollars = [row.spent.usd for row in measured if row.spent.usd is not None]
    return Method(
        name=name,
        runs=len(rows),
        left=len(rows) - len(measured),
        score=finite_mean(values, groups, weigh) if values else None,
        ci95=mean_interval(values, groups=groups, weigh=weigh, bounded=_bounded(measured)) if values else None,
        gain=gain_of(measured),
        verdicts=counts,
        evaluations=fmean([row.spent.evaluations for row in measured]),
        calls=fmean([row.spent.calls for row in measured]),
        tokens=fmean([row.spent.tokens for row in measured]),
        # The mean of the priced runs would pass for that of all.
        usd=fmean(dollars) if len(dollars) == len(measured) else None,
        minutes=fmean([row.seconds / 60.0 for row in measured]),
        prompt_tokens=fmean(lengths) if lengths else None,
    )


def _bounded(rows: Sequence[Row]) -> bool | None:
    # Nats have no bounds, whatever range the scores at hand fill.
    return False if any(row.nats for row in rows) else None


def _curve(rows: Sequence[Row], budget: str) -> list[tuple[float, float]]:
    """The mean over the rows of the last score by then; from where all of them have one."""
    lines = [[(float(getattr(point, budget)), point.score) for point in row.curve if getattr(point, budget) is not None]
             for row in rows if row.curve]  # fmt: skip
    lines = [line for line in lines if line]
    if not lines:
        return []
    far = max(line[-1][0] for line in lines)
    # Before that some runs have no score yet, and a mean of the others would jump when they come in.
    first = max(line[0][0] for line in lines)
    places = [first, *(far * step / GRID for step in range(1, GRID + 1) if far * step / GRID > first)]
    return [(place, fmean([_last_score(line, place) for line in lines])) for place in places]


def _last_score(line: Sequence[tuple[float, float]], place: float) -> float:
    return [score for spent, score in line if spent <= place][-1]


def _gain_json(gain: Gain | None) -> dict[str, Any] | None:
    if gain is None:
        return None
    ends = [end if math.isfinite(end) else None for end in gain.ci95]
    return {"mean": gain.mean, "ci95": ends, "p_value": gain.p_value, "test": gain.test, "n": gain.n,
            "units": gain.units}  # fmt: skip


def _method_json(each: Method) -> dict[str, Any]:
    data = asdict(each)
    better, none, worse = each.verdicts
    ends = None if each.ci95 is None else list(each.ci95)
    return {**data, "ci95": ends, "gain": _gain_json(each.gain),
            "verdicts": {"better": better, "no_evidence": none, "worse": worse}}  # fmt: skip


def _pair_json(pair: MethodPair) -> dict[str, Any]:
    said = None if pair.gain is None or pair.adjusted is None else pair.adjusted < ALPHA
    return {"first": pair.first, "second": pair.second, "gain": _gain_json(pair.gain), "adjusted": pair.adjusted,
            "differ": said}  # fmt: skip


def _cell_json(row: Row, alphas: Mapping[str, float]) -> dict[str, Any]:
    alpha = alphas.get(row.cell.task, ALPHA)
    gain = gain_of([row], alpha) if row.measured else None
    return {
        **asdict(row.cell),
        "status": row.status,
        "why": row.why,
        "run_id": row.run_id,
        "prompt_id": row.prompt_id,
        "prompt": row.prompt,
        "start": start_mean(row) if row.measured else None,
        "best": winner_mean(row) if row.measured else None,
        "n": len(row.items),
        "gain": _gain_json(gain),
        "verdict": None if gain is None else verdict_of(row, alpha),
        "alpha": alpha,
        "look": row.look,
        "prompt_tokens": row.tokens,
        "spent": asdict(row.spent),
        "paid": asdict(row.paid),
        "seconds": row.seconds,
    }
