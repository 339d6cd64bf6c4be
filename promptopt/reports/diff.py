"""Two runs side by side: what differed in how they were asked, what they scored, and the winners word by word."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from promptopt.outcome.sentence import interval_of, verdict_word
from promptopt.reports import words
from promptopt.reports.summary import Report, verdict_line

Kind = Literal["same", "gone", "come"]

PAIRS_AT_ONCE = 4_000_000
"""Pairs of words that are held against each other at most; beyond, sentences are first: a second of work, about."""


def diff_pieces(before: str, after: str) -> list[tuple[Kind, str]]:
    """Both texts as one, in pieces: what stayed, what is `gone` from `before`, what has `come` with `after`.

    Word by word, white space kept as it is; in very long texts, sentence by sentence where most of one is new.
    """
    old, new = _words_and_spaces(before), _words_and_spaces(after)
    if len(old) * len(new) <= PAIRS_AT_ONCE:
        return _pieces(old, new)
    found: list[tuple[Kind, str]] = []
    gone: list[str] = []
    come: list[str] = []

    def close() -> None:
        one, other = _words_and_spaces("".join(gone)), _words_and_spaces("".join(come))
        # What stands between two sentences that stayed is compared word by word, unless even that is too long.
        small = len(one) * len(other) <= PAIRS_AT_ONCE
        whole: list[tuple[Kind, str]] = [("gone", "".join(gone)), ("come", "".join(come))]
        found.extend(_pieces(one, other) if small else whole)
        gone.clear()
        come.clear()

    for kind, text in _pieces(_split_sentences(before), _split_sentences(after)):
        if kind == "same":
            close()
            found.append((kind, text))
        else:
            (gone if kind == "gone" else come).append(text)
    close()
    return found


def _words_and_spaces(text: str) -> list[str]:
    # White space is a piece too, so that the pieces joined are the text again.
    return re.findall(r"\s+|[^\s]+", text)


def _split_sentences(text: str) -> list[str]:
    # As with words, no character is lost between two pieces.
    return re.findall(r"[^.!?\n]*[.!?\n]+\s*|[^.!?\n]+", text)


def _pieces(old: Sequence[str], new: Sequence[str]) -> list[tuple[Kind, str]]:
    found: list[tuple[Kind, str]] = []
    # Autojunk takes what comes often for noise: quick, but most words of a prompt are such. Off wherever there is time.
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=len(old) * len(new) > PAIRS_AT_ONCE)
    for kind, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        gone, come = "".join(old[old_from:old_to]), "".join(new[new_from:new_to])
        if kind == "equal":
            found.append(("same", come))
            continue
        if gone:
            found.append(("gone", gone))
        if come:
            found.append(("come", come))
    return found


def word_diff(
    before: str,
    after: str,
    removed: Callable[[str], str] = lambda text: f"[-{text}-]",
    added: Callable[[str], str] = lambda text: f"{{+{text}+}}",
) -> str:
    """`after` with what it lost and won against `before` marked, word by word; white space is kept as it is."""
    marked: dict[Kind, Callable[[str], str]] = {"same": str, "gone": removed, "come": added}
    return "".join(marked[kind](text) for kind, text in diff_pieces(before, after))


def diff_results(first: Report, second: Report) -> str:
    """Both runs' settings, scores and costs in columns, then the second winner against the first, word by word."""
    rows = [["", first["run_id"], second["run_id"]]]
    for name in ("task", "method", "seed", "model", "proposer", "status"):
        rows.append([name, *(_spaced(report[name]) for report in (first, second))])
    rows.append(["verdict", *(_spaced(verdict_word(report)) for report in (first, second))])
    for who in ("start", "best"):
        for split in ("dev", "test"):
            rows.append([f"{who} {split}", *(_measure_words(report[who][split]) for report in (first, second))])
    rows.append(["gain", *(_gain_words(report) for report in (first, second))])
    for name in ("evaluations", "calls", "proposer_calls"):
        rows.append([name.replace("_", " "), *(words.count(report["spent"][name]) for report in (first, second))])
    rows.append(["dollars", *(words.dollars(report["spent"]["usd"]) for report in (first, second))])
    return "\n\n".join([words.columns(rows), _prompts(first, second), *_verdicts(first, second)])


def _spaced(value: Any) -> str:
    return "-" if value is None else str(value).replace("_", " ")


def _measure_words(measured: Any) -> str:
    return "-" if measured is None else f"{words.score(measured['score'])} on {words.count(measured['n'])}"


def _gain_words(report: Report) -> str:
    gain = report["gain"]
    if gain is None:
        return "-"
    if report["best"]["prompt_id"] == report["start"]["prompt_id"]:
        return "none, the start stays"
    level, bounds = interval_of(report)
    ends = " to ".join("unknown" if end is None else words.difference(end) for end in bounds)
    smallest = report.get("smallest_gain")
    least = "" if smallest is None else f"; smallest {words.difference(smallest['mean'])} on {smallest['task']}"
    return f"{words.difference(gain['mean'])} ({level}: {ends}){least}"


def _prompts(first: Report, second: Report) -> str:
    if first["best"]["prompt_id"] == second["best"]["prompt_id"]:
        return f"Both end with the same prompt ({first['best']['prompt_id']}):\n{words.block(first['best']['prompt'])}"
    marked = word_diff(first["best"]["prompt"], second["best"]["prompt"])
    return f"From the first winner to the second ([-taken out-], {{+put in+}}):\n{words.block(marked)}"


def _verdicts(first: Report, second: Report) -> list[str]:
    lines = [f"{report['run_id']}: {verdict_line(report)}" for report in (first, second)]
    if first["task"] != second["task"]:
        lines.append("The runs are of different tasks: their scores cannot be compared.")
    return ["\n".join(lines)]
