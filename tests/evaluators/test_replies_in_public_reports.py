"""Kinds of replies that other evaluation tools were reported to misread: each with variants, and with what is alike."""

from __future__ import annotations

import pytest

from promptopt import Example
from promptopt.evaluators import metrics
from promptopt.evaluators.readers import resolve

MILLIONS, THOUSANDS, HUNDREDS = 4_000_000, 4_000, 400
SIZED = [
    (MILLIONS, "2.5 million", "2500000"),
    (MILLIONS, "The answer is $2.5M.", "2500000"),
    (MILLIONS, "**1.2** million people", "1200000"),
    (MILLIONS, "2,5 Mio. Euro", "2500000"),
    (MILLIONS, "3 lakh rupees", "300000"),
    (MILLIONS, "-$5k", "-5000"),
    (MILLIONS, "2.5 million (2,500,000)", "2500000"),
    (MILLIONS, "2-3 million", None),
    (MILLIONS, "500万円", "5000000"),
    (MILLIONS, "3万5千", None),
    (MILLIONS, "5 M", "5"),
    (MILLIONS, "300 K", "300"),
    (MILLIONS, "5kg", "5"),
    (MILLIONS, "5 billion", "5"),
    (THOUSANDS, "$5k", "5000"),
    (THOUSANDS, "about 5 thousand", "5000"),
    (THOUSANDS, "2.5 million", "2.5"),
    (HUNDREDS, "5k", "5"),
    (0, "2.5 million", "2.5"),
]
"""The largest right answer, a reply, and the number in it: in data of hundreds, "5k" was asked for in thousands."""

NUMBERS = [
    # shares, said twice
    ("0.75 (75%)", "0.75"),
    ("75% (0.75)", "75"),
    ("The answer is 0.75 or 75 percent.", "0.75"),
    ("3/4 (75 %)", "3/4"),
    ("0.75 (85%)", None),
    ("20 (50%)", None),
    # formulas
    (r"\boxed{5!}", None),
    ("The answer is 5!", "5"),
    ("**15!**", "15"),
    (r"\boxed{5! = 120}", "120"),
    (r"With 2 options: \boxed{2^5}", None),
    (r"x is 3, so \boxed{\sqrt{5}}", None),
    (r"Side 4. The answer is 2\sqrt{3}.", None),
    (r"Let x=3. \boxed{\frac{\sqrt{3}}{2}}", None),
    (r"\boxed{3 + 2\sqrt{5}}", None),
    (r"\boxed{\binom{5}{2}}", None),
    (r"\boxed{\log_2 8 = 3}", "3"),
    (r"\boxed{11_{2}}", None),
    (r"\boxed{x^2+1}", None),
    (r"2^5 = 32", "32"),
    ("The area is 10 m^2.", "10"),
    ("It is the 5^{th}.", "5"),
    ("0b101", None),
    # print and LaTeX
    (r"$\boxed7$", "7"),
    (r"\fbox{42} is the result, from 10 inputs", "42"),
    ("The answer is **4,2**00.", "4200"),
    ("**$1,234**.56", "1234.56"),
    ("-½", "-1/2"),
    ("3½", "7/2"),
    ("²⁄₃", "2/3"),
    ("Answer: 3 / 4", "3/4"),
    ("48 / 2 = 24", "24"),
    ("12 / 05 / 2024", None),
    (r"\boxed{[2,5]}", None),
    ("(3,5)", "3.5"),
    # a working in the words of a customer
    ("12 apples\nCustomer: How many?\nSo the answer is 24.", "24"),
    ("12 apples\nUser: and pears?\nTherefore, the answer is 24.", "24"),
    ("12 apples\n\nQuestion: 3+4?\nAnswer: 7", "12"),
    ("12 apples\n\nQ: How many pears?\nA: 5. So the answer is 5.", "12"),
]
CHOICES = [
    ("[X] B", "(B)"),
    ("- [x] B", "(B)"),
    ("[x] (B) Paris", "(B)"),
    ("[x] B\n[x] C", None),
    ("The answer is [X]", "(X)"),
    ("<B>", "(B)"),
    ("Answer: <B>", "(B)"),
    ("<b>C</b>", "(C)"),
    ("I think the answer's B", "(B)"),
    ("The answer's a good one", None),
    ("It can't be A, so it's B.", "(B)"),
    ("It is unlikely to be B", None),
    ("| Question | Answer |\n|---|---|\n| 1 | B |", "(B)"),
    ("A | B", None),
    ("| A | no |\n| B | yes |", None),
    ("सही उत्तर B है।", "(B)"),
    (r"\fbox{B}", "(B)"),
]
LABELS = [
    (("toxic", "non-toxic"), "I cannot tell whether it is toxic", None),
    (("toxic", "non-toxic"), "I'm not sure it is toxic.", None),
    (("toxic", "non-toxic"), "I don't think it is toxic.", "non-toxic"),
    (("toxic", "non-toxic"), "Toxic? No.", "non-toxic"),
    (("spam", "ham"), "Is it spam? No.", None),
    (("safe", "unsafe"), "The message is not safe.", "unsafe"),
    (("safe", "unsafe"), "There is no reason to call it safe.", None),
    (("safe", "unsafe", "unclear"), "It is not safe.", None),
    (("True", "False"), "The statement is not true.", "False"),
    (("True", "False"), "It is not always true.", None),
    (("True", "False", "Not given"), "It is not true.", None),
    (("positive", "negative"), "It is not particularly positive.", None),
    (("positive", "negative"), "I'd say negative, although some parts are positive.", "negative"),
    (("positive", "negative"), "I'd say negative or positive.", None),
]


@pytest.mark.parametrize(("largest", "reply", "meant"), SIZED)
def test_a_word_for_the_size_counts_where_right_answers_are_as_large(
    largest: int, reply: str, meant: str | None
) -> None:
    assert resolve("number", largest=largest)(reply) == meant


@pytest.mark.parametrize(("reply", "meant"), NUMBERS)
def test_the_number_of_a_reply(reply: str, meant: str | None) -> None:
    assert resolve("number")(reply) == meant


@pytest.mark.parametrize(("reply", "meant"), CHOICES)
def test_the_option_of_a_reply(reply: str, meant: str | None) -> None:
    assert resolve("choice")(reply) == meant


@pytest.mark.parametrize(("labels", "reply", "meant"), LABELS)
def test_the_label_of_a_reply(labels: tuple[str, ...], reply: str, meant: str | None) -> None:
    assert resolve("label", labels)(reply) == meant


@pytest.mark.parametrize(
    ("answer", "target", "value"),
    [
        ("2,500,000", "2.5 million", 1.0), ("2.5", "2.5 million", 1.0), ("2.5 million", "2500000", 1.0),
        ("2.5 million", "2.5", 1.0), ("2.5", "2500000", 0.0), ("$5k", "5000", 1.0), ("5k", "5", 1.0),
    ],
)  # fmt: skip
def test_a_number_and_its_size_in_words_are_one(answer: str, target: str, value: float) -> None:
    assert metrics.resolve("number")(answer, Example.of(target, q="?")) == value


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("| colour |\n|---|\n| red |\n| blue |", 1.0), ("<answer>red, blue</answer>", 1.0),
        ("colour\n---\nred\nblue", 1.0), ("| colour | n |\n|---|---|\n| red | 1 |\n| blue | 2 |", 0.0),
    ],
)  # fmt: skip
def test_a_table_of_one_column_is_a_list(answer: str, value: float) -> None:
    assert metrics.resolve("set_f1")(answer, Example.of("red, blue", q="?")) == value


@pytest.mark.parametrize(("answer", "value"), [("It is **Par**is.", 1.0), ("**Paris**", 1.0), ("**Paris**ian", 0.0)])
def test_bold_print_may_end_within_a_word(answer: str, value: float) -> None:
    assert metrics.resolve("contains")(answer, Example.of("Paris", q="?")) == value


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (r"As 3 > 2, \boxed{\text{No solution}}", None),
        ("<answer>none</answer> though there were 7 apples", None),
        (r"5 apples, so \fbox{impossible}", None),
        # One letter names a quantity, and nothing at all fills no place.
        (r"x = 5, so \boxed{x}", "5"),
        ("<answer>\n</answer> 7", "7"),
        (r"\boxed{12 \text{ apples}}", "12"),
    ],
)
def test_words_in_the_place_for_the_answer_are_the_answer(reply: str, found: str | None) -> None:
    assert resolve("number")(reply) == found
