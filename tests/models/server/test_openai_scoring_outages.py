"""Servers that cannot score, are down, or become another model on the way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from promptopt.errors import BackendError, ConfigError
from promptopt.models.server.openai import OpenAIModel
from promptopt.models.server.refused_requests import TRIES
from promptopt.models.server.retrying import RetryPolicy
from promptopt.types import Likelihoods
from tests.dialects import ToyModel, ToyServer
from tests.models.server.asking import KEY, Opening, Waits
from tests.models.server.scoring import CONTEXT, RULES, expected, labels, scored
from tests.servers import NOT_JSON, Answer, Asked, failure, in_turn

pytestmark = pytest.mark.usefixtures("key")


@pytest.fixture
def model_name() -> str:
    return "toy"


NO_WAY: dict[str, dict[str, Any]] = {
    "no tokenizer": {"kind": "bare"},
    "a tokenizer that answers nothing": {"tokenize": "ignored"},
    "parameters refused": {"prompt_logprobs": "refused", "echo": "refused"},
    "parameters not understood": {"prompt_logprobs": "refused", "echo": "refused", "refusal": 422},
    "parameters silently ignored": {"reads": "ignored", "prompt_logprobs": "ignored", "echo": "ignored"},
    "logits for log-probabilities": {"shift": 20.0},
    "negative logits for log-probabilities": {"shift": -40.0},
    "log-probabilities after the bias": {"kind": "llamacpp", "biased": True},
}


@pytest.mark.parametrize("case", NO_WAY)
def test_a_server_without_a_way_is_asked_once_and_named(opened: Opening, case: str) -> None:
    server, model = opened(ToyServer(**NO_WAY[case]))
    assert not model.can_score()
    count = len(server.asked)
    assert not model.can_score()
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1.*'openai/toy'.*vLLM or llama\.cpp server") as raised:
        list(model.score([labels("x", "a")]))
    assert len(server.asked) == count
    assert "\n" not in str(raised.value)


def test_openais_own_service_is_not_asked() -> None:
    model = OpenAIModel("gpt-4o-mini")
    assert not model.can_score()
    with pytest.raises(ConfigError, match=r"api\.openai\.com.*`promptopt models list`"):
        list(model.score([labels("x", "a")]))


@pytest.mark.parametrize(("status", "page"), [(404, b"Not Found"), (405, b""), (403, b"no"), (200, NOT_JSON.body)])
def test_a_gateway_without_a_tokenizer_cannot(opened: Opening, status: int, page: bytes) -> None:
    def gateway(asked: Asked) -> Answer:
        return Answer(page, status) if "tokenize" in asked.path else failure(500)

    _, model = opened(gateway)
    assert not model.can_score()


def test_a_dead_server_is_an_outage_and_not_an_answer(opened: Opening) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    model = OpenAIModel("toy", base_url=f"http://127.0.0.1:{port}/v1", sleep=Waits())
    with pytest.raises(BackendError, match="cannot be reached"):
        model.can_score()
    with pytest.raises(BackendError, match="cannot be reached"):
        list(model.score([labels("x", "a")]))
    model.close()


def test_a_server_that_was_down_is_asked_again(opened: Opening) -> None:
    toy = ToyServer()
    down = True
    _, model = opened(lambda asked: failure(503) if down else toy(asked), retry_policy=RetryPolicy(total_s=2))
    with pytest.raises(BackendError, match="503"):
        model.can_score()
    down = False
    assert model.can_score()


def test_a_wrong_key_or_model_is_an_error_and_not_an_answer(opened: Opening) -> None:
    _, model = opened(in_turn(failure(401, f"wrong key {KEY}")))
    with pytest.raises(BackendError, match="OPENAI_API_KEY") as raised:
        model.can_score()
    assert KEY not in str(raised.value)
    _, model = opened(ToyServer(name="other"))
    with pytest.raises(BackendError, match="has the model 'toy'"):
        model.can_score()


def test_many_threads_ask_once(opened: Opening) -> None:
    server, model = opened(ToyServer())
    threads = [threading.Thread(target=model.can_score) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = len(server.asked)
    assert model.can_score()
    assert len(server.asked) == asked
    assert asked < 40


def test_what_it_can_outlives_close(opened: Opening) -> None:
    toy = ToyServer()
    server, model = opened(toy)
    first = scored(model, labels("x", "blue"))
    model.close()
    before = len(server.asked)
    assert scored(model, labels("x", "blue")) == first
    assert len(server.asked) - before <= 5


def test_nothing_is_sent_that_holds_the_key(opened: Opening) -> None:
    server, model = opened(ToyServer())
    scored(model, labels("x", "blue"))
    assert all(KEY not in asked.body.decode() and KEY not in asked.path for asked in server.asked)
    assert all(asked.headers["authorization"] == f"Bearer {KEY}" for asked in server.asked)


# --- outages, and other models ---


def test_an_outage_is_retried_and_a_refusal_is_not(opened: Opening) -> None:
    toy = ToyServer()
    trouble = [failure(503), failure(429, headers={"Retry-After": "1"}), NOT_JSON, Answer(b'{"choices": []}')]

    def script(asked: Asked) -> Answer:
        return trouble.pop() if armed and trouble else toy(asked)

    armed = False
    server, model = opened(script)
    assert model.can_score()
    armed = True
    assert scored(model, labels("x", "blue"))[0].continuations[0].logprobs == tuple(expected(toy, "x", "blue"))
    trouble = [failure(400, "bad field: colour")] * 100
    before = len(server.asked)
    with pytest.raises(BackendError, match="bad field: colour"):
        scored(model, *(labels(f"{number}", "blue") for number in range(50)))
    # Once more than once: a server that has answered may have been started anew just then.
    assert len(server.asked) == before + TRIES


def test_stopping_begins_nothing_new(opened: Opening) -> None:
    _, model = opened(ToyServer(), concurrency=2)
    got: list[int] = []
    for index, _ in model.score([labels(f"{n}", "blue") for n in range(60)], lambda: len(got) >= 10):
        got.append(index)
    assert 10 <= len(got) <= 15


@pytest.mark.parametrize("fingerprint", ["toy-2", None])
def test_another_model_between_batches_is_read_by_its_own_tokens(opened: Opening, fingerprint: str | None) -> None:
    toy = ToyServer(fingerprint=None if fingerprint is None else "toy-1")
    _, model = opened(toy)
    scored(model, labels("x", "blue", ends=True))
    toy.serve(model=ToyModel(seed=5), fingerprint=fingerprint)
    found = scored(model, labels("x", "blue", ends=True))[0]
    assert found.continuations[0].logprobs[:1] == tuple(expected(toy, "x", "blue"))
    assert found.continuations[0].tokens == ("blue", "<|im_end|>")
    assert found.served == ("toy" if fingerprint is None else "toy toy-2")


def test_another_model_within_a_batch_is_read_by_its_own_tokens(opened: Opening) -> None:
    toy = ToyServer()
    _, model = opened(toy, concurrency=4)
    old, new = toy.model, ToyModel(seed=5)
    found: dict[int, Likelihoods] = {}
    for index, likelihoods in model.score([labels(f"Thing {'x' * n}", "blue") for n in range(40)]):
        found[index] = likelihoods
        if len(found) == 10:
            toy.serve(model=new, fingerprint="toy-2")
    assert len(found) == 40
    assert {each.served for each in found.values()} == {"toy toy-1", "toy toy-2"}
    for index, each in found.items():
        model_then = old if each.served == "toy toy-1" else new
        right = model_then.logprobs(CONTEXT.format(RULES + f"Thing {'x' * index}"), "blue")
        assert each.continuations[0].logprobs == tuple(right)


def test_another_model_that_cannot_score_ends_the_batch(opened: Opening) -> None:
    toy = ToyServer()
    _, model = opened(toy)
    assert model.can_score()
    toy.serve(kind="bare", fingerprint="toy-2")
    with pytest.raises(BackendError, match=r"has no /tokenize|no such path"):
        scored(model, labels("x", "blue"))


def test_a_template_whose_text_is_not_its_tokens_is_refused(opened: Opening) -> None:
    class Lossy(ToyModel):
        def decode(self, ids: Sequence[int]) -> str:
            return super().decode(ids).lower()

    _, model = opened(ToyServer(model=Lossy(template=("{role}: {content}\n", "ASSISTANT:"))))
    with pytest.raises(ConfigError, match=r"does not read its own chat template.*hf/"):
        scored(model, labels("x", "blue"))
