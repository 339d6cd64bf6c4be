"""What a search goes by where each conversation counts once: floors and beliefs have the verdict's aim."""

from __future__ import annotations

import pytest

from promptopt.protocols import MemberFloor
from promptopt.run.floors import Shortfalls
from promptopt.run.scoreboard import Scoreboard
from promptopt.types import Cell, Example, Message, Prompt, Proposal, Score, Weigh, mean_of

# One conversation of four turns, and three of one.
GROUPS = {f"e{place}": "long" if place < 4 else f"short {place}" for place in range(7)}
START, OTHER = Prompt.of(instruction="start"), Prompt.of(instruction="other")


def scores(*values: float) -> dict[str, Score]:
    return {f"e{place}": Score(value) for place, value in enumerate(values)}


@pytest.mark.parametrize(
    ("own", "loss"),
    [((0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0), 1 / 4), ((1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0), 2 / 4)],
)
def test_a_task_loses_what_its_conversations_lose(own: tuple[float, ...], loss: float) -> None:
    floors = Shortfalls({"a": MemberFloor(0.1, 1.0)}, dict.fromkeys(GROUPS, "a"), GROUPS)
    start = scores(*[1.0] * 7)

    shown = floors.shown(scores(*own), start)
    value = mean_of([shown[cell].value for cell in GROUPS], list(GROUPS.values()), "conversation")
    assert value == pytest.approx(1 - loss - 10 * (loss - 0.1))


def board(weigh: Weigh) -> Scoreboard:
    examples = [Example.chat([Message("user", cell)], "yes", group, ()) for cell, group in GROUPS.items()]
    known = Scoreboard(START, examples, [], weigh)
    known.propose(Proposal(OTHER, (START,)))
    for place, example in enumerate(examples):
        known.put(Cell(START, example, 0), Score(1.0 if place >= 4 else 0.0))
        # Right on the long conversation, wrong on those that are short.
        known.put(Cell(OTHER, example, 0), Score(1.0 if place < 4 else 0.0))
    return known


def test_a_prompt_is_believed_better_by_what_counts_in_the_verdict() -> None:
    by_turn, by_conversation = board("turn").posterior([OTHER]).mean, board("conversation").posterior([OTHER]).mean

    assert by_turn[OTHER] > by_turn[START]
    assert by_conversation[OTHER] < by_conversation[START]
