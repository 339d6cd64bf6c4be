"""A key that a server repeats is taken out, however it writes it."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.models.server.keys import masked, masked_bytes
from promptopt.models.server.wire import scrub

KEY = 'sk-a/b+c="&7&<x>0123456789-'
FORMS = {
    "plain": KEY,
    "URL": quote(KEY, safe=""),
    "URL, small": quote(KEY, safe="").lower(),
    "URL, every letter": "".join(f"%{ord(letter):02X}" for letter in KEY),
    "URL, twice": quote(quote(KEY, safe=""), safe=""),
    "JSON": json.dumps(KEY)[1:-1],
    "JSON in JSON": json.dumps(json.dumps(KEY)[1:-1])[1:-1],
    "JSON, slashes": json.dumps(KEY)[1:-1].replace("/", "\\/"),
    "JSON, every letter": "".join(f"\\u{ord(letter):04x}" for letter in KEY),
    "Python": "".join(f"\\x{ord(letter):02x}" for letter in KEY),
    "HTML": html.escape(KEY),
    "HTML, numbers": "".join(f"&#{ord(letter)};" for letter in KEY),
    "HTML, hexadecimal": "".join(f"&#x{ord(letter):X};" for letter in KEY),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64, for URLs": base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("="),
    "base64 of a header": base64.b64encode(f"Authorization: Bearer {KEY}\r\n".encode()).decode(),
    "base64 of a user": base64.b64encode(f":{KEY}".encode()).decode(),
    "hexadecimal": KEY.encode().hex(),
    "HEXADECIMAL": KEY.encode().hex().upper(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_taken_out_in_every_form(form: str) -> None:
    written = FORMS[form]
    for found in (masked(f"a {written} b", [KEY]), scrub(f"a {written} b", KEY)):
        assert "[key]" in found
        # Of base64 the letters at its ends also hold what stands around the key, and stay.
        assert len(found) <= len("a [key] b") + (35 if form.startswith("base64 of") else 3)


def test_what_only_looks_alike_stays() -> None:
    text = r"100% of A&B; C:\users\x and a\u0301 \"quoted\" sk-a/b+c"
    assert masked(text, [KEY]) == text
    assert masked("the word none", ["none"]) == "the word none"


@settings(max_examples=60)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60), st.binary(max_size=7))
def test_no_base64_of_a_text_gives_a_key_away(key: str, before: bytes) -> None:
    coded = base64.b64encode(before + key.encode() + b" and more")
    found = masked_bytes(coded, [key])
    assert b"[key]" in found
    assert base64.b64encode(key.encode())[:-4] not in found
