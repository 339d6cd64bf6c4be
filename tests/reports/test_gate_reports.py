"""JUnit and Markdown of a gate: well formed whatever a model wrote, and never too long."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.outcome.decisions import (
    CheckOutcome,
    Decision,
    ScoredPair,
    decided,
    keeps_schema,
    must_pass,
    non_inferior,
    overall,
    slices_asked,
)
from promptopt.outcome.members import MemberGain, of_members
from promptopt.reports import words
from promptopt.reports.junit import junit
from promptopt.reports.pull_request import LARGEST, Checked, pull_request
from promptopt.tasks.gate import Gate
from promptopt.testing import planted_task
from promptopt.types import Example, Score

COST = (1, 2, None)


def pair(before: float, after: float, *, group: str = "", text: str = "x", number: int = 0) -> ScoredPair:
    example = Example.of("t", (), (), "", group, text=f"{text} {number}")
    return ScoredPair(example, Score(before, "old"), Score(after, "new"))


def checked(pairs: tuple[ScoredPair, ...], text: str = "new") -> Checked:
    return Checked(
        "task", "model", "f1", ("old", text), (1, 1), (COST, COST), (Decision("score", "passed", "m"),), pairs
    )


@given(st.lists(st.tuples(st.text(), st.text(), st.sampled_from(["passed", "regression", "inconclusive"])), max_size=4))
def test_whatever_is_said_is_well_formed_xml_and_every_decision_is_counted_once(
    said: list[tuple[str, str, CheckOutcome]],
) -> None:
    decisions = [Decision(name, outcome, message) for name, message, outcome in said]
    root = ElementTree.fromstring(junit("suite", decisions).encode("utf-8", "replace"))
    counts = {name: int(root.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    passed = len(root.findall(".//system-out"))

    assert counts["tests"] == len(said) == counts["failures"] + counts["errors"] + counts["skipped"] + passed


@given(st.text(alphabet="`|<#\n*x"))
def test_what_a_user_wrote_does_not_leave_its_fence(text: str) -> None:
    lines = pull_request(checked((pair(1.0, 0.0, text=text),), text)).splitlines()
    opened = ""
    for line in lines:
        if opened and line == opened:
            opened = ""
        elif not opened and line.startswith("```"):
            opened = line.rstrip("dif")
    assert not opened


def test_a_long_summary_is_cut_and_closed() -> None:
    told = pull_request(checked((), "new words\n" * LARGEST))

    assert len(told) <= LARGEST
    assert told.endswith("it is too long.\n")
    assert told.count("\n```") % 2 == 0


def test_conversations_count_once_however_many_turns_they_have() -> None:
    turns = [pair(1.0, 0.0, group=f"g{number % 5}", number=number) for number in range(50)]
    alone = [pair(1.0, 0.0, number=number) for number in range(50)]

    few, many = (non_inferior("score", pairs, 0.05).gain for pairs in (turns, alone))
    assert few is not None
    assert many is not None
    assert (few.units, many.units) == (5, 50)
    assert few.p_value > 0.05 > many.p_value


def test_a_judge_alone_decides_nothing_and_unjudged_replies_withhold() -> None:
    pairs = [pair(0.0, 1.0, number=number) for number in range(100)]
    unjudged = [ScoredPair(each.example, each.before, Score(0.0, judged=False)) for each in pairs[:6]]

    assert non_inferior("score", pairs, 0.05).outcome == "passed"
    assert non_inferior("score", pairs, 0.05, judged=True).outcome == "inconclusive"
    assert non_inferior("score", [*unjudged, *pairs[6:]], 0.05).outcome == "inconclusive"
    assert non_inferior("score", [*unjudged[:4], *pairs[4:]], 0.05).outcome == "passed"


@pytest.mark.parametrize("after", [0.0, 0.5, 1.0])
def test_a_judge_alone_decides_of_no_slice_and_of_no_example_that_must_pass(after: float) -> None:
    pairs = [pair(0.5, after, number=number) for number in range(30)]
    sliced = [replace(each, example=replace(each.example, slice="de")) for each in pairs]
    vital = [each.example for each in pairs[:2]]

    (own,), (judged,) = (decided(slices_asked(sliced, {"*": 0.2}, judged=judged)) for judged in (False, True))
    assert own.outcome == ("regression" if after == 0 else "passed")
    assert (judged.outcome, "a judge says" in judged.message) == ("inconclusive", True)
    assert {each.outcome for each in must_pass(vital, pairs)} == {"passed" if after == 1 else "regression"}
    told = must_pass(vital, pairs, judged=True)
    assert {each.outcome for each in told} == {"inconclusive"}
    assert all("a judge says that it" in each.message for each in told)


def test_what_was_not_asked_or_not_judged_is_no_pass() -> None:
    asked = [pair(1.0, 1.0, number=number) for number in range(3)]
    unread = ScoredPair(asked[1].example, asked[1].before, Score(0.0, judged=False, feedback="prose"))
    vital = [each.example for each in asked]
    found = must_pass(vital, [asked[0], unread])

    assert [each.outcome for each in found] == ["passed", "inconclusive", "inconclusive"]
    assert "could not be judged: prose" in found[1].message
    assert "not asked" in found[2].message


@pytest.mark.parametrize(("loss", "named"), [({"*": 0.1}, "slices"), ({"de": 0.1}, "slice de"), ({}, "")])
def test_a_loss_of_slices_that_no_example_is_of_is_open(loss: dict[str, float], named: str) -> None:
    found = decided(slices_asked([pair(1.0, 1.0, number=number) for number in range(30)], loss))

    assert [(each.name, each.outcome) for each in found] == ([(named, "inconclusive")] if named else [])


def test_a_test_that_a_cap_cut_short_is_told_as_such() -> None:
    told = checked(tuple(pair(1.0, 1.0, number=number) for number in range(3)))

    assert "3 examples." in pull_request(told)
    assert "3 of 40 examples (a cap came first)." in pull_request(replace(told, wanted=40))


@pytest.mark.parametrize(
    "said", ["costs $5 and $6", "a|b", "`x`", "<b>x</b>", "![i](u)", "@ann #12 *b* _i_ ~~s~~", "a\\"]
)
def test_what_stands_in_a_cell_is_read_as_it_was_written(said: str) -> None:
    row = next(line for line in pull_request(replace(
        checked(()), decisions=(Decision(said, "passed", said),)
    )).splitlines() if line.endswith("|") and "| passed |" in line)  # fmt: skip
    name, _, message = row.removeprefix("| ").removesuffix(" |").split(" | ")
    plain = re.sub(r"\\(.)", r"\1", message).replace("&lt;", "<").replace("&gt;", ">")

    assert name == message
    assert plain == said
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`*_\[\]<>#@!~$]", message)


def test_one_regression_outweighs_all_else() -> None:
    pairs = [pair(1.0, 0.5), pair(0.0, 1.0, number=1)]
    lost = must_pass([each.example for each in pairs], pairs)

    assert [each.outcome for each in lost] == ["regression", "passed"]
    assert overall(lost) == "regression"
    assert overall([Decision("a", "inconclusive", ""), Decision("b", "passed", "")]) == "inconclusive"


@pytest.mark.parametrize("wins", range(0, 41, 5))
@pytest.mark.parametrize("margin", [0.02, 0.05, 0.3])
def test_the_bound_that_is_told_is_the_one_that_decides(wins: int, margin: float) -> None:
    pairs = [pair(*((0.0, 1.0) if number < wins else (1.0, 0.0)), number=number) for number in range(20, 40)]
    pairs += [pair(1.0, 1.0, number=number) for number in range(100)]
    found = non_inferior("score", pairs, margin)
    told = re.findall(r"one-sided 95 %: ([+-][\d.]+) or (more|less)", found.message)

    assert len(told) == 1
    bound, side = float(told[0][0]), told[0][1]
    assert (found.outcome == "passed") == (side == "more" and bound > -100 * margin)
    assert side == "more" or (found.outcome == "regression" and bound < -100 * margin)
    assert "--margin" not in found.message
    for written in (junit("s", [found]), pull_request(replace(checked(tuple(pairs)), decisions=(found,)))):
        assert f"one-sided 95 %: {told[0][0]} or {side}" in written


@pytest.mark.slow
def test_a_bound_next_to_the_margin_is_told_on_its_own_side() -> None:
    pairs = [pair(0.5, 0.5 - 0.0499, number=number) for number in range(30_000)]
    low = non_inferior("score", pairs, 0.05).gain
    assert low is not None
    margin = -low.interval[0] + 1e-5
    found = non_inferior("score", pairs, margin)
    told = re.search(r"one-sided 95 %: ([+-][\d.]+) or more", found.message)
    assert (found.outcome, told is not None) == ("passed", True)
    assert told is not None
    assert float(told[1]) > -100 * margin


IMPOSSIBLE = -math.inf


def impossible(before: int, after: int, *, slice: str = "") -> list[ScoredPair]:
    """200 examples that gain 0.05 each, but for those that are impossible under the first prompt, or the second."""
    found: list[ScoredPair] = []
    for number in range(200):
        old = IMPOSSIBLE if number < before else -1.0
        new = IMPOSSIBLE if before <= number < before + after else -0.95
        example = replace(Example.of("t", text=f"item {number}"), slice=slice)
        found.append(ScoredPair(example, Score(old, "old"), Score(new, "new")))
    return found


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        (0, 60, "regression"),
        (0, 2, "inconclusive"),
        (60, 0, "passed"),
        (30, 30, "inconclusive"),
        (10, 60, "regression"),
    ],
)
def test_an_impossible_example_counts_against_the_prompt_that_has_it(before: int, after: int, outcome: str) -> None:
    found = non_inferior("score", impossible(before, after), 0.02)
    assert found.outcome == outcome
    assert f"n = 200 ({before} impossible before, {after} after)" in found.message
    assert found.gain is not None
    assert found.gain.n == 200
    (sliced,) = decided(slices_asked(impossible(before, after, slice="fr"), {"fr": 0.02}))
    assert sliced.outcome == outcome


def test_a_floor_of_one_of_several_tasks_is_broken_by_what_became_impossible() -> None:
    task = replace(planted_task(), members=("a", "b"), weights=(0.5, 0.5))
    pairs = [*impossible(0, 60, slice="a"), *impossible(60, 0, slice="b")]
    sides = ([pair.before for pair in pairs], [pair.after for pair in pairs])
    first, second = of_members(task, [pair.example for pair in pairs], *sides)
    assert (first.task, round(first.mean, 3), second.task, round(second.mean, 3)) == ("a", -0.3, "b", 0.3)


def test_the_floors_of_several_tasks_are_told_as_a_table_and_survive_a_file() -> None:
    task = replace(planted_task(), members=("a", "b", "c"), weights=(0.4, 0.3, 0.3))
    task = replace(task, gate=Gate(largest_loss={"a": 0.02, "b": 0.02}))
    pairs = [*impossible(0, 60, slice="a"), *impossible(60, 0, slice="b"), *impossible(0, 0, slice="c")]
    gains = of_members(task, [p.example for p in pairs], [p.before for p in pairs], [p.after for p in pairs])
    assert [each.floor and each.floor.held for each in gains] == ["broken", "held", None]
    stored = json.loads(json.dumps([each.to_json() for each in gains]))
    assert tuple(map(MemberGain.from_json, stored)) == gains
    heading, first, _, third = words.members(stored)
    assert heading[:4] == ["task", "points", "95 % interval", "examples"]
    assert first[:2] == ["a", "-30.0"]
    assert "its floor of 2 points is broken (one-sided 95 %: " in first[4]
    # Without a floor, only what is sure of the task.
    assert third[4] == "better, sure among all tasks"


@pytest.mark.parametrize(("mended", "said"), [(6, "may be chance, as one of several tasks"), (20, "better, sure")])
def test_what_is_sure_of_one_task_is_so_among_all_of_them(mended: int, said: str) -> None:
    names = tuple("abcde")
    task = replace(planted_task(), members=names, weights=(0.2,) * 5)
    examples = [replace(Example.of("t", text=f"{name} {at}"), slice=name) for name in names for at in range(30)]
    before = [Score(0.0 if example.slice == "a" else 1.0) for example in examples]
    after = [Score(1.0 if each.slice != "a" or at < mended else 0.0) for at, each in enumerate(examples)]
    gains = of_members(task, examples, before, after)
    # Six one way are sure of one task, and not of one among five.
    assert gains[0].ci95[0] > 0
    assert [each.claim for each in gains] == ["better" if mended == 20 else "", "", "", "", ""]
    rows = words.members([each.to_json() for each in gains])[1:]
    assert rows[0][4].startswith(said)
    assert [row[4] for row in rows[1:]] == [""] * 4


def test_a_floor_is_not_broken_by_what_one_of_many_tasks_shows_by_chance() -> None:
    names = tuple("abcdefgh")
    task = replace(planted_task(), members=names, weights=(0.125,) * 8, gate=Gate(largest_loss={"*": 0.05}))
    examples = [replace(Example.of("t", text=f"{name} {at}"), slice=name) for name in names for at in range(30)]
    before = [Score(1.0) for _ in examples]
    after = [Score(0.0 if at < 6 else 1.0) for at, _ in enumerate(examples)]
    (first, *_) = of_members(task, examples, before, after)
    assert first.floor is not None
    assert (first.floor.held, first.floor.bound.endswith("or more")) == ("open", True)
    assert first.claim == ""


def test_a_task_with_one_test_example_has_no_bounds() -> None:
    gain = MemberGain("a", 1.0, (-math.inf, math.inf), 1)
    assert MemberGain.from_json(json.loads(json.dumps(gain.to_json(), allow_nan=False))) == gain
    assert words.members([gain.to_json()])[1][2] == "unknown to unknown"


def test_what_a_judge_could_not_read_is_in_no_gain_of_a_task() -> None:
    task = replace(planted_task(), members=("a",), weights=(1.0,))
    pairs = impossible(0, 0, slice="a")
    unread = [Score(pair.after.value, judged=False) for pair in pairs[:10]]
    after = [*unread, *(pair.after for pair in pairs[10:])]
    (said,) = of_members(task, [pair.example for pair in pairs], [pair.before for pair in pairs], after)
    assert said.n == 190


@pytest.mark.parametrize(
    ("old", "new", "outcome"), [(0, 1, "regression"), (1, 1, "passed"), (2, 1, "passed"), (0, 0, "passed")]
)
def test_one_more_reply_that_breaks_the_schema_is_a_regression(old: int, new: int, outcome: str) -> None:
    decision = keeps_schema([(number < old, number < new) for number in range(40)])

    assert decision.outcome == outcome
    assert f"of 40 break it, {old} did before" in decision.message


def test_a_reader_of_ci_finds_every_decision_whatever_was_written() -> None:
    said = ["]]> & <b>", "\x00\x1b[31m\x85", "half \ud83d", "\ufffe\uffff", "a\r\nb", "\u2028\u202e"]
    outcomes: list[CheckOutcome] = ["passed", "regression", "inconclusive"]
    told = junit(said[0], [Decision(each, outcome, each) for each in said for outcome in outcomes])
    suite = ElementTree.fromstring(told.encode()).find("testsuite")

    assert suite is not None
    # What JUnit's readers look for: a suite with counts, and cases that hold what came of them.
    assert suite.attrib["name"] == "]]> & <b>"
    assert [len(suite.findall(f"testcase/{kind}")) for kind in ("failure", "skipped", "system-out")] == [6, 6, 6]
    assert all(case.get("name") and case.get("classname") for case in suite.findall("testcase"))


@pytest.mark.parametrize(
    ("broken", "head"), [(1, "1 example"), (5, "5 examples"), (14, "14 examples, 5 of them shown")]
)
def test_how_many_examples_are_broken_is_told_with_how_many_are_shown(broken: int, head: str) -> None:
    pairs = tuple(pair(1.0, 0.0, number=number) for number in range(broken))
    assert f"\n### Broken ({head})\n" in pull_request(checked(pairs))


@pytest.mark.parametrize(
    "said", ["# Passed\n## promptopt: passed", "| a | b |\n| --- | --- |", "~~~\n# x", "<!-- ", "```\n# x"]
)
def test_nothing_that_was_written_forges_a_heading_or_a_row(said: str) -> None:
    decisions = (Decision(said, "regression", said), Decision("score", "passed", "fine"))
    pairs = (pair(1.0, 0.0, text=said), pair(0.0, 1.0, text=said, number=1))
    told = pull_request(replace(checked(pairs, said), task=said, model=said, evaluator=said, decisions=decisions))
    outside: list[str] = []
    fence = ""
    for line in told.splitlines():
        if fence or line.startswith("```"):
            fence = "" if line == fence else fence or line.rstrip("dif")
        else:
            outside.append(line)

    heads = [line for line in outside if line.lstrip().startswith("#")]
    assert [head.split(" (")[0] for head in heads] == [
        "## promptopt: REGRESSION", "### The change", "### Broken", "### Mended", "### Length and cost"
    ]  # fmt: skip
    rows = [len(re.findall(r"(?<!\\)\|", line)) for line in outside if line.startswith("|")]
    assert rows == [4] * 10
    assert not any(line.lstrip().startswith(("~~~", "<!--")) for line in outside)
