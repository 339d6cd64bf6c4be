from __future__ import annotations

import pytest

from promptopt.operators.quotes import Quotes
from promptopt.types import Example, Prompt

EXAMPLES = [
    Example.of("positive", text="A warm and funny film that never once outstays its welcome."),
    Example.of("negative", text="dull beyond words"),
    Example.of("positive", text="See the chapter on rivers: it is worth every minute of it."),
    Example.of(
        "4 apples", (), ("5 apples",), "Two and two apples make four apples in all, so it is 4 apples.", text="2 + 2?"
    ),
]
PARENT = "Classify the review as positive or negative."


@pytest.mark.parametrize(
    ("text", "quotes"),
    [
        ("Say positive or negative; words such as funny or dull tell.", False),
        ("Say: a WARM and funny film, that never once outstays... is positive.", True),
        ("a warm and funny film that never", True),
        ("a warm and funny film", True),
        ("it is a warm and happy film", False),
        ("it is worth it", False),
        ("See what it is worth: it is not every minute of it.", False),
        ("If it is dull beyond words, say negative.", True),
        ("It is dull beyond all words.", False),
        ("Write it as in: two apples make four apples in all, so it is.", True),
        ("Answer 4 apples.", True),
        ("Do not answer 5 apples.", True),
        ("Count apples.", False),
    ],
)
def test_eight_words_or_a_whole_short_text_are_a_quote(text: str, quotes: bool) -> None:
    assert Quotes(EXAMPLES, ("positive", "negative")).new_in(text, PARENT) is quotes


def test_what_the_parent_quotes_already_is_no_news() -> None:
    parent = f"{PARENT} If it is dull beyond words, say negative."
    assert not Quotes(EXAMPLES, ()).new_in(f"{parent} Be quick.", parent)
    assert Quotes(EXAMPLES, ()).new_in(f"{parent} Answer 4 apples.", parent)


def test_what_several_examples_share_is_the_tasks_own() -> None:
    examples = [Example.of("not spam", options="yes and no", text=f"mail {number}") for number in range(4)]
    assert not Quotes(examples, ()).new_in("Say not spam where it is; yes and no are options.", PARENT)
    assert Quotes(examples, ()).new_in("Mail 3 is none.", PARENT)


SPORTS = [
    Example.of("yes" if number % 2 else "no", text=f"{name} performed a give and go{end}")
    for number, (name, end) in enumerate([("Elias Lindholm", "."), ("Draymond Green", " in the final."), ("Mo", "!")])
] + [Example.of("no", text=f"Player {number} took a corner kick in overtime.") for number in range(27)]


def test_a_quote_of_five_words_that_say_something_is_one() -> None:
    quotes = Quotes(SPORTS, ("yes", "no"))
    assert quotes.new_in('Answer yes to "performed a give and go", as in basketball.', PARENT)
    assert not quotes.new_in("Say no where a player took a corner kick in overtime.", PARENT)
    assert not quotes.new_in("Say whether the sentence about sports is plausible: yes or no.", PARENT)


@pytest.mark.parametrize("text", ["negative", "Negative.", '"negative"', "4 apples"])
def test_an_answer_alone_is_no_prompt(text: str) -> None:
    assert Quotes(EXAMPLES, ("positive", "negative")).new_in(text, PARENT)


def test_a_run_of_words_that_the_parent_quotes_already_is_no_news() -> None:
    quotes, parent = Quotes(EXAMPLES, ()), f"{PARENT} Say: a warm and funny film."
    assert not quotes.new_in(f"{parent} Be quick.", parent)
    assert quotes.new_in(f"{parent} Or: never once outstays its welcome.", parent)


def test_two_examples_make_a_phrase_the_tasks_own_and_one_that_says_it_twice_does_not() -> None:
    shared, alone = Example.of("no way", text="mail 1"), Example.of("by far", ("by far",), text="mail 3")
    quotes = Quotes([shared, Example.of("no way", text="mail 2"), alone], ())
    assert not quotes.new_in("Answer no way where it is.", PARENT)
    assert quotes.new_in("Answer by far where it is.", PARENT)


PLAIN = "on rivers it is worth every minute of"
"""No five words in a row of it say something."""


@pytest.mark.parametrize(
    ("words", "said", "quotes"),
    [
        (PLAIN, PLAIN, True),
        (PLAIN, PLAIN.removesuffix(" of"), False),
        # A text of fewer than eight words is a quote as a whole, and no part of it is.
        (PLAIN.removesuffix(" of"), PLAIN.removesuffix(" of"), True),
        (PLAIN.removesuffix(" of"), PLAIN.removesuffix(" minute of"), False),
        # Three of five words that say something, and two.
        ("big the dogs and cats", "as the big the dogs and cats are", True),
        ("the big dogs and the few cats", "as the big dogs and the are", False),
        ("first the big dogs bark in the night", "first the big dogs bark", True),
        ("first the big dogs bark in the night", "the big dogs bark", False),
        # Words of one letter say something; characters of a script without spaces only eight in a row.
        ("first x y z w v then", "so x y z w v it is", True),
        ("今天天气很好我们去公园玩", "说今天天气很好我", False),
        ("今天天气很好我们去公园玩", "说今天天气很好我们", True),
        ("мы да ты шли всё лето напролёт", "мы да ты шли всё", True),
    ],
)  # fmt: skip
def test_where_a_quote_begins(words: str, said: str, quotes: bool) -> None:
    assert Quotes([Example.of("positive", text=words)], ("positive",)).new_in(f"Say: {said}!", PARENT) is quotes


@pytest.mark.parametrize(("holders", "quotes"), [(1, True), (2, True), (3, False)])
def test_a_run_that_more_than_a_tenth_of_the_examples_hold_is_the_tasks_own(holders: int, quotes: bool) -> None:
    inputs = [f"{number} {'big dogs chase small cats' if number < holders else 'nothing'}" for number in range(20)]
    found = Quotes([Example.of("yes", text=text) for text in inputs], ())
    assert found.new_in("Think of big dogs chase small cats.", PARENT) is quotes


def test_an_answer_is_one_whatever_its_case_and_marks() -> None:
    quotes = Quotes(EXAMPLES, ("Other",))
    assert all(quotes.new_in(text, PARENT) for text in ("other", " OTHER! ", '"Positive"', "'negative?'"))
    assert not quotes.new_in("Other than that", PARENT)


RULES = [
    f"Parcels of kind {number} go out on day {number} and come back free of charge within {number} weeks"
    for number in range(12, 30)
]


@pytest.mark.parametrize(
    "edited",
    [
        RULES[1:],
        [*RULES[:9], *RULES[10:]],
        [RULES[0].replace("and come back", "and they all come back"), *RULES[1:]],
        [f"{RULES[0][:50]}.", *RULES[1:]],
    ],
)
def test_rules_that_replies_quote_may_be_cut_and_changed_and_come_back_from_the_start(edited: list[str]) -> None:
    quoting = [Example.of(f"{rule}.", text=f"What of {number}?") for number, rule in enumerate(RULES)]
    whole, part = "\n".join(RULES), "\n".join(edited)
    assert not Quotes(quoting, ()).new_in(part, whole)
    assert Quotes(quoting, ()).new_in(whole, "\n".join(RULES[3:]))
    assert not Quotes(quoting, (), Prompt.of(whole)).new_in(whole, part)
