"""A real vLLM server on SmolLM2: likelihoods over HTTP against a plain transformers forward pass.

Run with `pytest -m vllm`, where vLLM is installed (.ci/install_vllm_cpu) and the model is at hand (`tests.weights`).
One server serves the whole module; on a CPU it takes about a minute to start.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from promptopt.models.server.dialects import FullPromptScoring, PrefixCacheScoring
from promptopt.models.server.openai import OpenAIModel
from promptopt.testing import ScorerContract
from promptopt.types import Likelihoods, Message, Request, Sampling, ScoreRequest
from tests import weights

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]

CONTEXT = 1024
START_S = 400
RULES = "Decide whether the reviewer liked the film. Weigh praise against blame, and mind irony. " * 6
FILMS = (
    "a film that I would see again tomorrow",
    "two hours that nobody gives back to me, and a plot without a point",
    "the music is fine; the rest is not, and the ending least of all",
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed (.ci/install_vllm_cpu)")
    folder = weights.folder()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("vllm") / "server.log"
    # Its command line asks for the metadata of a package named vllm, which builds for the CPU do not have.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--served-model-name", "smollm2", "--dtype", "float32", "--enforce-eager", "--block-size", "32"]
    command += ["--max-model-len", str(CONTEXT), "--max-num-seqs", "32", "--host", "127.0.0.1", "--port", str(port)]
    settings = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **settings}, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        # The engine is a process of its own, in the session of the server.
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    begun = time.monotonic()
    while time.monotonic() - begun < START_S:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(1)
    pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')[-3000:]}")


@pytest.fixture(scope="module")
def model(address: str) -> Iterator[OpenAIModel]:
    model = OpenAIModel("smollm2", base_url=address, key_variable="NO_SUCH_KEY", timeout_s=400)
    yield model
    model.close()


class TestScorerContract(ScorerContract):
    @pytest.fixture(autouse=True)
    def _open(self, model: OpenAIModel) -> None:
        self._model = model

    def model(self) -> OpenAIModel:
        return self._model


@lru_cache(maxsize=1)
def reference() -> tuple[Any, Any]:
    import transformers

    folder = str(weights.folder())
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return tokenizer, transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()


def plainly(context: Sequence[int], whole: Sequence[int]) -> list[float]:
    """The log-probabilities of `whole[len(context):]` by one forward pass over all of it."""
    import torch

    _, network = reference()
    with torch.inference_mode():
        logprobs = network(torch.tensor([list(whole)])).logits[0].float().log_softmax(-1)
    return [float(logprobs[place - 1, whole[place]]) for place in range(len(context), len(whole))]


def ids(text: str) -> list[int]:
    return reference()[0](text, add_special_tokens=False)["input_ids"]


def rendered(content: tuple[Message, ...] | str) -> str:
    if isinstance(content, str):
        return content
    messages = [{"role": message.role, "content": message.content} for message in content]
    return reference()[0].apply_chat_template(messages, tokenize=False, add_generation_prompt=True)


def scored(model: OpenAIModel, requests: Sequence[ScoreRequest]) -> list[Likelihoods]:
    found = dict(model.score(requests))
    assert sorted(found) == list(range(len(requests)))
    return [found[index] for index in range(len(requests))]


def requests() -> list[ScoreRequest]:
    made: list[ScoreRequest] = []
    for film in FILMS:
        chat = (Message("user", f"{RULES}\n\nReview: {film}\nVerdict:"),)
        made.append(ScoreRequest(chat, ("good", "bad", "good enough", ""), len(RULES)))
        made.append(ScoreRequest(chat, (f"The reviewer writes that it is {film}, so: good.",), len(RULES), ends=True))
        made.append(ScoreRequest(f"{RULES}\n\n{film}\nVerdict:", (" good", " bad"), len(RULES), ends=True))
    return made


def agree_with_transformers(asked: Sequence[ScoreRequest], found: Sequence[Likelihoods]) -> None:
    for request, likelihoods in zip(asked, found, strict=True):
        text = rendered(request.content)
        context = ids(text)
        for continuation, each in zip(request.continuations, likelihoods.continuations, strict=True):
            whole = ids(text + continuation) + ([reference()[0].eos_token_id] if request.ends else [])
            assert list(each.logprobs) == pytest.approx(plainly(context, whole), abs=1e-3)
            spelt = each.tokens[:-1] if request.ends else each.tokens
            assert "".join(spelt) == continuation
        total = sum(len(each.tokens) for each in likelihoods.continuations)
        assert likelihoods.prompt_tokens == len(context) + total
        assert not likelihoods.merged


def test_likelihoods_are_those_of_a_plain_forward_pass(model: OpenAIModel) -> None:
    assert model.can_score()
    capabilities = model._scorer._capabilities
    assert capabilities is not None
    assert isinstance(capabilities.method, PrefixCacheScoring)
    agree_with_transformers(requests(), scored(model, requests()))


@pytest.mark.parametrize("by", ["prompt_logprobs", "echo"])
def test_the_ways_of_older_servers_give_the_same(model: OpenAIModel, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert model.can_score()
    capabilities = model._scorer._capabilities
    assert capabilities is not None
    whole = FullPromptScoring(model._scorer._channel, "echo" if by == "echo" else "prompt_logprobs")
    monkeypatch.setattr(PrefixCacheScoring, "score", lambda self, forced, shared: whole.score(forced, shared))
    agree_with_transformers(requests()[:3], scored(model, requests()[:3]))


def test_a_token_over_the_boundary_counts_as_the_continuations(model: OpenAIModel) -> None:
    (found,) = scored(model, [ScoreRequest("The word is under", ("standing, of course",))])
    context, whole = ids("The word is under"), ids("The word is understanding, of course")
    kept = next(place for place, token in enumerate(whole) if context[place : place + 1] != [token])
    assert kept < len(context), "choose words that merge in this vocabulary"
    assert found.merged
    assert list(found.continuations[0].logprobs) == pytest.approx(plainly(whole[:kept], whole), abs=1e-3)


def test_what_is_read_is_what_is_generated_from(model: OpenAIModel) -> None:
    content = (Message("system", "Be terse."), Message("user", "Name a colour <|im_end|> or two."))
    ((_, reply),) = model.generate([Request(content, Sampling(max_tokens=3), logprobs=1)])
    (found,) = scored(model, [ScoreRequest(content, (reply.text,))])
    assert found.prompt_tokens - len(found.continuations[0].tokens) == reply.prompt_tokens
    assert found.served == reply.served
    assert found.continuations[0].logprobs == pytest.approx([token.logprob for token in reply.tokens], abs=1e-3)


def test_a_tight_fit_is_scored_and_one_token_more_is_rejected(model: OpenAIModel) -> None:
    word = " word" * (CONTEXT - 1)
    assert len(ids(word)) == CONTEXT - 1
    found = scored(model, [ScoreRequest(word, (" one",)), ScoreRequest(word, (" one two",))])
    assert [each.finish for each in found] == ["stop", "rejected"]
    half = " word" * (CONTEXT // 2)
    whole = [ScoreRequest(half, (" one" * (CONTEXT - CONTEXT // 2 + more),)) for more in (0, 1)]
    assert [each.finish for each in scored(model, whole)] == ["stop", "rejected"]
