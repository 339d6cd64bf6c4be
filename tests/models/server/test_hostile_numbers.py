"""Numbers that a server sends and that no float, date or memory holds."""

from __future__ import annotations

import calendar
import time

import pytest

from promptopt.models.server.retrying import retry_after_s
from promptopt.models.server.token_logprobs import tokens_of


@pytest.mark.parametrize(
    "header",
    [
        "Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
        "Mon, 01 Jan 2030 00:00:00 +99999999999999",
        "Wed, 99999999999999999999 Oct 2030 07:28:00 GMT",
    ],
)
def test_a_date_of_too_many_digits_asks_for_nothing(header: str) -> None:
    assert retry_after_s(header, 0.0) is None


def test_a_date_without_a_zone_is_in_gmt(monkeypatch: pytest.MonkeyPatch) -> None:
    now = float(calendar.timegm((1994, 11, 6, 8, 49, 7)))
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "XYZ+7")
        time.tzset()
        waits = [retry_after_s(header, now) for header in ("Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 GMT")]
    time.tzset()
    assert waits == [30.0, 30.0]


@pytest.mark.parametrize("value", [10**400, -(10**400)])
def test_an_integer_that_no_float_holds_is_no_log_probability(value: int) -> None:
    assert tokens_of({"content": [{"token": "a", "logprob": value}]}) == ()
    assert (
        tokens_of({"content": [{"token": "a", "logprob": -1, "top_logprobs": [{"token": "b", "logprob": value}]}]})
        == ()
    )
    assert tokens_of({"tokens": ["a"], "token_logprobs": [value]}) == ()


@pytest.mark.parametrize("raw", [1, 10**6])
def test_bytes_that_are_a_number_are_malformed(raw: int) -> None:
    with pytest.raises(TypeError):
        tokens_of({"content": [{"token": "", "bytes": raw, "logprob": -1}]})
