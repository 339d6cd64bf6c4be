"""A verdict by labels: what counts once, which look it is, and what no label decides; with runs that are given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from promptopt.labelling import ID_PREFIX, Labelled, decide, drawn, winner_first
from promptopt.outcome.by_labels import JUDGE, METRIC
from promptopt.outcome.pairs import KeptPairs, ReplyPair
from promptopt.stats import level
from promptopt.store.runs import RunRecord, Store

RUN = "r1"
HELD, OPEN, BROKEN, UNDECIDED = (
    {"loss": 0.2, "held": each, "bound": ""} for each in ("held", "open", "broken", "undecided")
)


def pair(item: str, gain: float, group: str = "") -> ReplyPair:
    return ReplyPair(item, group, f"input {item}", "", f"old {item}", f"new {item}", 0.0, gain)


def decided(
    folder: Path, pairs: Sequence[ReplyPair], prefers: Mapping[str, bool], result: Mapping[str, Any] | None = None,
    task: Mapping[str, Any] | None = None, scorer: str = JUDGE,
) -> Labelled:  # fmt: skip
    """The verdict where people prefer the winner's reply or the start's, by item."""
    held = {"look": {"number": 1}, **({} if result is None else result)}
    record = RunRecord(RUN, "finished", {}, {"task": {} if task is None else task}, held, 0.0, 0.0)
    sheet = folder / "sheet.jsonl"
    rows = [
        {"item": ID_PREFIX + item, "better": "A" if new == winner_first(RUN, item) else "B"}
        for item, new in prefers.items()
    ]
    sheet.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with Store(folder / "s.db") as store:
        return decide(record, KeptPairs(tuple(pairs), None, scorer), [sheet], store.looks)


@pytest.mark.parametrize(("weigh", "mean"), [("turn", (10 - 30) / 40), ("conversation", (10 - 1) / 11)])
def test_labels_of_one_conversation_are_one_word_and_count_as_the_run_counts(
    tmp_path: Path, weigh: str, mean: float
) -> None:
    # Ten conversations of one turn are won, and one of thirty is lost.
    pairs = [
        *(pair(f"short {at}", 1.0, f"chat {at}") for at in range(10)),
        *(pair(f"long {at}", -1.0, "long chat") for at in range(30)),
    ]
    prefers = {each.item: each.item.startswith("short") for each in pairs}
    gain = decided(tmp_path, pairs, prefers, {"weigh": weigh}).powered.gain
    # A preference has half of the scale.
    assert gain.mean == pytest.approx(mean / 2)
    assert (gain.n, gain.units) == (40, 11)


def test_what_a_judge_saw_of_a_conversation_that_people_labelled_is_not_counted_beside_them(tmp_path: Path) -> None:
    labelled = [pair(f"{at}", (-1.0, 0.0, 1.0)[at % 3], f"talk {at % 20}") for at in range(60)]
    rest = [pair(f"rest {talk}", 1.0, talk) for talk in ("talk 1", "talk 2", "other", "third")]
    powered = decided(tmp_path, [*labelled, *rest], {each.item: int(each.item) % 4 > 0 for each in labelled}).powered
    assert (powered.basis, powered.labelled, powered.judged, powered.gain.units) == ("labels + judge", 60, 2, 20)


@pytest.mark.parametrize(
    ("result", "scorer", "number"),
    [
        # A judge's word is no look, so the first labels have the level of the run's own.
        ({"look": {"number": 3}}, JUDGE, 3),
        ({}, METRIC, 2),
        ({"look": {"number": 3}}, METRIC, 4),
        ({"labelled": {"labels": "others", "number": 5}}, JUDGE, 6),
    ],
)
def test_the_level_is_that_of_the_look_which_the_labels_are(
    tmp_path: Path, result: Mapping[str, Any], scorer: str, number: int
) -> None:
    pairs = [pair(f"{at}", 1.0) for at in range(20)]
    found = decided(tmp_path, pairs, {each.item: True for each in pairs}, result, scorer=scorer)
    assert (found.number, found.powered.gain.alpha) == (number, level(number))
    # The same labels once more are the same look.
    again = decided(tmp_path, pairs, {each.item: True for each in pairs},
                    {**result, "labelled": {"labels": found.labels, "number": number}}, scorer=scorer)  # fmt: skip
    assert (again.number, again.labels) == (number, found.labels)


def members(**floors: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"members": [{"task": name, "floor": floor} for name, floor in floors.items()]}


@pytest.mark.parametrize(
    ("result", "task", "verdict"),
    [
        ({}, {}, "better"),
        (members(a=HELD, b=HELD), {"floors": {"a": 0.2, "b": 0.2}}, "better"),
        (members(a=HELD, b=OPEN), {"floors": {"a": 0.2, "b": 0.2}}, "no_evidence"),
        (members(a=HELD, b=BROKEN), {"floors": {"a": 0.2, "b": 0.2}}, "no_evidence"),
        (members(a=UNDECIDED, b=HELD), {"floors": {"a": 0.2, "b": 0.2}}, "no_evidence"),
        # A cap came before the first example of it.
        (members(a=HELD), {"floors": {"a": 0.2, "b": 0.2}}, "no_evidence"),
        # Floors that are told of, and that the search did not go by.
        (members(a=HELD, b=BROKEN), {"objective": "mean"}, "better"),
        ({"smallest_gain": {"verdict": "better"}}, {"objective": "worst"}, "better"),
        ({"smallest_gain": {"verdict": "no_evidence"}}, {"objective": "worst"}, "no_evidence"),
        ({"smallest_gain": {"verdict": "worse"}}, {"objective": "worst"}, "no_evidence"),
        ({}, {"objective": "worst"}, "no_evidence"),
    ],
)
def test_labels_of_all_tasks_together_make_nothing_better_that_one_task_forbids(
    tmp_path: Path, result: Mapping[str, Any], task: Mapping[str, Any], verdict: str
) -> None:
    pairs = [pair(f"{at}", 1.0) for at in range(20)]
    found = decided(tmp_path, pairs, {each.item: True for each in pairs}, result, task)
    assert found.verdict == verdict
    if not result.get("members") or len(result["members"]) == 2:
        return
    (said,) = [each for each in found.remarks if "floor" in each]
    assert said.startswith("by the judge the floor of b (20 points) is open, as no test example of it was scored; ")


def test_each_run_has_a_sheet_and_an_order_of_its_own_and_a_conversation_stays_whole() -> None:
    names = [str(at) for at in range(60)]
    one, other = ([winner_first(run, name) for name in names] for run in (RUN, "r2"))
    assert one != other
    assert all(15 < sum(each) < 45 for each in (one, other))
    pairs = [pair(name, 0.0, f"talk {int(name) % 6}") for name in names]
    sheets = [drawn(run, pairs, 25) for run in (RUN, "r2")]
    assert sheets[0] != sheets[1]
    # Six conversations of ten turns, of which three are begun.
    assert [len(sheet) for sheet in sheets] == [30, 30]
    assert all(len({each.group for each in sheet}) == 3 for sheet in sheets)
