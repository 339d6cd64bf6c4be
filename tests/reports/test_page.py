"""The page of a run: complete, safe whatever a run holds, small and quick, and honest about what it lacks."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import ConfigError
from promptopt.reports.diff import diff_pieces
from promptopt.reports.page.charts import Series as Line
from promptopt.reports.page.charts import chart
from promptopt.reports.page.render import runs_page
from promptopt.reports.page.views import ReportedRun
from tests.ends import ends
from tests.reports.page_reports import HOSTILE, contender, report

pytest.importorskip("jinja2", reason="needs the extra `report`")


def page(*reports: dict[str, Any], command: str = "promptopt optimize --task planted") -> str:
    return runs_page([ReportedRun(each, command, version="0.1.0") for each in reports])


def seen(text: str) -> str:
    """What a reader reads, near enough: without style, scripts and tags."""
    bare = re.sub(r"<(style|script).*?</\1>", "", text, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", bare))


def test_a_page_holds_all_that_a_run_found() -> None:
    text = seen(page(report()))
    for part in (
        "Better: 0.500 -> 0.800", "Answer the question. 0", "Answer the question. 4", "0.700 to 0.900", "85 fixed",
        "14 broken", "score against evaluations", "score against tokens", "Candidates: 5", "4,900", "no tag",
        "rewrites", "promptopt optimize --task planted",
    ):  # fmt: skip
        assert part in text, part


def test_what_a_run_holds_is_text_wherever_it_stands() -> None:
    text = page(report(text=HOSTILE, warnings=[HOSTILE], reason=HOSTILE, method=HOSTILE, task=HOSTILE, run_id=HOSTILE,
                       rejected={HOSTILE: 1}), command=HOSTILE)  # fmt: skip
    assert "<script>alert" not in text
    assert "{{ 7*7 }}" in text
    # The style, the script, and one script of data for each run: nothing else begins an element of these kinds.
    assert (text.count("<script"), text.count("<style"), text.count("<!--")) == (2, 1, 0)
    assert not re.search(r"[\ud800-\udfff\u202e\x00\x1b]", text)
    text.encode("utf-8")


def test_the_data_of_the_tree_are_what_the_run_held() -> None:
    text = page(report(text="</script><script>alert(1)</script>"))
    data = json.loads(re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)[0])
    assert data[3]["text"] == "</script><script>alert(1)</script> 3"
    assert [each["number"] for each in data] == list(range(5))


def test_the_policy_names_the_one_style_and_the_one_script_and_forbids_requests() -> None:
    text = page(report())
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]+)"', text)[0])
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"(?:src|href)=", text)
    assert "http" not in text.replace("http-equiv", "")
    assert not re.search(r"<[^>]+ (?:style|on\w+)=", text)


@pytest.mark.slow
def test_a_run_of_2000_candidates_and_100000_scores_is_small() -> None:
    text = page(report(2000, per_step=50, items=1000))
    assert len(text.encode()) < 6_000_000


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "candidates"), [({"text": "word " * 10_000}, 60), ({"items": 20_000}, 5)])
def test_long_prompts_and_many_items_stay_small_and_say_what_is_left_out(
    changes: dict[str, Any], candidates: int
) -> None:
    text = page(report(candidates, **changes))
    assert len(text.encode()) < 6_000_000
    assert "left out" in seen(text)


def test_one_candidate_and_nothing_measured_is_a_page_too() -> None:
    lone = contender("Only.", "id0")
    bare = {**lone, "dev": None, "test": None}
    text = seen(page(report(1, start=bare, best=bare, gain=None, look=None, verdict=None, status="suspended", items=0,
                            reason="the server is down", steps=[], spent_by_role={})))  # fmt: skip
    assert "Suspended: the server is down" in text
    assert "The sealed test was not opened" in text
    assert "Nothing was scored" in text


def test_a_result_of_an_older_version_says_what_it_lacks() -> None:
    old = report()
    del old["items"], old["spent_by_role"], old["look"]
    assert "kept no examples" in seen(page(old))
    del old["candidates"]
    with pytest.raises(ConfigError, match="written by another version"):
        page(old)


def test_a_thirtieth_look_is_said_in_the_verdict() -> None:
    look = {"number": 30, "alpha": 0.0001, "shared": 200, "interval": [-0.1, 0.5], "units": 200}
    assert "look 30" in seen(page(report(look=look, verdict="no_evidence")))


def test_unreadable_answers_are_listed_apart() -> None:
    odd = report()
    odd["items"][0]["start"]["parsed"] = odd["items"][0]["best"]["parsed"] = False
    text = page(odd)
    assert "1 unreadable" in seen(text)
    assert 'data-unreadable="1"' in text


@pytest.mark.slow
def test_runs_side_by_side_say_where_their_scores_cannot_be_compared() -> None:
    other = {**report(), "run_id": "b" * 12}
    assert "cannot be compared" not in seen(page(report(), other))
    assert "different tasks" in seen(page(report(), {**other, "task": "else"}))
    assert "different models" in seen(page(report(), {**other, "model": "else"}))
    apart = {**other, "items": [{**each, "key": f"other {each['key']}"} for each in other["items"]]}
    assert "share no test item" in seen(page(report(), apart))
    assert "not tested on the same items" in seen(page(report(), {**other, "items": other["items"][:50]}))


@given(st.text(), st.text())
def test_a_diff_in_pieces_holds_both_texts(before: str, after: str) -> None:
    pieces = diff_pieces(before, after)
    assert "".join(text for kind, text in pieces if kind != "come") == before
    assert "".join(text for kind, text in pieces if kind != "gone") == after


@ends
@pytest.mark.slow
@pytest.mark.parametrize("end", ["", "."])
def test_a_diff_of_10000_words_ends_and_is_whole(end: str) -> None:
    before = " ".join(f"w{number % 800}{end if number % 12 == 0 else ''}" for number in range(10_000))
    after = before.replace("w7", "other")
    pieces = diff_pieces(before, after)
    assert "".join(text for kind, text in pieces if kind != "gone") == after


@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(-1e6, 1e6)), max_size=20))
def test_a_chart_keeps_its_points_within_its_frame(points: list[tuple[float, float]]) -> None:
    drawn = chart("t", [Line("a", tuple(sorted(points)))])
    assert (drawn is None) == (not points)
    if drawn is not None:
        for pair in drawn.lines[0].path.split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= drawn.width
            assert 0 <= y <= drawn.height
