"""How a search went: its best prompt's score, step by step, against what was spent by then."""

from __future__ import annotations

from dataclasses import dataclass

from promptopt.outcome.sentence import Report


@dataclass(frozen=True, slots=True)
class Point:
    """After a step: what was spent, and the score of the best prompt kept, by the search's own examples."""

    evaluations: int
    tokens: int
    usd: float | None
    score: float


def points_of(report: Report) -> list[Point]:
    """The points of a result's steps, in order; steps whose kept prompts have no score are left out."""
    found: list[Point] = []
    for step in report["steps"]:
        scored = {each["prompt_id"]: each["score"] for each in step["pool"] if each["score"] is not None}
        best = next((scored[name] for name in step["kept"] if name in scored), None)
        spent = step["spent"]
        if best is not None:
            tokens = spent["prompt_tokens"] + spent["completion_tokens"]
            found.append(Point(spent["evaluations"], tokens, spent["usd"], float(best)))
    return found
