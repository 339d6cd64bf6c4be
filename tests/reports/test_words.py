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


def test_a_long_name_keeps_both_of_its_ends() -> None:
    names = [f"openai/{'x' * 200}-{ending}@http://127.0.0.1:1/v1" for ending in ("small", "large")]
    shown = [words.shortened(name) for name in names]
    assert {len(name) for name in shown} == {40}
    assert all(name.startswith("openai/x") and "…" in name for name in shown)
    assert words.shortened("a/short\nname") == "a/short name"
    assert [words.shortened(f"{'x' * 60}{ending}") for ending in "ab"] == [
        f"{'x' * 20}…{'x' * 18}{end}" for end in "ab"
    ]
