"""Replies that give no text: refusals, "no changes needed", criticisms, and answers to a request taken for a chat."""

from __future__ import annotations

import re
from collections.abc import Iterable

_OPENER = (
    r"(?:(?:certainly|sure|of course|hello|hi|hey|oh|unfortunately|well|yes|no|thanks|thank you)\s*[!,.:-]\s*)*"
    r"(?:but )?"
)
"""What such replies often begin with, and prompts may as well."""
_MISSING_TEXT = r"(?:instructions?|prompt|text|message|details|information|context|examples?|input)\b"
"""What they ask for. A prompt may itself begin by asking for something, but hardly for these."""
_INPUT_NOUN = r"(?:sentence|review|article|passage|tweet|paragraph)\b"
"""What a prompt is for: it may be asked for too, to classify it."""
_OBJECT = r"(?: (?!(?:of|in|for|from|about|to)\b)[\w'’-]+){0,5} "
"""What is asked for is the object itself: "the sentiment of the text" is what a prompt asks for."""
_LACKS = r"(?:do|did)(?: not|n['’]t) (?:have|see|receive|understand|know what|find)"
_BEGINNINGS = (
    r"(?:i['’]?m |i am )?(?:very |really |so |truly )?(?:sorry|afraid|unable)\b",
    r"i(?:['’]m| am) not (?:able|sure (?:what|which))\b",
    r"(?:(?:i|my) )?(?:sincerely |sincere )?apolog(?:i[sz]e|ies)\b",
    rf"i (?:can(?:no|['’])t|can not|won['’]t|will not|could(?: not|n['’]t)|{_LACKS})\b",
    r"i have(?: not|n['’]t) (?:received|been given)\b",
    # A prompt may speak so to its reader; a refusal goes on to speak of itself.
    r"as an? (?:ai|(?:large )?language model)\b[^.\n]{0,40}\bi\b"
    r"(?!['’]d like| (?:want|need|would like|ask|expect|give|will (?:give|show|ask|tell)) )",
    r"it (?:seems|looks|appears) (?:(?:like|that|as if|as though) )?(?:you|your|there (?:is|was) (?:no|a mis))\b",
    r"you (?:have|did)(?: not|n['’]t) (?:provided?|given?|shared?|included?|specif)",
    rf"(?:could|can|would) you (?:please )?(?:provide|share|clarify|specify)\b{_OBJECT}{_MISSING_TEXT}",
    rf"please (?:provide|share|give)\b{_OBJECT}(?:{_MISSING_TEXT}|{_INPUT_NOUN})"
    r"[^.\n]{0,60}\b(?:you(?:['’]d| would) like|you want|so (?:that )?i can)\b",
    r"what (?:would|do) you (?:like|want) me to\b",
    r"i (?:would |still )?need (?:more|additional|further|some more) (?:information|context|details)\b",
    r"i(?:['’]d| would) be (?:happy|glad) to (?:help|assist)\b",
    r"i (?:must|have to|need to) (?:respectfully |politely )?decline\b",
    r"i (?:appreciate|understand) [^.\n]{0,60}\bbut i (?:can(?:no|['’])t|can not|won['’]t|am)\b",
    r"how (?:can|may) i (?:help|assist) you\b",
    r"es tut mir leid\b|lo siento\b|(?:je suis )?désolée?\b|mi dispiace\b|desculpe\b",
    r"извините\b|простите\b|к сожалению\b|przepraszam\b|üzgünüm\b|maaf\b|xin lỗi\b",
    r"(?:非常|很|十分)?抱歉|对不起|對不起|申し訳|죄송",
)
_REFUSAL = re.compile(rf"\s*{_OPENER}(?:{'|'.join(_BEGINNINGS)})", re.IGNORECASE)


_UNCHANGED = re.compile(
    r"\W*(?:(?:n/?a|none|null|nil|no changes?)\W*\Z"
    r"|(?:there are )?no (?:further |more )?(?:changes?|improvements?|edits?|revisions?)(?: (?:is|are|was|were))? "
    # Not "no changes are necessary to the quoted text".
    r"(?:needed|necessary|required)(?=\W*(?:\Z|[.!;\n])"
    r"|\s(?:here|at\b|as\b|because|since|to (?:the|this|your) (?:prompt|instruction)\b))"
    r"|(?:there is |i see )?no need to (?:change|revise|modify|improve|edit|rewrite) (?:the|this|your|it)\b"
    r"(?: (?:prompt|instruction)s?)?(?=\W*(?:\Z|[.!;\n]))"
    r"|i(?: would|['’]d)? (?:not|keep|leave)(?: change)? (?:it|anything|the (?:prompt|instruction)s?)"
    r"(?: (?:as (?:it|they) (?:is|are)|unchanged))?(?=\W*(?:\Z|[.!;\n]))"
    r"|(?:i (?:think|believe|find|feel) (?:that )?)?(?:the|this|your) (?:(?:current|original|existing|given) )?"
    r"(?:prompt|instruction) (?:is|seems|looks) "
    r"(?:already|good|fine|optimal|perfect)\b(?! (?:if|when|where|only)\b))",
    re.IGNORECASE,
)

_FAULT = (
    r"(?:(?:too|overly|insufficiently|poorly) \w+|incomplete|unclear|vague|ambiguous|confusing|misleading|lacking"
    r"|missing|insufficient|incorrect|wrong|flawed|not (?:very |quite |fully )?"
    r"(?:clear|specific|complete|enough|detailed|precise|sufficient|helpful|explicit))\b"
)
_FLAW = r"(?:problem|issue|weakness|flaw|shortcoming)"
_LEFT_OUT = (
    r"(?:mention|say|specify|state|include|explain|address|provide|give|define|clarify|tell|cover|consider|account"
    r"|describe|indicate)\b"
)
# At the head of a sentence: "If the prompt does not mention a date, …" tells a model what to do.
_CRITICISM = re.compile(
    r"(?:\A|\n|[.!?]\s)[\W_]{0,6}"
    rf"(?:(?P<remark>(?:feedback|critique|criticism|analysis|(?:main )?{_FLAW})s?[*_ ]{{0,3}}:[*_\s]{{0,4}})"
    rf"|(?:the|one|another|a) (?:(?:main|biggest|key|first|second|other) )?{_FLAW}(?: here)? is that "
    r"|i (?:think|believe|find|feel) (?:that )?)?"
    r"(?:(?:however|but|also|similarly|additionally|moreover|first|second|unfortunately)\W{1,3})?"
    r"(?:the|this|these|your) (?:(?:current|original|given|existing|previous|provided|initial|old) )?"
    r"(?:instructions?|prompt)[*_]{0,3}(?: (?:above|given|provided|itself|you (?:gave|provided)))? "
    r"(?:(?:also|still|only|currently) )?(?:"
    r"(?:is|are|was|were|seems?|appears?) (?:to be )?(?:(?:a bit|a little|somewhat|rather|very|quite|so|also) )?"
    rf"{_FAULT}"
    rf"|(?:does|do|did)(?: not|n['’]t) (?:(?:explicitly|clearly|fully|even) )?{_LEFT_OUT}"
    r"|fail(?:s|ed)? to\b|(?:lacks?|lacked|omits?|omitted)\b"
    r"|(?:could|should|can) be (?:more|improved|clearer|rewritten|better)\b"
    r"|needs? (?:to be (?:more|clearer|improved|rewritten)|more|improvement)\b"
    r"|(?(remark)should\b|(?!)))"
    rf"|\A[\W_]{{0,6}}{_FLAW}(?:s|es)? (?:with|of|in) (?:the|this|your) (?:\w+ )?(?:instruction|prompt)s?[*_ ]{{0,3}}:",
    re.IGNORECASE,
)
_STATES_ANSWER = re.compile(
    r"[\s*\"'`]*(?:after this (?:prompt|input|text),? )?(?:(?:so|thus|therefore|then|here),? )?(?:the )?"
    r"(?:(?:expected|correct|right|preferred|desired|final|likely|most likely) )?"
    r"(?:output|answer|label|class|category|response)(?: (?:here|for (?:this|the) \w+))?"
    r"(?: (?:is|was|would be|should be|will be|must be))?(?::|\s)[\s*\"'`:]*(?P<said>.+)",
    re.IGNORECASE | re.DOTALL,
)
_AROUND = " \t\n.!\"'`*"
_INSTRUCTIONS = re.compile(r"\b(?:instructions?|prompts?)\b", re.IGNORECASE)
_ITSELF = re.compile(
    r"^[\W_]*(?:\w+ )?(?:instructions?|prompt)[\W_]*$|\bsystem prompt\b"
    r"|\b(?:these|this|those|your|my|our|all|any|follow(?:ing)? the|following|above|below|previous|prior)"
    r"(?: (?:of|the|these|system|following|above|below|previous|prior|specific|general|additional|given))*"
    r" (?:instructions|instruction above|prompt above)\b",
    re.IGNORECASE | re.MULTILINE,
)
"""Words by which a prompt speaks of itself, as "follow these instructions"."""


def refuses(text: str) -> bool:
    """Whether `text` begins as models do that will not, or cannot, do what they are asked."""
    return _REFUSAL.match(text) is not None


def changes_nothing(text: str) -> bool:
    """Whether `text` only says that what it was made from needs no change."""
    return _UNCHANGED.match(text) is not None


def criticises(text: str) -> bool:
    """Whether `text` says what is wrong with an instruction, as a critic was asked to before it wrote a better one."""
    return _CRITICISM.search(text) is not None


def concerns_instructions(texts: Iterable[str]) -> bool:
    """Whether one of `texts` speaks of prompts or instructions beside itself: a task may be about them (recipes)."""
    return any(_INSTRUCTIONS.search(_ITSELF.sub("", text)) for text in texts)


def answers(text: str, labels: Iterable[str]) -> bool:
    """Whether all that `text` says is one of the labels, or that one of them is the answer: `Output: negative`.

    So does an example with its answer, which a text ends in that gives no second one.
    """
    known = {label.strip(_AROUND).casefold() for label in labels} - {""}
    lines = [line for line in text.splitlines() if line.strip()]
    given = [_answer_in(line) in known for line in lines]
    # One of several below each other is one of a list, or of several examples.
    alone = given[-1:] == [True] and sum(given) == 1
    return _answer_in(text) in known or (
        alone and (_states(lines[-1]) or lines[-2].rstrip(" \t*_`").endswith((":", " is")))
    )


def _states(text: str) -> bool:
    return _STATES_ANSWER.fullmatch(text) is not None


def _answer_in(text: str) -> str:
    """What `text` says the answer is, else all of it."""
    stated = _STATES_ANSWER.fullmatch(text)
    return (stated["said"] if stated else text).strip(_AROUND).casefold()
