"""The ways to log-likelihoods over HTTP: which one a server gets, and that all give the same."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import ConfigError
from promptopt.models.server.vocabulary import token_texts
from promptopt.types import Message, ScoreRequest
from tests.dialects import ToyModel, ToyServer
from tests.models.conftest import Transport, take
from tests.models.server.asking import Opening
from tests.models.server.scoring import CONTEXT, KINDS, RULES, expected, labels, paths, scored
from tests.servers import Answer, Asked, failure

pytestmark = pytest.mark.usefixtures("key")


@pytest.fixture
def model_name() -> str:
    return "toy"


@pytest.fixture(params=["aiohttp alone", pytest.param("the official client", marks=pytest.mark.slow)])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Transport:
    """What is asked here is the same on both ways; the tests of outages and sessions take both."""
    return take(request.param, monkeypatch)


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_texts_that_just_fit_are_scored_and_longer_ones_are_rejected(opened: Opening, kind: str) -> None:
    toy = ToyServer(**KINDS[kind], limit=30)
    _, model = opened(toy)
    context = toy.model.encode(CONTEXT.format("x"))
    found = scored(model, *(ScoreRequest((Message("user", "x"),), ("y" + " y" * count,)) for count in range(35)))
    lengths = [len(context) + count + 1 for count in range(35) if found[count].finish == "stop"]
    # One token has to be generated behind what some ways read.
    assert max(lengths) in (29, 30)
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
