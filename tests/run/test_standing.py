"""How candidates rank is worked out once, until something is entered: caps on tokens and dollars ask for each batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from promptopt.run.scoreboard import Scoreboard
from promptopt.testing import planted_task
from promptopt.types import Cell, Estimate, Example, Prompt, Proposal, Score

TASK = planted_task()
OTHER, NEW = Prompt.of("Say it well."), Prompt.of("Say it soon.")


def board() -> Scoreboard:
    made = Scoreboard(TASK.initial, TASK.train, TASK.dev, "turn")
    for prompt, values in ((TASK.initial, (1.0, 0.0)), (OTHER, (0.0, 0.0))):
        for example, value in zip(TASK.train, values, strict=False):
            made.put(Cell(prompt, example), Score(value))
    return made


def test_it_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, asked = board(), list[int]()
    real = Scoreboard.worths

    def counted(own: Scoreboard, examples: Sequence[Example], prior: float = 0.0) -> dict[Prompt, float]:
        asked.append(1)
        return real(own, examples, prior)

    monkeypatch.setattr(Scoreboard, "worths", counted)
    first = made.ranked()
    # What is done to a list that was handed out changes nothing.
    first.clear()
    assert [each.prompt for each in made.ranked()] == [TASK.initial, OTHER]
    assert len(asked) == 1


def entered() -> list[Callable[[Scoreboard], object]]:
    return [
        lambda made: [made.put(Cell(OTHER, each), Score(1.0)) for each in TASK.train],
        lambda made: made.propose(Proposal(NEW, (OTHER,))),
        lambda made: made.rank_by(TASK.train[:1], [OTHER]),
        lambda made: made.begin_phase("search", TASK),
        lambda made: made.begin_measure(),
        lambda made: list(made.unscored([NEW], TASK.train, 0)),
    ]


@pytest.mark.parametrize("enter", entered())
def test_whatever_is_entered_counts_at_once(enter: Callable[[Scoreboard], object]) -> None:
    asked, fresh = board(), board()

    def both(made: Scoreboard) -> list[list[Estimate]]:
        return [made.ranked(unseen=unseen) for unseen in (False, True)]

    both(asked)
    enter(asked)
    enter(fresh)
    assert repr(both(asked)) == repr(both(fresh))
