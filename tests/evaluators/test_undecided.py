from __future__ import annotations

import pytest

from promptopt.errors import DataError
from promptopt.evaluators import metrics, numerals
from promptopt.evaluators.options import choice
from promptopt.types import Example
from tests.ends import ends, long

RANGES = (
    "10-20", "10–20", "10—20", "10--20", "10 - 20", "10 – 20 apples", "10 to 20", "from 10 to 20", "10~20", "10…20",
    "10...20", "between 10 and 20", "Between $10 and $20.", "between 0.5 and .75", "zwischen 10 und 20",
    "entre 10 y 20", "10 bis 20", "about 10 to 20 apples", "$10-20$", "$10-$20", "$10 to $20 per month", "10%-20%",
    "10 cm to 20 cm", "1,000-2,000", "1e3-2e3", "2020-2021", "-5 to -3", "-5--3", "-3–5", "3.5-4.5", "2 < x < 5",
    "at least 10 and at most 20", "It takes 10-20 minutes.", "The answer is 10-20.",
    "The answer is between 10 and 20.", "#### 10-20", r"\boxed{10-20}", "<answer>10 to 20</answer>", "答案是10到20",
    "10～20個", "10至20",
)  # fmt: skip
LISTS = (
    r"\boxed{3, 4}", r"\boxed{\{3, 4\}}", r"\boxed{(3, 4)}", r"\boxed{5,10,15}", "#### 3, 4",
    "<answer>3, 4</answer>", "Answer: 3; 4", "x = 2, 5", "x = 2 and 5", "x ∈ {2, 5}", "[3, 4]", "(2, 5)", "3, 4",
    "3 and 4", "2; 5", "3, 4, or 5", "The answers are 3 and 4.", "The answer is 12 apples and 3 pears",
)  # fmt: skip
ALTERNATIVES = (
    "3 or 4", "The answer is either 3 or 4", "x = -5 or 5", "x = 2 or x = 5", "x = 2, x = 5", "x=2,x=-3",
    "The answer is x = 2, x = 5", r"\boxed{x = 2 \text{ or } x = 5}", "Die Antwort ist 3 oder 4.", "答案是3或4",
)  # fmt: skip
UNFINISHED = ("The answer is 12 - 3", "The answer is 3-12.", r"\boxed{2+3}", "Answer: 3 * 4", "#### 6/2 + 1")
DECIDED = {
    "-5": "-5",
    "x = -5": "-5",
    "5-3": "3",
    "5 - 3 = 2": "2",
    "3-4 = -1": "-1",
    "The answer is 5-3=2": "2",
    "16 - 3 - 4 = 9": "9",
    "between 10 and 20 is 15": "15",
    "It takes 10 to 20 minutes, so the answer is 15.": "15",
    "Range: 10-20\nAnswer: 15": "15",
    "x = 7 - 5, x = 2": "2",
    "2x = 10, x = 5": "5",
    "x = 2 and y = 5": "5",
    "1, 2, 3": "3",
    "1,234,567": "1234567",
    r"\boxed{3,4}": "3.4",
    "The answer is 18, 3 more than 15": "18",
    "The answer is 18 and 3 are left.": "18",
    "The answer is 12 — 4 boxes of 3.": "12",
    "the answer is 10,000 to the nearest 1,000": "10000",
    "She will sell it for $1 for 3 eggs": "1",
    "He bought a 6-pack and a 12-pack": "12",
    "5 or more": "5",
    "3/4 or 0.75": "0.75",
    "The answer is 3/4 or 0.75": "3/4",
    "page 10-12": "12",
    "3.14 to 2 decimal places": "3.14",
    "The answer is 3.142 (3 d.p.).": "3.142",
    "2024-05-01 is 3 days off": "3",
}


@pytest.mark.parametrize("reply", [*RANGES, *LISTS, *ALTERNATIVES, *UNFINISHED])
def test_an_answer_that_names_several_numbers_cannot_be_read(reply: str) -> None:
    assert numerals.number(reply) is None


@pytest.mark.parametrize("reply", DECIDED)
def test_a_working_that_ends_in_one_number_gives_it(reply: str) -> None:
    assert numerals.number(reply) == DECIDED[reply]


@pytest.mark.parametrize(
    "reply", ["2,5-3,5", "Antwort: 2,5 oder 3,5", "10.000-20.000", "Antwort: 2,5 bis 3", "2,5; 3,5"]
)
def test_decimal_commas_change_nothing_about_it(reply: str) -> None:
    assert numerals.number(reply, comma=True) is None


def test_a_target_that_names_several_numbers_is_refused_in_a_sentence() -> None:
    with pytest.raises(DataError, match="'10-20' is not one plain number"):
        metrics.resolve("number")("15", Example.of("10-20", q="?"))


@pytest.mark.parametrize(
    "reply", ["A–B", "Answer: (A) to (C)", "<answer>A–C</answer>", "Answer: B ~ D", r"\boxed{A—C}"]
)
def test_a_range_of_options_chooses_none(reply: str) -> None:
    assert choice(reply) is None


@pytest.mark.parametrize("reply", ["A - because it fits", "Answer: A—because it fits", "Answer: A - B is wrong"])
def test_a_dash_before_a_reason_leaves_the_option(reply: str) -> None:
    assert choice(reply) == "(A)"


@ends
@pytest.mark.slow
@pytest.mark.parametrize("before", ["", "The answer is "])
@pytest.mark.parametrize("piece", ["10-", "1 to ", "3, ", "x = 2, ", "between 1 and ", "3 or ", "—3", "1 -", "[3, "])
def test_a_long_reply_of_many_numbers_is_read_to_its_end(piece: str, before: str) -> None:
    numerals.number(before + long(piece))


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ("The price rose from 10 to 15", "15"),
        ("The price fell from $20 to **$12**.", "12"),
        ("Answer: sales dropped from 1,200 units to 900 units.", "900"),
        ("It went up from 10% to 15%.", "15"),
        ("Temperatures rise from -5 to 3 degrees", "3"),
        ("The cost changed from USD 30 to USD 45.", "45"),
        ("Reduced the count from 12 to about 8.", "8"),
        ("Le prix est passé de 10 à 15.", "15"),
        ("El precio subió de 10 a 15.", "15"),
        ("Il prezzo è salito da 10 a 15.", "15"),
        ("The rise from 10 to 15 is 5.", "5"),
        ("The price rose from 10 to 15, so the answer is 5.", "5"),
        # How much it changed by could be asked for as well, and years say when.
        ("It increased by 5, from 10 to 15.", None),
        ("The population increased from 1990 to 2000.", None),
        ("Prices that rise range from 10 to 20", None),
        ("Pick a number from 10 to 20", None),
        ("It takes from 5 to 7 minutes.", None),
        ("The salary goes up. It is from 10 to 15.", None),
    ],
)
def test_a_change_comes_to_where_it_ended(reply: str, right: str | None) -> None:
    assert numerals.number(reply) == right
