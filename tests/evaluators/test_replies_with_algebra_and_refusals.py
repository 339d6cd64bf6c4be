"""Kinds of replies that several readers meet: proportions, algebra, refusals, offers of more, answers taken back."""

import pytest

from promptopt import Example
from promptopt.digits import decimal_comma, largest, proportions
from promptopt.evaluators import metrics
from promptopt.evaluators.readers import resolve

BETWEEN = ("0.25", "0.5", "0.75", "1")
PERCENT = ("25", "50", "75", "100")
WHOLE = ("5", "12", "300", "42")
LARGE = ("1200000", "2500000", "3000")

SHARES = {
    "0.75": [
        "0.75, i.e. 75%",
        "75% (0.75)",
        "The probability is 0.75, which is 75%.",
        "The answer is 75%.",
        "0.75 = 75%",
    ],
    "0.5": ["50 %", "50 percent", r"\boxed{50\%}", "50 pour cent", "50 por ciento", "50 процентов", "50％", "0.5"],
    "2/3": ["66 2/3%", "2/3"],
    "1": ["100%"],
    "75": ["75"],
    None: ["0.75 or 85%", "10% to 90%", "1 in 10"],
}
PERCENTS = {
    "75": [
        "0.75, i.e. 75%",
        "75%, i.e. 0.75",
        "75 percent, that is 0.75",
        "It is 75% — that is 0.75.",
        "0.75 (75%)",
        "75%",
    ],
    "0.75": ["0.75"],
}

ALGEBRA = [
    r"\boxed{5x}",
    r"\boxed{(x-2)(x+3)}",
    r"\boxed{x+3}",
    r"\boxed{2i}",
    r"\boxed{\frac{2}{x}}",
    r"\boxed{2(x+1)}",
    r"\boxed{5a}",
    r"\boxed{2xy}",
    r"\boxed{n-1}",
    r"\boxed{y = 3x + 2}",
    r"\boxed{42x^2}",
    r"\boxed{|-5|}",
    "The answer is 5x.",
    r"\boxed{\lfloor 5.5 \rfloor}",
    r"\boxed{6 \times 7}",
    r"\boxed{(5,12)}",
    r"\boxed{12{:}30}",
    r"\boxed{k = 5, n = 12}",
]
PLAIN = {
    "5": [
        r"\boxed{x = 5}",
        r"\boxed{5m}",
        r"\boxed{f(x) = 5}",
        "The answer is 5x faster.",
        "It is 5x faster.",
        r"\boxed{x_{1} = 5}",
    ],
    "42": [
        "The answer is 42 x-ray machines.",
        "The answer is 42 in.",
        "The answer is 42 (x - 2 = 40).",
        r"\boxed{a_{10} = 42}",
        "The answer is n = 42 (since n - 2 = 40)",
        r"\boxed{42\,\frac{m}{s}}",
        r"\boxed{6 \times 7 = 42}",
        "The answer is 2x + 4 = 42",
    ],
    "12": ["12 +/- 2", "12, down from 300", "12 ± 2"],
}
NOT_GIVEN = [
    "I cannot solve this without 2 more values.",
    "It's impossible to determine how many of the 12 apples were eaten.",
    "The 5 bags hold 12 apples each. We do not have enough information.",
    "The text does not say how many of the 12 are red.",
    "Answer: N/A (see step 3)",
    "Answer: unknown. 5 were given.",
    "Answer: none of the 12",
    "The answer is undefined since 5/0",
    "The answer cannot be determined. There are 12 of them.",
]
GIVEN = {
    "42": [
        "I can't give an exact value, but it is about 42.",
        "We cannot tell from the graph alone, so we compute: 42",
        "The answer is none other than 42.",
        "The answer is not 5 but 42.",
        "Sorry for the confusion earlier. It is 42.",
    ],
    "7": ["She cannot find 5 of them. She has 7."],
}
OFFERS = [
    "42\n\nWould you like me to explain in 2 steps?",
    "42\n\nLet me know if you need 2 more.",
    "42 apples.\n\nIf you'd like, I can show the 3 steps.",
    "42. Would you like to see it in 3 other ways?",
    "42\n\n**Would you like me to verify with 2 other methods?**",
    "**42** is the answer. (See step 3.)",
    "42 (see Table 5)",
    "42, as in example 3",
]
SET_APART = [
    '{"final_answer": "42 apples", "units": 1}',
    '{"finalAnswer": 42, "n": 5}',
    '{"correct_answer": 42, "n": 5}',
    "<output>42</output>\nSteps: 3",
    "<result>42</result> after 3 steps",
    "[ANSWER]42[/ANSWER] 5",
]
TAKEN_BACK = ["The answer is 41. Wait, actually 42.", "#### 42\n\nWait, that is wrong.", "The answer is 42, no, 43."]
STANDS = [
    "The answer is 42. Wait, let me check: 6 × 7 = 42. Yes, 42.",
    "Answer: 42. Hold on to your receipt.",
    "The answer is 42 — no doubt.",
    r"\boxed{41} Wait, no. \boxed{42}",
]
SIZES = {
    "2500000": ["2.5 миллиона", "2,5 млн"],
    "3000": ["3 mil", "3 Tsd.", "3 тыс."],
    None: ["1 million 200 thousand"],
}
TWO = ["12 vs. 5", "12 per 300", "de 5 a 12", "от 5 до 12", "5 से 12", "5-1/2", "42 рубля 50 копеек"]

CHOICES = {
    "(B)": [
        "B\nB\nB",
        "<result>B</result> not A",
        '{"A": false, "B": true}',
        "Answer: B. Wait, let me check... yes, B.",
        "B\n\nWould you like me to explain why A is wrong?",
        '{"answer": ["B"]}',
        "[ANSWER]B[/ANSWER] A",
    ],
    None: [
        "I think A... no wait, B.",
        "Answer: A. Correction: B.",
        "Answer: C++",
        "Answer: C#",
        '{"answer": ["A", "C"]}',
        "Antwort: B oder C",
        "Réponse : B ou C",
        "Respuesta: B y C",
        "Resposta: B e C",
        "B > C",
        '{"A": true, "B": true}',
    ],
}

MOODS = ["positive", "negative", "neutral"]
LABELS = [
    (MOODS, "Answer: positive\n\nWait, actually negative.", None),
    (MOODS, "Answer: positive. Wait, is it? Yes, positive.", "positive"),
    (MOODS, "Top choice: positive. Second choice: neutral.", "positive"),
    (MOODS, "Wrong answer: negative. Right answer: positive.", "positive"),
    (MOODS, "Label: positive\nAlternative label: neutral", "positive"),
    (["Yes", "No"], "Correct answer: Yes\nIncorrect answer: No", "Yes"),
    (["spam", "ham"], "spam-free", None),
    (["A", "B", "C"], "A or B", None),
    (["0", "1"], "01", None),
    (["👍 good", "👎 bad"], "good", "👍 good"),
    (["👍 good", "👎 bad"], "👎 bad", "👎 bad"),
    (["👍 good", "👎 good"], "👎 good", "👎 good"),
    (["🟢 low", "🔴 high"], "risk: high", "🔴 high"),
    (["Java", "JavaScript"], "java script", "JavaScript"),
    (["featureRequest", "bug"], "feature request", "featureRequest"),
]


def _rows(table: dict[str | None, list[str]]) -> list[tuple[str, str | None]]:
    return [(reply, meant) for meant, replies in table.items() for reply in replies]


def _read(targets: tuple[str, ...], reply: str) -> str | None:
    told = {"comma": decimal_comma(targets), "largest": largest(targets), "proportions": proportions(targets)}
    return resolve("number", **told)(reply)


@pytest.mark.parametrize(("reply", "meant"), _rows(SHARES))
def test_where_right_answers_lie_between_0_and_1_a_percentage_is_a_hundredth(reply: str, meant: str | None) -> None:
    assert _read(BETWEEN, reply) == meant


@pytest.mark.parametrize(("reply", "meant"), _rows(PERCENTS))
def test_where_right_answers_count_in_percent_the_percentage_is_the_answer(reply: str, meant: str | None) -> None:
    assert _read(PERCENT, reply) == meant


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        (BETWEEN, True),
        (["1/2", "3/4"], True),
        (PERCENT, False),
        (["50%", "0.5%"], False),
        (["0.5", "12"], None),
        (["0", "1"], None),
        (["a", "b"], None),
        ([], None),
    ],
)
def test_a_data_set_says_whether_its_answers_are_proportions(targets: list[str], told: bool | None) -> None:
    assert proportions(targets) is told


@pytest.mark.parametrize("reply", ALGEBRA)
def test_an_answer_with_a_letter_for_a_number_or_two_numbers_is_none(reply: str) -> None:
    assert _read(WHOLE, reply) is None


@pytest.mark.parametrize(("reply", "meant"), [*_rows(PLAIN), *_rows(GIVEN)])
def test_a_letter_beside_the_answer_or_a_doubt_that_is_overcome_leaves_the_number(reply: str, meant: str) -> None:
    assert _read(WHOLE, reply) == meant


@pytest.mark.parametrize("reply", [*NOT_GIVEN, *TAKEN_BACK, *TWO])
def test_no_number_of_the_question_is_read_where_no_answer_is_given_or_it_is_taken_back(reply: str) -> None:
    assert _read(WHOLE, reply) is None


@pytest.mark.parametrize("reply", [*OFFERS, *SET_APART, *STANDS])
def test_what_is_offered_or_referred_to_behind_the_answer_is_none(reply: str) -> None:
    assert _read(WHOLE, reply) == "42"


@pytest.mark.parametrize(("reply", "meant"), _rows(SIZES))
def test_sizes_in_other_languages(reply: str, meant: str | None) -> None:
    assert _read(LARGE, reply) == meant


def test_a_range_of_decimals_with_commas_rises() -> None:
    assert _read(("3,5", "0,5"), "3,5–4") is None
    assert _read(("3,5", "0,5"), "3,5 kg") == "3,5"


@pytest.mark.parametrize(("reply", "meant"), _rows(CHOICES))
def test_a_choice_in_json_in_tags_or_corrected(reply: str, meant: str | None) -> None:
    assert resolve("choice")(reply) == meant


@pytest.mark.parametrize(("labels", "reply", "meant"), LABELS)
def test_a_label_among_others_that_were_considered(labels: list[str], reply: str, meant: str | None) -> None:
    assert resolve("label", labels)(reply) == meant


@pytest.mark.parametrize(
    ("metric", "answer", "target", "value"),
    [
        ("json", '{"a": 1} and {"a": 2}', '{"a": 1}', 0.0),
        ("json", '{"a": 1}\n```json\n{"a": 1}\n```', '{"a": 1}', 1.0),
        ("json", '[{"a": 1}, {"a": 2}]', '[{"a": 1}, {"a": 2}]', 1.0),
        ("set_f1", "1) red 2) blue", "red, blue", 1.0),
        ("set_f1", "• red • blue", "red, blue", 1.0),
        ("set_f1", "Red / Blue", "red, blue", 1.0),
        ("set_f1", "The entities are red and blue.", "red, blue", 1.0),
        ("set_f1", "3. April, 4. Mai", "3. April, 4. Mai", 1.0),
        ("set_f1", "AC / DC", "AC / DC", 1.0),
    ],
)
def test_two_records_are_no_answer_and_a_list_may_stand_in_a_line(
    metric: str, answer: str, target: str, value: float
) -> None:
    found = metrics.resolve(metric)(answer, Example.of(target, q="?"))
    assert getattr(found, "value", found) == value
