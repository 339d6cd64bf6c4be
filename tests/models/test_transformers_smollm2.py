"""The same contracts on a real model, and its GGUF file against the folder that holds its dequantized weights."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptopt.testing import ModelContract, ScorerContract
from promptopt.types import ScoreRequest

pytest.importorskip("torch", reason="needs the extra `hf`: pip install 'promptopt-engine[hf]'")
pytest.importorskip("transformers", reason="needs the extra `hf`: pip install 'promptopt-engine[hf]'")

from promptopt.models.transformers import Transformers

pytestmark = [pytest.mark.hf, pytest.mark.timeout(600)]

MODELS = Path(os.environ.get("PROMPTOPT_MODELS", "/work/scratch/models"))


@functools.cache
def model(name: str) -> Transformers:
    path = MODELS / name
    if not path.exists():
        pytest.skip(f"{str(path)!r} is not here (set PROMPTOPT_MODELS to the folder that holds it)")
    return Transformers(str(path), device="cpu")


@pytest.fixture(autouse=True, scope="module")
def _free() -> Iterator[None]:
    yield
    model.cache_clear()


class TestScorer(ScorerContract):
    def model(self) -> Transformers:
        return model("smollm2-hf")


class TestModel(ModelContract):
    def model(self) -> Transformers:
        return model("smollm2-hf")


def test_it_packs() -> None:
    list(model("smollm2-hf").score(ScorerContract().requests()))
    assert model("smollm2-hf")._load().forward.way(100) == "packed"


def test_a_gguf_file_is_its_dequantized_folder() -> None:
    requests: list[ScoreRequest] = ScorerContract().requests()[:2]
    folder, file = model("smollm2-hf"), model("smollm2-135m-instruct-q4_1.gguf")
    assert file.name.startswith("hf/smollm2-135m-instruct-q4_1@")
    one, other = dict(folder.score(requests)), dict(file.score(requests))
    for index in one:
        for left, right in zip(one[index].continuations, other[index].continuations, strict=True):
            assert left.tokens == right.tokens
            assert left.logprobs == pytest.approx(right.logprobs, abs=1e-4)
    file.close()
