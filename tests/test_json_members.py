"""JSON whose objects name a member twice: a value that is silently lost is nobody's wish, whoever wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptopt.errors import BackendError, DataError
from promptopt.evaluators.judge_reply import answers_in, choice_in, reason_in, score_in
from promptopt.evaluators.structured import json as json_metric
from promptopt.json_members import NamedTwice, read_json
from promptopt.models.server.openai import OpenAIModel
from promptopt.models.server.retrying import RetryPolicy
from promptopt.reports.given import from_text
from promptopt.tasks.clauses import gate_of
from promptopt.tasks.demands import demands_of
from promptopt.tasks.tool_results import results_of
from promptopt.testing import planted_task
from promptopt.types import Example, Message, Request
from tests.servers import Answer, FakeServer, in_turn, reply


@pytest.mark.parametrize(
    "text", ['{"a": 1, "b": {"c": 2, "c": 3}}', '[{"a": null, "a": false}]', b'{"a": 0, "\\u0061": 1}']
)
def test_two_values_of_a_member_are_told(text: str | bytes) -> None:
    with pytest.raises(NamedTwice, match="twice"):
        read_json(text)


def test_the_same_value_twice_is_one_value() -> None:
    assert read_json('{"a": [1], "a": [1], "b": 2}') == {"a": [1], "b": 2}


def test_of_some_members_the_last_value_counts() -> None:
    assert read_json('{"id": 1, "a": 2, "id": 3}', but={"id"}) == {"id": 3, "a": 2}
    with pytest.raises(NamedTwice, match="'a'"):
        read_json('{"id": 1, "a": 2, "id": 3, "a": 4}', but={"id"})


CHOICE = '"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "%s"}}]'


@pytest.mark.parametrize(
    "body",
    [
        "{" + CHOICE % "yes" + ", " + CHOICE % "no" + "}",
        "{" + (CHOICE % "yes").replace('"content"', '"content": "no", "content"') + "}",
        "{" + (CHOICE % "yes").replace('"stop"', '"stop", "finish_reason": "length"') + "}",
        "{" + CHOICE % "yes" + ', "usage": {"prompt_tokens": 1, "prompt_tokens": 9000}}',
        "data: {" + CHOICE % "yes" + ", " + CHOICE % "no" + "}\n\ndata: [DONE]\n\n",
        "{" + (CHOICE % "yes\xff").replace('"content"', '"content": "no", "content"') + "}",
    ],
)
def test_a_body_that_says_two_things_is_an_outage(body: str) -> None:
    answers = in_turn(Answer(body.encode("latin-1")), reply("yes"))
    with FakeServer(answers) as server:
        model = OpenAIModel("m", base_url=server.url, retry_policy=RetryPolicy(first_s=0.01))
        ((_, found),) = model.generate([Request((Message("user", "?"),))])
        model.close()
        assert (found.text, len(server.asked)) == ("yes", 2)


def test_a_server_that_always_says_two_things_is_told_at_once() -> None:
    with FakeServer(lambda asked: Answer(("{" + CHOICE % "yes" + ", " + CHOICE % "no" + "}").encode())) as server:
        model = OpenAIModel("m", base_url=server.url, retry_policy=RetryPolicy(misplaced_s=0.1))
        with pytest.raises(BackendError, match="names 'choices' twice, with two values"):
            list(model.generate([Request((Message("user", "?"),))]))
        model.close()


def test_what_is_beside_the_reply_may_stand_twice() -> None:
    body = '{"id": "x", "model": "a", "id": "y", "model": "b", ' + CHOICE % "yes" + "}"
    with FakeServer(lambda asked: Answer(body.encode())) as server:
        model = OpenAIModel("m", base_url=server.url)
        ((_, found),) = model.generate([Request((Message("user", "?"),))])
        model.close()
        assert (found.text, len(server.asked)) == ("yes", 1)


def test_a_judge_that_gives_two_verdicts_in_one_object_gave_none() -> None:
    assert score_in('{"score": 1, "score": 5}', 1, 5) is None
    assert choice_in('{"better": "A", "better": "B"}') is None
    assert answers_in('{"answers": {"1": "yes", "1": "no"}}', 1) is None
    # What is not doubled stands.
    assert score_in('{"reason": "a", "score": 4, "reason": "b"}', 1, 5) == 4
    assert reason_in('{"reason": "a", "score": 4, "reason": "b"}') == ""


def test_a_reply_with_two_values_for_a_field_cannot_be_read_as_json() -> None:
    for answer in ('{"a": 1, "a": 2}', 'Here: {"a": {"b": 1}, "a": {"c": 1}}.'):
        score = json_metric(answer, Example.of('{"a": 2}', q="?"))
        assert (score.value, score.parsed) == (0.0, False)
    assert json_metric('{"a": 2, "a": 2}', Example.of('{"a": 2}', q="?")).value == 1.0


def test_files_and_cells_that_say_two_things_are_told(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text('{"type": "object", "type": "array"}')
    with pytest.raises(DataError, match="names 'type' twice"):
        gate_of(tmp_path / "t.toml", {"output_schema": "schema.json"}, lambda _: ())
    with pytest.raises(DataError, match="names 'weight' twice"):
        demands_of('[{"says": "a", "weight": 1, "weight": 3}]', "row 1")
    with pytest.raises(DataError, match="names 'gives' twice"):
        results_of('[{"calls": "f", "gives": "a", "gives": "b"}]', (), "row 1")
    with pytest.raises(DataError, match="names 'instruction' twice"):
        from_text(planted_task(), '{"parts": {"instruction": "a", "instruction": "b"}}', exported=True)
