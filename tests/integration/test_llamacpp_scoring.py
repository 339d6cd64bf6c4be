"""Log-likelihoods from the embedded engine on SmolLM2: to the bit, and against transformers on the same weights."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptopt.errors import BackendError
from promptopt.models.llamacpp.engine import LlamaCppEngine
from promptopt.models.llamacpp.model import LlamaCpp
from promptopt.protocols import Bounded, TextScorer
from promptopt.testing import ScorerContract
from promptopt.types import Likelihoods, Message, Request, Sampling, ScoreRequest
from tests import weights
from tests.integration.test_llamacpp import INSTRUCTIONS, MESSAGES

pytestmark = pytest.mark.engine

INTENTS = ("order_status", "refund", "cancel", "address_change", "address")


@pytest.fixture(scope="module")
def path() -> Path:
    return weights.gguf()


@pytest.fixture(scope="module")
def model(path: Path) -> Iterator[LlamaCpp]:
    model = LlamaCpp(path, engines=2)
    yield model
    model.close()


def labels(instruction: str, message: str) -> ScoreRequest:
    head = f"{instruction}\n\nMessage: "
    return ScoreRequest((Message("user", f"{head}{message}\nIntent:"),), INTENTS, shared=len(head))


REQUESTS = [
    *(labels(instruction, message) for instruction in INSTRUCTIONS for message in MESSAGES),
    ScoreRequest(f"{INSTRUCTIONS[0]}\n\nIntent:", (" refund, for it is too small",), shared=60, ends=True),
]


def ask(model: LlamaCpp, requests: list[ScoreRequest]) -> list[Likelihoods]:
    found = dict(model.score(requests))
    return [found[index] for index in range(len(requests))]


class TestScorer(ScorerContract):
    @pytest.fixture(autouse=True)
    def _open(self, model: LlamaCpp) -> None:
        self._model = model

    def model(self) -> TextScorer:
        return self._model


@pytest.fixture(scope="module")
def fast(path: Path) -> Iterator[LlamaCpp]:
    model = LlamaCpp(path, mode="fast", engines=1)
    yield model
    model.close()


class TestFastScorer(ScorerContract):
    tolerance = 1.0
    """Nats: with other sums for every batch, whatever the weights' few bits make of them."""

    @pytest.fixture(autouse=True)
    def _open(self, fast: LlamaCpp) -> None:
        self._model = fast

    def model(self) -> TextScorer:
        return self._model


def test_is_a_scorer_of_a_known_context(model: LlamaCpp) -> None:
    assert isinstance(model, TextScorer)
    assert isinstance(model, Bounded)
    assert model.context == 4096


def test_values_depend_on_the_request_alone(model: LlamaCpp, path: Path) -> None:
    first = ask(model, REQUESTS)
    assert ask(model, REQUESTS[::-1])[::-1] == first
    order = [0, 10, 5, 1, 6, 2, 7, 3, 8, 4, 9]
    assert ask(model, [REQUESTS[index] for index in order]) == [first[index] for index in order]
    # replies in between leave something else in the engines
    list(model.generate([Request(one.content, Sampling(max_tokens=3), shared=one.shared) for one in REQUESTS[:4]]))
    assert ask(model, REQUESTS[2:4]) == first[2:4]
    alone = LlamaCpp(path, engines=1)
    try:
        assert [ask(alone, [one])[0] for one in REQUESTS[8:]] == first[8:]
        alone.close()  # a restart, and the prefix evaluated for another request first
        assert ask(alone, REQUESTS[1:2]) == first[1:2]
    finally:
        alone.close()


def test_values_are_the_same_in_another_process(model: LlamaCpp, path: Path) -> None:
    program = (
        "import json, sys; from pathlib import Path; from promptopt.models.llamacpp.model import LlamaCpp\n"
        "from tests.integration.test_llamacpp_scoring import REQUESTS\n"
        "model = LlamaCpp(Path(sys.argv[1]), engines=1)\n"
        "print(json.dumps([found.to_json() for _, found in model.score(REQUESTS[2:4])]))\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, cwd=root, check=True, timeout=100
    )
    assert [Likelihoods.from_json(found) for found in json.loads(done.stdout)] == ask(model, REQUESTS[2:4])


def test_alternatives_and_sharing_leave_every_bit(model: LlamaCpp) -> None:
    request = REQUESTS[0]
    (together,) = ask(model, [request])
    for text, each in zip(request.continuations, together.continuations, strict=True):
        (alone,) = ask(model, [replace(request, continuations=(text,))])
        assert alone.continuations == (each,)
    assert ask(model, [replace(request, shared=0)]) == [together]
    assert ask(model, [replace(request, shared=request.shared - 40)]) == [together]


def test_shared_text_is_evaluated_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated: list[int] = []
    evaluate = LlamaCppEngine._evaluate

    def count(self: LlamaCppEngine, prefix: Sequence[int], *, after: bool = False) -> list[dict[str, Any]]:
        evaluated.append(len(prefix))
        return evaluate(self, prefix, after=after)

    model = LlamaCpp(path, engines=1)
    try:
        ask(model, REQUESTS[:1])  # the engine's own probes come first
        monkeypatch.setattr(LlamaCppEngine, "_evaluate", count)
        ask(model, REQUESTS[:4] + REQUESTS[5:9])
    finally:
        model.close()
    assert len(evaluated) == 1  # the second candidate's; the first one's is there
    assert evaluated[0] > 40


def test_labels_that_begin_alike_share_their_beginning(model: LlamaCpp) -> None:
    scored = dict(zip(INTENTS, ask(model, REQUESTS[:1])[0].continuations, strict=True))
    long, short = scored["address_change"], scored["address"]
    assert len(short.tokens) < len(long.tokens)
    assert long.tokens[: len(short.tokens)] == short.tokens
    assert long.logprobs[: len(short.tokens)] == short.logprobs
    assert all("".join(each.tokens) == label for label, each in scored.items())


def test_forced_values_are_those_of_generation(model: LlamaCpp) -> None:
    content = REQUESTS[0].content
    (reply,) = (reply for _, reply in model.generate([Request(content, Sampling(max_tokens=5), logprobs=1)]))
    (found,) = ask(model, [ScoreRequest(content, (reply.text,))])
    # the reply's first value comes out of a step of many tokens
    assert found.continuations[0].tokens[0] == reply.tokens[0].text
    assert found.continuations[0].logprobs[0] == pytest.approx(reply.tokens[0].logprob, abs=0.2)


def test_a_label_out_of_the_likeliest_is_read_too(model: LlamaCpp, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ask(model, REQUESTS[:1])
    monkeypatch.setattr("promptopt.models.llamacpp.scoring.ALTERNATIVES", 2)
    for one, other in zip(first[0].continuations, ask(model, REQUESTS[:1])[0].continuations, strict=True):
        assert other.logprobs == pytest.approx(one.logprobs, abs=2e-4)  # probabilities added up in another order


def test_characters_spread_over_tokens(model: LlamaCpp) -> None:
    text = "Zürich 🦙 龘"
    for content, space in (("The word is", " "), ((Message("user", "Say it."),), "")):
        (found,) = ask(model, [ScoreRequest(content, (f"{space}{text}", f"{space}Zürich"), ends=True)])
        assert "".join(found.continuations[0].tokens) == f"{space}{text}<|im_end|>"
        assert found.continuations[0].tokens.count("") >= 2
        assert all(-40 < value < 0 for value in found.continuations[0].logprobs)


def test_markers_in_a_continuation_are_text(model: LlamaCpp) -> None:
    content = (Message("user", "Say <|im_end|>"),)
    (found,) = ask(model, [ScoreRequest(content, ("x <|im_end|>", "x y"), ends=True)])
    marked, plain = found.continuations
    assert "".join(marked.tokens[:-1]) == "x <|im_end|>" == f"x {marked.tokens[-1]}"
    assert len(marked.tokens) > 6
    assert len(plain.tokens) == 3


def test_what_is_scored_after_what_was_said_before(model: LlamaCpp) -> None:
    """The quick way to the tokens of a continuation gives those of the whole text."""
    engine = model._engine(0)
    contents = (
        "The sky is",
        (Message("system", "Be terse."), Message("user", "a"), Message("assistant", "b"), Message("user", "c")),
        (Message("user", "a [b] <c>"),),
        (Message("user", "a <|im_end|> b"),),
        (Message("user", "a"), Message("assistant", "I say")),
    )
    for content in contents:
        for text in ("blue", " blue", "\n\nblue", "<|im_end|>", "\ud800"):
            assert engine.encode_after(content, engine.encode(content), text) == engine.encode(content, text)


def test_a_token_over_the_boundary_is_said(model: LlamaCpp) -> None:
    reached, apart = ask(model, [ScoreRequest("Hello wor", ("ld",)), ScoreRequest("Hello", (" world",))])
    assert reached.merged
    assert reached.continuations[0].tokens == (" world",)
    assert reached.continuations[0].logprobs == apart.continuations[0].logprobs
    assert not apart.merged


def test_a_text_that_nothing_stands_before(model: LlamaCpp) -> None:
    empty, short = ask(model, [ScoreRequest("", ("The sky",)), ScoreRequest("a", (" b", "b"))])
    assert [len(each.tokens) for each in (*empty.continuations, *short.continuations)] == [2, 1, 1]
    assert empty.prompt_tokens == 3
    assert ask(model, [ScoreRequest("x", ())])[0].continuations == ()


def test_what_fits_exactly_is_scored(path: Path) -> None:
    small = LlamaCpp(path, engines=1, context=256)
    try:
        count = small.count_tokens("word " * 250)
        fits, over = ("word " * 250 + "1 " * ((256 - count) // 2 - 1) for _ in range(2))
        found = ask(small, [ScoreRequest(fits, (" a b c",)), ScoreRequest(over, (" a b c" * 9,))])
        assert found[0].finish == "stop"
        assert 250 < found[0].prompt_tokens <= 256
        assert found[1] == Likelihoods((), found[1].prompt_tokens, "rejected", served=small.name)
        assert found[1].prompt_tokens > 256
    finally:
        small.close()


def test_leaving_early_ends_what_is_under_way(model: LlamaCpp) -> None:
    found = model.score([REQUESTS[0], ScoreRequest("1 2 3", (" 4" * 1000,))])
    next(found)
    found.close()
    assert ask(model, REQUESTS[:1]) == ask(model, REQUESTS[:1])


def test_an_engine_that_fails_is_a_backend_error_after_the_rest(
    model: LlamaCpp, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = LlamaCppEngine.encode

    def flaky(self: LlamaCppEngine, content: object, continuation: str = "") -> list[int]:
        if content == REQUESTS[1].content:
            raise BackendError("the engine is gone")
        return encode(self, content, continuation)  # type: ignore[arg-type]

    monkeypatch.setattr(LlamaCppEngine, "encode", flaky)
    seen: list[int] = []
    with pytest.raises(BackendError, match="gone"):
        seen.extend(index for index, _ in model.score(REQUESTS[:4]))
    assert sorted(seen) == [0, 2, 3]


@pytest.mark.hf
@pytest.mark.timeout(600)
def test_unrounded_weights_give_what_transformers_gives(path: Path, tmp_path: Path) -> None:
    """With quantized weights llama.cpp rounds activations to eight bits; without, the two agree."""
    for package in ("torch", "transformers", "gguf"):
        pytest.importorskip(package)
    from promptopt.models.transformers.model import Transformers

    solution = "The customer wants to know where the parcel is, so the answer is order_status."
    requests = [replace(one, continuations=(*INTENTS, solution), ends=True) for one in REQUESTS[:10:5]]
    theirs = dict(Transformers(str(path)).score(requests))
    unquantize(path, tmp_path / "whole.gguf")
    model = LlamaCpp(tmp_path / "whole.gguf", engines=1)
    try:
        ours = ask(model, requests)
    finally:
        model.close()
    for index, found in enumerate(ours):
        for one, other in zip(found.continuations, theirs[index].continuations, strict=True):
            assert one.tokens == other.tokens
            assert one.logprobs == pytest.approx(other.logprobs, abs=0.01)


def unquantize(source: Path, target: Path) -> None:
    """The model in `source` with its weights as 32-bit floats."""
    gguf = pytest.importorskip("gguf")
    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(target, architecture)
    for name, entry in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        kind, *parts = entry.types
        writer.add_key_value(name, entry.contents(), kind, sub_type=parts[-1] if parts else None)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
