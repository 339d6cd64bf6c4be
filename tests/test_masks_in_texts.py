from __future__ import annotations

import pytest

from promptopt.types import Message
from promptopt.types.masks import covered, holds_mask, literal_masks, masks_covered


@pytest.mark.parametrize("mask", ["[MASK]", "<mask>", "<|mask|>", "<|mdm_mask|>", "[gMASK]"])
def test_masks_of_any_spelling_are_seen_and_covered_at_their_length(mask: str) -> None:
    assert holds_mask(f"one {mask} two")
    assert not holds_mask(masks_covered(f"one {mask} two"))
    assert len(masks_covered(f"one {mask} two")) == len(f"one {mask} two")


@pytest.mark.parametrize("text", ["wear a mask", "</mask>", "<b>bold</b>", "[1]", "a [remark]"])
def test_other_texts_are_no_masks(text: str) -> None:
    assert not holds_mask(text)


def test_what_differs_in_the_inert_content_is_text() -> None:
    assert literal_masks("a [MASK] b [MASK]", f"a {masks_covered('[MASK]')} b [MASK]") == ((2, 8),)


def test_places_count_through_the_messages_and_lead_back_to_them() -> None:
    chat = (Message("system", "say [MASK]"), Message("user", "it is [MASK]"))
    inert = (Message("system", masks_covered("say [MASK]")), chat[1])
    assert literal_masks(chat, inert) == ((4, 10),)
    assert covered(chat, ((4, 10),)) == inert
    assert covered(chat, ((16, 22),)) == (chat[0], Message("user", masks_covered("it is [MASK]")))


def test_where_contents_are_not_alike_no_mask_is_the_layouts() -> None:
    assert literal_masks("a [MASK]", "a [MASK] and more") == ((2, 8),)
