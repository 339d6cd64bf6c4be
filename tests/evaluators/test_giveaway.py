"""Criteria that name the answers of examples: a judge grades by heart then."""

from __future__ import annotations

from promptopt.evaluators.giveaway import given_away
from promptopt.types import Example


def test_criteria_that_name_an_answer_are_told_of() -> None:
    examples = [Example.of(word, text=f"{word}?") for word in ("Paris", "Rome", "yes", "4", "no", "blue whale")]
    assert "names 'paris', the answer of example" in given_away(("The answer is PARIS.",), examples)
    assert "(2 answers in all)" in given_away(("Paris or Rome?",), examples)
    assert "blue whale" in given_away(("kind", "a blue-whale?"), examples)
    assert given_away(("Score 4 for yes, 0 for no; be kind.",), examples) == ""
    assert given_away(("Is it Paris?",), examples, labels=("Paris",)) == ""


def test_criteria_that_name_one_of_several_common_answers_alone_are_told_of() -> None:
    words = ("Graz", "Wien", "Linz", "Bregenz", "102")
    examples = [Example.of(words[at % 5], text=f"where is {at}?") for at in range(60)]
    assert "names 'graz', the answer of 12 of 60 examples; unless" in given_away(("A good reply says Graz.",), examples)
    assert "'102'" in given_away(("It is 102",), examples)
    # Who names them all, or two, names classes; and what is right for most is the rule.
    assert given_away(("Is it one of Graz, Wien, Linz, Bregenz or 102?",), examples) == ""
    assert given_away(("Graz or Wien?",), examples) == ""
    assert given_away(("Is it a city?",), examples) == ""
    mostly = [Example.of("Graz" if at % 2 else words[at % 5], text=f"where is {at}?") for at in range(60)]
    assert given_away(("It is Graz.",), mostly) == ""
    two = [Example.of(words[at % 2], text=f"where is {at}?") for at in range(60)]
    assert given_away(("It is Graz.",), two) == ""
