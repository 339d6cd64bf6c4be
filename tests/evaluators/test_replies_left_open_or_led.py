"""Replies that leave a label open, put the number before what it is, or answer several parts."""

import pytest

from promptopt.evaluators.readers import resolve

SAFE, SPAM, MOOD = ("safe", "unsafe"), ("spam", "ham"), ("positive", "negative")


@pytest.mark.parametrize(
    ("labels", "reply"),
    [
        (SAFE, "safe? Not sure."),
        (SAFE, "Unsafe? Hard to say."),
        (SAFE, "Is it safe? I'm not certain."),
        (SAFE, "Is it safe to read? I can't tell."),
        (SAFE, "Safe? Maybe."),
        (SAFE, "**Safe?** It depends."),
        (SPAM, "spam? can't tell"),
        (SPAM, "spam? maybe not"),
        (MOOD, "Positive?? Unclear."),
        (MOOD, "Positive? I don't know."),
        (("yes", "no"), "Yes? Not sure."),
        (("true", "false"), "True? Not necessarily."),
        (MOOD, "It is unclear whether the review is negative."),
        (MOOD, "I do not know if the reviewer was positive."),
        (("true", "false"), "We cannot determine whether the claim is true."),
        (("yes", "no"), "It depends. Yes if A, no if B."),
        (SAFE, "not safe to say"),
        (SAFE, "It's not safe to say whether it is harmful."),
        (("valid", "invalid"), "It is not valid to conclude anything here."),
        (("fair", "unfair"), "It's not fair to judge this one."),
        (("possible", "impossible"), "Not possible to determine from the text."),
    ],
)
def test_a_label_that_is_only_asked_for_is_no_answer(labels: tuple[str, ...], reply: str) -> None:
    assert resolve("label", labels)(reply) is None


@pytest.mark.parametrize(
    ("labels", "reply", "meant"),
    [
        (SAFE, "safe? Yes.", "safe"),
        (SAFE, "Safe? Sure.", "safe"),
        (SAFE, "It is safe to say that this is unsafe.", "unsafe"),
        (SAFE, "Not safe to eat.", "unsafe"),
        (SAFE, "It is not safe to tell children this.", "unsafe"),
        (SAFE, "It is safe to call this number.", "safe"),
        (("fair", "unfair"), "Not fair to tenants.", "unfair"),
        (SAFE, "unsafe? Definitely.", "unsafe"),
        (SAFE, "safe? I think so.", "safe"),
        (SAFE, "Unsafe? Not at all.", "safe"),
        (SAFE, "Is it safe? It depends, but overall it is unsafe.", "unsafe"),
        (SAFE, "I am not sure whether this is safe, but I lean towards unsafe.", "unsafe"),
        (MOOD, "Positive? Not sure. Probably negative.", "negative"),
        (MOOD, "Is it positive or negative? Positive.", "positive"),
        (MOOD, "I don't know if it's good, but positive.", "positive"),
        (MOOD, "Unclear if he meant it. Negative.", "negative"),
        (MOOD, "The author isn't sure if he liked it; the review is negative.", "negative"),
        (SPAM, "spam (not sure?)", "spam"),
        (SPAM, "The customer is unsure whether it has arrived: ham", "ham"),
        (("true", "false", "unknown"), "It is unknown whether the claim is true.", "unknown"),
        (("yes", "no"), "No if you ask me", "no"),
    ],
)
def test_a_label_that_is_answered_with_counts_beside_a_question(
    labels: tuple[str, ...], reply: str, meant: str
) -> None:
    assert resolve("label", labels)(reply) == meant


@pytest.mark.parametrize(
    ("reply", "meant"),
    [
        ("42 is the answer to question 7", "42"),
        ("So 15 is the answer to the question about 3 boxes!", "15"),
        ("15 apples is the answer to question 2.", "15"),
        ("$15 is the total of 3 items.", "15"),
        ("-15 is the answer to question 2", "-15"),
        ("3.5 is the average of 3 and 4.", "3.5"),
        ("17 is the sum of the digits of 98.", "17"),
        ("3/4 is the result of exercise 5", "3/4"),
        ("5 is the number of boxes.\n\n12 is the number of apples in 5 boxes.", "12"),
        ("17\n\nExplanation: there are 12 apples and 5 pears.", "17"),
        ("17\n\n**Reasoning:**\n12 red, 5 green", "17"),
        # What goes on to another number has named one on its way.
        ("12 is the sum of 5 and 7. Then we add 3 to get 15.", "15"),
        ("Since 17 is the sum of 12 and 5, the total is 34.", "34"),
        ("100 is the total budget which leaves 40", "40"),
        ("12 is the sum, so the answer is 3", "3"),
        ("17 (certainty 90%)", "17"),
        ("17 (confidence 95%)", "17"),
    ],
)
def test_a_number_may_stand_before_what_it_is(reply: str, meant: str) -> None:
    assert resolve("number")(reply) == meant


@pytest.mark.parametrize(
    "reply",
    [
        "(a) 5 (b) 6",
        "a) 5\nb) 6",
        "(a) 5 apples, (b) 6 pears",
        "(i) 5 (ii) 6",
        "Part A: 5, Part B: 6",
        "a: 5; b: 6",
        "First: 5. Second: 6.",
        "x = 3, y = 4",
        "m = 3 kg, v = 4 m/s",
        "There is not enough information. The 3rd value is missing.",
    ],
)
def test_several_parts_answered_are_no_number(reply: str) -> None:
    assert resolve("number")(reply) is None


@pytest.mark.parametrize(
    ("reply", "meant"),
    [
        ("(a) 5", "5"),
        ("(a) 5 (b) 5", "5"),
        ("b) 6", "6"),
        ("1. 5\n2. 6", "6"),
        ("a = 3\nb = 4\na + b = 7", "7"),
        ("x = 3, y = 4, so x + y = 7", "7"),
        ("We do not have enough information, but the 3rd value is 9.", "9"),
    ],
)
def test_one_part_a_numbered_working_and_a_sum_are_read(reply: str, meant: str) -> None:
    assert resolve("number")(reply) == meant


@pytest.mark.parametrize(
    ("reply", "meant"),
    [
        ("Answer: B? or C?", None),
        ("Of the options, B is the most plausible.", "(B)"),
        ("A is most likely wrong", None),
        ("C is the most reasonable choice, although D is possible.", "(C)"),
        ("The best option here is B – it is cheaper.", "(B)"),
        ("The choice here is between A and B.", None),
    ],
)
def test_options_asked_for_and_found_likely(reply: str, meant: str | None) -> None:
    assert resolve("choice")(reply) == meant


@pytest.mark.parametrize(
    ("reply", "meant"),
    [
        ("John has 17 apples after 3 days", "17"),
        ("So she earns $240 for 6 hours of work.", "240"),
        ("It will take her 5 hours to read 120 pages.", "5"),
        ("There were 57 empty seats after the 2nd stop.", "57"),
        ("5 * 8 = 40 dollars over 5 days", "40"),
        ("He pays 12 kg x $3/kg = $36 for 12 kg of oranges. That is it.", "36"),
        ("The answer is 7 when n = 3.", "7"),
        ("The result is 55, with n = 10.", "55"),
        # Where the last number is what was worked out, bought or reached.
        ("She bought 4 books for 20 dollars.", "20"),
        ("Add 12 and 33 to get 45 apples.", "45"),
        ("5 + 7 = 12, and 12 * 2 = 24 apples in 2 days", "24"),
        ("3 * 5 = 15 so there are 12 left.", "12"),
        ("When x = 2 the value of y equals 7", "7"),
        ("For n=10 we get 55", "55"),
        ("He needs 5 workers and finishes in 3 days.", "3"),
        ("In 3 days John has 17 apples.", "17"),
        ("12 + 33 makes for 45 apples.", "45"),
        ("He finishes in 3 days.", "3"),
        ("12 = 3 x 4", None),
    ],
)
def test_what_only_says_for_how_many_or_when_is_not_the_number_asked_for(reply: str, meant: str | None) -> None:
    assert resolve("number")(reply) == meant
