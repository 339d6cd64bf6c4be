from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.digits import decimal_comma, is_number, largest, numbers_in


@pytest.mark.parametrize(
    "text",
    ["0", "12", "-7", "+5", "−7", "3.5", "3,5", "0.5", "0,5", ".5", "1,234", "1.234,5", "1'000", "1 000", "1\u202f000",
     "1 234,50", "1,00,000", "1e5", "2024", " 12 "],
)  # fmt: skip
def test_plain_numbers_are_numbers(text: str) -> None:
    assert is_number(text)


@pytest.mark.parametrize(
    "text",
    ["", "-", "a", "0012", "007", "-01", "12:00", "12:30:15", "2024-05-01", "01.05.2024", "1.2.3", "192.168.1.1", "3/4",
     "1,2,3", "12 apples", "5%", "$5", "1_2", "nan", "5 6", "1e", "555-1234", "A1"],
)  # fmt: skip
def test_identifiers_times_dates_and_lists_are_none(text: str) -> None:
    assert not is_number(text)


@pytest.mark.parametrize(
    ("targets", "comma"),
    [
        (["0,5", "119,5"], True),
        (["12", "3,50"], True),
        (["1.234,5"], True),
        (["1.234.567"], True),
        (["1,234", "0,5"], True),
        (["3,5 €"], True),
        (["1\u202f234,5"], True),
        (["3.5", "0.5"], False),
        (["1,234"], False),
        (["1.234"], False),
        (["1,234,567"], False),
        (["1,234.5"], False),
        (["0,5", "0.5"], False),
        (["12", "14"], False),
        ([*map(str, range(100)), "3,5"], False),
        ([*map(str, range(90)), "3,5", "2,5"], True),
        (["a", ""], False),
        (["1,2,3"], False),
        ([], False),
        (["He gets 2,5 and then so much more that it is no short answer"], False),
    ],
)
def test_targets_show_how_decimals_are_written(targets: list[str], comma: bool) -> None:
    assert decimal_comma(targets) is comma


@given(st.integers(0, 10**9), st.integers(0, 999), st.sampled_from([(",", "."), (".", ","), ("'", "."), (" ", ",")]))
def test_grouped_decimals_are_read_whatever_the_marks(whole: int, cents: int, marks: tuple[str, str]) -> None:
    thousands, decimal = marks
    run = f"{whole:,}".replace(",", thousands) + f"{decimal}{cents:03d}"
    fraction = f".{cents:03d}".rstrip("0").rstrip(".")
    plain = f"{whole}{fraction}"
    if whole >= 1000 or whole == 0:
        assert numbers_in(run) == numbers_in(run, comma=True) == [plain]
    else:
        assert plain in (numbers_in(run)[0], numbers_in(run, comma=True)[0])


@given(st.text("0123456789,.'/: _", max_size=30))
def test_any_run_gives_numbers_that_are_their_own_spelling(run: str) -> None:
    for number in numbers_in(run) if run[:1].isdigit() and run[-1:].isdigit() else []:
        assert number.isdigit() or numbers_in(number) == [number]


@pytest.mark.parametrize("run", ["100 200 300", "123 456 789", "100 000 001"])
def test_three_numbers_side_by_side_are_one_only_where_the_data_is_in_millions(run: str) -> None:
    assert numbers_in(run, spaces=False) == []
    assert numbers_in(run, spaces=True) == [run.replace(" ", "")]


@pytest.mark.parametrize("run", ["10 000", "100 200", "1 234 567", "12 345 678", "100 000 000", "100'200'300"])
def test_what_hardly_is_a_list_is_one_number(run: str) -> None:
    assert len(numbers_in(run, spaces=False)) == 1


@pytest.mark.parametrize(
    ("targets", "found"),
    [
        (["12", "1 234 567"], 1234567), (["3000000", "7"], 3000000), (["1,500,000.50"], 1500000), (["-40"], 40),
        (["about 2 000 000 people"], 2000000), (["10/20"], 0), (["2024-05-06"], 2024), ([], 0), (["0.5"], 0),
        (["1000000" * 40], 0),
    ],
)  # fmt: skip
def test_targets_show_how_large_the_largest_is(targets: list[str], found: int) -> None:
    assert largest(targets) == found
