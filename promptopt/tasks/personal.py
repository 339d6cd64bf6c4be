"""What rules find in a text to be personal or secret: keys, addresses, numbers of accounts, cards and telephones.

A rule that looks at form alone takes orders, dates and prices for telephones. So numbers are checked. A card is, by
Luhn's sum and the issuers' ranges (ISO/IEC 7812); an account, by the length of its country and its remainder (ISO
13616); a telephone, by its digits (15 at most, ITU-T E.164) and by the word before it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from promptopt.tasks.identity_numbers import RULES, is_identity_number, luhn

_KEYS = (
    # OpenAI, Anthropic, Stripe, Groq, Slack, Hugging Face, xAI.
    r"\b(?:sk|pk|rk|gsk|xox[a-z]|hf|xai|whsec)[-_][\w-]{8,}",
    # GitHub, GitLab, npm, PyPI, Slack's apps, Google, Shopify, DigitalOcean, Replicate, Linear.
    r"\bgh[oprsu]_\w{8,}|\bgithub_pat_\w{8,}|\bglpat-[\w-]{8,}|\bnpm_\w{16,}|\bpypi-[\w-]{16,}|\bxapp-[\w-]{8,}",
    r"\bAIza[\w-]{30,}|\bya29\.[\w-]{8,}|\bshp(?:at|ca|pa|ss)_\w{16,}|\bdo[opr]_v1_\w{8,}|\br8_\w{16,}|\blin_api_\w{8,}",
    # Databricks, Pinecone, Discord's bots.
    r"\bdapi[0-9a-f]{32}\b|\bpcsk_\w{16,}|\b[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,}",
    # Amazon, SendGrid, Telegram's bots, Twilio, Slack's hooks.
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bSG\.[\w-]{16,}\.[\w-]{16,}|\b\d{8,10}:[\w-]{35}\b|\b(?:AC|SK)[0-9a-f]{32}\b",
    r"\bhooks\.slack\.com/services/[\w/]{8,}",
    # JSON Web Tokens.
    r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",
)
_KEYS_BEHIND_A_WORD = (
    # `Basic` needs a digit or a sign in what follows: not `Basic configuration`.
    r"\bBearer\s+[\w.~+/-]{12,}=*|\bBasic\s+(?=\S*[\d=])[\w+/]{12,}=*",
    # Up to the next line of dashes: one whose end is missing would else be looked for through all that follows.
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----(?:[^-]*(?:-(?!----)[^-]*)*-----END (?:[A-Z0-9]+ )*PRIVATE KEY-----)?",
)
# Eight signs, six of a password, with a letter and a digit among them: not "the password is required", and no slot such
# as `{password}`.
_IS_SECRET = r"\b[\"']?\s*(?:is|=|:|:=)\s*[\"']?(?![{<$\[])(?=\S*[a-z])(?=\S*\d)"
_PASSWORD = (
    r"\b(?:secret|(?:[a-z]+[_-]){1,3}(?:secret|key|token)|(?:api|access|account|secret) ?key)"
    rf"{_IS_SECRET}[^\s\"']{{8,}}"
    rf"|\b(?:pass(?:word|wd|phrase|code)?|pwd|passwort|kennwort){_IS_SECRET}[^\s\"']{{6,}}"
)
# What lets in whoever has the link: a value of such a name, or what stands behind such a step of the way.
_LINK = (
    r"\bhttps?://[^\s<>\"']{0,300}?(?:[?&#](?:[\w.-]*(?:token|signature|secret|session|password|credential|api-?key)|sig|sid|auth|jwt)="
    r"(?=[^\s&#<>\"']*\d)[^\s&#<>\"']{8,}"
    r"|/(?:reset|verify|confirm|activate|invite|magic|unsubscribe|log-?in|sign-?in)[\w-]*/(?=[\w-]*\d)[\w-]{16,})[^\s<>\"']*"
)
_DOT = r"(?:\.|\s?[\[(](?:dot|punkt|punto|point)[\])]\s?)"
# Lengths are bounded, and a run of letters is tried once: a long text without spaces takes no longer than another.
_EMAIL = rf"(?<![\w.+-])[\w.+-]{{1,64}}(?:@|%40|\s?[\[(](?:at|@)[\])]\s?)[\w-]{{1,63}}(?:{_DOT}[\w-]{{1,63}}){{1,8}}"
# In words only where the first part looks like no other word: `at acme dot com` is a shop.
_SAID_EMAIL = (
    r"(?<![\w.+-])[a-z][\w+-]{0,40}[._][\w.+-]{0,40}\w at [\w-]{1,63}(?: dot [\w-]{1,63}){0,3}"
    r" dot (?:com|org|net|edu|gov|info|[a-z]{2})(?!\w)"
)
_TELEPHONES = (
    # With the code of a country; with a 0 before the area; areas in parentheses; in pairs, as in France.
    r"(?<![\w+])(?:\(?\+|(?<!\d[ .,/])00(?=[1-9]))\d[\d ()./-]{6,18}\d(?!\w)",
    r"(?<![\w-])(?<!\d[ .,/])\(?0\d{1,4}\)?(?:[ -]| ?/ ?)\d[\d /-]{4,12}\d(?!\w)",
    r"(?<!\w)(?:[178][ -]?)?\(\d{2,4}\)[ -]?\d{3,5}(?:[ -]\d{2,4}){1,2}(?!\w)",
    r"(?<![\w.])0[1-9](?:\.\d\d){4}(?!\.?\w)",
    # North America; mobile numbers of India and China; in one piece from the 0 on.
    r"(?<![\w.-])(?<!\d[ ,])(?:1[ .-])?[2-9]\d\d(?:\.\d{3}\.|[ -]\d{3}[ -])\d{4}(?!-|\.?\w)",
    r"(?<![\w-])(?<!\d[ .,])(?:[6-9]\d{4} \d{5}|1[3-9]\d[ -]\d{4}[ -]\d{4})(?![\w-]| \d)",
    r"(?<![\w.,-])(?:0[1-9]\d{8,9}|1[3-9]\d{9})(?![\w-]|[.,]\d)",
)
# A word that a telephone follows, whatever the form of its country.
_SAYS_TELEPHONE = (
    r"(?:\b(?:phone|mobile|cell|cellphone|tel|telephone|call|ring|whatsapp|sms|fax|hotline"
    r"|my number|reach me|telefon\w*|handy\w*|rufnummer"
    r"|llám[aeo]\w*|llame\w*|r?appele[rz]|chiama(?:mi|ci|te|re)|lig(?:ue|ar|a-me)"
    r"|bel me|zadzwoń|dzwoń|позвони\w*|звони\w*|rückruf"
    r"|téléphone|portable|teléfono|móvil|cellulare|telefone|celular|telefoon|komórka|телефон\w*)\b|电话|手机|電話|携帯)[^\d\n+]{0,20}"
    r"(\d(?:[ ./-]?\d){7,13})(?!\w)"
)
# The word right before a number that is of a thing.
_OF_A_THING = re.compile(
    r"(?:\b(?:order|ticket|invoice|tracking|parcel|shipment|serial|item|article|sku|ref|reference|case|customer|contract|booking|flight"
    r"|po|sn|s/n|p/n|part|model|rma|awb|claim|policy|quote|reservation|request|meter|lot|batch|isbn|ean|id|bestell\w*|auftrag\w*|rechnung\w*|sendung\w*|paket\w*|kunden\w*|commande|facture|colis|suivi|pedido|factura"
    r"|fattura|ordine|bestelling|zamówieni\w*|заказ\w*)|注文|订单|#)"
    r"(?:[ .:#-]*\b(?:numbers?|no|nr|num|id|code|numéro|nummer|número|numero)\b|n°)*"
    r"[ .:#=-]*(?:\b(?:is|was|ist|est|es)\b[ :]*)?$",
    re.IGNORECASE,
)
_QUANTITY = re.compile(r"\+(?:\d{1,2}([ .])\d{3}\1\d{3}|\d{3}([ .])000(?:\2)000)(?=[)]?$| ?\()")
"""Millions with a sign, in threes: no country of a short code has numbers of six digits (ITU-T E.164)."""
_NORTH_AMERICAN = re.compile(r"1[2-9]\d{9}")
_SPACELESS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
"""Letters of scripts without spaces: they end a number as a space does."""
_CHINESE_MOBILE = re.compile(r"1[3-9]\d{9}")
"""In one piece, as it is mostly written; what stands so in a text without Chinese letters may count anything."""
_CHINESE_LETTER = re.compile(r"[\u4e00-\u9fff]")
_SAYS_CALL = re.compile(r"(?:\bwa\.me/|(?:phone|tel|mobile|whatsapp)[=:/])\+?$", re.IGNORECASE)
_DEGREE_BEFORE = re.compile(r"(?<![\d.])[+-]?\d{1,3}\.\d{3,}[, ]{1,2}$")
_DEGREE_BEHIND = re.compile(r"[, ]{1,2}[+-]?\d{1,3}\.\d{3,}(?![\d.])")
_VERSION = re.compile(
    r"(?:\b(?:version|release|build|firmware|driver|v|chapter|section|clause|article|kapitel|abschnitt|chapitre|capítulo)"
    r"|§)[ .:]*$",
    re.IGNORECASE,
)
_FULL_DATE = re.compile(r"(?<!\d)(?:\d{1,2}([./-])\d{1,2}\1(?:19|20)\d\d|(?:19|20)\d\d([./-])\d{1,2}\2\d{1,2})(?!\d)")
_HOURS = re.compile(r"(?:[01]\d|2[0-4])-(?:[01]\d|2[0-4])[ /]{1,3}(?:[01]\d|2[0-4])-(?:[01]\d|2[0-4])")
"""When a shop is open: "08-12 13-18"."""
_CAPITAL = r"[A-ZÀ-ÖØ-Þ](?:[\w'’.-]{0,40}\w)?"
_TOWN = (
    rf"(?:,?\s+(?:[A-Z]{{1,2}}-)?\d{{5}}\s{_CAPITAL}|,?\s+\d{{4}}\s?[A-Z]{{2}}\s{_CAPITAL}|,\s\d{{4}}\s{_CAPITAL}"
    rf"|(?:,\s{_CAPITAL}){{0,2}},?\s[A-Z]{{1,2}}\d[A-Z\d]?\s\d[A-Z]{{2}}\b"
    rf"|(?:,\s{_CAPITAL}(?:\s{_CAPITAL})?){{0,2}},?\s[A-Z]{{2}}\s\d{{5}}(?:-\d{{4}})?)?"
)
_STREET = (
    rf"(?:\b\d{{1,5}}[A-Za-z]?,?\s(?:(?!Google|One)[A-Z][\w'’.-]{{0,30}}\s){{1,3}}(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Boulevard|Blvd"
    r"|Terrace|Crescent|Close|Square|Parkway|Pkwy|Highway|Hwy)\b"
    rf"|\b(?:[A-ZÄÖÜ]\w{{1,30}}[ -])?(?:Straße|Strasse|Str\.)\s\d{{1,4}}\s?[a-z]?\b"
    r"|\b[A-ZÄÖÜ][\w-]{1,40}?(?:straße|strasse|str\.|gasse|allee|straat|laan|plein|gracht|kade|singel)\s\d{1,4}(?:\s?[a-zA-Z])?\b"
    r"|\b\d{1,4}(?:\s?(?:bis|ter))?,?\s(?:rue|avenue|boulevard|chemin|allée|impasse|quai)\s"
    rf"(?:(?:de|du|des|la|le|les)\s|[ld]['’])*{_CAPITAL}(?:\s{_CAPITAL})*"
    r"|\b(?:Calle|Avenida|Avda\.|Paseo|Via|Viale|Piazza|Corso|Rua|[Uu]l\.|[Uu]lica)\s"
    rf"(?:(?:de|del|la|las|los|di|della|dei|da|do|dos)\s)*{_CAPITAL}(?:\s{_CAPITAL})*,?\s(?:n[º°]?\s?)?\d{{1,4}}\b){_TOWN}"
)
_RULES: Mapping[str, re.Pattern[str]] = {
    # Most words are shorter than any key, and need not be tried as one.
    "key": re.compile("|".join((rf"\b(?=\S{{11}})(?:{'|'.join(_KEYS)})", *_KEYS_BEHIND_A_WORD))),
    "link with a password": re.compile(
        rf"\b[a-z][a-z0-9+.-]{{0,20}}://[^\s/@:]{{0,100}}:[^\s/@]{{1,100}}@[^\s]+|{_LINK}", re.IGNORECASE
    ),
    "password": re.compile(_PASSWORD, re.IGNORECASE),
    "email": re.compile(f"{_EMAIL}|{_SAID_EMAIL}", re.IGNORECASE),
    "iban": re.compile(r"\b(?=([A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}))", re.IGNORECASE),
    "social security number": re.compile(r"(?<![\w-])(?!000|666|9)\d{3}-\d{2}-\d{4}(?![\w-])"),
    **RULES,
    "card number": re.compile(r"(?<![\d+-])\d(?:[ -]?\d){12,18}(?![\d-])|(?<![\d.-])\d{4}(?:\.\d{4}){3}(?![\d-]|\.\d)"),
    "ip address": re.compile(
        r"(?<![\d.])(?:::(?:ffff:)?)?(?:\d{1,3}\.){3}\d{1,3}(?!\.?\d)|(?<![\w:])[0-9a-fA-F:]{6,39}(?![\w:])",
        re.IGNORECASE,
    ),
    "phone": re.compile(rf"(?=[\d(+])(?:{'|'.join(_TELEPHONES)})|{_SAYS_TELEPHONE}", re.IGNORECASE),
    "street address": re.compile(_STREET),
}
"""In this order: what is a card number would else be half a phone number."""
_WITHOUT_DIGITS = ("key", "link with a password", "email")
"""The rules that may find something where there is no digit; most of what is said has none."""
_DIGIT = re.compile(r"\d")
_IBAN_LENGTHS: Mapping[str, int] = {
    country: length
    for length, countries in (
        (15, "NO"),
        (16, "BE"),
        (18, "DK FI FO GL NL"),
        (19, "MK SI"),
        (20, "AT BA EE KZ LT LU XK"),
        (21, "CH HR LI LV"),
        (22, "BG BH CR DE GB GE IE ME RS VA"),
        (23, "AE GI IL IQ TL"),
        (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
        (25, "LY PT ST"),
        (26, "IS TR"),
        (27, "FR GR IT MC MR SM"),
        (28, "AL AZ BY CY DO GT HU LB PL SV"),
        (29, "BR EG PS QA UA"),
        (30, "JO KW MU"),
        (31, "MT SC"),
        (32, "LC"),
    )
    for country in countries.split()
}
"""Characters of an account's number, by country (ISO 13616)."""
_CARD = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}"
    r"|35\d{14}|6(?:011|4[4-9]\d|5\d\d|2\d\d)\d{12}(?:\d{3})?|(?:50|5[6-9]|6\d)\d{10,17}"
)
_PERSONAL = re.compile(r"name|mail|phone|mobile|address|street|birth|iban|customer_id|user_id", re.IGNORECASE)
"""Variables whose values are personal, wherever they stand."""
_NAME_OF_A_THING = re.compile(
    r"(?:product|item|article|file|tool|plan|brand|shop|store|model|event|course|bot|assistant)[ _-]?name",
    re.IGNORECASE,
)


def is_personal(name: str) -> bool:
    """Whether a variable of that name holds personal data."""
    return _PERSONAL.search(_NAME_OF_A_THING.sub("", name)) is not None


def pattern_of(value: str) -> re.Pattern[str]:
    """What finds a personal text as a whole word, in any case where it is no single word.

    A name of one word may be a word as well: a customer May is not in "you may".
    """
    spelt = {value, value.title(), value.upper()} if value.isalpha() and not value.islower() else {value}
    case = re.NOFLAG if len(spelt) > 1 else re.IGNORECASE
    # Not by \b, which fails before a value that begins with a mark, such as a telephone number's plus.
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(spelt)))})(?!\w)", case)


def personal_in(text: str) -> list[tuple[str, str]]:
    """What rules find to be personal or secret: its kind and text; what is a part of something longer counts once."""
    return [(kind, text[start:stop]) for kind, start, stop in personal_spans(text)]


def personal_spans(text: str) -> list[tuple[str, int, int]]:
    """The kind of each, where it begins, and where it ends; in the order of the rules, and none within another."""
    found: list[tuple[str, int, int]] = []
    rest = text
    numbered = _DIGIT.search(text) is not None
    # Without its letters first: an address would else take in all that is written around it.
    views = (True, False) if _SPACELESS.search(text) else (False,)
    for kind, rule in _RULES.items():
        for parted in views if numbered or kind in _WITHOUT_DIGITS else ():
            seen = _SPACELESS.sub("、", rest) if parted else rest
            checked = (_confirmed(kind, rest, match) for match in rule.finditer(seen))
            spans = [span for span in checked if span is not None]
            found += [(kind, start, stop) for start, stop in spans]
            rest = _blanked(rest, spans) if spans else rest
    return found


def _blanked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """`text` with as many other signs at these places, so that the places of other matches stay."""
    pieces: list[str] = []
    past = 0
    for start, stop in spans:
        pieces += [text[past:start], "|" * (stop - max(start, past))]
        past = max(past, stop)
    return "".join([*pieces, text[past:]])


def _confirmed(kind: str, text: str, match: re.Match[str]) -> tuple[int, int] | None:
    """Where that lies which `match` found, once its number holds; None where it is something else."""
    # A word that says what follows is no part of it.
    start, stop = match.span(match.lastindex if match.lastindex else 0)
    said, before = text[start:stop], text[max(0, start - 40) : start]
    if kind == "iban":
        length = _length_of_account(said)
        return None if length is None else (start, start + length)
    held = {
        "card number": lambda: _is_card(said),
        "ip address": lambda: _is_ip(said) and _VERSION.search(before) is None,
        "phone": lambda: (
            _is_telephone(said, before)
            and not (_in_a_link(text, start) or _is_degree(before, said, text[stop : stop + 40]))
            and (_CHINESE_MOBILE.fullmatch(said) is None or bool(match.lastindex) or _holds_chinese(text))
        ),
        "social security number": lambda: _OF_A_THING.search(before) is None,
        "identity number": lambda: (
            bool(match.lastindex) or (_OF_A_THING.search(before) is None and is_identity_number(said))
        ),
    }
    return (start, stop) if kind not in held or held[kind]() else None


@lru_cache(maxsize=1)
def _holds_chinese(text: str) -> bool:
    # Once for all numbers of a text.
    return _CHINESE_LETTER.search(text) is not None


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdecimal())


def _is_card(text: str) -> bool:
    """Luhn's check, which one number in ten passes by chance, for the lengths and first digits that cards have."""
    digits = _digits(text)
    return _CARD.fullmatch(digits) is not None and luhn(digits)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    # Not `::1` or `a::b`, which code is full of.
    return "." in text or (len([part for part in text.split(":") if part]) > 2 and bool(_digits(text)))


def _length_of_account(text: str) -> int | None:
    """Of the characters in front that are an account's number of its country; None where it has another length."""
    wanted = _IBAN_LENGTHS.get(text[:2].upper())
    ends = [match.end() for match in re.finditer(r"[A-Za-z0-9]", text)]
    if wanted is None or len(ends) < wanted:
        return None
    end = ends[wanted - 1]
    if not _is_account("".join(re.findall(r"[A-Za-z0-9]", text[:end]))):
        return None
    # One that goes on without a gap is something longer.
    return end if end == len(text) or not text[end].isalnum() else None


def _is_account(characters: str) -> bool:
    """Whether it has the remainder that ISO 13616 asks for, or looks like a number in which somebody made a slip.

    "NO12 is white" does neither.
    """
    upper = characters.upper()
    moved = "".join(str(int(each, 36)) for each in upper[4:] + upper[:4])
    return int(moved) % 97 == 1 or (characters == upper and 2 * len(_digits(characters)) > len(characters))


def _in_a_link(text: str, start: int) -> bool:
    """Whether a number is a piece of the way of a link, and none that the link says to be a telephone's."""
    word = re.split(r"\s", text[max(0, start - 300) : start])[-1]
    return re.search(r"\bhttps?://", word) is not None and _SAYS_CALL.search(word) is None


def _is_degree(before: str, said: str, behind: str) -> bool:
    """Whether a number is one of the two of a place on the earth: `+52.5200, +13.4050`."""
    beside = _DEGREE_BEFORE.search(before) is not None or _DEGREE_BEHIND.match(behind) is not None
    return beside and re.fullmatch(r"[+-]?\d{1,3}\.\d{3,}", said) is not None


def _is_telephone(text: str, before: str) -> bool:
    digits = _digits(text)
    if text.startswith(("+", "(+")):
        if _QUANTITY.match(text.removeprefix("(")) is not None:
            return False
        # Written in one, a 1 in front is the code of North America, or no code at all.
        if re.fullmatch(r"\+1\d+", text) is not None:
            return _NORTH_AMERICAN.fullmatch(digits) is not None
        return 7 <= len(digits) <= 15
    if _FULL_DATE.search(text) is not None or _HOURS.fullmatch(text) is not None:
        return False
    return 8 <= len(digits) <= 15 and _OF_A_THING.search(before) is None
