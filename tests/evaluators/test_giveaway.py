"""Criteria that name the answers of examples: a judge grades by heart then."""

from __future__ import annotations

import pytest

from promptopt.evaluators.giveaway import given_away
from promptopt.types import Example


def test_criteria_that_name_an_answer_are_told_of() -> None:
    examples = [Example.of(word, text=f"{word}?") for word in ("Paris", "Rome", "yes", "4", "no", "blue whale")]
    assert "names 'Paris', the answer of example" in given_away(("The answer is PARIS.",), examples)
    assert "(2 answers in all)" in given_away(("Paris or Rome?",), examples)
    assert "blue whale" in given_away(("kind", "a blue-whale?"), examples)
    assert given_away(("Score 4 for yes, 0 for no; be kind.",), examples) == ""
    assert given_away(("Is it Paris?",), examples, labels=("Paris",)) == ""


def test_criteria_that_name_one_of_several_common_answers_alone_are_told_of() -> None:
    words = ("Graz", "Wien", "Linz", "Bregenz", "102")
    examples = [Example.of(words[at % 5], text=f"where is {at}?") for at in range(60)]
    assert "names 'Graz', the answer of 12 of 60 examples; unless" in given_away(("A good reply says Graz.",), examples)
    assert "'102'" in given_away(("It is 102",), examples)
    # Who names them all, or two, names classes; and what is right for most is the rule.
    assert given_away(("Is it one of Graz, Wien, Linz, Bregenz or 102?",), examples) == ""
    assert given_away(("Graz or Wien?",), examples) == ""
    assert given_away(("Is it a city?",), examples) == ""
    mostly = [Example.of("Graz" if at % 2 else words[at % 5], text=f"where is {at}?") for at in range(60)]
    assert given_away(("It is Graz.",), mostly) == ""
    two = [Example.of(words[at % 2], text=f"where is {at}?") for at in range(60)]
    assert given_away(("It is Graz.",), two) == ""


@pytest.mark.parametrize(
    ("answer", "criteria", "shown"),
    [
        ("東京", "返事は東京と言うか?", "'東京'"),
        ("New York", "Is new york named?", "'New York'"),
        ("4.90", "Does it name 4.9 euros?", "'4.90'"),
        ("4,9", "Is 4.90 in it?", "'4,9'"),
        ("3,000", "Does it say 3000?", "'3,000'"),
        ("102", "Is it 102.0?", "'102'"),
    ],
)
def test_an_answer_is_found_however_it_is_written_and_shown_as_its_example_has_it(
    answer: str, criteria: str, shown: str
) -> None:
    examples = [Example.of(answer, text="a"), Example.of("4.1", text="b")]
    assert f"names {shown}, the answer of" in given_away((criteria,), examples)
    assert given_away((criteria,), examples, labels=("4.10",)) != ""
    # A label is no answer that is given away, in any spelling.
    again = {"4.90": "4.9", "4,9": "4.90", "3,000": "3000", "102": "102.0"}.get(answer, answer)
    assert given_away((criteria,), examples, labels=(again,)) == ""


def test_a_number_is_no_part_of_another_and_no_word() -> None:
    examples = [Example.of("4.90", text="a"), Example.of("90", text="b")]
    assert given_away(("Is 4 named, or 4.91?",), examples) == ""
    assert "'90'" in given_away(("Does it say 90?",), examples)
