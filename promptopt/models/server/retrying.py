"""What fails and may pass: how long a request is tried again, and what a server asks for in the meantime."""

from __future__ import annotations

import contextlib
import email.utils
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

SEE_THAT_IT_IS_UP = "see that the server is up"


class Outage(Exception):
    """A failure that may pass. Its text is a clause without secrets, shown if it does not pass."""

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        overloaded: bool = False,
        unreachable: bool = False,
        connected: bool = False,
        misplaced: bool = False,
        counted: bool = False,
        amounts_to: Any = None,
        mend: str = SEE_THAT_IT_IS_UP,
    ) -> None:
        """`overloaded`: the server asked for less; `unreachable`: nothing of an answer came about.

        `connected`: though a connection did, so a long try was spent on the request, and not on the way to the server.
        `misplaced`: where the server never answered otherwise, no retry mends it: the address or a setting is wrong.
        `counted`: the server took the request, and did not refuse it: it may have answered, and billed that.
        `amounts_to`: the answer that it comes to for this request, once `RetryPolicy.empty_tries` have met the like.
        `mend`: what a user can do where it does not pass, as a clause.
        """
        super().__init__(message)
        self.mend = mend
        self.amounts_to = amounts_to
        self.retry_after_s, self.overloaded, self.unreachable = retry_after_s, overloaded, unreachable
        self.connected, self.misplaced, self.counted = connected, misplaced, counted


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a request is tried again, in seconds over all of its tries and waits.

    Waits double from `first_s` to `longest_s`, each cut by up to half at random so that refused requests do not return
    together. A server that was never reached is given up after `contact_s`: its address is likelier wrong
    than the server down; after `misplaced_s` where something else than a model's server answers there.

    Own code, for a retrying library would replace the formula of `wait_s` alone: whether to go on depends on what
    became of the other requests of the batch, and every wait ends when the run stops.
    """

    total_s: float = 300.0
    contact_s: float = 10.0
    misplaced_s: float = 2.0
    first_s: float = 0.5
    longest_s: float = 20.0
    empty_tries: int = 3
    """Tries of a request that is answered, but each time with nothing. Ours."""
    pause_s: float = 30.0
    """What a pause that the server asks for counts of `total_s` at most, once it has answered anything. Ours."""

    def wait_s(self, tries: int, outage: Outage, draw: float) -> float:
        """The wait after `tries` failed tries; `draw` in [0, 1). What the server asked for is never undercut."""
        backoff = min(self.longest_s, self.first_s * 2 ** (tries - 1)) * (1 - draw / 2)
        # A random part on top: all who were told the same second would else return together.
        return backoff if outage.retry_after_s is None else outage.retry_after_s + backoff * draw

    def counts_s(self, wait_s: float, outage: Outage, *, answers: bool) -> float:
        """What a wait of `wait_s` counts of `total_s`; `answers`: the server has answered something.

        A server that is busy and says how long is up: counted whole, two pauses of two minutes left a request three
        tries, and one in forty of them failed where three in ten answers are refusals.
        """
        # One that is longer than anyone waits is given up at once.
        asked = answers and outage.retry_after_s is not None and outage.retry_after_s <= self.total_s
        return min(wait_s, self.pause_s) if asked else wait_s


RETRY_POLICY = RetryPolicy()


def pause_in_words(seconds: float) -> str:
    """`17 s`, `5 minutes`, `24 hours`, `11,574,074 days`."""
    if seconds < 120:
        return f"{seconds:g} s"
    for unit_s, name, most in ((60, "minutes", 120), (3_600, "hours", 48)):
        if seconds < most * unit_s:
            return f"{seconds / unit_s:.0f} {name}"
    days = seconds / 86_400
    # A header may hold a number of 300 digits.
    return f"{days:,.0f} days" if days < 1e9 else f"{days:.3g} days"


def asked_wait_s(status: int, headers: Mapping[str, str], now: float) -> float | None:
    """The seconds from `now` (Unix time) for which an answer asks to be left alone; None where it names none.

    OpenAI's own header, in milliseconds, is more exact than the usual one. Where there is neither, a 429 may say when
    a limit that is used up starts anew.
    """
    found = {name.lower(): value.strip() for name, value in headers.items()}
    exact = _number(found.get("retry-after-ms", ""))
    if exact is not None:
        return max(0.0, exact) / 1000
    # A date is by the server's clock, which this machine's may be hours from.
    sent = _date_s(found.get("date", ""))
    told = retry_after_s(found.get("retry-after"), now if sent is None else sent)
    return _reset_s(found, now) if told is None and status == 429 else told


def retry_after_s(header: str | None, now: float) -> float | None:
    """Seconds from `now` (Unix time) that a Retry-After header asks for, given as seconds or as an HTTP date."""
    if header is None:
        return None
    seconds, date = _number(header), _date_s(header)
    if seconds is not None:
        return max(0.0, seconds)
    return None if date is None else max(0.0, date - now)


def _reset_s(found: Mapping[str, str], now: float) -> float | None:
    """When the limits that are used up start anew, by the headers of OpenAI and of RFC drafts; None: none says so."""
    resets: list[float] = []
    for name, value in found.items():
        # A limit of which something is left is not what refuses.
        if not _RESET.fullmatch(name) or _number(found.get(name.replace("reset", "remaining"), "")) != 0:
            continue
        seconds = _duration_s(value, now)
        # Those of requests and tokens say when all of it is there again: some of it is there much sooner.
        if seconds is not None and (name.endswith("reset") or seconds <= RETRY_POLICY.total_s):
            resets.append(max(0.0, seconds))
    return max(resets, default=None)


_RESET = re.compile(r"(x-)?ratelimit-reset(-requests|-tokens)?")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?", re.ASCII)
_UNITS_S = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
_LONG_AGO_S = 1e9
"""A number above is a time, not a duration: 2001. One a thousand times as large is in milliseconds."""


def _duration_s(value: str, now: float) -> float | None:
    """`6m0s`, `120ms`, `17`, or a Unix time in seconds or milliseconds, as seconds from `now`."""
    number = _number(value)
    if number is not None:
        if number < _LONG_AGO_S:
            return number
        return (number / 1000 if number >= _LONG_AGO_S * 1000 else number) - now
    parts = _DURATION.fullmatch(value)
    if parts is None or not value:
        return None
    return sum(float(part) * unit for part, unit in zip(parts.groups(), _UNITS_S, strict=True) if part)


def _number(text: str) -> float | None:
    # `float` reads "inf" and "nan" too, for which nobody can wait.
    with contextlib.suppress(ValueError):
        return number if math.isfinite(number := float(text)) else None
    return None


def _date_s(text: str) -> float | None:
    """An HTTP date as Unix time."""
    # A year or a zone of many digits overflows.
    with contextlib.suppress(ValueError, OverflowError):
        date = email.utils.parsedate_to_datetime(text)
        # HTTP's dates are in GMT, those of `asctime` too, which name no zone.
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    return None
