"""Words that turn a model from its instructions or speak to a judge, and characters that no reader of a prompt sees."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from promptopt.text import counted, shorten

# Gaps are short and end with the sentence: words far apart are of two thoughts, and no text makes the search slow.
# What is not to be ignored is kept.
_NOT = r"(?<!not )(?<!n't )(?<!n’t )(?<!never )"
_ENGLISH = (
    rf"\b{_NOT}(?:ignore|disregard|forget|override|bypass|skip|supersede|overlook|pay no attention to)\b"
    r"[^.!?\n]{0,40}"
    r"\b(?:previous|prior|above|earlier|preceding|all|any|other|former|your|system)\b[^.!?\n]{0,30}\b(?:instruction|direction|rule|prompt"
    r"|guideline|message|context|polic|order)\w*"
    rf"|\b{_NOT}(?:forget|ignore|disregard|pay no attention to)\s+(?:everything|all that|what)\b"
    r"|\bdo(?: not|n.t) (?:follow|obey)\b[^.!?\n]{0,30}\b(?:above|previous|earlier|prior|preceding|other)\b"
    r"|\b(?:previous|prior|above|earlier|preceding)\b[^.!?\n]{0,20}\b(?:instruction|direction|rule|prompt|guideline)s?\b"
    r"[^.!?\n]{0,20}\b(?:no longer|void|cancel\w*|revoked|invalid|obsolete|superseded|suspended"
    r"|(?:was|were|are) (?:only |just )?(?:a test|tests|a joke|fake|wrong|outdated))\b"
    r"|\b(?:stop|cease|quit)\s+(?:following|obeying)\s+"
    r"(?:them|these|those|(?:your|the|all|any)\b[^.!?\n]{0,20}\b(?:instruction|rule|prompt|guideline)s?)\b"
    rf"|\b{_NOT}(?:set aside|put aside|discard|ignore|disregard|forget|overlook)\b[^.!?\n]{{0,20}}"
    r"\b(?:instruction|direction|rule|prompt|guideline)s?\b[^.!?\n]{0,30}\b(?:before|above|earlier|previously|so far)\b"
    r"|\b(?:everything|all|text|content|messages?)\b[^.!?\n]{0,20}\b(?:before|above|earlier|so far)\b[^.!?\n]{0,30}"
    r"\b(?:void|cancel\w*|revoked|invalid|obsolete|superseded)\b"
    r"|\b(?:whatever|no matter what|regardless of what)\b[^.!?\n]{0,10}\b(?:system|developer)\b[^.!?\n]{0,20}\bsay"
    r"|\b(?:instruction|direction|rule|prompt|guideline)s?\b[^.!?\n]{0,30}\b(?:are|is)"
    r" (?:now )?(?:no longer in force|off|disabled|lifted)\b"
    r"|\bas (?:if|though)\b[^.!?\n]{0,20}\b(?:no|never)\b[^.!?\n]{0,20}\b(?:instruction|rule|prompt|guideline)s?\b"
    r"|\beven (?:against|if (?:it|this|that) (?:breaks|violates|contradicts)) (?:your|the|all|any)\b[^.!?\n]{0,20}"
    r"\b(?:instruction|rule|prompt|guideline)s?\b"
    r"|\b(?:developer|debug|jailbreak|god|dan) mode\b[^.!?\n]{0,15}\b(?:on|enabled|active|activated)\b"
    r"|\byou (?:are now|now have|have)\b[^.!?\n]{0,30}\b(?:no|without|free of|free from)\b[^.!?\n]{0,12}"
    r"\b(?:(?:restriction|filter|guideline)s?|rules)\b"
)
_FOREIGN = (
    # For each: to pass over, all or what was said before, instructions.
    (r"ignorier\w*|missacht\w*|vergiss|vergesst|vergessen", r"vorherig|bisherig|vorig|obig|früher|alle|dein|ihre",
     r"anweisung|regel|vorgabe|instruktion|befehl"),
    (r"ignor\w*|oubli\w*", r"précédent|antérieur|ci-dessus|tout|vos|tes|système",
     r"instruction|consigne|règle|directive"),
    (r"ignor\w*|olvid\w*", r"anterior|previa|todas|tus|sus", r"instruccion|regla|directri|indicacion"),
    (r"ignor\w*|dimentic\w*", r"precedent|tutte|tue|sopra", r"istruzion|regol"),
    (r"ignor\w*|esque[çc]\w*", r"anterior|todas|suas|acima", r"instruç|regra"),
    (r"negeer\w*|vergeet", r"vorige|eerdere|alle|bovenstaande|jouw", r"instructie|regel"),
    (r"z?ignoruj\w*|zapomnij|zapomeň", r"poprzedni|wszystk|wcześniejsz|powyższ|předchoz|všechn|výše",
     r"instrukc|polece|zasad|reguł|pokyn|pravid"),
    (r"ignorer\w*|glöm|bortse från|glem|se bort fra", r"tidigare|föregående|alla|ovan|tidligere|forrige|alle",
     r"instruktion|instruks|regler|anvisning"),
    (r"игнорир\w*|забуд\w*", r"предыдущ|все|прежн|выше", r"инструкц|правил|указан"),
)  # fmt: skip
_WITHOUT_SPACES = (
    r"(?:忽略|无视|忘记|忽視|無視|忘記)[^。！？\n]{0,15}(?:指令|指示|提示|规则|規則)"
    r"|(?:指示|命令|ルール|規則|プロンプト)[^。！？\n]{0,10}(?:無視|忘れ)"
    # Where the verb stands last, and in scripts whose marks are no letters to `re`, so that `\b` fails.
    r"|(?:지시|명령|규칙|지침|프롬프트)[^.!?\n]{0,15}(?:무시|잊)"
    r"|(?:निर्देश|नियम|आदेश)[^।.!?\n]{0,20}(?:अनदेखा|अनदेखी|भूल|उपेक्षा)"
    r"|(?:تجاهل|انس)[^.!؟\n]{0,20}(?:تعليمات|قواعد|أوامر|توجيهات)"
    r"|(?:önceki|tüm|yukarıdaki)[^.!?\n]{0,20}(?:talimat|kural|yönerge)[^.!?\n]{0,12}(?:yok say|görmezden gel|unut)"
)
_INJECTIONS: Mapping[str, re.Pattern[str]] = {
    "tells the model to pass over its instructions": re.compile(
        "|".join([
            _ENGLISH,
            *(rf"\b(?:{verb})\b(?=[^.!?\n]{{0,60}}\b(?:{which}))[^.!?\n]{{0,60}}\b(?:{noun})\w*"
              for verb, which, noun in _FOREIGN),
            _WITHOUT_SPACES,
        ]), re.IGNORECASE),
    "holds marks of roles or tools": re.compile(
        r"<\|[\w ]{2,30}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<function="
        r"|\"(?:tool_calls|function_call|tool_use)\"\s*[:,}]"
        r"|</?(?:system|assistant|tool_call|tool_response|function_calls?)>"
        r"|###\s*(?:system|assistant|human|user)\s*:"
        r"|^\s*(?:system|assistant|human|user)\s*:\s*\S", re.IGNORECASE | re.MULTILINE),
    "speaks to whoever scores the reply": re.compile(
        # Not to judge somebody is good manners; to judge whether something holds is a task.
        rf"\b{_NOT}judge\b(?! (?:whether|if|how|which|what|each|by|from)\b)"
        r"|\b(?:judging|grading|scoring|rating|evaluating) (?:this|your) (?:reply|answer|response|output)\b"
        r"|\b(?:scored?|graded?|rated?|marked|counted) as (?:correct|right|perfect)\b"
        r"|\b(?:judges|grader|graders|evaluator|evaluators|assessor|assessors|rubric|scorer|graded|marking scheme)\b"
        r"|\b(?:whoever|anyone who|the one who)\b[^.!?\n]{0,10}\b(?:compares|scores|grades|rates|judges|evaluates)\b"
        r"|\bif you(?: are|.re) (?:scoring|grading|judging|rating|evaluating|comparing)\b"
        r"|\b(?:choose|pick|prefer|select|favou?r) (?:response|answer|reply|output|assistant) (?:[AB12]|one|two)\b"
        r"|\b(?:give|award|assign|deserve|deserves|rate|score|rated|scored|grade)\b[^.!?\n]{0,40}\b(?:highest|top|full"
        r"|perfect|maximum|max|best)\b[^.!?\n]{0,20}\b(?:score|mark|marks|rating|grade|points|stars)\b"
        r"|\b(?:get|earn|receive|gain|obtain|reach|achieve|secure|win|boost|increase|raise|maximi[sz]e)\b[^.!?\n]{0,15}\b(?:high|higher|good"
        r"|better|great|your|the)\s+(?:score|rating)\b"
        # What is the highest rating is told customers too.
        r"|\b(?<!is the )(?<!are the )(?:highest|top|full|perfect|maximum)\s+(?:score|mark|marks|rating|grade)\b"
        r"|\b(?:10|5|100)\s?(?:/|out of)\s?(?:10|5|100)\b", re.IGNORECASE),
}  # fmt: skip

_WISHED = re.compile(
    r"\b(?:(?:if|when|whenever|should|anyone|anybody|someone|somebody|users?|customers?|people|they)\b[^.!?\n]{0,40}"
    r"\b(?:ask|tell|want|try|trie|instruct|order|urge|demand|persuade|beg|press)\w*|requests?|attempts?|demands?|orders?)"
    r"\b[^.!?\n]{0,20}\b(?:in)?to\s+$", re.IGNORECASE,
)  # fmt: skip
"""What stands before the words of others: `If a user asks you to`."""
_REFUSED = re.compile(
    r"\b(?:(?<!not )(?<!n.t )(?<!never )(?<!without )(?:refus|declin|reject)\w*(?! (?:nothing|nobody|no[ -]one|none)\b)"
    r"|(?:not|n.t|never) (?:comply|obey|give in|agree|do so|do it|do that)"
    r"|say no|(?:keep|stick|hold|keep following|continue to follow) (?:to )?(?:the|these|those|your|its|our|them)"
    r"(?: (?:rules|instructions|policy|policies|guidelines))?)\b", re.IGNORECASE,
)  # fmt: skip
_GRANTED = re.compile(
    r"(?<!not )(?<!n.t )(?<!never )\b(?:comply|obey|agree|accept|do (?:so|it|that|as)|give in|allow|(?:may|must|can) "
    r"(?:ignore|reveal|show|tell))\b", re.IGNORECASE,
)  # fmt: skip
"""What makes of such a sentence an order to give in."""
_SENTENCE_END = re.compile(r"[.!?\n]")
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f")
"""The flag of a region, which is spelt by tags (Unicode Technical Standard 51)."""
_HIDDEN = re.compile(
    "[\u00ad\u115f\u1160\u200b\u202d\u202e\u2060-\u2064\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
    # Joiners are letters' shapes in many scripts and hold emoji together; between Latin letters, or in a row, nothing.
    "|(?<=[A-Za-z])[\u200c\u200d](?=[A-Za-z])|[\u200c\u200d]{2,}"
    # One selector picks the look of the sign before it.
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}"
)
_TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202c\u2066-\u2069]")
"""Marks of direction, which texts from right to left need."""
_LOOKALIKE = re.compile(r"\b(?=\w*[A-Za-z])(?=\w*[асеорхуіјѕһАВЕКМНОРСТХУІЈЅ])[A-Za-zасеорхуіјѕһАВЕКМНОРСТХУІЈЅ]+\b")
"""Words of Latin letters and such Cyrillic ones as look the same."""
_LATIN = str.maketrans("асеорхуіјѕһАВЕКМНОРСТХУІЈЅ", "aceopxyijshABEKMHOPCTXYIJS")
_TAGS = {0xE0000 + code: chr(code) for code in range(0x20, 0x7F)}
# Not before a digit: there a list goes on.
_WRAP = re.compile(r"[^\S\n]*\n[^\S\n]*(?=\w)(?!\d)")


def injections(text: str, before: str) -> list[str]:
    """A sentence for each kind of such words that `text` holds and `before` does not.

    Read as a model may read it: without the characters that hide it, and with lines that were wrapped made one.
    """
    found: list[str] = []
    for what, pattern in _INJECTIONS.items():
        # Compared without regard to case and line breaks, which rewriting changes first.
        old = {" ".join(match.casefold().split()) for match in _matches(pattern, before)}
        new = [match for match in _matches(pattern, text) if " ".join(match.casefold().split()) not in old]
        if new:
            found.append(f'{what}: "{shorten(" ".join(new[0].split()), 80)}"')
    return found


def hidden(text: str, before: str) -> list[str]:
    """A sentence on the characters in `text` that nobody who reads it sees, and one on letters that pass for others.

    Those that `before` holds too are passed over.
    """
    known = set(before)
    unseen = [character for character in _hidden_in(text) if character not in known]
    found: list[str] = []
    if unseen:
        spelt = "".join(_TAGS.get(ord(character), "") for character in unseen)
        says = f', which spell "{shorten(spelt, 80)}"' if spelt.strip() else ""
        what = counted(len(unseen), "character that no reader sees", "characters that no reader sees")
        found.append(f"holds {what} (U+{ord(unseen[0]):04X}){says}")
    words = [match[0] for match in _LOOKALIKE.finditer(text) if match[0] not in before]
    if words:
        found.append(f'writes "{shorten(words[0], 80)}" with letters of two alphabets that look the same')
    return found


def _hidden_in(text: str) -> Sequence[str]:
    bare = _FLAG.sub("", text)
    found = "".join(match[0] for match in _HIDDEN.finditer(bare))
    # Beside letters from right to left, marks of direction belong to the spelling.
    if not any(each.isalpha() and unicodedata.bidirectional(each) in ("R", "AL") for each in bare):
        found += "".join(_TURNS.findall(bare))
    return found


def _matches(pattern: re.Pattern[str], text: str) -> list[str]:
    tagged = _FLAG.sub("", text).translate(_TAGS)
    shown = "".join(each for each in tagged if unicodedata.category(each) != "Cf")
    plain = _LOOKALIKE.sub(lambda found: found[0].translate(_LATIN), unicodedata.normalize("NFKC", shown))
    # As it stands too, where a mark has to begin a line.
    return [match[0] for each in dict.fromkeys((plain, _WRAP.sub(" ", plain)))
            for match in pattern.finditer(each) if not _is_refused(each, match)]  # fmt: skip


def _is_refused(text: str, match: re.Match[str]) -> bool:
    """Whether a prompt says of such words that others say them, and that they are refused, all in one sentence."""
    start = max((text.rfind(mark, 0, match.start()) for mark in ".!?\n"), default=-1) + 1
    end = _SENTENCE_END.search(text, match.end())
    sentence = text[start : len(text) if end is None else end.start()]
    refused = _REFUSED.search(sentence) is not None and _GRANTED.search(sentence) is None
    return refused and _WISHED.search(text[start : match.start()]) is not None
