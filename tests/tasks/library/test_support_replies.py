"""The invariants of the shipped preference data `support-replies`, as its card states them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from statistics import fmean

import pytest

import promptopt.tasks
from promptopt.tasks import Splits, load_task

LIBRARY = Path(promptopt.tasks.__file__).parent / "library"
FAULTS = ("curt", "evasive", "rude", "rambling")
TEXTS = ("text", "chosen", "rejected")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    lines = (LIBRARY / "support-replies.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def mean_length(texts: list[str]) -> float:
    return fmean(len(text.split()) for text in texts)


def test_every_row_is_a_message_with_two_replies_and_a_fault(rows: list[dict[str, str]]) -> None:
    assert len(rows) == 240
    assert all(tuple(row) == (*TEXTS, "fault") for row in rows)
    assert Counter(row["fault"] for row in rows) == dict.fromkeys(FAULTS, 60)
    assert all(row[key] == row[key].strip() and row[key].isprintable() for row in rows for key in TEXTS)


def test_faults_are_spread_evenly(rows: list[dict[str, str]]) -> None:
    for start in range(0, 240, 40):
        assert min(Counter(row["fault"] for row in rows[start : start + 40])[fault] for fault in FAULTS) >= 8


def test_no_message_stands_twice_when_case_and_punctuation_are_ignored(rows: list[dict[str, str]]) -> None:
    assert len({" ".join(words(row["text"])) for row in rows}) == 240


@pytest.mark.parametrize("key", TEXTS)
def test_no_two_texts_share_eight_words_in_a_row(rows: list[dict[str, str]], key: str) -> None:
    first: dict[tuple[str, ...], int] = {}
    shared: list[str] = []
    for index, row in enumerate(rows):
        found = words(row[key])
        for start in range(len(found) - 7):
            run = tuple(found[start : start + 8])
            if first.setdefault(run, index) != index:
                shared.append(" ".join(run))
    assert shared == []


@pytest.mark.parametrize(("key", "shortest", "longest"), [("text", 4, 22), ("chosen", 27, 41), ("rejected", 12, 49)])
def test_lengths_are_as_the_card_says(rows: list[dict[str, str]], key: str, shortest: int, longest: int) -> None:
    lengths = [len(row[key].split()) for row in rows]
    assert (min(lengths), max(lengths)) == (shortest, longest)


def test_neither_side_is_the_longer_one(rows: list[dict[str, str]]) -> None:
    chosen, rejected = mean_length([row["chosen"] for row in rows]), mean_length([row["rejected"] for row in rows])
    assert max(chosen, rejected) < 1.1 * min(chosen, rejected)
    longer = sum(len(row["chosen"]) > len(row["rejected"]) for row in rows)
    assert 0.4 <= longer / len(rows) <= 0.6


def test_a_fault_is_not_told_by_the_chosen_reply_or_the_message(rows: list[dict[str, str]]) -> None:
    for key in ("text", "chosen"):
        means = [mean_length([row[key] for row in rows if row["fault"] == fault]) for fault in FAULTS]
        assert max(means) < 1.4 * min(means)


def test_the_task_pairs_every_message_with_both_replies(rows: list[dict[str, str]]) -> None:
    task = load_task("support-replies", splits=Splits(seed=3))
    pairs = {(row["text"], row["chosen"], row["rejected"]) for row in rows}
    examples = (*task.train, *task.dev, *task.test)
    assert {(example["text"], example.target, *example.rejected) for example in examples} == pairs
    assert (len(task.train), len(task.dev), len(task.test)) == (50, 30, 160)
    assert task.warnings == ()


@pytest.mark.slow
def test_nothing_of_the_replies_reaches_the_prompt(rows: list[dict[str, str]]) -> None:
    task = load_task("support-replies")
    by_message = {row["text"]: row for row in rows}
    for layout in task.layouts:
        for example in task.test[:20]:
            content = repr(task.with_layout(layout.name).render(task.initial, example)[0])
            row = by_message[example["text"]]
            assert not any(row[key] in content for key in ("chosen", "rejected", "fault"))


def test_the_card_names_the_faults() -> None:
    card = (LIBRARY / "support-replies.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", card, re.MULTILINE) == list(FAULTS)
