"""What has to come to its end, whatever the machine: one generous bound for all such tests, and no clock in any."""

from __future__ import annotations

import pytest

LIMIT_S = 60
"""Seconds by the clock after which pytest interrupts a test that this file marks, and fails it."""

ends = pytest.mark.timeout(LIMIT_S)
"""A test that takes a second at most, and minutes or for ever where what it guards is broken.

So it is with a search that grows with the square of a text, and with a wait for a server that stays mute. A machine
fifty times slower or busier changes neither. Give such a test an input, or a wait, that is long enough.
"""
LONG = 500_000
"""Characters of a text that is read in a second, where every character is looked at once; squared, it takes minutes."""


def long(piece: str) -> str:
    """`piece` again and again, to a text of that length."""
    return piece * (LONG // len(piece))
