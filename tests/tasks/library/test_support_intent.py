"""The invariants of the shipped data set `support-intent`, as its card states them."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

import promptopt.tasks

LIBRARY = Path(promptopt.tasks.__file__).parent / "library"
LABELS = (
    "order_status",
    "refund",
    "cancel",
    "address_change",
    "payment_problem",
    "product_question",
    "complaint",
    "account_access",
)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    lines = (LIBRARY / "support-intent.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def test_every_row_is_a_text_and_one_of_the_labels(rows: list[dict[str, str]]) -> None:
    assert all(list(row) == ["text", "target"] for row in rows)
    assert {row["target"] for row in rows} == set(LABELS)
    assert all(row["text"] == row["text"].strip() and row["text"].isprintable() for row in rows)


def test_there_are_enough_and_as_many_of_each_intent(rows: list[dict[str, str]]) -> None:
    counts = Counter(row["target"] for row in rows)
    assert len(rows) == 760
    assert set(counts.values()) == {95}


def test_no_two_messages_are_equal_when_case_and_punctuation_are_ignored(rows: list[dict[str, str]]) -> None:
    counts = Counter(" ".join(words(row["text"])) for row in rows)
    assert [text for text, count in counts.items() if count > 1] == []


def test_no_two_messages_share_eight_words_in_a_row(rows: list[dict[str, str]]) -> None:
    first: dict[tuple[str, ...], int] = {}
    shared: list[str] = []
    for index, row in enumerate(rows):
        found = words(row["text"])
        for start in range(len(found) - 7):
            run = tuple(found[start : start + 8])
            if first.setdefault(run, index) != index:
                shared.append(" ".join(run))
    assert shared == []


@pytest.mark.slow
def test_no_two_messages_are_made_of_nearly_the_same_words(rows: list[dict[str, str]]) -> None:
    bags = [frozenset(words(row["text"])) for row in rows]
    close = [
        (rows[i]["text"], rows[j]["text"])
        for i, one in enumerate(bags)
        for j, other in enumerate(bags[:i])
        if len(one & other) > 0.5 * len(one | other)
    ]
    assert close == []


def test_lengths_vary_as_the_card_says(rows: list[dict[str, str]]) -> None:
    lengths = sorted(len(row["text"].split()) for row in rows)
    assert (lengths[0], lengths[-1]) == (4, 62)
    assert 16 <= sum(lengths) / len(lengths) <= 20
    assert sum(length < 10 for length in lengths) >= 60
    assert sum(length > 30 for length in lengths) >= 30


def test_no_intent_is_given_away_by_its_length(rows: list[dict[str, str]]) -> None:
    means = [sum(len(row["text"].split()) for row in rows if row["target"] == label) / 95 for label in LABELS]
    assert max(means) < 1.6 * min(means)


def test_label_names_do_not_stand_in_the_messages(rows: list[dict[str, str]]) -> None:
    written = [label for label in LABELS if "_" in label]
    assert [row["text"] for row in rows if any(label in row["text"].lower() for label in written)] == []


def test_naming_an_intent_is_no_proof_of_it(rows: list[dict[str, str]]) -> None:
    """Near misses: a good part of the messages that name a one-word intent are about another one."""
    for label in ("refund", "cancel"):
        named = [row["target"] for row in rows if label in row["text"].lower()]
        assert len(named) >= 15
        assert 0.2 <= sum(target != label for target in named) / len(named) <= 0.8


def test_the_order_is_shuffled(rows: list[dict[str, str]]) -> None:
    targets = [row["target"] for row in rows]
    assert sum(one == other for one, other in pairwise(targets)) < 760 / 8 * 1.5
    assert min(Counter(targets[:200]).values()) >= 12


def test_task_file_and_card_know_the_same_labels() -> None:
    task = tomllib.loads((LIBRARY / "support-intent.toml").read_text(encoding="utf-8"))
    card = (LIBRARY / "support-intent.md").read_text(encoding="utf-8")
    assert tuple(task["labels"]) == LABELS
    assert re.findall(r"^\| `(\w+)` \|", card, re.MULTILINE) == list(LABELS)
