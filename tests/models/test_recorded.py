"""A model that is gone answers from its file what it answered then, whatever signs stand in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import BackendError, DataError
from promptopt.models.recorded import Recorded, recorded_lines
from promptopt.types import Reply, Request, Sampling

ASKED = Request("Where is it?", Sampling())


def written(folder: Path, lines: str) -> Path:
    path = folder / "replies.jsonl"
    path.write_text(lines, encoding="utf-8")
    return path


@given(st.text(), st.text())
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_it_gives_back_what_was_said_to_the_last_sign(
    tmp_path_factory: pytest.TempPathFactory, end: str, asked: str, said: str
) -> None:
    request, other = Request(f"{asked}\u2028", Sampling()), Request("other", Sampling())
    calls = [(request, Reply(f"{said}\u2028\x85", served="old")), (other, Reply("no"))]
    lines = recorded_lines("x/old", calls, [Reply("again\u2029")])
    model = Recorded(written(tmp_path_factory.mktemp("recorded"), lines.replace("\n", end)))
    assert model.name == "x/old"
    assert dict(model.generate([other, request])) == {0: calls[1][1], 1: calls[0][1]}
    assert (model.again(request), model.again(other)) == (Reply("again\u2029"), None)


def test_what_it_was_never_asked_ends_it_and_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    model = Recorded(written(tmp_path, recorded_lines("x/old", [(ASKED, Reply("there"))])))
    with pytest.raises(BackendError, match="freeze it anew"):
        list(model.generate([Request("else", Sampling())]))
    two = recorded_lines("x/old", [(ASKED, Reply("a"))]) + recorded_lines("x/new", [(ASKED, Reply("b"))])
    for lines, why in (("", "holds no recorded replies"), ('{"a": 1}', "holds no recorded"), (two, "give one model's")):
        with pytest.raises(DataError, match=why):
            Recorded(written(tmp_path, lines))
    with pytest.raises(DataError, match="cannot be read"):
        Recorded(tmp_path / "none.jsonl")
