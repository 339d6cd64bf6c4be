"""What is said where a judge compared start and winner: of the judge, not of the prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptopt.evaluators.judging import MOST_UNREAD
from promptopt.outcome.panels import gains_by_judge, place_of
from promptopt.reports import words
from promptopt.stats import ROUNDING
from promptopt.stats.design import Design
from promptopt.text import counted
from promptopt.trust.calibration import COEFFICIENT_KEY
from promptopt.types import Score, Weigh

Report = Mapping[str, Any]


def too_few_judged(before: Sequence[Score], after: Sequence[Score]) -> bool:
    """Whether so many pairs have no score that the others decide nothing, whatever they are scored by."""
    lost = sum(not (one.judged and other.judged) for one, other in zip(before, after, strict=True))
    return lost > MOST_UNREAD * len(before)


def panel_disagreement(
    before: Sequence[Score], after: Sequence[Score], groups: Sequence[str] = (), weigh: Weigh = "turn"
) -> str:
    """A sentence where only some judges of a panel see a gain; nothing where all do or none does, or for one judge."""
    gains = gains_by_judge(before, after, groups, Design(weigh))
    if all(gain.mean > ROUNDING for gain in gains.values()) or not any(g.mean > ROUNDING for g in gains.values()):
        return ""
    said = ", ".join(f"{place_of(name)}: {words.difference(gain.mean)}" for name, gain in gains.items())
    return (
        f"the judges of the panel disagree on whether the winner is better ({said}): a gain that only some of them see "
        f"may be no more than their taste; have people label pairs (`promptopt label`)"
    )


def of_left_out(report: Report) -> str:
    """A sentence where too many pairs have no score for the rest to say anything; else nothing."""
    gain = report["gain"]
    shown, unjudged = _pairs_without_score(report)
    if unjudged <= MOST_UNREAD * shown:
        return ""
    # What is left of the gain if every item that could not be read counts against the new prompt.
    least = (gain["mean"] * gain["n"] - unjudged) / shown
    rest = f"{words.difference(gain['mean'])} of the others, and {words.difference(least)} if all those count against"
    if report["evaluator"] == "simulated":
        return (
            f"Not decided: {unjudged} of {shown} simulated conversations are left out, most for what their users said; "
            f"it is {rest} the new prompt. Have another model play the users (--user-model), or make the scenarios "
            f"plainer."
        )
    return (
        f"Not decided: the judge could not be read on {unjudged} of {shown} test items; it says {rest} the new prompt. "
        f"Name another judge, or raise its max_tokens."
    )


def _pairs_without_score(report: Report) -> tuple[int, int]:
    """How many pairs there are, and how many of them have no score."""
    best = report["best"]["test"]
    shown = best["n"] + best.get("unjudged", 0)
    return shown, shown - report["gain"].get("n", shown)


def of_judge(report: Report, interval: tuple[str, tuple[float | None, float | None]]) -> str:
    """A sentence on what the judge prefers, and what would make that a verdict. `interval`: of what level, and it."""
    gain = report["gain"]
    trust = report.get("trust")
    run = report["run_id"]
    said = of_left_out(report)
    if said:
        return said
    unjudged = _pairs_without_score(report)[1]
    level, ends = interval
    low, high = ("unknown" if end is None else words.difference(end) for end in ends)
    numbers = f"{words.difference(gain['mean'])}, {level} interval {low} to {high}"
    label = f"`promptopt label {run} -n 100` writes a sheet for people, whose word decides"
    left = f" ({counted(unjudged, 'pair')} left out)" if unjudged else ""
    failed = () if trust is None else trust["failed"]
    taken_in = f"is taken in by planted replies ({', '.join(failed)}; `promptopt judges check`)" if failed else ""
    if ends[0] is not None and ends[1] is not None and ends[0] <= 0.0 <= ends[1]:
        beside = f"; it {taken_in}" if taken_in else ""
        return f"Not decided: the judge sees no difference that is sure ({numbers}){left}{beside}. {label}."
    # Before any kappa: honest replies do not show what a judge makes of planted ones.
    if taken_in:
        return f"Not decided: the judge {taken_in}, so its word ({numbers}){left} is worth little. {label}."
    prefers = "new" if gain["mean"] > 0.0 else "old"
    if trust is not None and trust["status"] == "calibrated":
        return (
            f"The judge prefers the {prefers} prompt: {numbers}{left}; {trust[COEFFICIENT_KEY]} {trust['value']:.2f} "
            f"on other replies. Not a verdict: {label}."
        )
    weak = trust is not None and trust["status"] == "weak"
    why = "on earlier labels it was weak" if weak else "it was held against nobody's labels"
    return (
        f"Not decided. The judge prefers the {prefers} prompt ({numbers}){left}; how far it can be trusted here is "
        f"unknown ({why}): {label}."
    )
