"""Sheets of labels as people and spreadsheets hand them back: read, or refused with a sentence and the row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from command_line import Invoke

from promptopt.errors import DataError
from promptopt.trust.labels import HumanLabels, preference, read_labels

FIRST = {"item-1": True, "item-2": False, "item-3": True}


def read(*rows: Mapping[str, Any]) -> HumanLabels:
    return read_labels([(f"s.csv, row {at}", row) for at, row in enumerate(rows, 2)], FIRST, (0.0, 2.0))


def better(said: str) -> tuple[float, float]:
    """The worth of reply A and of reply B."""
    winner_first = read({"item": "item-1", "better": said}).by_item["item-1"][0]
    return winner_first[1], winner_first[0]


@pytest.mark.parametrize("said", ["A", "a", " A. ", "(A)", '"a"', "Reply A", "A is better", "A better", "Ａ",
                                  "reply a is the better one", "A!"])  # fmt: skip
def test_one_reply_is_better_in_any_spelling(said: str) -> None:
    assert better(said) == (1.0, 0.0)
    other = said.translate(str.maketrans({"A": "B", "Ａ": "Ｂ"})).replace('"a"', '"b"').replace("reply a", "reply b")
    assert better("b" if said == "a" else other) == (0.0, 1.0)


@pytest.mark.parametrize("said", ["tie", "TIE", "Tied", "draw", "equal", "equally good", "same", "both", "neither",
                                  "No difference", "(tie)", "=", "A=B", "A = B", "Unentschieden"])  # fmt: skip
def test_a_tie_is_one_in_any_spelling(said: str) -> None:
    assert better(said) == (0.5, 0.5)


@pytest.mark.parametrize("said", ["1", "left", "AB", "A/B", "A > A", "A or B", "not A", "good", "yes", "no", "C", "?"])
def test_what_may_mean_either_is_refused_with_its_row(said: str) -> None:
    with pytest.raises(DataError, match=r"s\.csv, row 2: better is .*; write A, B or tie"):
        better(said)


def test_heads_that_were_written_anew_are_known() -> None:
    found = read({"Item": "item-1", "BETTER": "", "Score A": 2, "score_B": "1,0", "Labeler": "Ann"})
    assert (found.by_item, found.people) == ({"item-1": ((0.5, 1.0),)}, ("Ann",))
    with pytest.raises(DataError, match="there is no column `item`"):
        read({"better": "A", "reply_a": "x"})


def test_rows_without_anything_are_none_and_blank_ones_are_counted_by_item() -> None:
    empty = {"item": "", "better": None, "comment": " "}
    found = read({"item": "item-1", "better": "A"}, {"item": "item-2", "better": ""}, empty, empty)
    assert (list(found.by_item), found.blank) == (["item-1"], 1)
    # Whom one person left out, another may have labelled.
    both = read({"item": "item-2", "better": "", "labeler": "Ann"}, {"item": "item-2", "better": "B", "labeler": "Bob"})
    assert both.blank == 0


def test_scores_are_worth_their_place_on_the_scale_and_a_preference_half_of_it() -> None:
    rows = [("s.csv, row 2", {"item": "item-1", "score_a": "2", "score_b": "5"})]
    found = read_labels(rows, FIRST, (1.0, 5.0))
    assert (found.kind, found.by_item) == ("scores", {"item-1": ((1.0, 0.25),)})
    assert [preference(side) for side in ((0.0, 1.0), (1.0, 0.0), (0.5, 0.5), (0.25, 0.75))] == [
        (0.5, 1.0), (0.5, 0.0), (0.5, 0.5), (0.5, 0.75)
    ]  # fmt: skip


@pytest.mark.parametrize("said", ["reply_a", "A > B", "a>b", "A>>B", "А", "Α"])
def test_what_a_column_is_called_and_letters_of_other_keyboards_name_a_reply(said: str) -> None:
    assert better(said) == (1.0, 0.0)


@pytest.mark.parametrize("said", ["reply_b", "B > A", "В", "Β"])
def test_so_they_do_for_the_other_reply(said: str) -> None:
    assert better(said) == (0.0, 1.0)


@pytest.mark.parametrize("again", ["ann", " Ann ", "ANN", "Ａnn"])
def test_one_person_whose_name_is_spelt_in_two_ways_is_one_person(again: str) -> None:
    rows = ({"item": "item-1", "better": "A", "labeler": "Ann"}, {"item": "item-1", "better": "B", "labeler": again})
    with pytest.raises(DataError, match=r"row 3: .Ann. says something else of .item-1."):
        read(*rows)
    assert read(rows[0], {**rows[1], "better": "A"}).people == ("Ann",)


def test_one_item_tells_nothing_of_how_far_people_agree() -> None:
    rows = ({"item": "item-1", "better": "A", "labeler": "Ann"}, {"item": "item-1", "better": "B", "labeler": "Bob"})
    together = read(*rows).together()
    assert together is not None
    assert together.sentence().startswith("1 item was labelled by several people, who agree in 0%")
    assert "by chance" not in together.sentence()


def sheet_of(words: dict[str, str], count: int = 12) -> HumanLabels:
    """What people say of so many items: a letter each, an item after the other, and the same again."""
    rows = [
        ("s.csv, row 2", {"item": f"item {at}", "better": said[at % len(said)], "labeler": name})
        for name, said in words.items()
        for at in range(count)
    ]
    return read_labels(rows, {f"item {at}": True for at in range(count)}, None)


def test_one_person_who_says_the_opposite_of_all_others_is_named() -> None:
    found = sheet_of({"Ann": "AABB", "Bob": "BBAA", "Cem": "AABB", "Dee": "AABA"})
    assert found.apart.startswith("'Bob' says the opposite of the others in 33 of 36 pairs of labels, and these agree ")
    assert found.apart.endswith("in 83%: ask whether they took A for B, or read the criteria otherwise")
    assert sheet_of({"Ann": "AABB", "Cem": "AABB", "Dee": "AABA"}).apart == ""
    # Of two nobody knows who is right, and a few items tell nothing of anybody.
    assert sheet_of({"Ann": "AABB", "Bob": "BBAA"}).apart == ""
    assert sheet_of({"Ann": "AABB", "Bob": "BBAA", "Cem": "AABB"}, count=4).apart == ""
    # From ten pairs of labels on, and in more than half of them.
    assert sheet_of({"Ann": "A", "Bob": "B", "Cem": "A"}, count=5).apart.startswith("'Bob' says the opposite of the")
    assert sheet_of({"Ann": "AABB", "Bob": "ABBA", "Cem": "AABB"}).apart == ""
    # Where the others are not of one mind, nobody stands apart.
    assert sheet_of({"Ann": "AABB", "Bob": "BBAA", "Cem": "ABAB"}).apart == ""


def test_two_people_of_opposite_minds_are_not_called_of_two_by_chance() -> None:
    together = sheet_of({"Ann": "AABB", "Bob": "BBAA"}).together()
    assert together is not None
    said = together.sentence()
    assert said.endswith("opposite of one another, as where somebody took A for B; ask them, and label again.")
    few = sheet_of({"Ann": "AABB", "Bob": "BBAA"}, count=4).together()
    assert few is not None
    assert "opposite" not in few.sentence()


REPLIES = {"item-1": ("It left\nyesterday.", "=No."), "item-2": ("Yes.", "Yes."), "item-3": ("'Soon'", "Late.")}


def checked(**row: str) -> HumanLabels:
    return read_labels([("s.csv, row 2", row)], FIRST, (0.0, 2.0), REPLIES)


@pytest.mark.parametrize(
    "row",
    [
        {"item": "item-1", "reply_a": "It left\r\nyesterday. ", "reply_b": "'=No."},
        {"item": "item-1", "reply_a": "It left yest…", "reply_b": "#NAME?"},
        {"item": "item-1", "reply_a": "", "reply_b": "It left\nyesterday."},
        {"item": "item-1"},
        {"item": "item-2", "reply_a": "Yes.", "reply_b": "Yes."},
        {"item": "item-3", "reply_a": "Soon'", "reply_b": "Late."},
    ],
)
def test_what_a_spreadsheet_makes_of_replies_is_no_other_reply(row: dict[str, str]) -> None:
    assert len(checked(**row, better="A").by_item) == 1


def test_labels_of_replies_that_changed_places_are_refused_with_their_row() -> None:
    swapped = {"item": "item-1", "reply_a": "'=No.", "reply_b": "It left\nyesterday."}
    with pytest.raises(DataError, match=r"s\.csv, row 2: reply_a and reply_b have changed places"):
        checked(**swapped, better="A")
    with pytest.raises(DataError, match=r"s\.csv, row 2: the replies belong to another item"):
        checked(item="item-1", reply_a="It left yesterday.", reply_b="Late.", score_a="1", score_b="2")
    # Without a label nothing is said of them.
    assert checked(**swapped).blank == 1


@pytest.mark.slow
def test_a_sheet_that_nobody_has_filled_in_is_no_verdict(search: Any, invoke: Invoke) -> None:
    run = str(search()["run_id"])
    invoke("label", run, "-n", "60", "--out", "sheet.csv")
    done = invoke("verdict", run, "--labels", "sheet.csv")
    assert done.exit_code == 2
    assert "no row has a label but those that the sheet came with, of equal replies" in done.stderr


def test_scores_that_contradict_the_choice_beside_them_are_a_slip_and_not_passed_over() -> None:
    with pytest.raises(DataError, match=r"row 2: better is 'B', and the scores 2 and 0,5 say the opposite"):
        read({"item": "item-1", "better": "B", "score_a": "2", "score_b": "0,5"})
    for scores in (("0,5", "2"), ("1", "1"), ("1-Mar", "2"), ("", "")):
        kept = read({"item": "item-1", "better": "B", "score_a": scores[0], "score_b": scores[1]})
        assert kept.by_item == {"item-1": ((1.0, 0.0),)}


def two_people(one: Sequence[str], other: Sequence[str], first: Sequence[bool], equal: int = 0) -> HumanLabels:
    items = [f"item-{at}" for at in range(len(one))]
    rows = [
        (f"{name}.csv, row {at}", {"item": item, "better": said[at], "labeler": name})
        for name, said in (("ann", one), ("bob", other))
        for at, item in enumerate(items)
    ]
    replies = {item: ("x", "x" if at < equal else "y") for at, item in enumerate(items)}
    return read_labels(rows, dict(zip(items, first, strict=True)), None, replies)


def test_people_agree_by_what_they_saw_and_not_by_which_prompt_they_like() -> None:
    # All replies of the winner are better to one, and all but five to the other: by chance they would agree in half.
    first = [at % 2 == 0 for at in range(40)]
    ann = ["A" if each else "B" for each in first]
    bob = [("B" if each else "A") if at < 5 else said for at, (each, said) in enumerate(zip(first, ann, strict=True))]
    together = two_people(ann, bob, first).together()
    assert together is not None
    assert together.share == pytest.approx(35 / 40)
    assert together.alpha is not None
    assert together.alpha > 0.7
    assert "by chance" not in together.sentence()


def test_equal_replies_are_a_tie_whatever_is_said_and_no_agreement_of_people() -> None:
    found = two_people(["tie", "A", "A"], ["tie", "tie", "A"], [True, False, True], equal=2)
    assert (found.by_item["item-1"], found.unequal) == (((0.5, 0.5), (0.5, 0.5)), 1)
    together = found.together()
    assert together is not None
    assert together.items == 1


@pytest.mark.parametrize(("one", "other"), [("1. Look.\n2. Ask.", "1. Look. 2. Ask."), ("x²", "x2"), ("'tis", "tis")])
def test_replies_that_differ_in_their_form_alone_are_not_equal(one: str, other: str) -> None:
    row = ("s.csv, row 2", {"item": "item-1", "better": "A"})
    found = read_labels([row], {"item-1": False}, None, {"item-1": (one, other)})
    assert (found.by_item["item-1"], found.unequal) == (((1.0, 0.0),), 0)
