"""Personal data out of logs: what rules can find is replaced by what it is, as `[email]`.

Names are found only where the log itself says that something is one (a variable `name`); no rule finds the others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from promptopt.text import counted
from promptopt.types import Message

_KEYS = (
    # OpenAI, Anthropic, Stripe, Groq, Slack, Hugging Face, xAI.
    r"\b(?:sk|pk|rk|gsk|xox[a-z]|hf|xai|whsec)[-_][\w-]{8,}",
    # GitHub, GitLab, npm, PyPI, Slack's apps, Google, Shopify, DigitalOcean, Replicate, Linear.
    r"\bgh[oprsu]_\w{8,}|\bgithub_pat_\w{8,}|\bglpat-[\w-]{8,}|\bnpm_\w{16,}|\bpypi-[\w-]{16,}|\bxapp-[\w-]{8,}",
    r"\bAIza[\w-]{30,}|\bya29\.[\w-]{8,}|\bshp(?:at|ca|pa|ss)_\w{16,}|\bdo[opr]_v1_\w{8,}|\br8_\w{16,}|\blin_api_\w{8,}",
    # Amazon, SendGrid, Telegram's bots, Twilio, Slack's hooks.
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bSG\.[\w-]{16,}\.[\w-]{16,}|\b\d{8,10}:[\w-]{35}\b|\b(?:AC|SK)[0-9a-f]{32}\b",
    r"\bhooks\.slack\.com/services/[\w/]{8,}",
    # JSON Web Tokens, headers, private keys.
    # `Basic` needs a digit or a sign in what follows: not `Basic configuration`.
    r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|\bBearer\s+[\w.~+/-]{12,}=*|\bBasic\s+(?=\S*[\d=])[\w+/]{12,}=*",
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----(?:[\s\S]*?-----END (?:[A-Z0-9]+ )*PRIVATE KEY-----)?",
)
# Eight signs with a letter and a digit among them: not "the password is required", and no slot such as `{password}`.
_PASSWORD = (
    r"\b(?:pass(?:word|wd|phrase|code)?|pwd|passwort|kennwort|secret|(?:[a-z]+[_-]){1,3}(?:secret|key|token)|(?:api|access|account|secret)"
    r" ?key)\b[\"']?\s*(?:is|=|:|:=)\s*[\"']?(?![{<$\[])(?=\S*[a-z])(?=\S*\d)[^\s\"']{8,}"
)
_RULES: Mapping[str, re.Pattern[str]] = {
    "key": re.compile("|".join(_KEYS)),
    "password": re.compile(_PASSWORD, re.IGNORECASE),
    "link with a password": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/@:]+:[^\s/@]+@[^\s]+", re.IGNORECASE),
    "email": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "iban": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"),
    "card number": re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])|(?<![\d.-])\d{4}(?:\.\d{4}){3}(?![\d-]|\.\d)"),
    "ip address": re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\d)"),
    "phone": re.compile(
        r"(?<![\w+])(?:\+|00)\d[\d ()./-]{6,18}\d(?!\w)"
        r"|(?<![\w-])\(?0\d{1,4}\)?[ /-]\d[\d /-]{4,12}\d(?!\w)|(?<![\w-])\(?\d{3}\)?[ -]\d{3}-\d{4}(?!\w)"
        r"|(?<![\w.-])\d{3}\.\d{3}\.\d{4}(?!\.?\w)"
    ),
}
"""In this order: what is a card number would else be half a phone number."""
_PERSONAL = re.compile(r"name|mail|phone|mobile|address|street|birth|iban|customer_id|user_id", re.IGNORECASE)
"""Variables whose values are personal, wherever they stand."""
_NAME_OF_A_THING = re.compile(
    r"(?:product|item|article|file|tool|plan|brand|shop|store|model|event|course|bot|assistant)[ _-]?name",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Masker:
    """Replaces what is personal, and counts it by kind."""

    counts: Counter[str] = field(default_factory=Counter[str])

    def text(self, text: str, personal: Mapping[str, str]) -> str:
        """`text` masked; `personal`: texts known to be personal, with what each is."""
        # The longest first: a first name would be taken out of a whole one, and leave the rest.
        for value in sorted(personal, key=lambda each: (-len(each), each)):
            # Whole words only: the customer Art is no part of an article.
            pattern = rf"(?<!\w){re.escape(value)}(?!\w)"
            text, count = re.subn(pattern, lambda _, kind=personal[value]: f"[{kind}]", text)
            self.counts[personal[value]] += count
        for kind, rule in _RULES.items():
            text = rule.sub(lambda found, kind=kind: self._masked(kind, found[0]), text)
        return text

    def message(self, message: Message, personal: Mapping[str, str]) -> Message:
        """The message masked, arguments of calls included, and without the name of who speaks."""
        calls = tuple(replace(call, arguments=self.text(call.arguments, personal)) for call in message.tool_calls)
        name = message.name if message.role == "tool" else ""
        return replace(message, content=self.text(message.content, personal), tool_calls=calls, name=name)

    def value(self, value: object, personal: Mapping[str, str]) -> object:
        """JSON with all texts in it masked."""
        if isinstance(value, dict):
            return {key: self.value(each, personal) for key, each in cast("dict[str, object]", value).items()}
        if isinstance(value, list):
            return [self.value(each, personal) for each in cast("list[object]", value)]
        return self.text(value, personal) if isinstance(value, str) else value

    def said(self) -> str:
        """What was masked, in a sentence."""
        found = [counted(count, kind) for kind, count in sorted(self.counts.items()) if count]
        what = ", ".join(found) if found else "nothing: no rule found personal data"
        return f"masked {what}; rules find neither all names nor all addresses, so look the file through"

    def _masked(self, kind: str, found: str) -> str:
        if kind == "card number" and not _is_card(found):
            return found
        self.counts[kind] += 1
        return f"[{kind}]"


def personal_values(variables: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Values that are personal by the name of their variable, with that name; very short ones are not looked for."""
    return {value.strip(): name for name, value in variables if is_personal(name) and len(value.strip()) > 2}


def is_personal(name: str) -> bool:
    """Whether a variable of that name holds personal data."""
    return _PERSONAL.search(_NAME_OF_A_THING.sub("", name)) is not None


def personal_in(text: str) -> list[tuple[str, str]]:
    """What rules find to be personal or secret: its kind and text; what is a part of something longer counts once."""
    found: list[tuple[str, str]] = []
    for kind, rule in _RULES.items():
        matches = [match for match in rule.finditer(text) if kind != "card number" or _is_card(match[0])]
        found += [(kind, match[0]) for match in matches]
        for match in matches:
            # As many signs as before, so that the places of other matches stay.
            text = text[: match.start()] + "|" * len(match[0]) + text[match.end() :]
    return found


def _is_card(text: str) -> bool:
    """Luhn's check, which one number in ten passes by chance."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0
