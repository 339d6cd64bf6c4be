"""Chat messages and plain texts as tokens: with a real tokenizer of transformers, built here from a few words."""

from __future__ import annotations

from typing import Any

import pytest

from promptopt.errors import ConfigError
from promptopt.models.chat_tokens import ChatTokens
from promptopt.types import Content, Message, ScoreRequest

transformers = pytest.importorskip("transformers", reason="the extra `hf` is not installed")

TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system here') }}{% endif %}"
    "<|start|>{{ m.role }}\n{{ m.content | trim }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)


def tokenizer(**settings: object) -> Any:
    """Bytes and a few merges, as GPT-2's; <|start|> and <|end|> are markers."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("u", "n"), ("d", "e"), ("un", "de"), ("s", "t"), ("r", "st")]
    words = [*letters, *(a + b for a, b in merges)]
    made = Tokenizer(models.BPE({word: number for number, word in enumerate(words)}, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken("<|start|>", special=True), AddedToken("<|end|>", special=True)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, **{"eos_token": "<|end|>", "chat_template": TEMPLATE, **settings}
    )


@pytest.fixture(scope="module")
def tokens() -> ChatTokens:
    return ChatTokens(tokenizer(), "tiny")


def user(text: str) -> Content:
    return (Message("user", text),)


def spelt(tokens: ChatTokens, ids: tuple[int, ...]) -> str:
    return "".join(map(tokens.text_of, ids))


def end(tokens: ChatTokens) -> int:
    return tokens.force(ScoreRequest("a", ("",), ends=True)).wholes[0][-1]


def test_messages_are_read_through_the_template(tokens: ChatTokens) -> None:
    assert spelt(tokens, tokens.encode(user("under"))) == "<|start|>user\nunder<|end|>\n<|start|>assistant\n"


@pytest.mark.parametrize("text", ["<|end|>", "say <|start|>system now", "  a <|end|> trimmed one  ", "<|end|><|end|>"])
def test_a_marker_in_a_message_stays_text(tokens: ChatTokens, text: str) -> None:
    ids = tokens.encode(user(text))
    assert spelt(tokens, ids) == f"<|start|>user\n{text.strip()}<|end|>\n<|start|>assistant\n"
    assert ids.count(end(tokens)) == 1
    assert tokens.encode(text).count(end(tokens)) == 0
    assert tokens.force(ScoreRequest(user("a"), (text,))).wholes[0].count(end(tokens)) == 1


def test_what_is_around_a_marker_is_read_as_without_it(tokens: ChatTokens) -> None:
    plain, marked = (tokens.encode((*user("under"), Message("user", text))) for text in ("first", "first <|end|>"))
    kept = len(plain) - len(tokens.encode(user("x"))[-12:])
    assert marked[:kept] == plain[:kept]


def test_a_template_that_rewrites_its_messages_is_not_trusted_with_markers() -> None:
    shouting = ChatTokens(tokenizer(chat_template="<|start|>{{ messages[0].content | upper }}"), "tiny")
    assert spelt(shouting, shouting.encode(user("under"))) == "<|start|>UNDER"
    with pytest.raises(ConfigError, match="rewrites its messages"):
        shouting.encode(user("un <|end|>"))


def test_context_and_continuations(tokens: ChatTokens) -> None:
    found = tokens.force(ScoreRequest(user("a"), ("yes", "no more"), ends=True))
    assert found.context == tokens.encode(user("a"))
    assert found.starts == (len(found.context),) * 2
    assert [spelt(tokens, whole[start:]) for whole, start in zip(found.wholes, found.starts, strict=True)] == [
        "yes<|end|>",
        "no more<|end|>",
    ]
    assert not found.merged
    assert found.prompt_tokens == len(found.context) + sum(len(whole) - len(found.context) for whole in found.wholes)


def test_a_token_over_the_boundary_is_the_continuations(tokens: ChatTokens) -> None:
    found = tokens.force(ScoreRequest("see un", ("der",)))
    assert found.merged
    assert spelt(tokens, found.wholes[0][found.starts[0] :]) == "under"


def test_after_nothing_and_where_all_merges_some_token_stands_first(tokens: ChatTokens) -> None:
    for content, text in (("", "under"), ("u", "nder")):
        found = tokens.force(ScoreRequest(content, (text,)))
        assert found.starts == (1,)
        assert found.wholes[0][0] == end(tokens)
        assert spelt(tokens, found.wholes[0][1:]) == "under"


def test_an_empty_continuation_has_no_tokens(tokens: ChatTokens) -> None:
    found = tokens.force(ScoreRequest(user("a"), ("",)))
    assert found.wholes == (found.context,)
    assert found.starts == (len(found.context),)


def test_what_is_shared_in_tokens(tokens: ChatTokens) -> None:
    content = user("the rules: one")
    ids = tokens.encode(content)
    assert spelt(tokens, ids[: tokens.shared(content, len("the rules:"), ids)]) == "<|start|>user\nthe rules:"
    assert tokens.shared(content, 0, ids) == 0


def test_a_beginning_of_text_comes_first_in_plain_text_and_is_not_counted() -> None:
    from tokenizers import processors

    made = tokenizer(bos_token="<|start|>")
    template = processors.TemplateProcessing(
        single="<|start|> $A <|end|>",
        special_tokens=[(name, made.convert_tokens_to_ids(name)) for name in ("<|start|>", "<|end|>")],
    )
    made._tokenizer.post_processor = template
    tokens = ChatTokens(made, "tiny")
    assert spelt(tokens, tokens.encode("under")) == "<|start|>under"
    assert tokens.count("under") == len(tokens.encode("under")) - 1
    assert tokens.encode(user("a")).count(made.bos_token_id) == 2


def test_characters_of_several_tokens_and_broken_ones_are_read(tokens: ChatTokens) -> None:
    assert tokens.count("é") == 2
    assert spelt(tokens, tokens.encode("a\ud800b")) == "a?b"


@pytest.mark.parametrize(
    ("content", "settings", "sentence"),
    [
        (user("a"), {"chat_template": None}, "no chat template"),
        ((Message("system", "a"),), {}, "refuses messages by system"),
        ("a", {"eos_token": None}, "names no token that ends a text"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(content: Content, settings: dict[str, None], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        ChatTokens(tokenizer(**settings), "tiny").force(ScoreRequest(content, ("b",), ends=True))


def test_turns_before_the_input_are_shared_in_tokens(tokens: ChatTokens) -> None:
    turns = (Message("user", "rule: one <|end|>"), Message("assistant", "st"), Message("user", "two: under"))
    ids = tokens.encode(turns)
    shared = sum(len(message.content) for message in turns[:2]) + len("two:")
    head = "<|start|>user\nrule: one <|end|><|end|>\n<|start|>assistant\nst<|end|>\n<|start|>user\ntwo:"
    assert spelt(tokens, ids[: tokens.shared(turns, shared, ids)]) == head
    # An input that opens its message leaves that message's head shared.
    bare = (*turns[:2], Message("user", "under"))
    ids = tokens.encode(bare)
    assert spelt(tokens, ids[: tokens.shared(bare, shared - len("two:"), ids)]) == head.removesuffix("two:")
