"""What a run found, in words first: the verdict, both prompts, the scores side by side, the cost, how to use it.

Everything here reads the JSON of a `Result` (the contract of `--json`), so that a stored run reads as a fresh one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptopt.operators.reflect import reason_said
from promptopt.outcome.criterion import told_scorer
from promptopt.outcome.length_matched import from_report
from promptopt.outcome.sentence import Report, verdict_line
from promptopt.reports import words
from promptopt.text import counted, normalise


def summarise(report: Report, *, exports: bool = True, again: bool = True) -> str:
    """Everything a person wants to know of a finished or suspended run, as plain text of at most 120 columns.

    `exports`: whether a command can find the run's task again; that of a Python object it cannot. `again`: whether
    to name the command that shows this.
    """
    sections = [
        _verdict(report),
        _scores_table(report),
        _length(report),
        _members(report),
        _prompts(report),
        _front(report),
        _costs(report),
        _notes(report),
        _use(report, exports=exports, again=again),
    ]
    return "\n\n".join(section for section in sections if section)


def _verdict(report: Report) -> str:
    """The verdict, and below it which look at the test it is."""
    # Which look it is stands with every verdict, and deserves a line.
    return verdict_line(report).replace(". This is ", ".\nThis is ")


def _length(report: Report) -> str:
    """What the judge's gain is where length plays no part."""
    found = from_report(report)
    return "" if found is None else found.sentence()


def _scores_table(report: Report) -> str:
    start, best = report["start"], report["best"]
    if start["dev"] is None and start["test"] is None and best["dev"] is None and best["test"] is None:
        return ""
    rows = [["score", "start", "best", ""]]
    for split, meaning in (("dev", "the winner was chosen by these"), ("test", _seen(report))):
        first, second = start[split], best[split]
        if first is None and second is None:
            continue
        if first is None and split == "dev":
            meaning += "; the start fell behind before it had seen them all"
        number = (second if first is None else first)["n"]
        rows.append([split, _score_of(first), _score_of(second), f"{counted(number, 'example')}, {meaning}"])
        if split == "test":
            rows.append(["  from", _bound(first, 0), _bound(second, 0), "95 % interval"])
            rows.append(["  to", _bound(first, 1), _bound(second, 1), ""])
        if split == "test" and second is not None and second.get("macro_f1") is not None:
            before = None if first is None else first.get("macro_f1")
            rows.append(["  macro-F1", words.score(before), words.score(second["macro_f1"]), "mean over the labels"])
        if split == "test":
            rows += _conversation_rows(first, second)
        if _unreadable_count(first) or _unreadable_count(second):
            meaning = "replies without an answer that could be read; each scores 0"
            rows.append(
                ["  unreadable", words.count(_unreadable_count(first)), words.count(_unreadable_count(second)), meaning]
            )
    return words.columns(rows, right=(1, 2))


def _conversation_rows(first: Report | None, second: Report | None) -> list[list[str]]:
    """What played conversations were like, and how sure one is to pass each of several times."""
    sides: list[Mapping[str, Any]] = [{} if each is None else each.get("conversations", {}) for each in (first, second)]
    rows = [
        [f"  {name}", *(words.score(side.get(key)) for side in sides), meaning]
        for name, key, meaning in (
            ("turns", "turns", "messages of the user"),
            ("ended", "ended", "share that the user brought to an end"),
            ("asked again", "repeated_questions", "questions of the assistant, in a conversation"),
        )
        if any(key in side for side in sides)
    ]
    hats: list[Sequence[float]] = [side.get("pass_hat", ()) for side in sides]
    for at in range(max(map(len, hats), default=0)):
        shares = (words.score(hat[at] if at < len(hat) else None) for hat in hats)
        rows.append([f"  pass^{at + 1}", *shares, f"that {at + 1} of {at + 1} draws of a scenario pass"])
        ends = [side.get("pass_hat_ci95", ())[at : at + 1] for side in sides]
        if any(ends):
            shown = (f"{words.score(each[0][0])} to {words.score(each[0][1])}" if each else "-" for each in ends)
            rows.append(["    95 %", *shown, "over scenarios, those of one group as one"])
    return rows


def _seen(report: Report) -> str:
    look = report.get("look")
    if look is None or look["number"] == 1:
        return "seen by nobody before the end"
    return f"look {look['number']} at them: up to {words.count(look['shared'])} were seen before"


def _score_of(measured: Report | None) -> str:
    return words.score(None if measured is None else measured["score"])


def _bound(measured: Report | None, end: int) -> str:
    return words.score(None if measured is None else measured["ci95"][end])


def _unreadable_count(measured: Report | None) -> int | None:
    return None if measured is None else measured.get("unreadable")


def _members(report: Report) -> str:
    """The gain on each of several tasks, and what became of its floor."""
    rows = words.members(report.get("members", ()))
    return words.columns(rows, right=(1, 3)) if rows else ""


def _prompts(report: Report) -> str:
    start, best = report["start"], report["best"]
    first = f"Start prompt ({start['prompt_id']}):\n{words.block(start['prompt'])}"
    if best["prompt_id"] == start["prompt_id"]:
        return first
    demos = len(best.get("demos", ()))
    shown = f", shown with {counted(demos, 'worked example')}" if demos else ""
    shown += f", in the task's layout {best['layout']!r}" if best.get("layout") else ""
    return f"{first}\n\nBest prompt ({best['prompt_id']}{shown}):\n{words.block(best['prompt'])}"


FRONT = 8
"""Rows of the front that are shown: both ends, and between them what stands at equal distances."""


def _front(report: Report) -> str:
    """What a shorter prompt would cost, where there is a choice."""
    points = report.get("front", ())
    if len(points) < 2:
        return ""
    start = report["start"]
    edited = next((part for part, text in start["parts"].items() if text == start["prompt"]), "")
    texts = {
        # Where several parts are edited, the prompt is told as all of them.
        candidate["prompt_id"]: candidate["parts"][edited] if edited else " / ".join(candidate["parts"].values())
        for candidate in report["candidates"]
    }
    # Both ends are among them; a short front gives the same place twice.
    places = dict.fromkeys(round(step * (len(points) - 1) / (FRONT - 1)) for step in range(FRONT))
    rows = [["tokens", "score", "score against length, by the search's own examples"]]
    for point in (points[place] for place in places):
        text = words.one_line(texts[point["prompt_id"]]) or "(empty)"
        mark = " (best)" if point["prompt_id"] == report["best"]["prompt_id"] else ""
        rows.append([words.count(point["tokens"]), words.score(point["score"]), f"{point['prompt_id']}{mark} {text}"])
    return words.columns(rows, right=(0, 1))


COSTS: tuple[tuple[str, str], ...] = (
    ("evaluations", "prompts scored on one example each"),
    ("calls", "replies asked of any model"),
    ("proposer_calls", "of them, of the model that writes prompts"),
    ("prompt_tokens", "read by the models"),
    ("completion_tokens", "written by the models"),
)


def _judges_calls(report: Report) -> list[list[str]]:
    """What each judge was asked; of one execution only the calls of all together are known."""
    roles: Mapping[str, Any] = report.get("spent_by_role", {})
    return [
        [f"{role.replace('_', ' ')} calls", words.count(roles[role]["calls"]), "-", f"of them, of the judge {name}"]
        for role, name in report.get("judges", {}).items()
        if role in roles
    ]


def _costs(report: Report) -> str:
    spent, paid, earlier = report["spent"], report["paid"], report.get("earlier")
    rows = [["cost", "whole run", "this time", ""]]
    for name, meaning in COSTS:
        rows.append([name.replace("_", " "), words.count(spent[name]), words.count(paid[name]), meaning])
        rows += _judges_calls(report) if name == "proposer_calls" else []
    rows.append(["dollars", words.dollars(spent["usd"]), words.dollars(paid["usd"]), ""])
    # A replay takes a moment: how long the run took, its earlier executions tell.
    whole = report["wall_s"] + (0.0 if earlier is None else earlier["wall_s"])
    rows.append(["time", words.duration(whole), words.duration(report["wall_s"]), ""])
    table, ahead = words.columns(rows, right=(1, 2)), paid["calls"] - spent["calls"]
    if report["status"] != "suspended" or ahead <= 0:
        return table
    # A run is charged by whole batches, so that a replay charges the same.
    are = "is" if ahead == 1 else "are"
    return (
        f"{table}\n{counted(ahead, 'call')} of a batch that was broken off {are} answered and stored too; the whole "
        f"run counts them when it goes on, which does not pay for them again."
    )


def _share(report: Report, reason: str) -> str:
    """What of a cap that ended the search is spent: a reader whose cap is twice that asks where the other half is."""
    if not reason.endswith("spent"):
        return ""
    scoring = [
        each["usd"] for role, each in report.get("spent_by_role", {}).items() if role not in ("proposer", "teacher")
    ]
    if reason.startswith("$") and scoring and not any(scoring):
        return " The final choice and the test are free, so that is all of it."
    return " That is its share; the final choice and the test have the rest."


def _notes(report: Report) -> str:
    notes: list[str] = []
    if report["status"] == "budget":
        reason = str(report["reason"])
        # Most methods plan by the caps. Nothing in a report says whether the plan under a higher one is the same.
        notes.append(
            f"The search ended at a limit: {reason}.{_share(report, reason)} With a higher one it goes on, but a "
            f"method that plans by its limits begins a search of its own. Nothing is paid for twice, and it is "
            f"another look at the test."
        )
    notes += _guide(report)
    optimism = report["optimism"]
    # A start that stays was not chosen by dev.
    if optimism is not None and report["best"]["prompt_id"] != report["start"]["prompt_id"]:
        notes.append(
            f"Optimism: {words.difference(optimism)} (the winner's dev score minus its test score: "
            + ("by so much being chosen by dev flatters it)." if optimism > 0 else "dev did not flatter it).")
        )
    considered = len(report["candidates"])
    rejected = report["rejected"]
    notes.append(f"Considered {counted(considered, 'prompt')}, the start among them.")
    if rejected:
        # The sort keeps the order of equal counts: the first reason that came is told first.
        ordered = sorted(rejected.items(), key=lambda item: -item[1])
        reasons = ", ".join(f"{number:,} {reason_said(why)}" for why, number in ordered)
        notes.append(f"Replies and prompts that could not be used: {reasons}.")
    notes += [f"Warning: {normalise(warning)}" for warning in report["warnings"]]
    return "\n".join(notes)


def _guide(report: Report) -> list[str]:
    """What the search went by, where the verdict is by something else."""
    search = report.get("search")
    if search is None or (search["evaluator"], search["model"]) == (report["evaluator"], report["model"]):
        return []
    numbers = ""
    if search["start"] is not None and search["best"] is not None:
        numbers = f", {words.score(search['start'])} -> {words.score(search['best'])} on train"
        if search["evaluator"] in ("loss", "preference"):
            numbers += " (nats, higher is better)"
    return [
        f"The search went by {told_scorer(search)} on {search['model']}{numbers}; dev and test are by "
        f"{told_scorer(report)} on {report['model']}."
    ]


def _use(report: Report, *, exports: bool, again: bool) -> str:
    run = report["run_id"]
    if report["status"] == "suspended":
        return f"Run {run}"
    seen = ["See it:", f"promptopt runs show {run}", "this again"]
    # Nothing is to be used where the start stays, and nobody is told to use what was not shown to be better.
    use = "Use it:" if report["verdict"] == "better" else "To try it:"
    rows = [
        [use, f"promptopt runs export {run} --out winner.txt", "the whole pattern, with the place of the input"],
        ["", f"promptopt runs export {run} --out winner.py", "then in Python: from winner import messages"],
    ]
    found = exports and report["best"]["prompt_id"] != report["start"]["prompt_id"]
    return words.columns([*(rows if found else []), *([seen] if again else [])])
