"""Numbers by which a state knows a person, and what else identifies one behind a word that says so.

A number stands for itself where its form and its check digits are those of its country. One without check digits, or
without the usual form, needs the word before it: "my passport no. is C01X00T47".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0[1-9]|1[0-2])"
_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_CHINESE = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
# What a sign is worth at an odd place of an Italian number; at an even one it is worth its own place.
_ITALIAN = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
# Verhoeff's multiplication in the dihedral group of ten, and his permutation (Mathematical Centre Tract 29, 1969).
_FIVE = tuple(range(5))
_DIHEDRAL = tuple(tuple((a + b) % 5 for b in _FIVE) + tuple((a + b) % 5 + 5 for b in _FIVE) for a in _FIVE) + tuple(
    tuple((a - b) % 5 + 5 for b in _FIVE) + tuple((a - b) % 5 for b in _FIVE) for a in _FIVE
)
_VERHOEFF = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _verhoeff(digits: str) -> bool:
    check = 0
    for place, digit in enumerate(reversed(digits)):
        turned = int(digit)
        for _ in range(place % 8):
            turned = _VERHOEFF[turned]
        check = _DIHEDRAL[check][turned]
    return check == 0


def luhn(digits: str) -> bool:
    """Luhn's check (ISO/IEC 7812-1), which one number in ten passes by chance."""
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(sum(divmod(each, 10)) for each in doubled) % 10 == 0


def _weighed(digits: str, weights: range) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))


def _is_dni(sign: str) -> bool:
    number = str("XYZ".index(sign[0])) + sign[1:-1] if sign[0] in "XYZ" else sign[:-1]
    return _DNI[int(number) % 23] == sign[-1]


def _is_nir(sign: str) -> bool:
    number = sign[:-2].replace("2A", "19").replace("2B", "18")
    return (int(number) + int(sign[-2:])) % 97 == 0


def _is_german_pension(sign: str) -> bool:
    # The letter counts as the two digits of its place in the alphabet (annex of the VKVV).
    digits = f"{sign[:8]}{ord(sign[8]) - 64:02}{sign[9:]}"
    products = (int(digit) * int(weight) for digit, weight in zip(digits, "212571212121", strict=False))
    return sum(sum(divmod(each, 10)) for each in products) % 10 == int(digits[-1])


def _is_cpf(sign: str) -> bool:
    ends = (_weighed(sign[:9], range(10, 1, -1)) * 10 % 11 % 10, _weighed(sign[:10], range(11, 1, -1)) * 10 % 11 % 10)
    return len(set(sign)) > 1 and sign[9:] == f"{ends[0]}{ends[1]}"


def _is_rut(sign: str) -> bool:
    total = sum(int(digit) * (2 + place % 6) for place, digit in enumerate(reversed(sign[:-1])))
    return "0123456789K"[-total % 11] == sign[-1]


def _is_codice(sign: str) -> bool:
    worth = [int(each, 36) - (10 if each.isalpha() else 0) for each in sign]
    total = sum(_ITALIAN[each] if place % 2 == 0 else each for place, each in enumerate(worth[:-1]))
    return total % 26 == worth[-1]


def _is_hetu(sign: str) -> bool:
    return _HETU[int(sign[:6] + sign[-4:-1]) % 31] == sign[-1]


def _is_chinese(sign: str) -> bool:
    total = sum(int(digit) * weight for digit, weight in zip(sign, _CHINESE, strict=False))
    return "10X98765432"[total % 11] == sign[-1]


def _is_ahv(sign: str) -> bool:
    return sum(int(digit) * (1 + 2 * (place % 2)) for place, digit in enumerate(sign)) % 10 == 0


_NUMBER_FORMS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    # Britain's National Insurance has no check; not every pair of letters is given out.
    (r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: ?\d\d){3} ?[A-D]", lambda _: True),
    (r"(?:\d{8}|\d\d\.\d{3}\.\d{3}|[XYZ]-?\d{7})-?[A-Z]", _is_dni),
    (rf"[12] ?\d\d ?{_MONTH} ?(?:\d\d|2[AB]) ?\d{{3}} ?\d{{3}} ?\d\d", _is_nir),
    (rf"\d\d ?{_DAY} ?{_MONTH} ?\d\d ?[A-Z] ?\d{{3}}", _is_german_pension),
    (r"\d{3}\.\d{3}\.\d{3}-\d\d", _is_cpf),
    (r"\d{1,2}\.\d{3}\.\d{3}-[\dK]", _is_rut),
    (r"[A-Z]{6}\d\d[A-EHLMPR-T]\d\d[A-Z]\d{3}[A-Z]", _is_codice),
    (rf"(?:19|20)?\d\d{_MONTH}{_DAY}[-+]\d{{4}}", lambda sign: luhn(sign[-10:])),
    (rf"{_DAY}{_MONTH}\d\d[-+A]\d{{3}}[0-9A-FHJ-NPR-Y]", _is_hetu),
    (r"756\.\d{4}\.\d{4}\.\d\d", _is_ahv),
    (rf"[1-9]\d{{5}}(?:19|20)\d\d{_MONTH}{_DAY}\d{{3}}[\dX]", _is_chinese),
    (rf"[A-Z]{{4}}\d\d{_MONTH}{_DAY}[HM][A-Z]{{5}}[A-Z\d]\d", lambda _: True),
    # India's number of a person for taxes; and Aadhaar, in fours.
    (r"[A-Z]{3}P[A-Z]\d{4}[A-Z]", lambda _: True),
    (r"[2-9]\d{3} \d{4} \d{4}", _verhoeff),
)
_BY_FORM = tuple((re.compile(form, re.IGNORECASE), holds) for form, holds in _NUMBER_FORMS)
# Each has a digit so early, and few words do.
_ANY_FORM = (
    rf"(?<![\w.,-])(?=[A-Z]{{0,6}}[ -]?\d)(?<!\d )(?:{'|'.join(form for form, _ in _NUMBER_FORMS)})"
    r"(?![\w-]|[.,]?\d| \d)"
)

_OF = r"(?:[ .:#-]*(?:\b(?:numbers?|numéro|número|numero|nummer|numer|card|code|no|nr|num|id)\b|n°|号码|号))*"
_IS_OR_COLON = r"[ .:#=-]*(?:(?:\b(?:is|are|ist|lautet|est|es|è|är|er|to|jest)\b|é(?!\w)|是|は|:)[ :]*)?"
_IDENTITY_WORDS = (
    r"\b(?:ssn|social security|nino|national insurance|ni (?=number|no)|national id(?:entity)?|identity(?: card)?"
    r"|tax ?(?:payer)? ?(?:id(?:entification)?|file)|passports?|driv(?:er'?s?|ing) licen[cs]e|health insurance|nhs"
    r"|medicare|steuer-?id\w*|steuer(?:identifikations)?nummer|(?:sozial|renten)versicherungsn\w+|personalausweis\w*"
    r"|reisepass\w*|ausweisn\w+|führerschein\w*|sécurité sociale|passeport|carte d['’]identité|dni|nie|nif|pasaporte"
    r"|codice fiscale|passaporto|carta d['’]identità|bsn|burgerservicenummer|sofinummer|personnummer|pesel|aadh?aa?r"
    r"|samordningsnummer|cpf|curp|rut|cédula|ahv|hetu|henkilötunnus|fødselsnummer|cpr-?n\w+|my number card"
    # In small letters these are words: "sin" is "without".
    r"|(?-i:SIN|PAN|NIR|RG|CPR|TIN|ITIN|NIP))\b|身份证|护照|マイナンバー"
)
_NUMBER_SIGNS = (
    r"(?:[A-Z]{0,6}\d[A-Z\d]*|\b[A-Z]\b|\b[A-Z]{2}(?= ?\d))(?:[ ./-]?(?:[A-Z]{0,4}\d[A-Z\d]*|\b[A-Z]\b)){0,9}"
)
_YEARS = r"(?:19|20)\d\d[-/](?:19|20)\d\d\b"
_NAMED_DAY = r"\d{1,2}\.? [^\W\d]{3,9} \d{4}|[^\W\d]{3,9} \d{1,2}, \d{4}"
_BIRTH_DATE = rf"(?:\d{{1,2}}[./-]\d{{1,2}}[./-]\d{{2,4}}|\d{{4}}[./-]\d{{1,2}}[./-]\d{{1,2}}|{_NAMED_DAY})"
_BORN = (
    r"(?:\b(?:date of birth|birth ?da(?:te|y)|dob|born(?: on)?|geboren(?: am)?|geburts(?:datum|tag)|née? le"
    r"|date de naissance|fecha de nacimiento|nacid[oa] el|nat[oa] il|data di nascita|geboortedatum|data urodzenia"
    r"|data de nascimento)\b|生日|出生日期)"
)
_ACCOUNT = r"\b(?:(?:bank |checking |savings )?account|acct|sort|routing|bsb|konto|kontonummer|compte|cuenta|conto)\b"
_CARD_CODE = r"\b(?:cvv2?|cvc2?|csc|security code|prüfziffer|pin)\b"
_RULES = {
    "identity number": rf"(?:{_IDENTITY_WORDS}){_OF}{_IS_OR_COLON}(?=(?:[^\d\n]{{0,6}}\d){{5}})(?!{_YEARS})"
    rf"({_NUMBER_SIGNS})(?!\w)|{_ANY_FORM}",
    "birth date": rf"{_BORN}{_IS_OR_COLON}({_BIRTH_DATE})(?!\w)",
    "account number": rf"{_ACCOUNT}{_OF}{_IS_OR_COLON}(\d(?:[ -]?\d){{5,16}})(?![\w-]|[.,]\d)",
    "security code": rf"{_CARD_CODE}{_OF}{_IS_OR_COLON}(\d{{3,4}})(?![\w-]|[.,:/]?\d| \d| [a-z]+s\b)",
}
RULES: Mapping[str, re.Pattern[str]] = {kind: re.compile(rule, re.IGNORECASE) for kind, rule in _RULES.items()}
"""Of each kind. Group 1 is what stands behind a word that says so; without a group `is_identity_number` has to look."""


def is_identity_number(text: str) -> bool:
    """Whether a text of such a form has the check digits of its country."""
    for form, holds in _BY_FORM:
        # In small letters only what has so much of a form that no name of an article has it by chance.
        if form.fullmatch(text) is not None and (not re.search("[a-z]", text) or len(text) > 15):
            sign = re.sub(r"[ .+-]", "", text).upper()
            if holds(sign):
                return True
    return False
