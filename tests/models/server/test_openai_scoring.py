from __future__ import annotations

import asyncio
import json
import math
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import BackendError, ConfigError
from promptopt.models.server.dispatch import Patience
from promptopt.models.server.openai import OpenAIModel
from promptopt.models.server.vocabulary import token_texts
from promptopt.protocols import TextScorer
from promptopt.testing import ScorerContract
from promptopt.types import Likelihoods, Message, ScoreRequest
from tests.dialects import BARE, ToyModel, ToyServer
from tests.models.conftest import Transport
from tests.servers import NOT_JSON, Answer, Asked, FakeServer, failure, in_turn

KEY = "sk-very-secret-0123456789"
RULES = "Name the colour of the thing in one word, whatever else it says there. " * 4
CONTEXT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


async def no_sleep(seconds: float) -> None:
    await asyncio.sleep(0)


Opening = Callable[..., tuple[FakeServer, OpenAIModel]]


@pytest.fixture
def opened(transport: Transport) -> Iterator[Opening]:
    used: list[tuple[FakeServer, OpenAIModel]] = []

    def opening(script: Callable[[Asked], Answer], **options: Any) -> tuple[FakeServer, OpenAIModel]:
        server = FakeServer(script).__enter__()
        used.append((server, OpenAIModel("toy", base_url=server.url, **{"sleep": no_sleep, **options})))
        return used[-1]

    yield opening
    for server, model in used:
        model.close()
        server.__exit__()


def labels(thing: str, *texts: str, ends: bool = False) -> ScoreRequest:
    return ScoreRequest((Message("user", RULES + thing),), texts, len(RULES), ends)


def scored(model: OpenAIModel, *requests: ScoreRequest) -> list[Likelihoods]:
    found = dict(model.score(requests))
    assert sorted(found) == list(range(len(requests)))
    return [found[index] for index in range(len(requests))]


def expected(toy: ToyServer, thing: str, text: str) -> list[float]:
    return toy.model.logprobs(CONTEXT.format(RULES + thing), text)


def paths(asked: Sequence[Asked]) -> Counter[str]:
    return Counter(each.path for each in asked)


class _Served(ScorerContract):
    """The contract against one kind of server."""

    tolerance = 0.0

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


class TestTemplateWithoutMarkers(_Served):
    def toy(self) -> ToyServer:
        return ToyServer(model=ToyModel(template=BARE))


class TestLlamaCpp(_Served):
    def toy(self) -> ToyServer:
        return ToyServer(kind="llamacpp")


class TestLlamaCppWithoutGrammars(_Served):
    def toy(self) -> ToyServer:
        return ToyServer(kind="llamacpp", grammar="refused")


KINDS: dict[str, dict[str, Any]] = {
    "reads": {},
    "rows": {"rows": "exact"},
    "anew": {"caching": False},
    "whole": {"reads": "ignored"},
    "echo": {"reads": "refused", "prompt_logprobs": "refused"},
    "grammar": {"kind": "llamacpp"},
    "bias": {"kind": "llamacpp", "grammar": "ignored"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_values_are_the_models_own(opened: Opening, kind: str) -> None:
    toy = ToyServer(**KINDS[kind])
    _, model = opened(toy)
    texts = ("red", "green as grass", "green as the sea is green", "x1 y2 z3 " * 12)
    found = scored(model, labels("Thing: moss", *texts))[0]
    for text, each in zip(texts, found.continuations, strict=True):
        assert each.logprobs == pytest.approx(expected(toy, "Thing: moss", text), abs=1e-5)
        assert "".join(each.tokens) == text
    assert not found.merged
    assert found.served == "toy toy-1"
    context = toy.model.encode(CONTEXT.format(RULES + "Thing: moss"))
    assert found.prompt_tokens == len(context) + sum(len(each.tokens) for each in found.continuations)


def test_what_is_shared_is_asked_once(opened: Opening) -> None:
    server, model = opened(ToyServer())
    scored(model, labels("Thing: sky", "blue", "red"))
    before = len(server.asked)
    scored(model, *(labels(f"Thing: number {number}", "blue", "red") for number in range(50)))
    asked = paths(server.asked[before:])
    # A greeting for the batch, and two requests an example: its tokens, and all its labels at once.
    assert asked == {"/v1/tokenize".removeprefix("/v1"): 51, "/v1/completions": 51}


def test_a_long_target_takes_few_requests(opened: Opening) -> None:
    server, model = opened(ToyServer())
    target = " ".join(f"word{letter}" for letter in "abcdefghijkl")
    scored(model, labels("Thing: sky", "blue"))
    before = len(server.asked)
    found = scored(model, labels("Thing: sea", target))[0]
    assert len(found.continuations[0].tokens) == 12
    assert len(server.asked[before:]) <= 6


def test_reads_ask_for_no_more_than_the_server_takes(opened: Opening) -> None:
    toy = ToyServer()
    server, model = opened(toy)
    names = [first + second for first in "abcdefghijklmno" for second in "abcdefghijklmno"]
    found = scored(model, labels("Thing: sky", *names))[0]
    assert [each.logprobs[0] for each in found.continuations] == [expected(toy, "Thing: sky", n)[0] for n in names]
    chosen = [asked.payload.get("logprob_token_ids", []) for asked in server.asked if "completions" in asked.path]
    assert max(map(len, chosen)) <= 128


def test_rows_are_read_over_the_cache_where_they_are_proved_exact(opened: Opening) -> None:
    target = "a long answer of many words that are not read one by one"
    for rows, used in (("exact", True), ("wrong", False), ("refused", False)):
        toy = ToyServer(rows=rows)
        server, model = opened(toy)
        assert model.can_score()
        before = len(server.asked)
        found = scored(model, labels("Thing: sea", target))[0]
        assert found.continuations[0].logprobs == pytest.approx(expected(toy, "Thing: sea", target), abs=1e-5)
        assert ("/inference/v1/generate" in paths(server.asked[before:])) == used, rows


@pytest.mark.parametrize(("block", "caching"), [(16, True), (128, True), (None, True), (16, False)])
def test_the_cheapest_way_depends_on_the_cache(opened: Opening, block: int | None, caching: bool) -> None:
    toy = ToyServer(block=block, caching=caching, rows="exact" if caching else "refused")
    server, model = opened(toy)
    target = "a few words"
    found = scored(model, labels("Thing: sea", target))[0]
    assert found.continuations[0].logprobs == pytest.approx(expected(toy, "Thing: sea", target), abs=1e-5)
    # Without a cache, nothing is cheaper than to compute the whole once.
    assert (b'"prompt_logprobs"' in server.asked[-1].body) == (not caching)
    assert max(len(asked.body) for asked in server.asked) < 20_000


def test_reads_that_disagree_with_the_whole_are_not_used(opened: Opening) -> None:
    toy = ToyServer(reads_shift=-0.5)
    _, model = opened(toy)
    found = scored(model, labels("Thing: sea", "deep blue"))[0]
    assert list(found.continuations[0].logprobs) == expected(toy, "Thing: sea", "deep blue")


def test_rows_that_the_cache_has_swallowed_are_computed_anew(opened: Opening) -> None:
    toy = ToyServer(rows="exact")
    _, model = opened(toy)
    assert model.can_score()
    toy.serve(rows="lost")
    found = scored(model, labels("Thing: sea", "an answer of some words"))[0]
    assert found.continuations[0].logprobs == pytest.approx(expected(toy, "Thing: sea", "an answer of some words"))


def test_a_token_over_the_boundary_counts_as_the_continuations(opened: Opening) -> None:
    toy = ToyServer()
    _, model = opened(toy)
    merged, plain = scored(model, labels("Thing: sky", "\n\nblue", "red"), ScoreRequest("The colour is gre", ("en",)))
    assert merged.merged
    assert plain.merged
    assert merged.continuations[0].tokens == ("\n\n\n", "blue")
    assert plain.continuations[0].tokens == (" green",)
    assert [len(each.tokens) for each in merged.continuations] == [2, 1]


def test_a_template_that_ends_in_a_word_merges_with_what_follows(opened: Opening) -> None:
    toy = ToyServer(model=ToyModel(template=("{role}: {content}\n", "reply")))
    _, model = opened(toy)
    found = scored(model, labels("x", "red", "red", "blue"))[0]
    assert found.merged
    assert [each.tokens for each in found.continuations] == [("replyred",), ("replyred",), ("replyblue",)]
    before = toy.model.encode(f"user: {RULES}x\n")
    assert found.continuations[2].logprobs == (toy.model.logprob(before, toy.model.encode("replyblue")[0]),)


def test_the_end_of_plain_text_is_the_models_own(opened: Opening) -> None:
    for kind in ("vllm", "llamacpp"):
        _, model = opened(ToyServer(kind=kind, model=ToyModel(end_of_text="<|end|>")))
        plain, chat = scored(model, ScoreRequest("Say:", (" a",), ends=True), labels("x", "a", ends=True))
        assert plain.continuations[0].tokens == (" a", "<|end|>")
        assert chat.continuations[0].tokens == ("a", "<|im_end|>")


def test_a_server_that_does_not_tell_the_end_of_text(opened: Opening) -> None:
    _, model = opened(ToyServer(model=ToyModel(end_of_text="<|nobody knows|>")))
    with pytest.raises(ConfigError, match=r"which token ends a text.*chat messages"):
        scored(model, ScoreRequest("Say:", (" a",), ends=True))


def test_the_first_token_of_all_follows_an_end_of_text(opened: Opening) -> None:
    toy = ToyServer()
    _, model = opened(toy)
    found = scored(model, ScoreRequest("", ("blue",)))[0]
    end, blue = toy.model.encode("<|endoftext|>")[0], toy.model.encode("blue")[0]
    assert found.continuations[0].logprobs == (toy.model.logprob([end], blue),)


def test_minus_infinity_and_what_is_no_number_are_passed_on(opened: Opening) -> None:
    toy = ToyServer()
    _, model = opened(toy)
    assert model.can_score()
    toy.serve(value=lambda value: -9999.0)
    assert scored(model, labels("x", "blue"))[0].continuations[0].logprobs == (-math.inf,)
    toy.serve(value=lambda value: None)
    assert math.isnan(scored(model, labels("x", "blue"))[0].continuations[0].logprobs[0])


@pytest.mark.parametrize("kind", KINDS)
def test_texts_that_just_fit_are_scored_and_longer_ones_are_rejected(opened: Opening, kind: str) -> None:
    toy = ToyServer(**KINDS[kind], limit=60)
    _, model = opened(toy)
    context = toy.model.encode(CONTEXT.format("x"))
    found = scored(model, *(ScoreRequest((Message("user", "x"),), ("y" + " y" * count,)) for count in range(70)))
    lengths = [len(context) + count + 1 for count in range(70) if found[count].finish == "stop"]
    # One token has to be generated behind what some ways read.
    assert max(lengths) in (59, 60)
    assert lengths == list(range(len(context) + 1, max(lengths) + 1))
    assert all(each.continuations == () and each.served for each in found[len(lengths) :])


def test_a_server_that_refuses_a_length_by_itself_rejects(opened: Opening) -> None:
    too_long = failure(400, "This model's maximum context length is 20 tokens.")

    def before(asked: Asked) -> Answer | None:
        return too_long if b"logprob_token_ids" in asked.body and b"Thing" not in asked.body and armed else None

    armed = False
    _, model = opened(ToyServer(before=before))
    assert model.can_score()
    armed = True
    assert scored(model, labels("x", "blue"))[0].finish == "rejected"


# --- what a server can ---


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
    with pytest.raises(ConfigError, match=r"api\.openai\.com.*hf/"):
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
    model = OpenAIModel("toy", base_url=f"http://127.0.0.1:{port}/v1", sleep=no_sleep)
    with pytest.raises(BackendError, match="cannot be reached"):
        model.can_score()
    with pytest.raises(BackendError, match="cannot be reached"):
        list(model.score([labels("x", "a")]))
    model.close()


def test_a_server_that_was_down_is_asked_again(opened: Opening) -> None:
    toy = ToyServer()
    down = True
    _, model = opened(lambda asked: failure(503) if down else toy(asked), patience=Patience(total_s=2))
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
    assert len(server.asked) == before + 1


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


def test_llamacpp_tells_likely_labels_beside_the_one_it_is_made_to_say(opened: Opening) -> None:
    toy = ToyServer(kind="llamacpp")
    server, model = opened(toy)
    scored(model, labels("x", "red", "green", "blue"))
    before = len(server.asked)
    found = scored(model, labels("y", "red", "blue", "green"))[0]
    assert [each.logprobs for each in found.continuations] == [
        tuple(expected(toy, "y", text)) for text in ("red", "blue", "green")
    ]
    # A greeting of two; the template, its tokens; one for "red", with "blue" beside it, and one for "green".
    assert len(server.asked) - before == 6


def test_llamacpp_is_asked_for_no_more_at_once_than_it_has_slots(opened: Opening) -> None:
    toy = ToyServer(kind="llamacpp")
    server, model = opened(lambda asked: replace(toy(asked), latency_s=0.005))
    scored(model, *(labels(f"{number}", "blue", "red as blood") for number in range(20)))
    assert server.peak == 3


# --- spelling ---


@given(st.text(max_size=30), st.data())
def test_byte_level_pieces_spell_their_text(text: str, data: st.DataObject) -> None:
    text = text.encode("utf-8", "ignore").decode()
    raw = text.encode()
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(raw) - 1)))) if len(raw) > 1 else [])
    pieces = [raw[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    letters = {byte: chr(byte) for byte in visible}
    letters |= {byte: chr(256 + n) for n, byte in enumerate(sorted(set(range(256)) - visible))}
    expected = tuple(piece.decode("utf-8", "replace") for piece in pieces)
    assert token_texts(["".join(letters[byte] for byte in piece) for piece in pieces], text) == expected
    assert token_texts(pieces, text) == expected


def test_sentencepiece_spells_its_text() -> None:
    assert token_texts(["<s>", "▁a", "▁b", "<0x0A>", "c"], "a b\nc") == ("<s>", " a", " b", "\n", "c")
    assert token_texts(["<｜Assistant｜>", "Ġa"], "<｜Assistant｜> a") == ("<｜Assistant｜>", " a")
    assert token_texts(["x"], "y") is None
    assert token_texts([], "y") is None


def test_requests_are_json_that_any_server_takes(opened: Opening) -> None:
    server, model = opened(ToyServer())
    scored(model, ScoreRequest((Message("user", "lone \ud800 surrogate"),), ("a\udfff",)))
    for asked in server.asked:
        json.loads(asked.body.decode("ascii")) if asked.body else None
        assert b"ud800" not in asked.body
