"""Responses whose history stands on OpenAI's servers get it from the rows before, or are refused."""

from __future__ import annotations

from typing import Any

import pytest

from promptopt.tasks.reading.chat_rows import Reading, conversations_of

TURNS = (("Where is H7?", "In Graz."), ("When does it come?", "On Monday."), ("Sure?", "Yes."))
WHOLE = [("system", "Be kind."), *((role, text) for pair in TURNS for role, text in zip(("user", "assistant"), pair))]  # noqa: B905


def response(place: int) -> dict[str, Any]:
    asked, answered = TURNS[place]
    return {"id": f"resp_{place}", "object": "response", "instructions": "Be kind.", "input": asked,
            "previous_response_id": f"resp_{place - 1}" if place else None,
            "output": [{"type": "reasoning", "summary": []},
                       {"type": "message", "role": "assistant",
                        "content": [{"type": "output_text", "text": answered}]}]}  # fmt: skip


def logged(place: int) -> dict[str, Any]:
    """Request and response apart, as a gateway has them."""
    whole = response(place)
    asks = {name: whole.pop(name) for name in ("input", "instructions")}
    return {"id": f"line_{place}", "request": {**asks, "previous_response_id": whole["previous_response_id"]},
            "response": {"status_code": 200, "body": whole}}  # fmt: skip


def read(rows: list[dict[str, Any]]) -> Reading:
    return conversations_of(list(enumerate(rows, start=1)))


@pytest.mark.parametrize("write", [response, logged])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_what_went_before_is_in_the_history(write: Any, order: tuple[int, ...]) -> None:
    found = read([write(place) for place in order]).conversations
    spoken = {len(each.messages): [(said.role, said.content) for said in each.messages] for each in found}
    assert spoken == {3: WHOLE[:3], 5: WHOLE[:5], 7: WHOLE}
    assert len({each.id for each in found}) == 1


def test_a_response_whose_history_is_not_in_the_log_is_refused() -> None:
    found = read([response(2), response(1)])
    assert found.conversations == ()
    ((reason, rows),) = found.refused.items()
    assert "the log lacks it" in reason
    assert rows == (1, 2)


def test_responses_that_name_each_other_end() -> None:
    loop = [{**response(place), "previous_response_id": f"resp_{1 - place}"} for place in (0, 1)]
    assert read(loop).conversations == ()


def test_two_conversations_from_one_beginning_keep_their_own_turns() -> None:
    other = {**response(1), "id": "resp_x", "input": "Whose is it?"}
    found = read([response(0), response(1), other]).conversations
    assert [each.messages[3].content for each in found[1:]] == [TURNS[1][0], "Whose is it?"]
