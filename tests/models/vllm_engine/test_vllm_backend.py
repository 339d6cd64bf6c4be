"""The vLLM backend, all but vLLM itself."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from promptopt.errors import BackendError, ConfigError
from promptopt.models.vllm import model as backend
from promptopt.models.vllm.engine import DEFAULTS, installed_version
from promptopt.models.vllm.model import VLLM
from promptopt.types import Likelihoods, Request, Sampling, ScoreRequest
from tests.models.vllm_engine.fake_vllm import BLOCK, FakeEngine, FakeTokenizer, truth


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[FakeEngine]:
    """The engines that are started, one after another."""
    started: list[FakeEngine] = []

    def start(_: object) -> FakeEngine:
        started[-1].down = False
        return started[-1]

    modules = {
        "vllm": {
            "SamplingParams": SimpleNamespace,
            "EngineArgs": SimpleNamespace,
            "LLMEngine": SimpleNamespace(from_engine_args=start),
        },
        "vllm.exceptions": {"VLLMError": type("VLLMError", (Exception,), {})},
        "vllm.sampling_params": {"RequestOutputKind": SimpleNamespace(FINAL_ONLY=2)},
    }
    for name, members in modules.items():
        module = ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
    for name, value in DEFAULTS.items():  # so that what is set is taken back
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(backend, "installed_version", lambda: "1.0+cpu")
    monkeypatch.setattr(backend, "load_tokenizer", lambda _: FakeTokenizer())
    return started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "tiny"
    place.mkdir()
    (place / "config.json").write_text('{"max_position_embeddings": 64, "dtype": "bfloat16"}')
    (place / "model.safetensors").write_bytes(b"weights")
    return place


RULES = "the rules are these: "


def scored(model: VLLM, requests: Sequence[ScoreRequest]) -> list[Likelihoods]:
    found = dict(model.score(requests))
    assert sorted(found) == list(range(len(requests)))
    return [found[index] for index in range(len(requests))]


def check(request: ScoreRequest, found: Likelihoods) -> None:
    assert isinstance(request.content, str)
    for text, each in zip(request.continuations, found.continuations, strict=True):
        letters = [ord(letter) for letter in request.content]
        expected: list[float] = []
        for letter in [*text, *("\0" if request.ends else "")]:
            expected.append(truth(letters, ord(letter)))
            letters.append(ord(letter))
        assert list(each.logprobs) == pytest.approx(expected, abs=1e-9)


REQUESTS = [
    ScoreRequest(f"{RULES}{thing}", texts, shared=len(RULES), ends=ends)
    for thing in ("one", "second", "a third", "one")  # with RULES: a whole number of blocks, and not
    for texts, ends in (
        ((" yes", " no"), False),
        (("yes", "yes, of course"), True),
        (("y", "n"), False),
        (("", "x"), False),
        (("the whole of it",), False),
    )
]


@pytest.mark.parametrize("scores_rows", [False, True])
@pytest.mark.parametrize("wrong", [0.0, 0.5])
def test_scores_are_right_whatever_the_cache_holds(
    engines: list[FakeEngine], folder: Path, scores_rows: bool, wrong: float
) -> None:
    engines.append(FakeEngine(scores_rows, wrong))
    model = VLLM(str(folder))
    for _ in range(2):  # the second time the rows themselves are in the cache
        for request, found in zip(REQUESTS, scored(model, REQUESTS), strict=True):
            check(request, found)
    assert model._rows_hold is (wrong == 0.0)
    model.close()
    assert engines[0].down


def test_what_is_shared_is_computed_once(engines: list[FakeEngine], folder: Path) -> None:
    engines.append(FakeEngine())
    requests = [ScoreRequest(f"{RULES}{number:03d}", ("y", "n"), shared=len(RULES)) for number in range(20)]
    scored(VLLM(str(folder)), requests)
    assert engines[0].computed <= len(RULES) + 20 * (BLOCK + 3)


def test_wrong_rows_are_never_asked_for_again(engines: list[FakeEngine], folder: Path) -> None:
    engines.append(FakeEngine(wrong=0.5))
    model = VLLM(str(folder))
    scored(model, REQUESTS)
    begun = len(engines[0].log)
    scored(model, REQUESTS)
    for _, parameters in engines[0].log[begun:]:
        assert parameters.skip_reading_prefix_cache == hasattr(parameters, "prompt_logprobs")


def test_nothing_begins_once_it_is_to_stop(engines: list[FakeEngine], folder: Path) -> None:
    engines.append(FakeEngine())
    model = VLLM(str(folder))
    assert list(model.score(REQUESTS, lambda: True)) == []
    answers = iter([False] * (len(REQUESTS) + 3))
    found = list(model.score([ScoreRequest(f"text {n}", ("y",)) for n in range(20)], lambda: next(answers, True)))
    assert 0 < len(found) < 20
    assert engines[0].queue == []


def test_leaving_a_score_begun_frees_the_engine(engines: list[FakeEngine], folder: Path) -> None:
    engines.append(FakeEngine())
    model = VLLM(str(folder))
    requests = [ScoreRequest(f"text {number}", ("y",)) for number in range(20)]
    answers = model.score(requests)
    next(answers)
    answers.close()
    assert engines[0].queue == []
    assert engines[0].aborted
    check(requests[0], scored(model, requests)[0])


def test_two_may_read_in_turns(engines: list[FakeEngine], folder: Path) -> None:
    engines.append(FakeEngine())
    model = VLLM(str(folder))
    one, other = model.score(REQUESTS), model.generate([Request(f"say {n}") for n in range(20)])
    seen: list[int] = []
    for index, found in one:
        check(REQUESTS[index], found)
        seen.append(index)
        next(other, None)
    assert sorted(seen) == list(range(len(REQUESTS)))


def test_what_does_not_fit_is_rejected_and_nothing_is_cut(engines: list[FakeEngine], folder: Path) -> None:
    engines.append(FakeEngine())
    model = VLLM(str(folder), context=4096)
    assert model.context == 64
    fits = ScoreRequest("a" * 60, ("bcde",))
    found = scored(model, [fits, ScoreRequest("a" * 60, ("b", "bcdef")), ScoreRequest("a" * 64, ("",))])
    assert [each.finish for each in found] == ["stop", "rejected", "stop"]
    assert found[1].continuations == ()
    assert found[1].prompt_tokens == 66
    check(fits, found[0])
    replies = dict(model.generate([Request("a" * 63, Sampling(max_tokens=9)), Request("a" * 64), Request("")]))
    assert [replies[index].finish for index in range(3)] == ["stop", "rejected", "rejected"]
    assert engines[0].log[-1][1].max_tokens == 1


def test_sampling_reaches_the_engine(engines: list[FakeEngine], folder: Path) -> None:
    engines.append(FakeEngine())
    sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=5, stop=("\n",))
    replies = list(VLLM(str(folder)).generate([Request("say", sampling, seed=11)]))
    parameters = engines[0].log[-1][1]
    assert (parameters.temperature, parameters.top_p, parameters.max_tokens) == (0.7, 0.9, 5)
    assert (parameters.stop, parameters.seed, parameters.logprobs) == (["\n"], 11, None)
    assert [(reply.text, reply.prompt_tokens, reply.completion_tokens) for _, reply in replies] == [("ok", 3, 2)]


def test_a_failed_engine_is_an_outage_and_the_next_call_starts_another(engines: list[FakeEngine], folder: Path) -> None:
    engines.append(FakeEngine(fails_at=1))
    model = VLLM(str(folder))
    with pytest.raises(BackendError, match="out of memory"):
        scored(model, REQUESTS)
    engines.append(FakeEngine())
    check(REQUESTS[0], scored(model, REQUESTS)[0])
    assert engines[0].down


def test_a_text_after_nothing_has_a_token_before_it(engines: list[FakeEngine], folder: Path) -> None:
    engines.append(FakeEngine())
    (found,) = scored(VLLM(str(folder)), [ScoreRequest("", ("ab",))])
    assert found.continuations[0].logprobs == (truth([0], ord("a")), truth([0, ord("a")], ord("b")))


def test_the_name_holds_what_can_change_a_number(engines: list[FakeEngine], folder: Path) -> None:
    model = VLLM(str(folder))
    assert model.name.startswith("vllm/tiny@")
    assert model.name.endswith(":float32:64:1.0+cpu")
    assert VLLM(str(folder), context=32).name != model.name
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert VLLM(str(folder)).name != model.name
    assert not engines


def test_on_a_gpu_the_dtype_is_the_models_own(
    engines: list[FakeEngine], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "installed_version", lambda: "1.0")
    assert VLLM(str(folder)).dtype == "bfloat16"
    assert VLLM(str(folder), dtype="float32").dtype == "float32"


def test_a_gguf_file_is_sent_to_the_engines_that_read_it(engines: list[FakeEngine], tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    with pytest.raises(ConfigError, match="llamacpp/"):
        VLLM(str(file))


def test_without_vllm_a_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(ConfigError, match=r"promptopt-engine\[vllm\]"):
        installed_version()


@pytest.mark.parametrize(
    ("config", "dtype", "context"),
    [
        ('{"torch_dtype": "float16", "max_position_embeddings": 64}', "float16", 64),
        ('{"dtype": null, "torch_dtype": "float16"}', "float16", 4096),
        ('{"dtype": null, "text_config": null, "max_position_embeddings": null}', "auto", 4096),
        ('{"dtype": "bfloat16", "text_config": {"max_position_embeddings": 64}}', "bfloat16", 64),
    ],
)
def test_a_checkpoint_says_what_it_is_kept_in_or_leaves_it_open(
    engines: list[FakeEngine], folder: Path, monkeypatch: pytest.MonkeyPatch, config: str, dtype: str, context: int
) -> None:
    monkeypatch.setattr(backend, "runs_on_cpu", lambda version: False)
    (folder / "config.json").write_text(config)
    model = VLLM(str(folder))
    assert (model.dtype, model.context) == (dtype, context)


@pytest.mark.parametrize("config", ["[]", "{", "[" * 100_000, "null"])
def test_a_checkpoint_whose_settings_are_damaged_is_a_sentence(
    engines: list[FakeEngine], folder: Path, config: str
) -> None:
    (folder / "config.json").write_text(config)
    with pytest.raises(ConfigError, match=r"config.json.*fetch the model again"):
        VLLM(str(folder))
