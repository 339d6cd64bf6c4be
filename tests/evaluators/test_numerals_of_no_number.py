"""What has digits and is no number, and numbers beside it: identifiers, functions, operators in words, sources."""

from __future__ import annotations

import pytest

from promptopt.evaluators.numerals import number

READ: dict[str, str | None] = {
    # Identifiers, of which no part is read alone.
    "ISBN 978-3-16-148410-0": None,
    "SSN 123-45-6789": None,
    "Call +1 (555) 123-4567.": None,
    "Tracking number 1Z999AA10123456784": None,
    "The order is AB-1234.": None,
    "UUID 550e8400-e29b-41d4-a716-446655440000": None,
    "It has COVID-19": None,
    "Order AB-1234 costs 15 dollars": "15",
    "The volume is 12m3": "12",
    "1e5": "100000",
    "EUR-1250": "1250",
    "the 1990s": None,
    # Functions and powers in words, and as programs write them.
    "sqrt(2)": None,
    "2*sqrt(3)": None,
    "The answer is 3 + sqrt(5).": None,
    "sqrt(16) = 4": "4",
    "log(5)": None,
    "ln 2": None,
    "C(5,2)": None,
    "C(5, 2) = 10": "10",
    "f(3)": None,
    "f(3) = 5": "5",
    "the square root of 2": None,
    "The square root of 16 is 4.": "4",
    "The answer is 5 squared.": None,
    "3 squared is 9": "9",
    "2 to the power of 5": None,
    "2 to the 5th power is 32": "32",
    "print(5)": "5",
    # An area, and a verb.
    "42 squared meters": "42",
    "I log 8 hours": "8",
    # Operators in words that nobody worked out.
    "5 times 6": None,
    "5 plus 6": None,
    "5 plus 6 is 11": "11",
    "The answer is 10 divided by 2": None,
    "5 by 6": None,
    "minus 5": "-5",
    "The answer is 500 by 2030.": "500",
    "42 plus or minus 3": "42",
    # A sign is no dash of a range behind a verb or a preposition.
    "The sum of 5 and 6 is -8": "-8",
    "The value of f at 3 is -8.": "-8",
    "Adding 5 gives -8": "-8",
    "It fell by 10 to minus 8.": "-8",
    "3 apples -8": None,
    "a list of - 3 apples": "3",
    "at a temperature of minus 5 degrees": "-5",
    # What the number is a part of.
    "15 of the 20 students": "15",
    "3 of her 5 dogs": "3",
    # Two numbers that close the reply.
    "The roots are 2 and 5.": None,
    "The values are 3, 4 and 5.": None,
    "Die Lösungen sind 2 und 5.": None,
    "I get 3 and 4.": None,
    "2 apples and 3 oranges": None,
    "2 apples and 3 oranges are 5": "5",
    # Decimals that never end; euros as a decimal mark; a remainder.
    "0.(6)": None,
    "0.6\u0305": None,
    "3€50": "3.5",
    "5 (mod 7)": "5",
    r"x \equiv 5 \pmod{7}": "5",
    # Sources in brackets, and what was before.
    "120 (source: Table 3)": "120",
    "120 (page 4)": "120",
    "120 [Table 3]": "120",
    "5, previously 6": "5",
    "Previously 6": "6",
}


@pytest.mark.parametrize("reply", READ)
def test_no_part_of_what_is_no_number_is_read(reply: str) -> None:
    assert number(reply) == READ[reply]
