from __future__ import annotations

import pytest

from promptopt.digits import is_number
from promptopt.errors import DataError
from promptopt.evaluators import metrics, numerals
from promptopt.types import Example

IN_TWO_UNITS = (
    "5 feet and 3 inches", "5 feet 3 inches", "5 ft 3 in", "5 ft. 3 in.", "5'3\"", "5′3″", "5’3”",
    "a 5-foot-3-inch board",
    "1 hour 30 minutes", "1 hour and 30 minutes", "1 HOUR, 30 MINUTES", "1h 30m", "1h30m", "1h 30min", "1 hr, 30 mins",
    "2 Std. 30 Min.", "2 Stunden und 30 Minuten", "2 heures et 30 minutes", "2 horas y 30 minutos", "1 min 20 s",
    "2 years, 3 months, and 4 days", "3 weeks, 2 days", "1 year 6 months old", "2 hours 0 minutes", "1.5 days 3 hours",
    "2 pounds 3 ounces", "8 lbs. 6 oz.", "12 stone 4", "12 stone 4 pounds", "6 ft 2", "He is 6 foot 2.", "2h 30",
    "1 kg 500 g", "2 m 30 cm", "1 km and 200 m", "2 gallons 3 quarts", "1 cup 2 tablespoons", "2 litres 500 ml",
    "5 dollars and 25 cents", "$5 and 25 cents", "£5 and 50p", "3 quarters and 2 dimes", "45 degrees 30 minutes",
    "45° 30'", "2時間30分", "1小时30分钟", "2시간 30분", "5英尺3英寸", "3元5角", "**5** feet **3** inches",
    "5½ hours 10 minutes", r"\boxed{1 \text{ hour } 30 \text{ minutes}}", "#### 5 feet 3 inches",
    "The answer is 5 feet and 3 inches.", "There are 12 to a foot. The answer is 5 feet 3 inches.",
    "<answer>1 hour 30 minutes</answer>", "It took 90 minutes at first, and now 1 hour 30 minutes.",
)  # fmt: skip
MORE_IN_TWO_UNITS = ("5'10", "6'2", "I am 5’11 tall.", "2 tonnes 300 kg", "1 t 5 kg", "$5 25 cents", "£5 50p")
PARTS_IN_WORDS = (
    "3 and a half", "3 and a half dozen",
    "3 and a half hours", "3 hours and a half", "3 and one-half", "2 and a third", "4 and three quarters",
    "3 and a quarter miles", "3 et demi", "3 y media", "3 einhalb", "3 und ein halb", "The answer is 3 and a half.",
    "3小时半", "3個半",
)  # fmt: skip
IN_DOZENS = (
    "2 dozen",
    "2 dozen eggs",
    "2 dz",
    "2 Dutzend",
    "2 douzaines",
    "2ダース",
    "**2** dozen",
    "24/12 = 2 dozens",
)
PLAIN = {
    "1.5 hours": "1.5",
    "5'": "5",
    "525 cents": "525",
    "1'234": "1234",
    "100 - 75 = 25. 25 cents": "25",
    "So it is 25, 25 cents in all.": "25",
    "1. 25 cents\n2. 50 cents": "50",
    "3 feet.\n12 inches": "12",
    "The answer is 2 dozen (24).": "24",
    "2 dozen = 24": "24",
    "It takes 6 hours. 12 minutes": "12",
    "It takes 6 hours. 12": "12",
    "3 1/2 feet": "7/2",
    "5 minutes, 10 minutes": "10",
    "5 feet of 3 inch pipe": "3",
    "5 apples and 3 feet, so 8": "8",
    "In 2 hours 30 minutes he walks 10 miles.": "10",
    "He walks 5 miles in 3 hours.": "5",
    "2 hours later there are 30": "30",
    "5 m 3 times": "3",
    "3 cups, 2 eggs": "2",
    "1 hour 30 minutes = 90 minutes": "90",
    "5 feet 3 inches is 63 inches": "63",
    "The answer is 1 hour and 30 minutes (90 minutes).": "90",
    "90 minutes (1 hour 30 minutes)": "90",
    "24 eggs (2 dozen)": "24",
    "The answer is 90 minutes, or 1 hour 30 minutes.": "90",
    "The answer is 5, and half of the class is absent.": "5",
    "2 million": "2",
}


@pytest.mark.parametrize("reply", [*IN_TWO_UNITS, *MORE_IN_TWO_UNITS, *PARTS_IN_WORDS])
def test_a_quantity_of_several_numbers_or_words_is_no_plain_number(reply: str) -> None:
    assert numerals.number(reply) is None


@pytest.mark.parametrize("reply", PLAIN)
def test_what_stands_beside_a_unit_or_beside_such_a_quantity_is_read(reply: str) -> None:
    assert numerals.number(reply) == PLAIN[reply]


@pytest.mark.parametrize("reply", IN_DOZENS)
def test_dozens_are_a_unit_that_may_have_been_asked_for(reply: str) -> None:
    assert numerals.number(reply) == "2"


@pytest.mark.parametrize("target", ["5 feet 3 inches", *IN_DOZENS, "3 and a half"])
def test_a_target_of_that_kind_is_no_target_of_number(target: str) -> None:
    assert not is_number(target)
    with pytest.raises(DataError, match=r"is not one plain number.*'exact'"):
        metrics.number("3", Example.of(target, q="?"))


def test_decimal_commas_change_nothing_about_quantities() -> None:
    assert numerals.number("1,5 Stunden", comma=True) == "1,5"
    assert numerals.number("1,5 Stunden 10 Minuten", comma=True) is None


def test_names_of_numbers_in_a_prompt_are_all_counted() -> None:
    assert numerals.numbers_named("5 feet 3 inches") == {5, 3}
