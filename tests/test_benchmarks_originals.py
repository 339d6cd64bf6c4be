"""GEPA beside its original on a real model: what both are given, what is counted, and what a table says."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.originals import DEV, TEST, TRAIN, Row, Served, cell, first_label, play, table
from promptopt.models.scripted import Scripted
from promptopt.types import Request


def test_a_label_is_the_one_that_is_named_first_and_the_longer_of_two_at_one_place() -> None:
    assert first_label("It is Positive, not negative.", ("negative", "positive")) == "positive"
    assert first_label("order_status", ("order", "order_status")) == "order_status"
    assert first_label("I cannot say.", ("negative", "positive")) is None


def test_what_is_held_out_is_given_to_nobody() -> None:
    task, held = cell("support-intent", 0, 20)
    assert [len(part) for part in (task.train, task.dev, task.test, held)] == [TRAIN, DEV, TEST, 20]
    given = {example["input"] for part in (task.train, task.dev, task.test) for example in part}
    assert not given & {example["input"] for example in held}
    assert "Answer with one of: " in task.initial[task.editable]


@pytest.mark.slow
def test_a_search_keeps_the_cap_and_its_prompt_is_scored_on_what_is_held_out(tmp_path: Path) -> None:
    task, held = cell("support-intent", 0, 20)
    known = {example["input"]: example.target for part in (task.train, task.dev, task.test, held) for example in part}

    def answer(request: Request) -> str:
        said = [message.content for message in request.content if not isinstance(message, str)]
        if request.sampling.temperature > 0:
            return f"<prompt>{task.initial[task.editable]}\nLook twice.</prompt>"
        return known[said[-1]] if "Look twice." in said[0] else task.labels[0]

    row = play(Row("our-gepa", "support-intent", 0, 150), Served(Scripted(answer)), task, held, tmp_path)
    assert (row.problem, row.score) == ("", 1.0)
    assert row.start < 0.5
    assert 100 < row.asked + row.proposed <= 150


def test_equal_greedy_requests_are_computed_once_and_draws_differ() -> None:
    model = Scripted(lambda request: f"{request.seed}", name="real")
    served, asked = Served(model), [{"role": "system", "content": "Do it."}, {"role": "user", "content": "What?"}]
    assert served.reply(asked) == served.reply(asked)
    assert model.calls == 1
    assert len({served.propose(asked, draw) for draw in (0, 1, 1)}) == 2


def test_the_table_holds_whole_cells_alone() -> None:
    rows = [
        Row("our-gepa", "cr", 0, 300, 0.5, 0.7, 280, 20),
        Row("gepa", "cr", 0, 300, 0.5, 0.6, 270, 30),
        Row("our-gepa", "cr", 1, 300, 0.5, 0.6, 280, 20),
        Row("gepa", "cr", 1, 300, 0.5, 0.6, 270, 30),
        Row("our-gepa", "sst-2", 0, 300, 0.5, 0.9, 280, 20),
    ]
    lines = table(rows)
    assert lines[2] == "| cr | 0 | 0.50 | 0.70 | 0.60 | +0.10 | 280 + 20 | 270 + 30 |"
    assert lines[-1] == "Ours minus the package's: +0.050 ± 0.050 over 2 cells."
    assert not any("sst-2" in line for line in lines)
