"""Summary, words and differences: what a person reads, from a stored result alone."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.outcome.sentence import verdict_word
from promptopt.reports import words
from promptopt.reports.diff import diff_results, word_diff
from promptopt.reports.summary import summarise, verdict_line

LEDGER = {"evaluations": 2_000, "calls": 2_100, "proposer_calls": 100, "prompt_tokens": 90_000,
          "completion_tokens": 8_000, "usd": None}  # fmt: skip
BETTER: dict[str, Any] = {
    "run_id": "abc123def456",
    "task": "mood",
    "method": "apo",
    "seed": 0,
    "model": "embedded/small",
    "proposer": "embedded/small",
    "status": "finished",
    "reason": "",
    "start": {
        "prompt": "Say it.", "prompt_id": "s" * 16, "parts": {"instruction": "Say it."}, "demos": [],
        "dev": {"score": 0.6, "n": 100, "unreadable": 4},
        "test": {"score": 0.61, "ci95": [0.54, 0.68], "n": 200, "unreadable": 9},
    },
    "best": {
        "prompt": "Say it well.\nIn one word.", "prompt_id": "b" * 16, "parts": {"instruction": "Say it well."},
        "demos": [], "dev": {"score": 0.8, "n": 100, "unreadable": 0},
        "test": {"score": 0.78, "ci95": [0.72, 0.83], "n": 200, "unreadable": 0},
    },
    "gain": {"mean": 0.17, "ci95": [0.1, 0.24], "p_value": 0.00002, "test": "McNemar exact"},
    "verdict": "better",
    "optimism": 0.02,
    "spent": LEDGER,
    "paid": {**LEDGER, "calls": 7, "usd": 1.5},
    "wall_s": 125.0,
    "candidates": [{}, {}, {}],
    "steps": [],
    "rejected": {"too long": 2, "no tags": 5},
    "warnings": ["the winner holds the answer of a training row"],
}  # fmt: skip


def changed(**changes: Any) -> dict[str, Any]:
    report = copy.deepcopy(BETTER)
    report.update(changes)
    return report


def test_the_verdict_comes_first_in_plain_words() -> None:
    assert verdict_line(BETTER) == (
        "Better: 0.610 -> 0.780 on 200 sealed test items (+0.170, 95 % interval +0.100 to +0.240, "
        "McNemar exact p = 0.000020)."
    )


@pytest.mark.parametrize(
    ("report", "begins", "holds"),
    [
        (
            changed(verdict="no_evidence"),
            "Keep your prompt: no evidence that the best one found is better (0.610",
            "p =",
        ),
        (changed(verdict="worse"), "Keep your prompt: the best one found is worse (0.610", "p ="),
        (
            changed(verdict="no_evidence", best=BETTER["start"]),
            "Keep your prompt: the search found none",
            "0.540 to 0.680",
        ),
        (
            changed(status="suspended", gain=None, reason="3 minutes are over"),
            "Suspended: 3 minutes are over.",
            "again",
        ),
        (changed(gain=None), "No verdict: ", "sealed test"),
    ],
)
def test_every_other_ending(report: dict[str, Any], begins: str, holds: str) -> None:
    line = verdict_line(report)
    assert line.startswith(begins)
    assert holds in line
    assert summarise(report).startswith(line)


def test_the_summary_says_everything_and_keeps_its_columns() -> None:
    text = summarise(BETTER)
    lines = text.splitlines()
    table = lines[lines.index("") + 1 :]
    numbers = [(line, end) for line in table[:7] for end in ("0.800", "0.780", "0.720", "0.830") if end in line]
    assert len(numbers) == 4
    assert len({line.index(number) for line, number in numbers}) == 1
    for expected in (
        "    Say it well.\n    In one word.",
        "price unknown",
        "$1.50",
        "2 min 05 s",
        "Optimism: +0.020",
        "Considered 3 prompts",
        "could not be used: 5 without the tags that were asked for, 2 too long.",
        "Warning: the winner holds the answer",
        "promptopt runs export abc123def456 --out winner.txt",
        "replies without an answer that could be read",
    ):
        assert expected in text
    assert max(map(len, lines)) <= 120


def test_a_limit_is_said() -> None:
    text = summarise(changed(status="budget", reason="2,000 evaluations are spent"))
    assert "The search ended at a limit: 2,000 evaluations are spent." in text
    # Of 4,000, say: a reader looks for the others.
    assert "its share; the final choice and the test have the rest" in text
    other = summarise(changed(status="budget", reason="the proposer refuses every request"))
    assert "its share" not in other


@pytest.mark.parametrize(("usd", "said"), [(0.0, "are free, so that is all of it"), (0.2, "That is its share")])
def test_a_cap_in_dollars_that_only_the_proposer_takes_of_has_no_rest(usd: float, said: str) -> None:
    by_role = {"task": {"usd": usd}, "proposer": {"usd": 0.3033}}
    reason = "$0.3033 of $0.3000 are spent"
    assert said in summarise(changed(status="budget", reason=reason, spent_by_role=by_role))


def test_a_higher_limit_is_not_said_to_go_on_where_a_method_plans_by_it() -> None:
    text = summarise(changed(status="budget", reason="2,000 evaluations are spent"))
    assert "where it stood" not in text
    assert "a method that plans by its limits begins a search of its own" in text
    assert "another look at the test" in text


def test_a_suspended_run_without_scores() -> None:
    none = {"dev": None, "test": None}
    report = changed(status="suspended", gain=None, optimism=None, start={**BETTER["start"], **none},
                     best={**BETTER["best"], **none})  # fmt: skip
    text = summarise(report)
    assert "score" not in text.partition("Start prompt")[0]
    assert "export" not in text


def test_a_start_that_was_dropped_on_the_first_dev_examples_is_explained() -> None:
    said = "the winner was chosen by these; the start fell behind before it had seen them all"
    assert said in summarise(changed(start={**BETTER["start"], "dev": None}))
    assert "fell behind" not in summarise(BETTER)


def test_a_winner_is_to_be_used_one_without_evidence_can_be_taken_and_a_start_stays() -> None:
    assert "Use it:  promptopt runs export" in summarise(BETTER)
    unproven = summarise(changed(verdict="no_evidence"))
    assert "Use it:" not in unproven
    assert "To try it:  promptopt runs export" in unproven
    kept = summarise(changed(verdict="no_evidence", best={**BETTER["best"], "prompt_id": BETTER["start"]["prompt_id"]}))
    assert "runs export" not in kept
    assert "See it:" in kept


def test_calls_of_a_batch_that_was_broken_off_are_explained() -> None:
    ledgers = {"spent": {**BETTER["spent"], "calls": 82}, "paid": {**BETTER["paid"], "calls": 188}}
    text = summarise(changed(status="suspended", gain=None, **ledgers))
    assert "106 calls of a batch that was broken off are answered and stored too" in text
    assert "broken off" not in summarise(changed(**ledgers))
    ledgers["paid"]["calls"] = 12
    assert "broken off" not in summarise(changed(status="suspended", gain=None, **ledgers))


def test_a_start_that_stays_is_said_to_have_won_nothing() -> None:
    kept = changed(verdict="no_evidence", best={**BETTER["best"], "prompt_id": BETTER["start"]["prompt_id"]})
    assert "Optimism" in summarise(BETTER)
    assert "Optimism" not in summarise(kept)
    assert "Optimism: -0.200 (the winner's dev score minus its test score: dev did not flatter it)" in summarise(
        changed(optimism=-0.2)
    )
    assert "none, the start stays" in diff_results(BETTER, kept)


def test_a_gain_side_by_side_has_the_interval_of_its_look() -> None:
    later = changed(look={"number": 2, "alpha": 0.0167, "interval": [0.05, 0.29], "shared": 3, "units": 200})
    text = diff_results(BETTER, later)
    assert "+0.170 (95 %: +0.100 to +0.240)" in text
    assert "+0.170 (98.33 %: +0.050 to +0.290)" in text


def test_there_is_no_verdict_in_a_word_where_nothing_was_read() -> None:
    unread = changed(verdict="no_evidence")
    for side in ("start", "best"):
        unread[side]["test"]["unreadable"] = unread[side]["test"]["n"]
    assert (verdict_word(BETTER), verdict_word(unread)) == ("better", "-")
    # A start that had no rival is no evidence of anything.
    assert verdict_word({**BETTER, "verdict": "no_evidence", "candidates": BETTER["candidates"][:1]}) == "-"
    assert verdict_word({**BETTER, "verdict": "no_evidence"}) == "no_evidence"
    assert verdict_line(unread).startswith("No verdict")


def test_control_characters_cannot_move_the_cursor() -> None:
    report = changed(best={**BETTER["best"], "prompt": "red \x1b[31m text\rover"})
    assert "\x1b" not in summarise(report)
    assert "\\x1b[31m" in summarise(report)


def test_runs_side_by_side() -> None:
    other = changed(run_id="fff", task="other", best={**BETTER["best"], "prompt": "Say it better.", "prompt_id": "c"})
    text = diff_results(BETTER, other)
    assert "Say it [-well.\n    In one word.-]{+better.+}" in text
    assert "different tasks" in text
    assert "different tasks" not in diff_results(BETTER, BETTER)


@given(st.text(alphabet="ab \n", max_size=30), st.text(alphabet="ab \n", max_size=30))
def test_a_word_diff_holds_both_texts(before: str, after: str) -> None:
    pieces = word_diff(before, after, lambda text: f"<{text}>", lambda text: f"({text})")
    import re

    assert re.sub(r"<[^>]*>", "", pieces).replace("(", "").replace(")", "") == after
    assert re.sub(r"\([^)]*\)", "", pieces).replace("<", "").replace(">", "") == before


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (words.score(0.5), "0.500"),
        (words.score(float("nan")), "-"),
        (words.difference(-0.0001), "+0.000"),
        (words.difference(-0.1), "-0.100"),
        (words.dollars(0.0), "$0.00"),
        (words.dollars(0.00123), "$0.0012"),
        (words.dollars(12.3), "$12.30"),
        (words.dollars(0.00002), "$0.000020"),
        (words.dollars(0.0000012), "$0.0000012"),
        (words.dollars(2e-9), "under $0.000001"),
        (words.dollars(0.99999), "$1.00"),
        (words.dollars(None), "price unknown"),
        (words.duration(59.4), "59 s"),
        (words.duration(61), "1 min 01 s"),
        (words.duration(7_800), "2 h 10 min"),
        (words.size(1_117_320_768), "1.1 GB"),
        (words.size(98_362_432), "98 MB"),
        (words.size(12), "12 B"),
        (words.p_value(0.00002), "p = 0.000020"),
        (words.p_value(0.04), "p = 0.040"),
        (words.p_value(1.0), "p = 1.00"),
        (words.p_value(1e-9), "p < 0.000001"),
        (words.one_line("a\nb  c\x1b", 60), "a b c"),
        (words.one_line("abcdef", 4), "abc…"),
        (words.columns([["a", "1"], ["bb", "10"]], right=(1,)), "a    1\nbb  10"),
        (words.columns([]), ""),
    ],
)
def test_words(shown: str, expected: str) -> None:
    assert shown == expected


@given(st.floats(min_value=1e-6, max_value=1.0))
def test_a_p_value_is_never_shown_as_zero(value: float) -> None:
    shown = float(words.p_value(value).rpartition(" ")[2])
    assert shown == pytest.approx(value, rel=0.06)


@given(st.floats(min_value=1e-6, max_value=1e6))
def test_a_sum_is_never_shown_as_nothing(value: float) -> None:
    shown = float(words.dollars(value).removeprefix("$"))
    assert shown == pytest.approx(value, rel=0.06)
