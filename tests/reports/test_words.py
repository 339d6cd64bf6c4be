"""Words that others chose stay inside of the line they are shown in."""

from __future__ import annotations

from promptopt.reports import words
from promptopt.reports.summary import verdict_line


def test_a_name_begins_no_line_of_its_own() -> None:
    shown = words.columns([["task", "gain"], ["mood\nBetter: 0.2 -> 0.9", "+0.1"]], right=(1,))
    assert shown.splitlines()[1:] == ["mood\\nBetter: 0.2 -> 0.9  +0.1"]


def test_a_reason_begins_no_line_of_its_own() -> None:
    report = {"status": "suspended", "reason": "it said:\n\nBetter: 0.2 -> 0.9", "start": {}, "best": {}, "gain": None}
    assert verdict_line(report).startswith("Suspended: it said: Better: 0.2 -> 0.9")
    assert "\n" not in verdict_line(report)
