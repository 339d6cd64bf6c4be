"""What a migration says of models whose end is announced."""

from __future__ import annotations

from datetime import date

import pytest

from promptopt.migration.leaving import end_said, leaving
from promptopt.models.scripted import Scripted

TODAY = date(2026, 11, 29)


class Ending(Scripted):
    """A model whose server says until when it is served."""

    def __init__(self, name: str, end: date | None) -> None:
        super().__init__(lambda _: "", name=name)
        self.end = end

    def announced_end(self) -> date | None:
        return self.end


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (date(2026, 12, 11), "x/old is served until 2026-12-11, for 12 days more"),
        (date(2026, 11, 30), "x/old is served until 2026-11-30, for 1 day more"),
        (TODAY, "x/old is served until 2026-11-29, so it may be gone any moment"),
        (date(2026, 1, 1), "x/old is served until 2026-01-01, so it may be gone any moment"),
        (None, ""),
    ],
)
def test_the_days_that_are_left_are_told(end: date | None, said: str) -> None:
    assert end_said(Ending("x/old", end), TODAY) == said


def test_the_old_model_is_to_be_kept_and_a_new_one_is_no_lasting_place() -> None:
    new = [Ending("x/brief", date(2027, 4, 1)), Ending("x/lasting", None), Scripted(lambda _: "", name="x/silent")]
    old, brief = leaving(Ending("x/old", date(2026, 12, 11)), new, TODAY)
    assert old.endswith("; keep what it answers while it does (--freeze)")
    assert brief.startswith("x/brief is served until 2027-04-01")
    assert brief.endswith("; whoever moves to it has to move again")
