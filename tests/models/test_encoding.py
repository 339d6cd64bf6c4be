"""A text that is cut between words has the tokens that it has as a whole, whatever the tokenizer."""

from __future__ import annotations

import concurrent.futures
import functools
import time
import types
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.models.boundary import Forced, common_length, continuation_start
from promptopt.models.chat_tokens import ChatTokens
from promptopt.models.encoding import Encoder
from promptopt.types import Content, Message, ScoreRequest
from tests.models.test_chat_tokens import TEMPLATE, tokenizer

transformers = pytest.importorskip("transformers", reason="the extra `hf` is not installed")


def sentencepiece(**settings: Any) -> Any:
    """Merges over the whole text, spaces written as ▁; `Prepend` or `merges` make it one that must not be cut."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

    merges = [("a", "b"), ("▁", "a"), ("▁a", "b"), *settings.get("merges", ())]
    letters = [*map(chr, range(32, 127)), "▁", "<unk>", "\n"]
    words = [*letters, *(one + other for one, other in merges)]
    made = Tokenizer(models.BPE({word: number for number, word in enumerate(words)}, merges, unk_token="<unk>"))
    replace = normalizers.Replace(" ", "▁")
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), replace]) if settings.get("prepend") else replace
    made.decoder = decoders.Replace("▁", " ")
    made.add_special_tokens([AddedToken("<|start|>", special=True), AddedToken("<|end|>", special=True)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|end|>", chat_template=TEMPLATE, clean_up_tokenization_spaces=False
    )


def stripping() -> Any:
    """A marker that takes the space after it: <tag> before a word."""
    from tokenizers import AddedToken

    made = tokenizer()
    made.add_tokens([AddedToken("tag", rstrip=True)])
    return made


def words_apart() -> Any:
    """No merges at all, words alone."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    made = Tokenizer(models.WordLevel({"a": 0, "b": 1, "<unk>": 2, "<|start|>": 3, "<|end|>": 4}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|end|>", chat_template=TEMPLATE)


KINDS: dict[str, tuple[Any, bool]] = {
    "bytes": (tokenizer, True),
    "spaces in the text": (sentencepiece, True),
    "a space before all": (functools.partial(sentencepiece, prepend=True), False),
    "tokens over words": (functools.partial(sentencepiece, merges=[("ab", "▁"), ("ab▁", "a")]), False),
    "a marker that takes spaces": (stripping, False),
    "whole words": (words_apart, False),
}
"""Tokenizers, and whether their texts are cut."""


@functools.cache
def made(kind: str) -> tuple[Encoder, ChatTokens]:
    found = KINDS[kind][0]()
    return Encoder(found), ChatTokens(found, "tiny")


class Noting(Encoder):
    """Notes what it encodes."""

    def __init__(self, tokenizer: Any) -> None:
        self.seen = list[str]()
        super().__init__(tokenizer)

    def whole(self, text: str, markers: bool) -> tuple[int, ...]:
        self.seen.append(text)
        return super().whole(text, markers)


pieces = st.sampled_from(
    ["a", "ab", "under", "tag", "don't", "X", " ", "  ", "\n", ".", "?", "7", "'s", "é", "日", "<|end|>", "<|start|>",
     "\ud800"]
) | st.text(max_size=4)  # fmt: skip
texts = st.lists(st.tuples(pieces, st.sampled_from(["", " ", " "])), max_size=14).map(
    lambda parts: "".join(part + space for part, space in parts)
)


@settings(max_examples=30, deadline=None)
@pytest.mark.parametrize("kind", KINDS)
@given(text=texts, markers=st.booleans())
def test_tokens_are_those_that_transformers_gives(kind: str, text: str, markers: bool) -> None:
    encoder, tokens = made(kind)
    text = text.replace("\ud800", "?")
    tokenizer = tokens._tokenizer
    expected = tokenizer(text, add_special_tokens=False, split_special_tokens=not markers)["input_ids"]
    assert encoder.whole(text, markers) == tuple(expected)


def test_a_checkpoint_that_was_saved_with_a_cut_and_padding_has_whole_texts() -> None:
    from tokenizers import Tokenizer

    tokenizer = sentencepiece()
    whole = Encoder(tokenizer).whole("a text of some words", False)
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.enable_truncation(3)
    backend.enable_padding(length=64)
    saved = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>")
    assert Encoder(saved).whole("a text of some words", False) == whole


def test_a_tokenizer_without_a_backend_of_its_own_is_asked_as_transformers_asks() -> None:
    inner = tokenizer()

    class Slow:
        added_tokens_decoder = inner.added_tokens_decoder

        def __call__(self, text: str, **settings: Any) -> Any:
            return inner(text, **settings)

    for markers in (False, True):
        text = "the rules<|end|> of it"
        assert Encoder(Slow()).whole(text, markers) == Encoder(inner).whole(text, markers)
        assert Encoder(Slow()).fork(text, (" a",), 4, markers) == Encoder(inner).fork(text, (" a",), 4, markers)


@settings(max_examples=50, deadline=None)
@pytest.mark.parametrize("kind", KINDS)
@given(text=texts, afters=st.lists(texts, max_size=3), known=st.integers(-1, 80), markers=st.booleans())
def test_forked_texts_have_the_tokens_of_whole_ones(
    kind: str, text: str, afters: list[str], known: int, markers: bool
) -> None:
    encoder = made(kind)[0]
    text, *afters = (each.replace("\ud800", "?") for each in (text, *afters))
    wholes = [encoder.whole(text + after, markers) for after in ("", *afters)]
    assert encoder.fork(text, afters, known, markers) == wholes


def by_the_law(tokens: ChatTokens, request: ScoreRequest) -> Forced:
    """Context and continuations, each encoded as a whole by a tokenizer that never cuts."""
    whole = tokens.encode
    content = request.content
    assert isinstance(content, str)
    context = whole(content)
    wholes = [whole(content + text) if text else context for text in request.continuations]
    if not context or any(not common_length(context, each) for each in wholes if each):
        end = tokens.force(ScoreRequest("a", ("",), ends=True)).wholes[0][-1]
        context, wholes = (end, *context), [(end, *each) for each in wholes]
    found = [continuation_start(context, each) for each in wholes]
    return Forced(context, tuple(wholes), tuple(start for start, _ in found), any(merged for _, merged in found))


@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("kind", KINDS)
@given(text=texts, afters=st.lists(texts, min_size=1, max_size=3), shared=st.integers(0, 60))
def test_a_request_is_read_as_its_whole_texts_are(kind: str, text: str, afters: list[str], shared: int) -> None:
    tokens = made(kind)[1]
    request = ScoreRequest(text, tuple(afters), shared)
    assert tokens.force(request) == by_the_law(tokens, request)


@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("kind", ["bytes", "spaces in the text", "a space before all"])
@given(rules=texts, text=texts, afters=st.lists(texts, min_size=1, max_size=2))
def test_what_is_shared_of_messages_changes_no_token(kind: str, rules: str, text: str, afters: list[str]) -> None:
    tokens = made(kind)[1]
    content: Content = (Message("user", rules + text),)
    shared = tokens.force(ScoreRequest(content, tuple(afters), len(rules)))
    alone = [tokens.force(ScoreRequest(content, (after,))) for after in afters]
    assert [shared.context] * len(alone) == [found.context for found in alone]
    assert list(shared.wholes) == [found.wholes[0] for found in alone]


@pytest.mark.parametrize("kind", KINDS)
def test_only_tokenizers_that_allow_it_are_cut(kind: str) -> None:
    make, cuts = KINDS[kind]
    encoder = Noting(make())
    encoder.fork("the rules of it: a first thing is", (" b", " ab"), 16, markers=False)
    encoder.seen.clear()
    encoder.fork("the rules of it: a second thing is", (" b", " ab"), 16, markers=False)
    # " is" and its continuations are known from the text before.
    assert encoder.seen == ([" it: a second thing"] if cuts else
                            ["the rules of it: a second thing is" + after for after in ("", " b", " ab")])  # fmt: skip


def test_the_law_can_fail() -> None:
    """With a tokenizer that merges over words, a cut would show: else the properties above would hold of anything."""
    encoder = made("tokens over words")[0]
    assert encoder.whole("ab", False) + encoder.whole(" ab", False) != encoder.whole("ab ab", False)


class Turning:
    """A backend that others may ask while it encodes: it gives its state at the beginning and at the end."""

    encode_special_tokens = False

    def no_truncation(self) -> None: ...

    def no_padding(self) -> None: ...

    def encode(self, text: str, add_special_tokens: bool) -> Any:
        begun = self.encode_special_tokens
        time.sleep(0.001)
        return types.SimpleNamespace(ids=[begun, self.encode_special_tokens])


def test_threads_do_not_change_what_others_read() -> None:
    """Whether markers are text is a state of the tokenizer that all threads share."""
    encoder = Encoder(types.SimpleNamespace(backend_tokenizer=Turning()))
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda number: encoder.whole(str(number), number % 2 == 0), range(40)))
    assert found == [(False, False), (True, True)] * 20
