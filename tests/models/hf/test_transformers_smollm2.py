"""The same contracts on a real model, and its GGUF file against the folder that holds its dequantized weights."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptopt.testing import ModelContract, ScorerContract
from promptopt.types import ScoreRequest
from tests import weights

pytest.importorskip("torch", reason="needs the extra `hf`: pip install 'promptopt-engine[hf]'")
pytest.importorskip("transformers", reason="needs the extra `hf`: pip install 'promptopt-engine[hf]'")

from promptopt.models.transformers.model import Transformers

pytestmark = [pytest.mark.hf, pytest.mark.timeout(600)]


LABEL_WORDS = {
    "SST-2": ("terrible", "great"),
    "Subj": ("subjective", "objective"),
    "AG's News": ("World", "Sports", "Business", "Tech"),
    "Yelp-5": ("terrible", "bad", "neutral", "good", "great"),
    "Yahoo": (
        "culture", "science", "health", "education", "computer", "sports", "business", "music", "family", "politics",
    ),
    "SNLI": ("Yes", "Unknown", "No"),
    "PIQA": ("A", "B"),
}  # fmt: skip
"""Those of PromptQuine's code."""


@functools.cache
def model(path: Path) -> Transformers:
    return Transformers(str(path), device="cpu")


@pytest.fixture(autouse=True, scope="module")
def _free() -> Iterator[None]:
    yield
    model.cache_clear()


class TestScorer(ScorerContract):
    def model(self) -> Transformers:
        return model(weights.folder())


class TestModel(ModelContract):
    def model(self) -> Transformers:
        return model(weights.folder())


def test_it_packs() -> None:
    list(model(weights.folder()).score(ScorerContract().requests()))
    assert model(weights.folder())._load().forward.way(100) == "packed"


@pytest.mark.parametrize("words", LABEL_WORDS.values(), ids=LABEL_WORDS)
def test_the_label_words_of_promptquine_are_one_token_each(words: tuple[str, ...]) -> None:
    request = ScoreRequest("Input: fine.\nLabel:", tuple(f" {word}" for word in words))
    found = dict(model(weights.folder()).score([request]))[0]
    assert [each.tokens for each in found.continuations] == [(f" {word}",) for word in words]


def test_a_gguf_file_is_its_dequantized_folder(capfd: pytest.CaptureFixture[str]) -> None:
    requests: list[ScoreRequest] = ScorerContract().requests()[:2]
    folder, file = model(weights.folder()), model(weights.gguf())
    assert file.name.startswith("hf/smollm2-135m-instruct-q4_1@")
    one, other = dict(folder.score(requests)), dict(file.score(requests))
    for index in one:
        for left, right in zip(one[index].continuations, other[index].continuations, strict=True):
            assert left.tokens == right.tokens
            assert left.logprobs == pytest.approx(right.logprobs, abs=1e-4)
    file.close()
    assert capfd.readouterr().err == "", "loading draws no bars over the user's screen"
