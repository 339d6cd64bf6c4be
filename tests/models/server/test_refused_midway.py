"""A server that begins to refuse in the middle of a run: what is refused for one request settles that one alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from promptopt.errors import BackendError, ConfigError, RequestRefused, SomeRefused
from promptopt.evaluation import evaluate
from promptopt.models.server.openai import OpenAIModel
from promptopt.outcome.result import Result
from promptopt.run.fetching import OTHERS
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Request
from tests.models.conftest import Transport
from tests.models.server.asking import Opening, ask, chat
from tests.run.planted_run import conduct
from tests.servers import Answer, Asked, FakeServer, echo, failure, in_turn, reply

pytestmark = pytest.mark.usefixtures("key")

UNKNOWN = failure(400, "the request was not understood")
TURNS = failure(400, "messages: unexpected role 'assistant'")
SYSTEM = failure(400, "The model does not accept a system prompt.")
FIREWALL = failure(403, "<html>Request blocked by the firewall</html>")
NO_LOGPROBS = failure(400, "Unsupported parameter: 'logprobs' is not supported with this model.")


@pytest.fixture
def transport() -> Transport:
    """One way to a server: what is read here does not depend on it."""
    return "aiohttp alone"


def said(asked: Asked) -> str:
    return json.dumps(asked.payload, ensure_ascii=False)


@pytest.mark.parametrize("refusal", [UNKNOWN, TURNS, SYSTEM, FIREWALL], ids=["unknown", "turns", "system", "firewall"])
def test_what_one_request_is_refused_ends_no_batch(opened: Opening, refusal: Answer) -> None:
    _, model = opened(lambda asked: refusal if "poison" in said(asked) else echo(asked))
    assert [each.text for each in ask(model, chat("a"))] == ["a"]
    found: dict[int, str] = {}

    def collect() -> None:
        for place, each in model.generate([chat("b"), chat("poison"), *map(chat, "cdefg")]):
            found[place] = each.text

    with pytest.raises(SomeRefused) as refused:
        collect()
    assert found == {0: "b", 2: "c", 3: "d", 4: "e", 5: "f", 6: "g"}
    assert refused.value.places.keys() == {1}


@pytest.mark.parametrize("refusal", [UNKNOWN, SYSTEM], ids=["unknown", "system"])
def test_a_server_that_never_answered_refuses_the_form(opened: Opening, refusal: Answer) -> None:
    server, model = opened(lambda _: refusal)
    with pytest.raises(RequestRefused):
        ask(model, chat("a"), chat("b"))
    assert len(server.asked) == 1


@pytest.mark.parametrize("refusal", [failure(401, "Incorrect API key"), failure(404, "The model `tiny` is gone")])
def test_a_key_and_a_model_that_are_gone_concern_every_request(opened: Opening, refusal: Answer) -> None:
    server, model = opened(in_turn(reply("a"), lambda _: refusal))
    ask(model, chat("a"))
    with pytest.raises(Exception, match="answered 40") as error:
        ask(model, *map(chat, "bcd"))
    assert not isinstance(error.value, SomeRefused)
    assert len(server.asked) <= 1 + 3


def test_a_request_that_is_refused_once_is_asked_again(opened: Opening) -> None:
    server, model = opened(in_turn(reply("a"), UNKNOWN, reply("b")))
    assert [each.text for each in (*ask(model, chat("x")), *ask(model, chat("y")))] == ["a", "b"]
    assert len(server.asked) == 3


def test_a_server_that_refuses_all_is_not_asked_for_the_whole_of_a_long_batch(opened: Opening) -> None:
    server, model = opened(in_turn(reply("a"), lambda _: UNKNOWN), concurrency=4)
    ask(model, chat("x"))
    with pytest.raises(SomeRefused) as refused:
        ask(model, *(chat(str(number)) for number in range(500)))
    assert not any(refused.value.places.values())
    assert len(server.asked) < 100


@pytest.mark.parametrize("later", [NO_LOGPROBS, reply("c")], ids=["refused", "left out"])
def test_log_probabilities_that_came_before_are_refused_for_a_request_and_are_no_mistake(
    opened: Opening, later: Answer
) -> None:
    tokens = {"content": [{"token": "a", "logprob": -0.1, "top_logprobs": []}]}
    given = reply("a", logprobs=tokens)
    _, model = opened(in_turn(given, lambda _: later))
    wanted = replace(chat("x"), logprobs=3)
    ask(model, wanted)
    with pytest.raises(SomeRefused, match="log-probabilities"):
        ask(model, replace(chat("y"), logprobs=3))
    _, fresh = opened(lambda _: later)
    with pytest.raises(ConfigError, match="log-probabilities"):
        ask(fresh, wanted)


def served(refuse: Callable[[Asked, int], Answer | None]) -> Callable[[Asked], Answer]:
    """A server that answers as the planted model does, unless `refuse` says otherwise of the n-th request."""
    model, count = planted_model(feature_accuracy(["carefully", "exactly"], base=0.4, each=0.2)), 0

    def answer(asked: Asked) -> Answer:
        nonlocal count
        count += 1
        refused = refuse(asked, count)
        if refused is not None:
            return refused
        text = asked.payload["prompt"] if "prompt" in asked.payload else asked.payload["messages"][-1]["content"]
        ((_, given),) = model.generate([Request(text)])
        return reply(given.text)

    return answer


def run_on(opened: Opening, store: Path, refuse: Callable[[Asked, int], Answer | None]) -> tuple[Result, FakeServer]:
    server, model = opened(served(refuse), served_as="one server")
    assert isinstance(model, OpenAIModel)
    result = conduct(store, model=model)
    assert isinstance(result, Result)
    return result, server


@pytest.mark.slow
@pytest.mark.parametrize("refusal", [UNKNOWN, TURNS, FIREWALL], ids=["unknown", "turns", "firewall"])
def test_a_run_goes_on_where_a_candidate_is_refused_and_pays_for_what_it_asked(
    opened: Opening, tmp_path: Path, refusal: Answer
) -> None:
    result, server = run_on(opened, tmp_path / "s.db", lambda asked, _: refusal if "exactly" in said(asked) else None)
    assert result.status == "finished"
    (told,) = [each for each in result.warnings if "refuses some requests and answers others" in each]
    assert "answered 40" in told
    assert "exactly" not in json.dumps(dict(result.best.prompt.texts))
    answered = [said(each) for each in server.asked if "exactly" not in said(each)]
    rejected = len({said(each) for each in server.asked if "exactly" in said(each)})
    # A probe repeats an answered request, and stands in the place of a refused one: nobody is billed for more.
    assert result.paid.calls - result.paid.proposer_calls == len(set(answered)) + rejected >= len(answered)
    # Executed again it reads all of it from the store, though the server is gone.
    again, gone = run_on(opened, tmp_path / "s.db", lambda *_: failure(500, "gone"))
    assert (again.status, again.spent, gone.asked) == ("finished", result.spent, [])


@pytest.mark.slow
@pytest.mark.parametrize("refusal", [UNKNOWN, FIREWALL], ids=["unknown", "firewall"])
@pytest.mark.parametrize("cut", [30, 120])
def test_a_run_that_was_cut_off_among_refusals_goes_on_to_the_same_end(
    opened: Opening, tmp_path: Path, refusal: Answer, cut: int
) -> None:
    def refuse(asked: Asked, _: int) -> Answer | None:
        return refusal if refused(asked) else None

    def refused(asked: Asked) -> bool:
        return "exactly" in said(asked) or "question 3 of" in said(asked)

    whole, _ = run_on(opened, tmp_path / "whole.db", refuse)
    dead = failure(401, "Incorrect API key")
    begun, before = run_on(opened, tmp_path / "cut.db", lambda asked, n: dead if n > cut else refuse(asked, n))
    assert begun.status == "suspended"
    # The client is new: it knows of no answer, and may well begin with what is refused.
    ended, after = run_on(opened, tmp_path / "cut.db", refuse)
    assert (ended.status, ended.best, ended.spent) == ("finished", whole.best, whole.spent)
    asked = [*before.asked[:cut], *after.asked]
    answered = [said(each) for each in asked if not refused(each)]
    rejected = len({said(each) for each in asked if refused(each)})
    # What was refused is entered once, and a probe in its place.
    paid = sum(each.paid.calls - each.paid.proposer_calls for each in (begun, ended))
    assert paid == len(set(answered)) + rejected >= len(answered)
    assert len(answered) - len(set(answered)) <= 5


@pytest.mark.slow
@pytest.mark.parametrize("refusal", [UNKNOWN, FIREWALL], ids=["unknown", "firewall"])
@pytest.mark.parametrize("place", [0, 1, 39])
def test_which_request_of_the_first_batch_is_refused_does_not_matter(
    opened: Opening, tmp_path: Path, refusal: Answer, place: int
) -> None:
    task = planted_task()
    server, model = opened(served(lambda *_: None))
    evaluate(task, model=model, store=tmp_path / "all.db")
    poison = said(server.asked[place])
    _, model = opened(served(lambda asked, _: refusal if said(asked) == poison else None))
    found = evaluate(task, model=model, store=tmp_path / "some.db")
    assert (found.measured.n, found.measured.unreadable) == (40, 1)


@pytest.mark.parametrize("refusal", [UNKNOWN, FIREWALL], ids=["unknown", "firewall"])
def test_where_the_first_of_a_batch_is_refused_a_few_others_are_tried_and_no_more(
    opened: Opening, tmp_path: Path, refusal: Answer
) -> None:
    server, model = opened(lambda _: refusal)
    with pytest.raises(BackendError, match="answered 40"):
        evaluate(planted_task(), model=model, store=tmp_path / "s.db")
    assert len({said(each) for each in server.asked}) == len(server.asked) == 1 + OTHERS
    one, model = opened(lambda _: refusal)
    with pytest.raises(BackendError, match="answered 40"):
        evaluate(planted_task(dev=1), model=model, store=tmp_path / "s.db")
    assert len(one.asked) == 1
    wrong, model = opened(lambda _: failure(401, "Incorrect API key"))
    with pytest.raises(BackendError, match="answered 401"):
        evaluate(planted_task(), model=model, store=tmp_path / "s.db")
    assert len(wrong.asked) == 1


@pytest.mark.slow
@pytest.mark.parametrize("refusal", [UNKNOWN, SYSTEM, failure(401, "Incorrect API key")])
def test_a_run_is_suspended_where_every_request_is_refused_from_then_on_and_nothing_of_it_is_kept(
    opened: Opening, tmp_path: Path, refusal: Answer
) -> None:
    result, _ = run_on(opened, tmp_path / "s.db", lambda _, count: refusal if count > 150 else None)
    assert result.status == "suspended"
    assert "once that is mended" in result.reason
    assert result.paid.calls - result.paid.proposer_calls == 150
    mended, _ = run_on(opened, tmp_path / "s.db", lambda *_: None)
    assert mended.status == "finished"
    assert not any("refuses some" in each for each in mended.warnings)


@pytest.mark.slow
def test_a_proposer_that_refuses_its_first_request_is_asked_something_else(opened: Opening, tmp_path: Path) -> None:
    first: list[bytes] = []

    def answer(asked: Asked) -> Answer:
        first.append(asked.body)
        return UNKNOWN if asked.body == first[0] else reply("<prompt>x</prompt>")

    server, proposer = opened(answer)
    result = conduct(tmp_path / "s.db", proposer=proposer)
    assert isinstance(result, Result)
    assert result.status == "finished"
    assert any("refuses some requests" in each for each in result.warnings)
    # All that was answered; what was asked to see whether it answers at all stands in the place of what was refused.
    answered = sum(each.body != first[0] for each in server.asked)
    assert result.paid.proposer_calls == answered
    _, dead = opened(lambda _: UNKNOWN)
    result = conduct(tmp_path / "t.db", proposer=dead)
    assert isinstance(result, Result)
    assert (result.status, result.paid.proposer_calls) == ("suspended", 0)
