"""Examples that the ledger of looks knows again by their words, and those that only look alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptopt.outcome.looks import look_ahead, look_at
from promptopt.store.runs import Store
from promptopt.types import Example, Prompt, Score

REVIEW = "The parcel number {} came late, and the box was broken; I want my money back."
QUESTION, CONTEXT = "What did the buyer of box {} want?", REVIEW


def rows(**columns: str) -> list[Example]:
    """Five examples whose columns are patterns of their number."""
    return [
        Example.of("yes", **{name: text.replace("{}", str(at)) for name, text in columns.items()}) for at in range(5)
    ]


def ahead(folder: Path, first: list[Example], then: list[Example]) -> tuple[int, int]:
    folder.mkdir(exist_ok=True)
    with Store(folder / "s.db") as store:
        look_at(store.looks, ("model", "exact"), first, [(Prompt.of("a"), [Score(1.0)] * len(first))])
        found = look_ahead(store.looks, then)
        return found.number, found.shared


@pytest.mark.parametrize(
    "copied",
    [
        {"text": f'"{REVIEW}"'},
        {"text": f"- {REVIEW}"},
        {"text": f"Review: {REVIEW}"},
        {"text": REVIEW.replace(",", "").replace(";", " -")},
        {"text": f"<p>{REVIEW.replace('and', '<b>and</b>')}</p>"},
        {"text": REVIEW.replace(", and", " &amp; and").replace("&amp; ", "&nbsp;")},
        {"text": REVIEW, "id": "ORD-{}77", "date": "2026-01-0{} 10:00"},
        {"id": "{}", "text": f"**{REVIEW}**"},
    ],
)
def test_a_copy_with_other_marks_labels_or_numbers_opens_no_test_anew(tmp_path: Path, copied: dict[str, str]) -> None:
    assert ahead(tmp_path / "one", rows(text=REVIEW), rows(**copied)) == (2, 5)
    assert ahead(tmp_path / "other", rows(**copied), rows(text=REVIEW)) == (2, 5)


def test_other_ids_and_dates_beside_a_text_are_no_other_examples(tmp_path: Path) -> None:
    first, then = (rows(text=REVIEW, id=f"{sign}-{{}}1", date=f"2026-0{sign}-01") for sign in ("1", "2"))
    assert ahead(tmp_path, first, then) == (2, 5)


@pytest.mark.parametrize(
    "joined", [f"{QUESTION}\n{CONTEXT}", f"{CONTEXT} {QUESTION}", f"Question: {QUESTION}\nContext: {CONTEXT}"]
)
def test_columns_that_are_joined_or_cut_are_the_same_examples(tmp_path: Path, joined: str) -> None:
    apart, one = rows(question=QUESTION, context=CONTEXT), rows(text=joined)
    assert ahead(tmp_path / "joined", apart, one) == (2, 5)
    assert ahead(tmp_path / "cut", one, apart) == (2, 5)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        # Few words: marks are what they differ by.
        (rows(text="{} - 4 = ?"), rows(text="{} + 4 = ?")),
        (rows(text="( not True ) and False or {}"), rows(text="not ( True and False ) or {}")),
        # One text for all, and numbers that are the input.
        (rows(text=REVIEW.replace("{}", ""), a="{}", b="1{}"), rows(text=REVIEW.replace("{}", ""), a="{}7", b="2{}")),
        # Another question on the same text, and other words.
        (rows(question=QUESTION, context=CONTEXT), rows(question="Who sold box {} to him?", context=CONTEXT)),
        (rows(text=REVIEW), rows(text=REVIEW.replace("late", "early"))),
        (rows(text=REVIEW), rows(text=REVIEW.replace("{}", "{}9"))),
    ],
)  # fmt: skip
def test_what_differs_by_more_than_marks_is_another_example(
    tmp_path: Path, first: list[Example], then: list[Example]
) -> None:
    assert ahead(tmp_path, first, then)[0] == 1


def test_an_example_that_is_known_by_several_keys_is_shared_once(tmp_path: Path) -> None:
    three = rows(question=QUESTION, context=CONTEXT, hint="The {}. hint is that he was angry.")
    assert ahead(tmp_path, three, [*three[:1], *rows(text="a new one {}")]) == (2, 1)
