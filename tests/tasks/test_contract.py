from __future__ import annotations

from typing import Literal
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt import text as texts
from promptopt.tasks.contract import Contract
from promptopt.types import Prompt

START = Prompt.of("Given {question}, answer. Be kind.", answer_format="One word.")
CONTRACT = Contract(
    placeholders=("question", "context"),
    frozen=("answer", "kind"),
    must_contain=("Be",),
    must_not_contain=("secret",),
    max_tokens=9,
    frozen_parts=("answer_format",),
)


def broken(text: str, contract: Contract = CONTRACT) -> str | None:
    return contract.broken_by(START.replace("instruction", text), START, "instruction", lambda t: len(t.split()))


def test_the_start_keeps_its_own_contract() -> None:
    assert broken(START["instruction"]) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\t\u3000", "empty"),
        ("Given, answer. Be kind.", "lost placeholder {question}"),
        ("{question} {question} answer. Be kind.", "repeated placeholder {question}"),
        ("{question} {context} answer. Be kind.", "added placeholder {context}"),
        ("Given {question}: kind answer. Be.", "frozen text 'kind' in another order"),
        ("Given {question}, answer. Be.", "lost frozen text 'kind'"),
        ("Given {question}, answer kind.", "does not contain 'Be'"),
        ("Given {question}, answer. Be secret, kind.", "contains 'secret'"),
        ("Given {question}, answer. Be kind, be very kind, be kindest.", "longer than 9 tokens"),
        ("Given {question}, answer. Be kind\x07.", "control character U+0007"),
        ("Given {question}, answer. Be kind\r\n.", "control character U+000D"),
        ("Given {question}, answer. Be kind\udc80.", "control character U+DC80"),
        ("Given {question},\n\tanswer. Be kind.", None),
        ("‏با {question} answer. Be\u200c kind.", None),
    ],
)
def test_each_clause_has_its_reason(text: str, reason: str | None) -> None:
    assert broken(text) == reason


@pytest.mark.parametrize(
    ("frozen", "text", "reason"),
    [
        # One place of two is gone, or stands within another span alone.
        (("Be kind.", "Be kind."), "Be kind. Be short.", "lost frozen text 'Be kind.'"),
        (("Never promise. Be kind.", "Be kind."), "Never promise. Be kind.", "lost frozen text 'Be kind.'"),
        (
            ("Never promise. Be kind.", "Be kind."),
            "Be kind. Never promise. Be kind.",
            "frozen text 'Be kind.' in another order",
        ),
        (("a", "b", "c"), "c a x", "lost frozen text 'b'"),
        (("Be kind.", "Be kind."), "Be kind. Be kind.", None),
    ],
)
def test_a_frozen_text_that_is_lost_is_not_said_to_stand_elsewhere(
    frozen: tuple[str, ...], text: str, reason: str | None
) -> None:
    assert broken(text, Contract(frozen=frozen)) == reason


def test_a_pattern_that_does_not_end_on_a_candidate_is_no_match_and_no_end_of_the_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(texts, "REGEX_LIMIT_S", 0.05)
    slow = Contract(pattern=r"(?:a|aa|b)+(?:a|aa)+\d{3}z")
    said = broken("a" * 300 + "!", slow)
    assert said is not None
    assert said.startswith("is not searched for")
    assert broken("aa123z", slow) is None


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("other", ["NFC", "NFD"])
def test_letters_with_marks_are_the_same_in_either_unicode_form(
    form: Literal["NFC", "NFD"], other: Literal["NFC", "NFD"]
) -> None:
    spelt, text = normalize(form, "Café"), normalize(other, "Im Café: naïv.")
    assert broken(text, Contract(frozen=(spelt, ":"), must_contain=(spelt,), pattern=f"{spelt}:")) is None
    assert broken(text, Contract(must_not_contain=(normalize(form, "naïv"),))) is not None
    assert broken(text, Contract(frozen=(":", spelt))) == f"frozen text {spelt!r} in another order"
    assert Contract(frozen=(spelt,)).missing([text]) is None


@pytest.mark.parametrize(
    ("span", "text", "holds"),
    [
        ("as an AI", "Be kind. As an AI, say so.", True),
        ("as an AI", "Be kind as an AI.", True),
        ("as an AI", "AS AN AI", False),
        ("écrivez", "Écrivez bien.", True),
        ("AI", "Explain it.", False),
        ("Rust", "trust me", False),
        ("US", "tell us", False),
        ("24 hours", "24 Hours", False),
    ],
)
def test_what_a_prompt_must_not_contain_begins_no_sentence_either(span: str, text: str, holds: bool) -> None:
    assert (broken(text, Contract(must_not_contain=(span,))) is not None) == holds


def test_frozen_parts_stay_byte_identical() -> None:
    changed = START.replace("answer_format", "One word. ")
    assert CONTRACT.broken_by(changed, START, "instruction", len) == "changed frozen part answer_format"
    lost = Prompt.of(START["instruction"])
    assert CONTRACT.broken_by(lost, START, "instruction", len) == "lost frozen part answer_format"


def test_tokens_are_not_counted_without_a_cap() -> None:
    def never(text: str) -> int:
        raise AssertionError(text)

    assert Contract().broken_by(START, START, "instruction", never) is None


@settings(deadline=None)
@given(st.text())
def test_what_passes_is_neither_blank_nor_holds_control_characters(text: str) -> None:
    if broken(text, Contract()) is None:
        assert text.strip()
        assert not any(ord(character) < 32 and character not in "\n\t" for character in text)


VIP = "Hi {{name}}, {% if vip %}gold{% endif %}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{% if vip %}Gold, {% endif %}hello {{name}}!", None),
        ("Hi, {% if vip %}gold{% endif %}", "lost template '{{name}}'"),
        ("Hi {{name}} {{ user }}, {% if vip %}gold{% endif %}", "added template '{{ user }}'"),
        ("Hi {{name}} and {{name}}, {% if vip %}gold{% endif %}", "added template '{{name}}'"),
        ("Hi {{name}}, {% endif %}gold{% if vip %}", "template statements in another order"),
        ("Hi {{ name }}, {% if vip %}gold{% endif %}", "lost template '{{name}}'"),
        ("Hi {{name}}, {% if vip %}gold{% endif %} {# note #}", "added template '{# note #}'"),
        ("Hi {{name}}, {% if vip %}gold{% endif %} ${x}", "added template '${x}'"),
    ],
)
def test_what_a_template_fills_or_runs_stays_as_it_is_and_statements_in_their_order(
    text: str, reason: str | None
) -> None:
    start = Prompt.of(VIP)

    def broken_by(contract: Contract) -> str | None:
        return contract.broken_by(start.replace("instruction", text), start, "instruction", len)

    assert broken_by(Contract(template=True)) == reason
    assert broken_by(Contract()) is None
