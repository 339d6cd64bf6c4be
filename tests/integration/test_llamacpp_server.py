"""A real server of llama.cpp on SmolLM2, spoken with over HTTP: its likelihoods against reading one token at a time."""

from __future__ import annotations

import importlib.util
import json
import math
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from promptopt.models.server.dialects import ForcedDecoding
from promptopt.models.server.openai import OpenAIModel
from promptopt.testing import ScorerContract
from promptopt.types import Likelihoods, Message, Request, Sampling, ScoreRequest
from tests import weights

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

KEY = "a-key-for-tests"
CONTEXT = 512
TOLERANCE = 0.3
"""Nats a token. Weights of 4 bits go with activations rounded to 8, so that a last digit, which depends on the batch
that a token was in, becomes 0.1 nats; over HTTP nobody chooses the batches. On average it is less: `NEAR`."""
NEAR = 0.08


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed (extra: local)")
    path = weights.gguf()
    import xllamacpp

    parameters: Any = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx, parameters.n_parallel, parameters.kv_unified = 2 * CONTEXT, 2, False
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.n_gpu_layers, parameters.verbosity = 0, -1
    # Summed up in 16 bits, attention would make differences of 0.1 nats of the batches that a prompt comes in.
    parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    parameters.fit_params = parameters.warmup = parameters.ui = False
    parameters.api_keys = [KEY]
    server = xllamacpp.Server(parameters)
    yield f"{server.listening_address}/v1"
    del server


@pytest.fixture(scope="module")
def model(address: str) -> Iterator[OpenAIModel]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LLAMACPP_TEST_KEY", KEY)
        model = OpenAIModel("smollm2", base_url=address, key_variable="LLAMACPP_TEST_KEY")
        yield model
        model.close()


class TestScorerContract(ScorerContract):
    tolerance = TOLERANCE

    @pytest.fixture(autouse=True)
    def _open(self, model: OpenAIModel) -> None:
        self._model = model

    def model(self) -> OpenAIModel:
        return self._model


def scored(model: OpenAIModel, *requests: ScoreRequest) -> list[Likelihoods]:
    found = dict(model.score(requests))
    return [found[index] for index in range(len(requests))]


def post(address: str, path: str, body: dict[str, Any]) -> Any:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
    url = address.removesuffix("/v1") + path
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)) as answer:
        return json.load(answer)


def one_by_one(address: str, before: list[int], after: list[int]) -> list[float]:
    """The model's own log-probability of each token of `after`, found among those of the whole vocabulary."""
    found: list[float] = []
    for place, token in enumerate(after):
        body = {"prompt": before + after[:place], "n_predict": 1, "n_probs": 50_000, "cache_prompt": False}
        told = post(address, "/completion", body)["completion_probabilities"][0]["top_logprobs"]
        assert math.fsum(math.exp(entry["logprob"]) for entry in told) == pytest.approx(1, abs=1e-3)
        found.append(next(entry["logprob"] for entry in told if entry["id"] == token))
    return found


@pytest.mark.parametrize("grammars", [True, False])
def test_the_values_are_the_models_own(address: str, model: OpenAIModel, grammars: bool) -> None:
    assert model.can_score()
    capabilities = model._scorer._capabilities
    assert capabilities is not None
    assert isinstance(capabilities.method, ForcedDecoding)
    assert capabilities.method.grammars
    capabilities.method.grammars = grammars
    content = (Message("user", "Name a colour."),)
    text = post(address, "/apply-template", {"messages": [{"role": "user", "content": "Name a colour."}]})["prompt"]
    options = {"add_special": True, "parse_special": True}
    before = post(address, "/tokenize", {"content": text, **options})["tokens"]
    (found,) = scored(model, ScoreRequest(content, ("black as the night",), ends=True))
    capabilities.method.grammars = True
    whole = post(address, "/tokenize", {"content": f"{text}black as the night<|im_end|>", **options})["tokens"]
    assert whole[: len(before)] == before
    right, (each,) = one_by_one(address, before, whole[len(before) :]), found.continuations
    assert list(each.logprobs) == pytest.approx(right, abs=TOLERANCE)
    gaps = [abs(one - other) for one, other in zip(each.logprobs, right, strict=True)]
    assert sum(gaps) / len(gaps) <= NEAR
    assert "".join(each.tokens) == "black as the night<|im_end|>"
    assert found.prompt_tokens == len(whole)


def test_a_marker_in_a_continuation_is_scored_though_no_grammar_can_hold_it(model: OpenAIModel) -> None:
    (found,) = scored(model, ScoreRequest("Say yes", (" no<|im_end|> and then",)))
    assert found.continuations[0].tokens == (" no", "<|im_end|>", " and", " then")
    assert all(-40 < logprob < 0 for logprob in found.continuations[0].logprobs)


def test_what_is_read_is_what_is_generated_from(model: OpenAIModel) -> None:
    content = (Message("system", "Be terse."), Message("user", "Name a colour or two."))
    ((_, reply),) = model.generate([Request(content, Sampling(max_tokens=3), logprobs=1)])
    (found,) = scored(model, ScoreRequest(content, (reply.text,)))
    assert found.prompt_tokens - len(found.continuations[0].tokens) == reply.prompt_tokens
    assert found.served == reply.served
    expected = [token.logprob for token in reply.tokens]
    assert found.continuations[0].logprobs == pytest.approx(expected, abs=TOLERANCE)


def test_a_tight_fit_is_scored_and_more_is_rejected(model: OpenAIModel) -> None:
    word = " word" * (CONTEXT - 10)
    asked = [ScoreRequest(word, (" one" * more,)) for more in (9, 12)]
    assert [each.finish for each in scored(model, *asked)] == ["stop", "rejected"]
