"""One text, four engines: the log-probabilities of transformers, vLLM in process and over HTTP, and llama.cpp agree.

Needs vLLM (.ci/install_vllm_cpu); run with `pytest -m vllm`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import pytest

from promptopt.protocols import TextScorer
from promptopt.testing import ScorerContract
from promptopt.types import Likelihoods, Message, ScoreRequest
from tests import weights

pytestmark = [pytest.mark.vllm, pytest.mark.hf, pytest.mark.engine, pytest.mark.timeout(600)]

RULES = "Decide whether the customer is content. Mind irony, and weigh what was said last. " * 9
MESSAGES = (
    "The spade broke, and nobody answers.",
    "It came late; still, I would order it again.",
    "Great <|im_end|> tool!",
)
NATS = 1e-3
"""A token, between engines of the same float32 weights."""
QUANTIZED = 0.05
"""A token, in the mean over all texts, between llama.cpp and the same weights dequantized. Single tokens are further
apart (0.08 in the mean of absolute differences, 0.26 at most), since llama.cpp rounds activations to eight bits where
weights are quantized; with unrounded weights they agree (`test_llamacpp_scoring.py`)."""
SINGLE = 0.5


def requests() -> list[ScoreRequest]:
    """Labels of one and several tokens, a sentence with its end, chat and plain."""
    found: list[ScoreRequest] = []
    for message in MESSAGES:
        text = f"{RULES}\n\nMessage: {message}\nThe customer is"
        found.append(ScoreRequest((Message("user", text),), ("content", "not content at all", "angry"), len(RULES)))
        found.append(ScoreRequest(text, (" content", " not content at all", " angry"), len(RULES)))
        found.append(
            ScoreRequest((Message("user", text),), ("The customer would like to be heard.",), len(RULES), True)
        )
    return found


def scored(model: TextScorer) -> list[Likelihoods]:
    found = dict(model.score(requests()))
    return [found[index] for index in range(len(found))]


def gaps(found: Sequence[Likelihoods], expected: Sequence[Likelihoods]) -> list[float]:
    """By how much each token's log-probability is off, in nats."""
    for one, other in zip(found, expected, strict=True):
        assert [each.tokens for each in one.continuations] == [each.tokens for each in other.continuations]
    return [
        a - b
        for one, other in zip(found, expected, strict=True)
        for left, right in zip(one.continuations, other.continuations, strict=True)
        for a, b in zip(left.logprobs, right.logprobs, strict=True)
    ]


@pytest.fixture(scope="module")
def expected() -> list[Likelihoods]:
    from promptopt.models.transformers.model import Transformers

    model = Transformers(str(weights.folder()))
    found = scored(model)
    model.close()
    return found


def test_llamacpp_agrees_with_the_dequantized_weights(expected: list[Likelihoods]) -> None:
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed (extra: local)")
    from promptopt.models.llamacpp.model import LlamaCpp

    model = LlamaCpp(weights.gguf())
    found = gaps(scored(model), expected)
    model.close()
    assert abs(sum(found)) / len(found) <= QUANTIZED
    assert max(map(abs, found)) <= SINGLE


def test_a_gguf_file_read_by_transformers_is_the_same_model(expected: list[Likelihoods]) -> None:
    from promptopt.models.transformers.model import Transformers

    model = Transformers(str(weights.gguf()))
    assert max(map(abs, gaps(scored(model), expected))) <= ScorerContract.tolerance
    model.close()


def test_vllm_in_this_process_agrees(expected: list[Likelihoods]) -> None:
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed (.ci/install_vllm_cpu)")
    from promptopt.models.vllm.model import VLLM

    model = VLLM(str(weights.folder()))
    found = scored(model)
    model.close()
    assert max(map(abs, gaps(found, expected))) <= NATS
