from __future__ import annotations

import pytest

from promptopt.evaluators.naming import LabelReader

RATINGS = {
    "4.0": "4",
    "4.00": "4",
    "Rating: 4.0": "4",
    "**4.0**": "4",
    "4.0/5": "4",
    "4.0 out of 5.0": "4",
    "4.5": None,
    "4.05": None,
    "4.0 or 5.0": None,
    "14.0": None,
    "version 4.0.1": None,
    "4,0": None,
    "1,000": None,
}
FLOATS = {"1": "1.0", "1.0": "1.0", "1.00": "1.0", "Label: 0": "0.0", "0 or 1": None, "2": None, "10": None}


@pytest.mark.parametrize("reply", RATINGS)
def test_a_rating_is_read_however_many_zeros_it_ends_in(reply: str) -> None:
    assert LabelReader(("1", "2", "3", "4", "5"))(reply) == RATINGS[reply]


@pytest.mark.parametrize("reply", FLOATS)
def test_labels_with_decimals_are_named_by_whole_numbers(reply: str) -> None:
    assert LabelReader(("0.0", "1.0"))(reply) == FLOATS[reply]


def test_identifiers_and_two_spellings_of_one_number_stay_as_they_are() -> None:
    assert LabelReader(("1", "1.0", "2"))("1.0") == "1.0"
    assert LabelReader(("01", "02"))("02.0") is None
    assert LabelReader(("0,5", "1,5"))("0.5") == "0,5"
    assert LabelReader(("-1", "0", "1"))("-1") == "-1"
