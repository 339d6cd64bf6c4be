"""A text that is cut between words has the tokens that it has as a whole, whatever the tokenizer."""

from __future__ import annotations

import functools
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


class Counting:
    """A tokenizer that notes what it is given to encode."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.seen = inner, list[str]()

    def __call__(self, text: str, **settings: Any) -> Any:
        self.seen.append(text)
        return self.inner(text, **settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


pieces = st.sampled_from(
    ["a", "ab", "under", "tag", "don't", "X", " ", "  ", "\n", ".", "?", "7", "'s", "é", "日", "<|end|>", "<|start|>",
     "\ud800"]
) | st.text(max_size=4)  # fmt: skip
texts = st.lists(st.tuples(pieces, st.sampled_from(["", " ", " "])), max_size=14).map(
    lambda parts: "".join(part + space for part, space in parts)
)


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
    counting = Counting(make())
    encoder = Encoder(counting)
    encoder.fork("the rules of it: a first thing is", (" b", " ab"), 16, markers=False)
    counting.seen.clear()
    encoder.fork("the rules of it: a second thing is", (" b", " ab"), 16, markers=False)
    # " is" and its continuations are known from the text before.
    assert counting.seen == ([" it: a second thing"] if cuts else
                             ["the rules of it: a second thing is" + after for after in ("", " b", " ab")])  # fmt: skip


def test_the_law_can_fail() -> None:
    """With a tokenizer that merges over words, a cut would show: else the properties above would hold of anything."""
    encoder = made("tokens over words")[0]
    assert encoder.whole("ab", False) + encoder.whole(" ab", False) != encoder.whole("ab ab", False)
