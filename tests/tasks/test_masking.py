"""What rules find of personal data, and what they leave alone."""

from __future__ import annotations

import pytest

from promptopt.tasks.masking import Masker, personal_values


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail ann.lee+x@mail.example.co.uk now", "mail [email] now"),
        ("call +49 (0)170 123-4567!", "call [phone]!"),
        ("call 030 1234567 or (555) 123-4567", "call [phone] or [phone]"),
        ("card 4111-1111-1111-1111", "card [card number]"),
        ("iban DE89370400440532013000.", "iban [iban]."),
        ("from 192.168.0.17", "from [ip address]"),
        ("key sk-abcdefgh12345678 and AKIAABCDEFGHIJKLMNOP", "key [key] and [key]"),
        ("at https://me:pw@example.com/a?b", "at [link with a password]"),
        ("order 1234567890123456, 3 of 12, 2026-11-27, 19.99", "order 1234567890123456, 3 of 12, 2026-11-27, 19.99"),
        ("version 1.2.3 costs 1,234.50", "version 1.2.3 costs 1,234.50"),
    ],
)
def test_personal_data_gives_way_to_what_it_is(text: str, masked: str) -> None:
    assert Masker().text(text, {}) == masked


def test_values_of_personal_variables_are_masked_as_whole_words() -> None:
    personal = personal_values([("customer_name", "Art"), ("plan", "gold"), ("name", "Al")])

    assert Masker().text("Art buys art and articles; gold plan", personal) == (
        "[customer_name] buys art and articles; gold plan"
    )
