"""Whether a prompt names words that would turn a model from its instructions only to forbid or to refuse them."""

from __future__ import annotations

import re

_STOPS_AND_BREAKS = ".!?。！？।\n"
_STOP_OR_BREAK = re.compile(f"[{_STOPS_AND_BREAKS}]")
_FARTHEST = 300
"""Characters before and behind that are read, so that a long text takes no longer than its length."""
_FILLER = (
    r"(?:\s+(?:ever|to|be|you|we|should|must|may|can|will|let|have|get|make|makes|made|trick|tricks|tricked|into|under|no|any"
    r"|all|the|a|in|circumstances?|way|case|cases|at|time|for|reason|says?|said|writes?|does|allowed|permitted|able|anyone"
    r"|anybody|users?|customers?|they|it|this|that|message|messages|document|documents|instruct|tell|tells|telling|asking"
    r"|simply|just)){0,9}\s+"
)
"""What may stand between a negation and what it forbids: a longer thought may forbid something else."""
_FORBIDDEN_BEFORE = re.compile(
    # Not behind another one: what is not forbidden is allowed.
    rf"(?:(?<!not )(?<!n[’']t )(?<!never )\b(?:not|never|cannot|nothing|nobody|no one|no|without|nor|neither|forbidden"
    rf"|prohibited|(?:avoid|refuse|decline)(?:s|d|ing)?)|n[’']t){_FILLER}$"
    r"|\bnever, ever\s+$"
    # Romance and Slavic languages, whose negation stands right before the verb.
    r"|(?:\b(?:no|nunca|jamás|non|mai|não|nie|nigdy|не|никогда не|ne|nemoj(?:te)?|huwag)\s+|\bn[’'])$"
    r"|\b(?:aucune?|ningún|ninguna|nessuna?|nenhuma?)\s+\w{1,15}\s+(?:d[’']|(?:de|di|a)\s+)$"
    r"|(?:不要|不得|不可|不能|不会|请勿|切勿|勿|别|禁止|绝不|絕不|決不)\s?$|(?:لا\s*[تي]?|عدم\s+)$",
    re.IGNORECASE,
)
_FORBIDDEN_WITHIN = re.compile(
    r"^\w+\s+(?:nie|niemals|nicht|nooit|niet|inte|aldrig|ikke|pas|jamais|mai)\b(?!\s+(?:nur|alleen|bara|kun|seulement))",
    re.IGNORECASE,
)
"""Germanic languages and French have it right behind the verb; not in `nicht nur`."""
_FORBIDDEN_BEHIND = re.compile(
    r"^(?:しな|するな|しては|せず|せぬ|하지\s?(?:마|않)|하면\s?안|\s+(?:न|मत|नहीं)\s|m[ae]"
    r"|[^।.!?\n]{0,15}\sনা(?!\w)|[^.!?\n]{0,12}(?:ாதே|ாதீர்|வே?\s?ண|கூடாது)|\s+(?:نہ|مت)\s)"
)
_ORDER_TO = (
    r"\s+(?:(?!(?:but|except|save|only|other)\b)\w+\s+){0,3}"
    r"(?:instruction|request|order|attempt|demand|command|advice|suggestion|directive)s?\s+to\s+$"
)
"""Words that make what follows somebody's order, and not the prompt's own."""
_ORDER_FORBIDDEN = re.compile(
    r"\b(?:no|without(?: any)?"
    r"|(?:not|n[’']t|never|cannot|nor) (?:(?:follow|obey|contain|hold|include|give|heed|accept|execute|have|honou?r)"
    r"|(?:act|react) (?:on|upon|to)|comply with|give in to|carry out|fall for|yield to)"
    r"|(?<!not )(?<!n.t )(?<!never )(?:free (?:of|from)|(?:avoid|resist|withstand|refuse|reject|decline|lack)(?:s|ed)?"
    rf"|leaves? out)){_ORDER_TO}",
    re.IGNORECASE,
)
_ORDER_HELD = re.compile(rf"\b(?:treat|regard|consider|handle)s?{_ORDER_TO}", re.IGNORECASE)
_AS_DATA = re.compile(
    r"^[^.!?\n]{0,30}\bas (?:(?:part|of|the|an?|mere|plain|untrusted|quoted|user|ordinary) ){0,4}"
    r"(?:text|data|content|quotations?)\b",
    re.I,
)
"""Behind such an order, what makes of it something to read."""
_HEADING = re.compile(
    r"(?:\b(?:not|never|don[’']?ts?|avoid|forbidden|prohibited)\b|n[’']t\b)[^.!?\n]{0,30}:\W*$", re.IGNORECASE
)
_ITEM_MARK = re.compile(r"\s*(?:[-*•+–]|\d{1,2}[.)])\s+")

_WISHED = re.compile(
    r"(?:\b(?:(?:if|when|whenever|should|anyone|anybody|someone|somebody|users?|customers?|people|they)\b[^.!?\n]{0,40}"
    r"\b(?:ask|tell|want|try|trie|instruct|order|urge|demand|persuade|beg|press)\w*|requests?|attempts?|demands?|orders?)"
    r"\b[^.!?\n]{0,20}\b(?:in)?to(?:\s+(?:make|get|have|trick) (?:you|the assistant)(?:\s+(?:in)?to)?)?\s+"
    r"|\b(?:says?|said|saying|writes?|written|writing|types?|claims?|such as|like|e\.g\.)[ :,]*[\"'“”‘’«„]\s*)$",
    re.IGNORECASE,
)  # fmt: skip
"""What stands before the words of others: `If a user asks you to`, `Messages such as "`."""
_REFUSED = re.compile(
    r"\b(?:(?<!not )(?<!n.t )(?<!never )(?<!without )(?:refus|declin|reject)\w*(?! (?:nothing|nobody|no[ -]one|none)\b)"
    r"|(?:not|n.t|never) (?:comply|obey|give in|agree|do so|do it|do that|follow (?:it|them|this|that|such))"
    r"|(?:treat|regard|consider|handle)s? (?:it|this|that|them|these|those|such)(?: \w+)? (?:only |just )?as"
    r" (?:plain |mere |ordinary |quoted )?"
    r"(?:text|data|content|a quotation|quotations|spam|abuse)"
    r"|say no|stays? on (?:the )?topic|(?:go|carry) on with (?:your|the) "
    r"|(?:keep|stick|hold|keep following|continue to follow) (?:to )?(?:the|these|those|your|its|our|them)"
    r"(?: (?:rules|instructions|policy|policies|guidelines))?)\b", re.IGNORECASE,
)  # fmt: skip
_GRANTED = re.compile(
    r"(?<!not )(?<!n.t )(?<!never )\b(?:comply|obey|agree|accept|do (?:so|it|that|as)|give in|allow|(?:may|must|can) "
    r"(?:ignore|reveal|show|tell))\b", re.IGNORECASE,
)  # fmt: skip
"""What makes of such a sentence an order to give in."""
_OWN_RULES = re.compile(
    r"\b(?:these|those|your|our|the) (?:rules|instructions|guidelines|policies)(?: always)?\s+$", re.I
)
_OF_OTHERS = re.compile(
    r"^[^.!?\n]{0,20}\b(?:from|of|by|in)\b[^.!?\n]{0,15}\b(?:users?|customers?|documents?|messages?|mails?|tools?)\b",
    re.I,
)


def is_turned_away(text: str, match: re.Match[str]) -> bool:
    """Whether such words in `text` are what the prompt forbids, or what it says that others say and that it refuses."""
    start = max(text.rfind(mark, 0, match.start()) for mark in _STOPS_AND_BREAKS) + 1
    before = text[max(start, match.start() - _FARTHEST) : match.start()]
    behind = text[match.end() : match.end() + _FARTHEST]
    if _FORBIDDEN_BEFORE.search(before) or _FORBIDDEN_WITHIN.search(match[0]) or _FORBIDDEN_BEHIND.search(behind):
        return True
    if _ORDER_FORBIDDEN.search(before) or (_ORDER_HELD.search(before) and _AS_DATA.search(behind)):
        return True
    if _OWN_RULES.search(before) and _OF_OTHERS.search(behind) and match[0].casefold().startswith("overrid"):
        return True
    return _is_listed_as_forbidden(text, start, before) or _is_refused(before, match[0], behind)


def _is_listed_as_forbidden(text: str, start: int, before: str) -> bool:
    """Whether the words begin an item of a list whose heading forbids what it lists."""
    line = text.rfind("\n", 0, start) + 1
    if not _ITEM_MARK.fullmatch(text[line:start] + before):
        return False
    for above in reversed(text[max(0, line - 10 * _FARTHEST) : line].split("\n")[:-1]):
        if above.strip() and not _ITEM_MARK.match(above):
            return _HEADING.search(above) is not None
    return False


def _is_refused(before: str, words: str, behind: str) -> bool:
    """Whether others say it, and it is refused: in the same sentence, or in the next one where it is quoted."""
    wish = _WISHED.search(before)
    if wish is None:
        return False
    quoted = wish[0].rstrip()[-1:] in "\"'“”‘’«„"
    parts = _STOP_OR_BREAK.split(behind)
    rest = " ".join(parts[: 2 if quoted else 1])
    whole = f"{before}{words}{rest}"
    return _REFUSED.search(whole) is not None and _GRANTED.search(whole) is None
