"""Which tokens a policy may write, and the text that they make; with a tokenizer of a few pieces."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from promptopt.errors import ConfigError
from promptopt.optimizers.rlprompt.words import BROKEN, allowed_tokens, anchor_of, check_allowed, text_of


class Pieces:
    """Decodes pieces one after the other; the space of the first one is lost, as in many vocabularies."""

    def __init__(
        self, *pieces: str, special: Sequence[int] = (), added: Sequence[int] = (), begins: bool = True
    ) -> None:
        self.pieces, self.begins = ("a", *pieces), begins
        self.all_special_ids = list(special)
        self.added_tokens_decoder: dict[int, Any] = {each: SimpleNamespace(special=True) for each in added}

    def __len__(self) -> int:
        return len(self.pieces)

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        assert text == "a"
        return {"input_ids": [9, 0] if self.begins else []}

    def decode(self, tokens: list[int], **settings: Any) -> str:
        assert settings == {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}
        return "".join(self.pieces[token] for token in tokens).removeprefix(" ")


def test_the_space_before_the_first_token_stays() -> None:
    pieces = Pieces(" good", "ly", " so")
    assert text_of(pieces, [1, 2, 3]) == " goodly so"
    assert text_of(pieces, []) == ""
    # The last token of the text that is read before; where there is none, the first of all.
    assert (anchor_of(pieces), anchor_of(Pieces(begins=False))) == (0, 0)
    assert anchor_of(lambda text, **_: {"input_ids": [3, 7]}) == 7


MIXED = Pieces(
    " good", "ly", "<end>", " {", "\n", " ", BROKEN, " so", "x}", " 42", "\u200b", " day", special=[3], added=[12]
)
"""By number: 1 " good", 2 "ly", 8 " so", 10 " 42" may be written; 12 is special, among the added ones."""


def test_special_tokens_pieces_of_characters_braces_and_what_shows_nothing_may_not_be_written() -> None:
    assert allowed_tokens(MIXED, 99, None) == [0, 1, 2, 8, 10]
    # Rows of the output layer that are beyond the tokenizer mean nothing, and there may be fewer than tokens.
    assert allowed_tokens(MIXED, 3, None) == [0, 1, 2]
    assert allowed_tokens(MIXED, 99, None, masked=False) == list(range(13))
    assert allowed_tokens(MIXED, 4, 1, masked=False) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("most", "found"),
    [
        (9, [0, 1, 2, 8, 10]), (5, [0, 1, 2, 8, 10]), (4, [0, 1, 2, 8]), (3, [0, 1, 8]), (2, [1, 8]), (1, [1]),
    ],
)  # fmt: skip
def test_of_a_small_vocabulary_whole_words_come_first_each_in_its_order(most: int, found: list[int]) -> None:
    # " good" and " so" are whole words: a space, and then letters alone.
    assert allowed_tokens(MIXED, 99, most) == found


def test_a_limit_may_be_as_wide_as_what_can_be_written_and_no_wider() -> None:
    check_allowed([1, 2], "m", top=2, fluent=None)
    check_allowed([1, 2], "m", top=0, fluent=1)
    with pytest.raises(ConfigError, match=r"explore\.fluent is 3, and the policy can write 2 tokens"):
        check_allowed([1, 2], "m", top=2, fluent=3)
    with pytest.raises(ConfigError, match="the policy model 'm' can write no text"):
        check_allowed([], "m", top=None)
