"""Words that turn a model from its instructions or speak to a judge, and characters that no reader of a prompt sees."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from promptopt.outcome.readings import CYRILLIC, readings
from promptopt.outcome.turned_away import is_turned_away
from promptopt.text import counted, shorten

# Gaps are short and end with the sentence: words far apart are of two thoughts, and no text makes the search slow.
# Not to judge somebody is good manners. Whether something is not to be ignored, `is_turned_away` says.
_NOT_NEGATED = r"(?<!not )(?<!n't )(?<!n’t )(?<!never )"
_ENGLISH_ORDERS = (
    # Not `--ignore-rules`, which is an option of a program.
    rf"(?<!--)\b{_NOT_NEGATED}(?:ignore|disregard|forget|override|bypass|supersede|pay no attention to)\b"
    r"[^.!?\n]{0,40}"
    r"\b(?:previous|prior|above|earlier|preceding|all|any|other|former|your|system)\b[^.!?\n]{0,30}\b(?:instruction|direction|rule|prompt"
    r"|guideline|message|context|polic|orders\b)\w*"
    # Questions and greetings are skipped too, and so is a rule that does not apply.
    rf"|\b{_NOT_NEGATED}(?:skip|overlook)\s+(?:over\s+)?(?:(?:all|any|every|of|the|these|your|other|previous|prior|above|earlier|preceding|former"
    r"|system)\s+){1,4}(?:(?:instruction|direction|rule|guideline)s|prompts?)\b(?!\s+(?:that|which|not)\b"
    # Those of a thing are no model's.
    r"|\s+(?:on|in|at) (?:page|the (?:box|label|leaflet|manual|package|packaging|screen|website))\b)"
    r"|(?:ignore|disregard|forget|override|bypass)(?:all|any|every|the|these|those|your|my|of)*"
    r"(?:previous|prior|above|earlier|preceding|system|your)(?:system)?(?:instruction|direction|rule|prompt|guideline|message)s?"
    rf"|\b{_NOT_NEGATED}(?:forget|ignore|disregard|pay no attention to)\s+(?:everything|all that|what)\b"
    # Not an instruction to do so, which others give.
    r"|\bdo(?: not|n.t) (?:follow|obey)\b(?! (?:\w+ ){0,3}(?:instruction|request|order|attempt|demand|command)s? to\b)"
    r"[^.!?\n]{0,30}\b(?:above|previous|earlier|prior|preceding|other)\b"
    r"|\b(?:previous|prior|above|earlier|preceding)\b[^.!?\n]{0,20}\b(?:instruction|direction|rule|prompt|guideline)s?\b"
    r"[^.!?\n]{0,20}\b(?:no longer|void|cancel\w*|revoked|invalid|obsolete|superseded|suspended"
    r"|(?:was|were|are) (?:only |just )?(?:a test|tests|a joke|fake|wrong|outdated))\b"
    r"|\b(?:stop|cease|quit)\s+(?:following|obeying)\s+"
    r"(?:them|these|those|(?:your|the|all|any)\b[^.!?\n]{0,20}\b(?:instruction|rule|prompt|guideline)s?)\b"
    rf"|\b{_NOT_NEGATED}(?:set aside|put aside|discard|ignore|disregard|forget|overlook)\b[^.!?\n]{{0,20}}"
    r"\b(?:instruction|direction|rule|prompt|guideline)s?\b[^.!?\n]{0,30}\b(?:before|above|earlier|previously|so far)\b"
    r"|\b(?:everything|all|text|content|messages?)\b[^.!?\n]{0,20}\b(?:before|above|earlier|so far)\b[^.!?\n]{0,30}"
    r"\b(?:void|cancel\w*|revoked|invalid|obsolete|superseded)\b"
    r"|\b(?:instruction|direction|rule|prompt|guideline)s?\b[^.!?\n]{0,20}"
    r"\b(?:before|above|earlier|so far)\b[^.!?\n]{0,20}"
    r"\b(?:no longer|void|cancel\w*|revoked|invalid|obsolete|superseded)\b"
    rf"|\b{_NOT_NEGATED}(?:set aside|put aside|discard|drop)\b[^.!?\n]{{0,20}}"
    r"\b(?:instruction|direction|rule|prompt|guideline)s? (?:that )?you (?:were|have been|had been) (?:given|told)\b"
    # Orders of a shop are cancelled, too.
    rf"|\b{_NOT_NEGATED}(?:cancel|revoke|scrap|undo)\s+(?:all (?:of )?)?the above\b(?=\s*(?:[.,;!]|and\b|$))"
    r"|\b(?:are|is|be|feel) (?:no longer|not) (?:bound|restricted|limited|governed)\b[^.!?\n]{0,20}"
    r"\b(?:instruction|direction|directive|rule|prompt|guideline|polic)\w*"
    r"|\bopposite of (?:what|whatever|everything)\b[^.!?\n]{0,15}\b(?:system|developer|instruction|rule|prompt)s?\b"
    r"|\byou are now dan\b(?= and\b|\s*[.,;(])|\bdo anything now\b"
    r"|\b(?:answer|reply|respond|write|speak)\w*\b[^.!?\n]{0,20}"
    r"\bwithout (?:any )?(?:filter|restriction|guardrail|censor)\w*"
    r"|\b(?:whatever|no matter what|regardless of what)\b[^.!?\n]{0,10}\b(?:system|developer)\b[^.!?\n]{0,20}\bsay"
    r"|\b(?:instruction|direction|rule|prompt|guideline)s?\b[^.!?\n]{0,30}\b(?:are|is)"
    r" (?:now )?(?:no longer in force|off|disabled|lifted)\b"
    r"|\bas (?:if|though)\b[^.!?\n]{0,20}\b(?:no|never)\b[^.!?\n]{0,20}"
    r"\b(?:instruction|rule|prompt|guideline|restriction)s?\b"
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
    (r"ignor\w*|olvid\w*", r"anterior|previa|todas|tus|sus|arriba", r"instruccion|regla|directri|indicacion"),
    (r"ignor\w*|dimentic\w*", r"precedent|tutte|tue|sopra", r"istruzion|regol"),
    (r"ignor\w*|esque[çc]\w*", r"anterior|todas|suas|acima", r"instruç|regra"),
    (r"negeer\w*|vergeet", r"vorige|eerdere|alle|bovenstaande|jouw", r"instructie|regel"),
    (r"z?ignoruj\w*|zapomnij|zapomeň", r"poprzedni|wszystk|wcześniejsz|powyższ|předchoz|všechn|výše",
     r"instrukc|polece|zasad|reguł|pokyn|pravid"),
    (r"ignorer\w*|glöm|bortse från|glem|se bort fra", r"tidigare|föregående|alla|ovan|tidligere|forrige|alle",
     r"instruktion|instruks|regler|anvisning"),
    (r"игнорир\w*|забуд\w*", r"предыдущ|все|прежн|выше", r"инструкц|правил|указан"),
    (r"з?ігнору\w*|забудь\w*", r"попередн|усі|всі|вище", r"інструкц|правил|вказівк"),
    (r"ignor[aă]\w*|uit[aă]\w*", r"anterioare|precedente|toate|de mai sus", r"instrucțiun|instructiun|reguli"),
    (r"αγνό\w*|αγνο\w*|ξέχασ\w*", r"προηγούμεν|όλες|όλους|παραπάνω", r"οδηγί|εντολ|κανόν"),
    (r"abaikan|lupakan", r"sebelumnya|semua|di atas", r"instruksi|perintah|aturan"),
    (r"ignoruj\w*|zabudni\w*", r"predch[aá]dzaj|všetk|vyššie", r"pokyn|inštrukci|pravid|príkaz"),
    (r"zanemari\w*|ignoriraj\w*|ignoriši\w*|prezri\w*|zaboravi\w*|pozabi\w*",
     r"prethodn|ranij|prejšnj|sv[aei]\b|vs[aei]\b|gornj|zgornj", r"uput|instrukcij|navodil|pravil|naredb"),
    (r"занемари\w*|игнорирай\w*|игнориши\w*|пренебрегни\w*|забрави\w*",
     r"предишн|всички|претходн|св[аеи]\b|по-горе", r"инструкци|указани|упутств|упатств|правил"),
    (r"ignoruok\w*|nepaisyk\w*|pamiršk\w*", r"ankstesn|vis[auoų]|aukščiau", r"instrukcij|nurodym|taisykl"),
    (r"ignorē\w*|aizmirst\w*", r"iepriekšēj|vis[aāiu]|augstāk", r"instrukcij|norādījum|noteikum"),
    (r"(?<![äa]ra )(?<![äa]rge )(?:eira|ignoreeri|unusta)\w*", r"eelnev|varasema|kõik|ülal",
     r"juhis|juhend|reegl|korraldus"),
    (r"puuza\w*|sahau\w*", r"awali|yote|hapo juu", r"maagizo|maelekezo|sheria|kanuni"),
    (r"balewalain|kalimutan", r"lahat|nauna|itaas", r"tagubilin|panuto|utos|patakaran"),
    (r"ignora|ignorate|neglege|negligite|obliviscere|obliviscimini", r"omni(?:a|um|bus)|omnes|prior|superior|praeceden",
     r"praecept|instruction|mandat|regul|iuss"),
    (r"bỏ qua|quên", r"trước|tất cả|mọi|trên", r"hướng dẫn|chỉ dẫn|quy tắc|lệnh"),
)  # fmt: skip
_OTHER_LANGUAGES = (
    r"\b(?:vergiss|vergesst|vergessen sie|ignorier\w*),? (?:(?:alles|das),? was\b"
    r"|was (?:oben|bisher|vorher|davor)\b)|\boubli\w+ tout ce qu"
    r"|\bolvida\w* todo lo\b"
    # In scripts without spaces.
    r"|(?:忽略|无视|忘记|忽視|無視|忘記)[^。！？\n]{0,15}(?:指令|指示|提示|规则|規則)"
    r"|(?:指示|命令|ルール|規則|プロンプト)[^。！？\n]{0,10}(?:無視|忘れ)"
    # Where the verb stands last, and in scripts whose marks are no letters to `re`, so that `\b` fails.
    r"|(?:지시|명령|규칙|지침|프롬프트)[^.!?\n]{0,15}(?:무시|잊)"
    r"|(?:निर्देश|नियम|आदेश)[^।.!?\n]{0,20}(?:अनदेखा|अनदेखी|भूल|उपेक्षा)"
    r"|(?:تجاهل|انس)[^.!؟\n]{0,20}(?:تعليمات|قواعد|أوامر|توجيهات)"
    r"|(?:התעלם|התעלמי|התעלמו|שכח)[^.!?\n]{0,20}(?:הוראות|הנחיות|כללים|ההוראות|ההנחיות|הכללים)"
    r"|(?:دستور|قوانین|قواعد)[^.!؟\n]{0,20}(?:نادیده|فراموش)"
    r"|(?:ہدایات|احکامات|قواعد)[^۔.!?\n]{0,20}(?:نظر ?انداز|بھول)"
    r"|(?:নির্দেশ|নিয়ম)[^।.!?\n]{0,20}(?:উপেক্ষা|ভুলে)"
    r"|(?:வழிமுறை|அறிவுறுத்தல்|விதிமுறை)[^.!?\n]{0,30}(?:புறக்கணி|மறந்து)"
    r"|(?:ละเว้น|เพิกเฉย|ลืม)[^.!?\n]{0,20}(?:คํ?[ำา]สั่ง|กฎ|คํ?[ำา]แนะน)"
    r"|(?:aiemmat|kaikki|edelliset)[^.!?\n]{0,20}(?:ohjeet|säännöt)[^.!?\n]{0,12}huomiotta"
    r"|huomiotta[^.!?\n]{0,20}(?:aiemmat|kaikki|edelliset)[^.!?\n]{0,20}(?:ohjeet|säännöt)"
    r"|figyelmen kívül[^.!?\n]{0,30}(?:utasítás|szabály)"
    r"|(?:önceki|tüm|yukarıdaki)[^.!?\n]{0,20}(?:talimat|kural|yönerge)[^.!?\n]{0,12}(?:yok say|görmezden gel|unut)"
)
_ROLE_MARKS = re.compile(
    r"<\s?\|[\w ]{2,30}\|\s?>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<function=|<invoke name="
    r"|\"(?:tool_calls|function_call|tool_use)\"\s*[:,}]"
    r"|\"role\"\s*:\s*\"(?:system|developer|assistant|tool)\""
    r"|\"name\"\s*:\s*\"[\w.-]+\"\s*,\s*\"(?:arguments|parameters)\"\s*:\s*\{"
    r"|^[^\S\n]*action input\s*:"
    r"|</?(?:system|assistant|tool_call|tool_response|function_calls?)>"
    r"|###\s*(?:system|assistant|human|user)\s*:"
    r"|^[^\S\n]*(?:system|assistant|human|user)\s*:\s*\S", re.IGNORECASE | re.MULTILINE,
)  # fmt: skip
_NOT_THE_REPLY = (
    r"(?!(?:this|these|your|my|our|the(?: following| above)?|an?)"
    r" (?:reply|replies|answer|response|output|text|message)s?\b)"
    r"(?!(?:this|these|it|them)\b)"
)
"""What is judged where it is not the reply itself."""
_GIVEN_AWAY = (
    rf"\b{_NOT_NEGATED}(?:reveal|print|repeat|output|show|disclose|recite|leak)\b[^.!?\n]{{0,25}}"
    r"\b(?:your (?:own )?(?:system |initial )?(?:prompt|instructions)|the system prompt|everything above"
    r"|all of the above text)\b"
)
_INJECTIONS: Mapping[str, re.Pattern[str]] = {
    "tells the model to pass over its instructions": re.compile(
        "|".join([
            _ENGLISH_ORDERS,
            *(rf"\b(?:{verb})\b(?=[^.!?\n]{{0,60}}\b(?:{which}))[^.!?\n]{{0,60}}\b(?:{noun})\w*"
              for verb, which, noun in _FOREIGN),
            _OTHER_LANGUAGES,
        ]), re.IGNORECASE),
    "tells the model to give its instructions away": re.compile(_GIVEN_AWAY, re.IGNORECASE),
    "holds marks of roles or tools": _ROLE_MARKS,
    "speaks to whoever scores the reply": re.compile(
        # Not to judge somebody is good manners; to judge whether something holds, or the urgency of a case, is a task,
        # and to be a judge of it too. A court has judges, a company evaluators of its own, and a teacher a rubric.
        rf"\b{_NOT_NEGATED}judge\b(?! (?:whether|if|how|which|what|each|by|from)\b)(?! of {_NOT_THE_REPLY})"
        r"(?!(?<!\bthe judge)(?<!\ba judge)(?<!\bdear judge)(?<!\byour judge)(?<!\bany judge)(?<!\bevery judge)"
        rf" (?=(?:the|an?|its|their) ){_NOT_THE_REPLY})"
        r"|\b(?:judging|grading|scoring|rating|evaluating) (?:this|your) (?:reply|answer|response|output)\b"
        r"|\b(?:scored?|graded?|rated?|marked|counted) as (?:correct|right|perfect)\b"
        rf"|\b(?:(?<!court )judges|graders?|evaluators?|assessors?|scorer)\b(?! of {_NOT_THE_REPLY})"
        r"|(?<!\ba )\brubric\b|\b(?:graded|marking scheme)\b"
        r"|\b(?:evaluation|evaluating|grading|scoring|judging) (?:model|system|ai)\b"
        r"|\b(?:reviewer|examiner|model|person|human|ai) (?:who is |that is )?"
        r"(?:scoring|grading|judging|rating|evaluating)"
        r" (?:this|it|the (?:reply|answer|response|output))\b"
        r"|\b(?:whoever|anyone who|the one who)\b[^.!?\n]{0,10}\b(?:compares|scores|grades|rates|judges|evaluates)\b"
        r"|\bif you(?: are|.re) (?:scoring|grading|judging|rating|evaluating|comparing)\b"
        r"|\b(?:choose|pick|prefer|select|favou?r) (?:response|answer|reply|output|assistant) (?:[AB12]|one|two)\b"
        r"|\b(?:give|award|assign|deserve|deserves|rate|score|rated|scored|grade)\b[^.!?\n]{0,40}\b(?:highest|top|full"
        r"|perfect|maximum|max|best)\b[^.!?\n]{0,20}\b(?:score|mark|marks|rating|grade|points|stars)\b"
        r"|\b(?:get|earn|receive|gain|obtain|reach|achieve|secure|win|boost|increase|raise|maximi[sz]e)\b[^.!?\n]{0,15}\b(?:high|higher|good"
        r"|better|great|your|the)\s+(?:score|rating)\b"
        # What is the highest rating is told customers too.
        r"|\b(?<!is the )(?<!are the )(?:highest|top|full|perfect|maximum)\s+(?:score|mark|marks|rating|grade)\b"
        r"(?! (?:in|on|for) (?:the|a|an|each|this) (?:quiz|test|exam|game|round|level|match)\b"
        r"| (?:needs?|requires?|takes?) )"
        r"|\b(?:höchste|volle|maximale)[nrs]? (?:punktzahl|bewertung|wertung|note)\b|\b(?:note|score) maximale?\b"
        r"|\bm[áa]xima (?:puntuaci[óo]n|nota|calificaci[óo]n)"
        r"|\bpuntuaci[óo]n (?:máxima|más alta)|\bpunteggio (?:massimo|più alto)|\b(?:nota|pontuação) máxima"
        r"|\b(?:hoogste|maximale) (?:score|cijfer)|\bnajwyższ\w+ (?:ocen|wynik)|\b(?:высш|максимальн)\w+ (?:балл|оценк)"
        # What a reply says of itself; what is said where something holds, is a task.
        r"|(?:^|[.!?;\n][^\S\n]*|\balways )(?:say|state|claim|declare|confirm|mention|note) that (?:all|every|each)"
        r"(?: of)?(?: the)? (?:criteri(?:a|on)|checklist items?|items? (?:of|on) the checklist)"
        r" (?:are|is|were|was|has been|have been) (?:\w+ )?(?:met|satisfied|fulfilled|passed)\b"
        r"(?!,? (?:only )?(?:if|when|whenever|where|once|unless|after)\b)"
        r"|\b(?:verdict|winner|rating)\W{1,3}\[\[(?:[a-c]|\d{1,2})\]\]"
        r"|满分|滿分|最高分|评分者|満点|最高点|만점|최고 점수"
        r"|\b(10|5|100)\s?(?:/|out of)\s?\1\b", re.IGNORECASE),
}  # fmt: skip

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
_DIRECTION_SIGNS = re.compile("[\u061c\u200e\u200f\u202a-\u202c\u2066-\u2069]")
"""Marks of direction, which texts from right to left need."""
_LOOKALIKE = re.compile(r"\b(?=\w*[A-Za-z])(?=\w*[асеорхуіјѕһАВЕКМНОРСТХУІЈЅ])[A-Za-zасеорхуіјѕһАВЕКМНОРСТХУІЈЅ]+\b")
"""Words of Latin letters and such Cyrillic ones as look the same."""
_TAGS = {0xE0000 + code: chr(code) for code in range(0x20, 0x7F)}
# Not before a digit: there a list goes on.
_WRAP = re.compile(r"(?<![^\S\n])[^\S\n]*\n[^\S\n]*(?=\w)(?!\d)")


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
        found += "".join(_DIRECTION_SIGNS.findall(bare))
    return found


def _matches(pattern: re.Pattern[str], text: str) -> list[str]:
    tagged = _FLAG.sub("", text).translate(_TAGS)
    shown = "".join(each for each in tagged if unicodedata.category(each) != "Cf")
    plain = _LOOKALIKE.sub(lambda found: found[0].translate(CYRILLIC), unicodedata.normalize("NFKC", shown))
    # As it stands too, where a mark has to begin a line. Marks are no words, and are not looked for in other spellings.
    spelt = (plain,) if pattern is _ROLE_MARKS else readings(plain)
    return [match[0] for each in dict.fromkeys((*spelt, *(_WRAP.sub(" ", one) for one in spelt)))
            for match in pattern.finditer(each) if not is_turned_away(each, match)]  # fmt: skip
