"""Numbers of people, accounts and birth dates are masked; those of things, places and links are not."""

from __future__ import annotations

import pytest

from promptopt.tasks.masking import Masker


def masked(text: str) -> str:
    return Masker().conversation().text(text)


BY_FORM = (
    "AB 12 34 56 C", "JG103759A", "12345678Z", "12.345.678-Z", "X1234567L", "1 84 12 76 451 089 46", "184127645108946",
    "15070649C103", "65 170839 J 003", "RSSMRA85T10A562S", "rssmra85t10a562s", "811228-9874", "19811228-9874",
    "111.444.777-35", "12.345.678-5", "756.9217.0769.85", "131052-308T", "11010519491231002X", "HEGG560427MVZRRL04",
    "ABCPE1234F", "2341 2341 2346",
)  # fmt: skip


@pytest.mark.parametrize("number", BY_FORM)
def test_a_number_with_its_countrys_check_digits_needs_no_word(number: str) -> None:
    assert masked(f"it is {number}, thanks") == "it is [identity number], thanks"


@pytest.mark.parametrize(
    "number",
    ["12345678A", "X1234567A", "184127645108947", "15070649C104", "RSSMRA85T10A562T", "811228-9875", "111.444.777-36",
     "12.345.678-6", "756.9217.0769.86", "131052-308U", "110105194912310021", "2341 2341 2341", "GB103759A",
     "ABCDE1234F", "00000000-0"],
)  # fmt: skip
def test_without_them_it_is_some_other_number(number: str) -> None:
    assert masked(f"it is {number}, thanks") == f"it is {number}, thanks"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SSN: 536904399", "SSN: [identity number]"),
        ("my social security number is 536 90 4399 now", "my social security number is [identity number] now"),
        ("Meine Steuer-ID lautet 86 095 742 719.", "Meine Steuer-ID lautet [identity number]."),
        ("Personalausweis Nr. L01X00T471", "Personalausweis Nr. [identity number]"),
        ("numéro de sécurité sociale : 1 84 12 76 451 089 46", "numéro de sécurité sociale : [identity number]"),
        ("Mijn BSN is 111222333", "Mijn BSN is [identity number]"),
        ("mój PESEL to 44051401359", "mój PESEL to [identity number]"),
        ("personnummer är 198112289874", "personnummer är [identity number]"),
        ("aadhaar number is 234123412346", "aadhaar number is [identity number]"),
        ("meu CPF é 11144477735", "meu CPF é [identity number]"),
        ("passport no. is C01X00T47 and", "passport no. is [identity number] and"),
        ("driver's license D1234567", "driver's license [identity number]"),
        ("身份证号 110105194912310021", "身份证号 [identity number]"),
        ("date of birth: 04/05/1984", "date of birth: [birth date]"),
        ("geboren am 4. Mai 1984 in Graz", "geboren am [birth date] in Graz"),
        ("sort code 60-16-13 account 31926819", "sort code [account number] account [account number 2]"),
        ("cvv is 737, pin: 4821", "cvv is [security code], pin: [security code 2]"),
    ],
)
def test_a_word_before_it_makes_it_one_in_any_form(text: str, said: str) -> None:
    assert masked(text) == said


@pytest.mark.parametrize(
    "text",
    [
        "order AB123456C, ref 2341 2341 2346, article 12345678Z, case number 500-12-3456",
        "your passport expires 12.05.2027, NIE 2024-2025, sin 100000 euros, SSN of 9 digits",
        "the account 2024 report, my account no longer works 1234567, account for 20 % of 1000000",
        "security code is 3 digits, pin 1234 files, pin 4 files, born in 1984",
        "+52.520008, +13.404954 and +06.5244 +003.3792 and 52.520008 13.404954, -33.8688, 151.2093",
        "see https://shop.example/p/0123456789 and https://shop.example/o/4917012345678?page=2",
        "chapter 3.2.1.4 and § 1.2.3.4",
    ],
)
def test_things_places_and_links_stay(text: str) -> None:
    assert masked(text) == text


def test_a_link_that_says_it_calls_holds_a_telephone() -> None:
    assert masked("https://wa.me/+491701234567") == "https://wa.me/[phone]"
