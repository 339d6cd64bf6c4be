from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.evaluators import numerals

DATA = Path(os.environ.get("PROMPTOPT_DATA_HOME", Path(__file__).parents[3] / "shared" / "data"))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("18", "18"),
        ("The answer is 1,234.", "1234"),
        ("She pays $18 each week, $1,234,567.50 in all", "1234567.5"),
        ("5-3", "3"),
        ("5 -3", "3"),
        ("5 - 3", "3"),
        ("20%-5", "5"),
        ("GPT-4", "4"),
        ("- 7", "7"),
        ("-7", "-7"),
        ("\N{MINUS SIGN}7", "-7"),
        ("(-7)", "-7"),
        ("x=-7", "-7"),
        ("-$7.50", "-7.5"),
        ("$-7", "-7"),
        ("US$5", "5"),
        ("Rs.500", "500"),
        ("#### 18", "18"),
        ("He makes 4 * 2 = $<<4*2=8>>8 a day\n#### 8", "8"),
        ("#### 2. Add them\nso it is 7", "7"),
        (r"so \boxed{18}, where x = 2", "18"),
        (r"\boxed{\$1{,}234\text{ dollars}}", "1234"),
        ("The answer is 6 * 3 = 18 apples in 7 days", "18"),
        ("The answer is 42 (see step 3).", "42"),
        ("Answer:\n\n-12\n", "-12"),
        ("First I said the answer is 3. No: the answer is 4, after 2 tries", "4"),
        ("**18**", "18"),
        ("_18_", "18"),
        ("18.00 dollars", "18"),
        ("000123", "123"),
        ("-0", "0"),
        (".5", "0.5"),
        ("3.", "3"),
        ("1e3", "1000"),
        ("1.5e-3 m", "0.0015"),
        ("50%", "50"),
        ("3/4", "3/4"),
        ("6/8", "3/4"),
        ("1 3/4 cups", "7/4"),
        (r"\frac{3}{4}", "3/4"),
        ("\N{VULGAR FRACTION ONE HALF}", "1/2"),
        ("12,34", "12.34"),
        ("1,2,3", "3"),
        ("1,00,000", "100000"),
        ("1\N{NARROW NO-BREAK SPACE}234", "1234"),
        ("1'234", "1234"),
        ("5 m\N{SUPERSCRIPT TWO}", "5"),
        ("\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT TWO}", "12"),
        ("\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT TWO}", "12"),
        ("18km", "18"),
    ],
)
def test_reads_the_number_that_is_meant(reply: str, expected: str) -> None:
    assert numerals.number(reply) == expected


@pytest.mark.parametrize(
    "reply", ["", "no idea", "m2 and H2O", "eighteen", "9" * 500, "The answer is: nothing", "07/14/1938"]
)
def test_no_number_is_none(reply: str) -> None:
    assert numerals.number(reply) is None


@settings(deadline=None)
@given(st.integers(-(10**15), 10**15))
def test_separators_currency_and_units_change_nothing(whole: int) -> None:
    sign = "-" if whole < 0 else ""
    for spelling in (
        str(whole),
        f"{whole:,}",
        f"{sign}${abs(whole):,}",
        f"The answer is {whole:,}.",
        f"{whole} apples",
    ):
        assert numerals.number(spelling) == str(whole)


@settings(deadline=None)
@given(st.decimals(-(10**6), 10**6, places=3))
def test_the_value_survives_the_spelling(decimal: object) -> None:
    assert numerals.value(f"so it is {decimal}") == Fraction(str(decimal))


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_gives_none_or_a_number(reply: str) -> None:
    read = numerals.number(reply)
    assert read is None or Fraction(read) == numerals.value(read)


def test_whole_numbers_are_compared_exactly_and_others_within_the_tolerance() -> None:
    assert not numerals.equal(Fraction(10**9), Fraction(10**9 + 1))
    assert numerals.equal(Fraction("0.333333"), Fraction(1, 3))
    assert not numerals.equal(Fraction("0.33333"), Fraction(1, 3))


@pytest.mark.parametrize("every", [13, pytest.param(1, marks=pytest.mark.slow)])
def test_every_gsm8k_rationale_gives_its_answer(every: int) -> None:
    path = DATA / "gsm8k" / "test.jsonl"
    if not path.exists():
        pytest.skip(f"no data at {path}; set PROMPTOPT_DATA_HOME")
    answers = [json.loads(row)["answer"] for row in path.read_text(encoding="utf-8").splitlines()]
    assert len(answers) == 1_319
    for answer in answers[::every]:
        expected = answer.split("####")[1].strip().replace(",", "")
        assert numerals.value(answer) == Fraction(expected)
        said = f"so there are 3 left. The answer is {answer.split('####')[1].strip()}."
        assert numerals.value(said) == Fraction(expected)
