from __future__ import annotations

import time

import pytest

from promptopt.evaluators import numerals

SPELLED = {
    # decimals
    "The answer is .5": "0.5",
    "$.25": "0.25",
    "-.75": "-0.75",
    "It costs $.99 each.": "0.99",
    "Answer: -.5": "-0.5",
    "Answer:.5": "0.5",
    "the answer is -$.50": "-0.5",
    "3,5": "3.5",
    "The answer is 3,50 €": "3.5",
    "119,5": "119.5",
    "0,125": "0.125",
    "1234,567": "1234.567",
    "12,3456": "12.3456",
    "-0,5 °C": "-0.5",
    "(3,5)": "3.5",
    "Antwort: 7,25.": "7.25",
    "Die Antwort ist 1.234,50 Euro.": "1234.5",
    "La réponse est 2,75.": "2.75",
    "Respuesta: 1.234,5": "1234.5",
    "Ответ: 3,14": "3.14",
    # thousands
    "1,234.50": "1234.5",
    "1.234,50": "1234.5",
    "1.234.567": "1234567",
    "1.234.567,89": "1234567.89",
    "1,234,567.89": "1234567.89",
    "1'000": "1000",
    "1’000’000.25": "1000000.25",
    "CHF 1'234.50": "1234.5",
    "10 000": "10000",
    "1 000,50": "1000.5",
    "1 234 567": "1234567",
    "1\u202f234,5": "1234.5",
    "1\u00a0234\u00a0567": "1234567",
    "1\u2009000": "1000",
    "It is 12 500 people": "12500",
    "1,00,000.50": "100000.5",
    "12,34,567": "1234567",
    "1_000_000": "1000000",
    "$9{,}500.": "9500",
    r"\boxed{9{,}500}": "9500",
    r"$10\,000$": "10000",
    r"10{\,}000": "10000",
    "1,234": "1234",
    "1.234": "1.234",
    "0,500": "0.5",
    # several, side by side
    "1,2,3": "3",
    "1, 2, 3": "3",
    "1.5,2.5": "2.5",
    "555 123 4567": "4567",
    "5 100-page books": "100",
    # signs
    "$x = - 3$": "-3",
    "x = - 3": "-3",
    "x = −3": "-3",
    "x = −\u00a03": "-3",
    "The answer is - 12.": "-12",
    "the answer is −7": "-7",
    "(-7)": "-7",
    "−0,5": "-0.5",
    "- 7 apples": "7",
    "5 - 3": "3",
    "5 -3": "3",
    "+5": "5",
    "-€3,50": "-3.5",
    "€-3.50": "-3.5",
    "The answer is negative 5.": "-5",
    "it is minus 4": "-4",
    "10 minus 4": "4",
    "page 10-12": "12",
    # fractions
    r"\boxed{-\frac{1}{2}}": "-1/2",
    r"\frac12": "1/2",
    r"\boxed{\dfrac{3}{4}}": "3/4",
    r"\frac{-1}{2}": "-1/2",
    r"\frac{1}{-2}": "-1/2",
    r"$x = -\tfrac{3}{4}$": "-3/4",
    r"\boxed{2\frac{1}{3}}": "7/3",
    r"\frac{ 5 }{ 8 }": "5/8",
    r"\frac{1.5}{2}": "3/4",
    "-3/4": "-3/4",
    "1½ cups": "3/2",
    "4.5/5": "9/10",
    "2⁄3": "2/3",
    # TeX around
    r"\boxed{\text{12}}": "12",
    r"\boxed{12\text{ apples}}": "12",
    r"\boxed{ 12 \mathrm{ cm}^2 }": "12",
    r"\boxed{45^\circ}": "45",
    r"$\boxed{\$18}$": "18",
    r"\[ \boxed{42} \] since x^2 = 1764": "42",
    r"\left( -4 \right)": "-4",
    r"50\%": "50",
    r"\boxed{1,234}": "1234",
    # exponents
    "3 × 10^5": "300000",
    r"3.2 \times 10^{4}": "32000",
    "1.5×10⁻³": "0.0015",
    "2e-3": "0.002",
    "1,5e3": "1500",
    "6.02E23": "602000000000000000000000",
    "10^3": "1000",
    "10⁶": "1000000",
    "2^10 = 1024": "1024",
    # currency, units, percent
    "£5": "5",
    "5 €": "5",
    "R$ 1.234,56": "1234.56",
    "¥500": "500",
    "₹1,00,000": "100000",
    "12,5 %": "12.5",
    "20°C": "20",
    "18km/h": "18",
    "5 m²": "5",
    "**$1,234.00**": "1234",
    "No.5": "5",
    # other scripts
    "答案是123": "123",
    "答案：3.5。因为有2个": "3.5",
    "合計は500円です": "500",
    "答えは12個です。": "12",
    "정답은 5개입니다": "5",
    "คำตอบคือ42บาท": "42",
    "١٢٣": "123",
    "٣٫٥": "3.5",
    "١٬٠٠٠": "1000",
    "الجواب هو ٥٠٠": "500",
    "ب500 دولار": "500",
    "१२३": "123",
    "１，２３４": "1234",
    "５００": "500",
    "共有１２，其中３个": "3",
    "③": "3",
    "５−３": "3",
    # where the answer is announced
    "<answer>15</answer> of 20": "15",
    "<answer>\n1.234,5\n</answer>": "1234.5",
    "**Answer:** 12 (not 15)": "12",
    "Final answer: 1 000,50 kr": "1000.5",
    "#### 1,234": "1234",
    "The answer is at 12:00, so 5 hours": "5",
}
"""What a reply says, and the number that is meant."""

NO_NUMBER = [
    "12:00", "at 12:30:15", "14h30", "3:1", "2024-05-01", "01.05.2024", "07/14/1938", "5/3/24", "2024-05-01T10:00:00Z",
    "192.168.1.1", "version 1.2.3", "0x1F", "x^2", r"\sqrt{2}", "2√3", "2π", r"\boxed{3\pi}", "A1 and B2", "5/0", "m²",
    "Answer: none", "۔", "一二三",
]  # fmt: skip


@pytest.mark.parametrize("reply", SPELLED)
def test_each_spelling_gives_its_number(reply: str) -> None:
    assert numerals.number(reply) == SPELLED[reply]


@pytest.mark.parametrize("reply", NO_NUMBER)
def test_times_dates_versions_and_expressions_are_no_numbers(reply: str) -> None:
    assert numerals.number(reply) is None


@pytest.mark.parametrize(
    ("reply", "point", "comma"),
    [
        ("1,234", "1234", "1,234"),
        ("1.234", "1.234", "1234"),
        ("1.234.567", "1234567", "1234567"),
        ("1,234,567", "1234567", "1234567"),
        ("1.234,5", "1234.5", "1234,5"),
        ("1,234.5", "1234.5", "1234,5"),
        ("3.5", "3.5", "3,5"),
        ("3,5", "3.5", "3,5"),
        ("10.000", "10", "10000"),
        ("0,125", "0.125", "0,125"),
        ("٣٫٥٠٠", "3.5", "3,5"),
        ("\\frac{1}{3}", "1/3", "1/3"),
    ],
)
def test_only_what_could_be_two_numbers_depends_on_the_data(reply: str, point: str, comma: str) -> None:
    assert numerals.number(reply) == point
    assert numerals.number(reply, comma=True) == comma
    assert numerals.value(comma, comma=True) == numerals.value(reply, comma=True)


def test_a_long_list_of_numbers_takes_no_time() -> None:
    start = time.perf_counter()
    assert numerals.number("1,1" * 70_000) is None
    assert time.perf_counter() - start < 1.0


@pytest.mark.slow
def test_long_replies_of_any_kind_take_no_time() -> None:
    pieces = ("1,1", "1,", "1.", "1 000 ", "1'000'", "1 ", "9", "1/2 ", "1:", "1_", "- ", "10^", "1e5")
    marks = ("\\frac{1}", "{,}", "答案是", "\\boxed{", "\\text{", "=- ", "$", "\\pi", "1\\,000", "٣٫", "x^2", "2-")
    for piece in (*pieces, *marks, "minus ", "<answer>"):
        reply = piece * (200_000 // len(piece))
        start = time.perf_counter()
        numerals.number(reply)
        assert time.perf_counter() - start < 1.0, piece
