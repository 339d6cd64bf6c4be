"""What a run found, in a sentence: the verdict with its numbers, or why there is none and what to change.

Reads the JSON of a `Result` (the contract of `--json`), so that a stored run reads as a fresh one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptopt.operators.reflect import reason_said
from promptopt.outcome.by_judge import of_judge, of_left_out
from promptopt.outcome.by_labels import of_labels
from promptopt.programs.evaluator import FAILED
from promptopt.reports import words
from promptopt.text import counted, normalise

_NOT_BETTER = {
    "worse": "the best one found is worse",
    "no_evidence": "no evidence that the best one found is better",
}
Report = Mapping[str, Any]
"""The object of `Result.to_json()`."""


def verdict_line(report: Report) -> str:
    """The verdict as one sentence, numbers included, and a second one on which look at the test it is."""
    start = report["start"]
    best = report["best"]
    gain = report["gain"]
    if report["status"] == "suspended":
        # One line, whatever an engine or a server has written.
        reason = normalise(str(report["reason"])).rstrip(".") if report["reason"] else "the run was stopped"
        advice = "" if reason.endswith("to go on") else ". Run the same command again to go on"
        return f"Suspended: {reason}{advice}; what was done is not paid for again."
    # No finite score at all: a log-probability of minus infinity on every item.
    if gain is not None and start["test"] is not None and best["test"] is None:
        return (
            f"Keep your prompt: the best one found makes every test item impossible. {_look_sentence(report)}".rstrip()
        )
    if gain is None or best["test"] is None or start["test"] is None:
        return "No verdict: nothing was scored on the sealed test, so nothing is known about either prompt's worth."
    # The word of people goes before all that a metric or a judge says.
    if report.get("labelled") is not None:
        by_people = of_labels(report["labelled"])
        if report.get("basis") != "metric":
            return by_people
        return f"{by_people} By the metric alone: {verdict_line({**report, 'labelled': None})}"
    # First what makes numbers mean nothing; only then by whose word they are.
    said = _without_numbers(report)
    if said:
        return f"{said} {_look_sentence(report)}".rstrip()
    if report.get("basis") == "judge":
        return of_judge(report, interval_of(report))
    if report["verdict"] == "undecided":
        return of_left_out(report)
    if report.get("smallest_gain") is not None:
        return f"{_of_worst(report, report['smallest_gain'])} {_look_sentence(report)}".rstrip()
    on = f"on {_items_words(report)}"
    before, after = words.score(start["test"]["score"]), words.score(best["test"]["score"])
    level, (low, high) = interval_of(report)
    numbers = (
        f"{words.difference(gain['mean'])}, {level} interval {_end_words(low)} to {_end_words(high)}, "
        f"{gain['test']} {words.p_value(gain['p_value'])}"
    )
    if report["verdict"] == "better":
        return (
            f"Better: {before} -> {after} {on} ({numbers}). {_broken_floors(report)}{_look_sentence(report)}".rstrip()
        )
    unheld = _unheld_floors(report)
    said = "the best one found is better in the mean" if unheld else _NOT_BETTER[report["verdict"]]
    return f"Keep your prompt: {said} ({before} -> {after} {on}; {numbers}){unheld}. {_look_sentence(report)}".rstrip()


def _of_worst(report: Report, smallest: Mapping[str, Any]) -> str:
    """The verdict where the search went by the worst of several tasks: on all of them, and the mean beside it."""
    before, after = (words.score(report[side]["test"]["score"]) for side in ("start", "best"))
    mean = f"in the mean {before} -> {after} on {_items_words(report)} ({words.difference(report['gain']['mean'])})"
    said = {
        "better": f"Better on each of {smallest['tasks']} tasks",
        "worse": f"Keep your prompt: the best one found is worse on at least one of {smallest['tasks']} tasks",
        "no_evidence": f"Keep your prompt: no evidence that the best one found is better on each of "
        f"{smallest['tasks']} tasks",
    }[report["verdict"]]
    floors = _broken_floors(report) if report["verdict"] == "better" else ""
    return f"{said}: {words.smallest(smallest)}; {mean}. {floors}".rstrip()


def _unheld_floors(report: Report) -> str:
    """Of a gain that is sure and yet no verdict: the floors that are not held, by which the search went."""
    gain, look = report["gain"], report.get("look")
    if report["verdict"] != "no_evidence" or look is None or gain["mean"] <= 0 or gain["p_value"] >= look["alpha"]:
        return ""
    return unheld_floors(report.get("members", ()))


def unheld_floors(members: Sequence[Mapping[str, Any]]) -> str:
    """The floors of several tasks that are not held, from a comma on; nothing where all are. `members`: as JSON."""
    unheld = [
        f"the floor of {each['task']} ({100 * each['floor']['loss']:g} points) is {each['floor']['held']} (one-sided "
        f"95 %: {each['floor']['bound']})"
        for each in members
        if each["floor"] and each["floor"]["held"] != "held"
    ]
    return f", but {' and '.join(unheld)}" if unheld else ""


def _broken_floors(report: Report) -> str:
    """On which of several tasks a prompt that is better in the mean loses more than was allowed; else nothing."""
    floors = [(each["task"], each["floor"]) for each in report.get("members", ())]
    broken = [
        f"{task} ({100 * floor['loss']:g} points)" for task, floor in floors if floor and floor["held"] == "broken"
    ]
    return f"But it loses more than the floor allows on {' and '.join(broken)}. " if broken else ""


def verdict_word(report: Report) -> str:
    """The verdict as `Result.verdict` has it; `-` where there is none, which `verdict_line` then says why."""
    if report["gain"] is None or _all_useless(report) or _alone(report):
        return "-"
    # The word of people, where there is one, goes before the metric's.
    return str(report.get("labelled", report)["verdict"])


def three_lines(report: Report) -> str:
    """The verdict, the prompt to use, and what it took: what `print(result)` shows."""
    best, spent = report["best"], report["spent"]
    demos = len(best.get("demos", ()))
    shown = f", shown with {counted(demos, 'worked example')}" if demos else ""
    kept = " (the start)" if best["prompt_id"] == report["start"]["prompt_id"] else shown
    took = f"{counted(spent['evaluations'], 'evaluation')}, {counted(spent['calls'], 'call')}"
    return "\n".join(
        [
            # A reason, or a remark on labels, may hold line breaks.
            normalise(verdict_line(report)),
            f"Prompt {best['prompt_id']}{kept}: {words.one_line(best['prompt'], 100) or '(empty)'}",
            f"Run {report['run_id']}: {report['method']} on {report['task']}, {took}; its report() says more",
        ]
    )


def _without_numbers(report: Report) -> str:
    """What to say where nothing was compared: no reply could be read, nothing was proposed, or the start won."""
    start, best = report["start"], report["best"]
    on = f"on {words.count(best['test']['n'])} sealed test items"
    if _all_useless(report):
        if why := _program_failure(report):
            return (
                f"No verdict on any prompt: {FAILED}{why}, as on most of {words.count(best['test']['n'])} sealed test "
                f"items. That is no fault of a prompt: mend the program on one example before a search is paid for."
            )
        return (
            f"No verdict on any prompt: every reply {on} was cut short or could not be read. Raise the task's "
            f"max_tokens (a thinking model needs thousands), give it another answer reader, or rank its layouts with "
            f"`promptopt evaluate --layouts`; the warnings say what the replies lack."
        )
    if best["prompt_id"] != start["prompt_id"]:
        return ""
    low, high = start["test"]["ci95"]
    interval = f"95 % interval {words.score(low)} to {words.score(high)}"
    scores = f"It scores {words.score(start['test']['score'])} {on} ({interval})."
    if _alone(report):
        return f"Your prompt was compared with none: {_unproposed(report)}. {scores}"
    return f"Keep your prompt: the search found none that is better. {scores}"


def _alone(report: Report) -> bool:
    """Whether the start had no rival at all, which is no evidence of anything."""
    return len(report["candidates"]) < 2


def _items_words(report: Report) -> str:
    """How many items the verdict is on, in how many groups, and how many have no finite score under one prompt."""
    counts = [report[side]["test"]["n"] for side in ("start", "best")]
    most, look = max(counts), report.get("look")
    units = most if look is None else look["units"]
    once = ", each counting once," if report.get("weigh") == "conversation" else ""
    grouped = f" in {counted(units, 'group')}{once}" if units < most else ""
    finite = (
        "" if min(counts) == most else f" ({words.count(counts[0])} and {words.count(counts[1])} with a finite score)"
    )
    return f"{words.count(most)} sealed test items{grouped}{finite}"


def _all_useless(report: Report) -> bool:
    """Whether no reply to a test item says anything, under either prompt."""
    sides = [report[side]["test"] for side in ("start", "best")]
    return all(each is not None and _useless(each) >= each["n"] for each in sides)


def _program_failure(report: Report) -> str:
    """Why the program failed under the start, where it did so on most test items; empty otherwise."""
    said = [str(item["start"]["feedback"]) for item in report.get("items", ()) if not item["start"]["parsed"]]
    failed = [feedback.removeprefix(FAILED) for feedback in said if feedback.startswith(FAILED)]
    return " ".join(failed[0].split()).rstrip(".;") if 2 * len(failed) > report["start"]["test"]["n"] else ""


def _useless(measured: Mapping[str, Any]) -> int:
    return measured.get("unreadable", 0) + measured.get("cut", 0)


def _unproposed(report: Report) -> str:
    """Why a search has no candidate but the start, and what to change."""
    rejected: Mapping[str, int] = report["rejected"]
    if not rejected:
        ended = f" before a limit ended it ({report['reason']}); raise it" if report["status"] == "budget" else ""
        return f"the search proposed nothing{ended}"
    ordered = sorted(rejected.items(), key=lambda item: -item[1])
    reasons = ", ".join(f"{count:,} {reason_said(why)}" for why, count in ordered)
    cut = sum(count for reason, count in rejected.items() if "cut at length" in reason)
    advice = (
        "raise the max_tokens of the proposer's replies (`promptopt methods show METHOD` names the setting)"
        if 2 * cut >= sum(rejected.values())
        else "name another proposer (`--proposer`; in Python, `proposer=`)"
    )
    return f"no reply of the proposer was a prompt that can be used ({reasons}); {advice}"


def _end_words(value: float | None) -> str:
    return "unknown" if value is None else words.difference(value)


def interval_of(report: Report) -> tuple[str, tuple[float | None, float | None]]:
    """The interval of the verdict's own level, and that level in words."""
    look = report.get("look")
    if look is None:
        low, high = report["gain"]["ci95"]
        return "95 %", (low, high)
    low, high = look["interval"]
    return f"{100 * (1 - look['alpha']):.4g} %", (low, high)


def _look_sentence(report: Report) -> str:
    """Which look at the test this is, and what that asks of p; nothing where an old report does not say."""
    look = report.get("look")
    if look is None:
        return ""
    if look["number"] == 1:
        return f"This is the first look at these items: p below {look['alpha']:.2g} counts."
    return (
        f"This is look {look['number']} at these items (an earlier one shares {words.count(look['shared'])}), so p has "
        f"to be below {look['alpha']:.2g}."
    )
