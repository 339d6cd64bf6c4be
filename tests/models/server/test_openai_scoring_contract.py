"""The contract of a scorer against each kind of server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from promptopt.models.server.openai import OpenAIModel
from promptopt.protocols import TextScorer
from promptopt.testing import ScorerContract
from tests.dialects import BARE, ToyModel, ToyServer
from tests.servers import FakeServer

pytestmark = pytest.mark.usefixtures("key")


class _Served(ScorerContract):
    """The contract against one kind of server."""

    tolerance = 0.0
    beyond = 5_000

    def toy(self) -> ToyServer:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def serve(self) -> Iterator[None]:
        with FakeServer(self.toy()) as server:
            self.served = OpenAIModel("toy", base_url=server.url)
            yield
            self.served.close()

    def model(self) -> TextScorer:
        return self.served


class TestVLLM(_Served):
    def toy(self) -> ToyServer:
        return ToyServer()


@pytest.mark.slow
class TestVLLMWithRows(_Served):
    tolerance = 1e-6

    def toy(self) -> ToyServer:
        return ToyServer(rows="exact")


class TestVLLMWithoutReads(_Served):
    def toy(self) -> ToyServer:
        return ToyServer(reads="refused", refusal=422, token_strs=False, fingerprint=None)


class TestEcho(_Served):
    def toy(self) -> ToyServer:
        return ToyServer(reads="ignored", prompt_logprobs="ignored", fingerprint=None)


@pytest.mark.slow
class TestTemplateWithoutMarkers(_Served):
    def toy(self) -> ToyServer:
        return ToyServer(model=ToyModel(template=BARE))


class TestLlamaCpp(_Served):
    def toy(self) -> ToyServer:
        return ToyServer(kind="llamacpp")


@pytest.mark.slow
class TestLlamaCppWithoutGrammars(_Served):
    def toy(self) -> ToyServer:
        return ToyServer(kind="llamacpp", grammar="refused")
