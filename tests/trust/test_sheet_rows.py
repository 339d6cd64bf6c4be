"""The rows of a sheet for people: no reply of a model becomes a formula in their spreadsheet."""

from __future__ import annotations

import pytest

from promptopt.trust.labels import sheet_rows


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_what_a_spreadsheet_takes_for_a_formula_is_kept_a_text(sign: str) -> None:
    for text in (sign, f"{sign}1+1", f'{sign}HYPERLINK("x")'):
        assert sheet_rows([{"reply_a": text}]) == [{"reply_a": f"'{text}"}]


@pytest.mark.parametrize("text", ["", "a", "1 = 1", " =1", "'=1", "a-b"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert sheet_rows([{"item": "1", "reply_a": text}]) == [{"item": "1", "reply_a": text}]
