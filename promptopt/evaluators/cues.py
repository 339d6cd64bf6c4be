"""How replies announce their answer, in several languages, and what scripts without spaces do to words."""

from __future__ import annotations

import re

UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
"""For a character class: scripts written without spaces, or with particles attached to the word."""
UNSPACED_CHARACTER = re.compile(rf"[{UNSPACED}]")
"""Counts as a word."""
WORD_CHARACTER = re.compile(r"\w")
ATTACHED = r"\u0590-\u05ff\u0620-\u065f\u066e-\u06ef\u06fa-\u06ff"
"""For a character class: Hebrew and Arabic letters, which attach prepositions and conjunctions to a word or number."""

NOUN = (
    r"(?:answers?|antwort|ergebnis|lösung|réponse|reponse|résultat|respuesta|resultado|resposta|risposta|risultato|"
    r"antwoord|svar|svaret|odpowiedź|odpověď|odpoveď|ответ|відповідь|cevap|yanıt|sonuç|jawaban|vastaus|válasz|απάντηση|"
    r"đáp\sán)"
)
"""What an answer is called, in texts without upper case."""
# `to` is Polish (odpowiedź to 5); elsewhere it is no verb.
IS = r"(?:is|are|was|ist|lautet|est|es|è|é|er|är|adalah|je|là|είναι|(?<=ź\s)to)"

# Behind a stop: "Positive. Wait, no", and not "please wait, …" within a sentence.
CORRECTED = re.compile(
    r"(?:[.!?;,\n—–-]|…)\W{0,4}(?:(?:but|no|oh)\W{1,3})?"
    r"(?:wait(?=[,.!…—–:]|\s(?:no|actually|that|it)\b)|correction|scratch that|on second thoughts?"
    r"|hold on(?!\s(?:to|for)\b)"
    r"|actually,|hmm+|sorry,)|(?:\.{2,4}|…|\s[—–-]|(?<=[\w*]),)\s{0,3}no,",
    re.IGNORECASE,
)
"""What takes back the answer that a reply opened with."""

_ANSWER_CUE = re.compile(
    r"(?:答案|正解|答え|回答|解答|答)\s*(?:应该是|應該是|就是|是|为|為|は|[:：])"
    r"|(?:我?[选選][择擇]?)(?=\s*[A-Za-zＡ-Ｚａ-ｚ(（「【《\"'“])"
    r"|(?:정답|답)\s*(?:은|는|[:：])"
    r"|คำตอบ(?:ที่ถูกต้อง)?\s*(?:คือ|[:：])"
    r"|(?:الجواب|الإجابة|الاجابة)(?:\s+الصحيحة|\s+الصحيح|\s+النهائية)?\s*(?:هو|هي|[:：])"
    r"|(?:सही\s+)?(?:उत्तर|जवाब|विकल्प)\s*(?:है|[:：])?(?=\s*[(\[]?[A-Za-z0-9०-९])"
    r"|(?:התשובה)\s*(?:היא|[:：])"
)
_STRUCK = re.compile(r"~~[^~\n]{1,500}~~|<(?P<tag>s|del|strike)>[^<>]{0,500}</(?P=tag)>", re.IGNORECASE)
_OPTION = re.compile(r"(?:选项|選項|選択肢)")
_STOPS = str.maketrans(
    {
        "。": ".",
        "．": ".",
        "、": ", ",
        "，": ", ",
        "；": ";",
        "【": "[",
        "】": "]",
        "〔": "[",
        "〕": "]",
        "‘": "'",
        "’": "'",
    }
    | dict.fromkeys("「」『』《》“”„«»", '"')
)


def in_latin(text: str) -> str:
    """The text with announcements of other scripts in English, and their stops and brackets in Latin ones."""
    return _OPTION.sub(" option ", _ANSWER_CUE.sub(" answer is ", text)).translate(_STOPS)


def without_struck(text: str) -> str:
    """The text without what is struck out in it: an answer that was taken back."""
    return _STRUCK.sub(" ", text) if "~~" in text or "</" in text else text


def with_latin_stops(text: str) -> str:
    """The text with stops, quotes and brackets of other scripts in Latin ones."""
    return text if text.isascii() else text.translate(_STOPS)
