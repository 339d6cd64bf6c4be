"""The final choice learns whether steps lead down; the search goes on as if it did not know."""

from __future__ import annotations

from promptopt.run.scoreboard import Scoreboard
from promptopt.types import Cell, Example, Prompt, Proposal, Score

START, NEW = Prompt.of(instruction="start"), Prompt.of(instruction="new")
OTHERS = [Prompt.of(instruction=f"other {number}") for number in range(6)]
TRAIN = [Example.of("yes", question=f"train {number}") for number in range(4)]
DEV = [Example.of("yes", question=f"dev {number}") for number in range(4)]


def board() -> Scoreboard:
    """A start that is right on all of train, children that are wrong on half of it, and one that is as good on dev."""
    made = Scoreboard(START, TRAIN, DEV)
    for prompt in (*OTHERS, NEW):
        made.propose(Proposal(prompt, (START,), "rewrite"))
    for number, example in enumerate(TRAIN):
        made.put(Cell(START, example), Score(1.0))
        for prompt in OTHERS:
            made.put(Cell(prompt, example), Score(float(number % 2)))
    for example in DEV[:1]:
        for prompt in (START, NEW):
            made.put(Cell(prompt, example, 1), Score(1.0))
    return made


def test_a_child_that_does_as_well_on_a_look_is_believed_less_than_the_start_where_the_others_lost() -> None:
    belief = board().posterior([START, NEW], DEV, 1).mean
    assert belief[NEW] < belief[START]


def test_the_search_does_not_hold_the_others_against_a_new_child() -> None:
    belief = board().posterior([START, NEW]).mean
    assert belief[NEW] == belief[START]
