"""What rules find of personal data, and what they leave alone."""

from __future__ import annotations

import pytest

from promptopt.tasks.masking import Masker, is_personal, personal_values


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
        ("the password is hunter2!x, mind", "the [password] mind"),
        ("api_key=9f8e7d6c5b4a39281706 ends", "[password] ends"),
        ("ring 555.123.4567", "ring [phone]"),
        ("card 4111.1111.1111.1111", "card [card number]"),
        ("The server is 10.0.0.1. Call 555.123.4567.", "The server is [ip address]. Call [phone]."),
        ("Card 4111.1111.1111.1111. Mail a@b.co.", "Card [card number]. Mail [email]."),
        ("release 1.2.3.4.5 of 555.123.4567.8", "release 1.2.3.4.5 of 555.123.4567.8"),
        ("at https://me:pw@example.com/a?b", "at [link with a password]"),
        ("order 1234567890123456, 3 of 12, 2026-11-27, 19.99", "order 1234567890123456, 3 of 12, 2026-11-27, 19.99"),
        ("version 1.2.3 costs 1,234.50", "version 1.2.3 costs 1,234.50"),
    ],
)
def test_personal_data_gives_way_to_what_it_is(text: str, masked: str) -> None:
    assert Masker().text(text, {}) == masked


@pytest.mark.parametrize(
    "key",
    [
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
        "github_pat_11ABCDEFG0abcdefghijkl",
        "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
        "glpat-abcdefGHIJ1234567890",
        "AIzaSyA1234567890abcdefGHIJKLMNOPqrstuv",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
        "SG.ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf-09kqeF8tAmbihYzrnopKc",
        "npm_abcdefghijklmnopqrstuvwxyz0123456789",
        "pypi-AgEIcHlwaS5vcmcCJDAwMDAwMDAw",
        "xapp-1-A111-222-abcdef",
        "hooks.slack.com/services/T00000000/B00000000/XXXXXXXX",
        "ASIAIOSFODNN7EXAMPLE",
        "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1",
        "SK0123456789abcdef0123456789abcdef",
        "shpat_0123456789abcdef0123456789abcdef",
        "whsec_abcdefghijklmnop1234",
        "Basic dXNlcjpwYXNzd29yZA==",
    ],
)
def test_keys_of_all_common_forms_are_known(key: str) -> None:
    assert Masker().text(f"use {key} today", {}) == "use [key] today"


@pytest.mark.parametrize(
    "text",
    [
        "Never ask for a password: 2 tries are enough.",
        "A password has at least 8 characters.",
        "Basic authentication is off; the token is a word; max_tokens = 120.",
        "Fill in password: {{password1}} and api_key: <key-1234567>.",
        "The secret of good boots: grease.",
    ],
)
def test_talk_of_passwords_is_none(text: str) -> None:
    assert Masker().text(text, {}) == text


@pytest.mark.parametrize(
    ("name", "personal"),
    [("product_name", False), ("fileName", False), ("plan name", False),
     ("name", True), ("customer_name", True), ("userName", True)],
)  # fmt: skip
def test_the_name_of_a_thing_is_not_personal(name: str, personal: bool) -> None:
    assert is_personal(name) is personal


def test_values_of_personal_variables_are_masked_as_whole_words() -> None:
    personal = personal_values([("customer_name", "Art"), ("plan", "gold"), ("name", "Al")])

    assert Masker().text("Art buys art and articles; gold plan", personal) == (
        "[customer_name] buys art and articles; gold plan"
    )
