"""What models put around a text that they were asked for: tags of their own, quotes of mail, rules, remarks."""

from __future__ import annotations

import json
import re

_NOUN = r"(?:prompts?|instructions?|(?:system[_ -]?)?message)"
_TAGS = re.compile(
    # Of the requests of APE, ProTeGi and OPRO too.
    rf"(?:<|&lt;|\[)(?P<name>(?:[a-z]{{1,12}}[_ -]){{0,2}}{_NOUN}"
    r"|ins|text|start|new|revised|improved|rewritten)(?:>|&gt;|\])"
    r"(?P<text>.*)(?:<|&lt;|\[)/(?P=name)(?:>|&gt;|\])",
    re.IGNORECASE | re.DOTALL,
)
_ALL_QUOTED = re.compile(r"(?:>[^\n]*(?:\n|\Z))+")
_QUOTE_PREFIX = re.compile(r"^(?:> ?)+", re.MULTILINE)
_RULE = re.compile(r"\A(?:-{3,}|\*{3,}|_{3,})[ \t]*\n+|\n+(?:-{3,}|\*{3,}|_{3,})[ \t]*\Z")
_ONLY_ITEM = re.compile(r"(?:(?:1[.)]|[-*•])[ \t]+)++(?![^\n]*\s2[.)]\s)(?=[^\n]+\Z)")
_ALL_BOLD = re.compile(r"(?P<stars>\*{1,2}|__)(?=\S)(?P<text>[^*_\n]+)(?<=\S)(?P=stars)")
_FENCED = re.compile(r"```[^\n`]*\n(?P<text>.*?)\n```[ \t]*(?:\n.*)?", re.DOTALL)
_DID = (
    r"(?:added|made|changed|clarified|removed|rephrased|rewrote|kept|used|improved|restructured|simplified|emphasi[sz]ed|"
    r"tried|included|focused|reworded)"
)
_REMARK = re.compile(
    r"\n\s*\n(?:[-*_]{3,}[ \t]*\n\s*)?[*_#( ]{0,6}(?:"
    r"(?:key |main )?(?:changes|improvements|differences)(?: made| i made)?[*_ ]{0,3}:"
    r"|(?:explanation|rationale|reasoning|notes?|why(?: this works)?|what changed)[*_ ]{0,3}:?[*_\s]{0,4}"
    rf"(?:I(?:['’]ve| have)? {_DID}|(?:this|the (?:new|revised|improved|updated|rewritten|optimi[sz]ed)) "
    r"(?:\w+ )?(?:prompt|version|instruction|revision)\b"
    # "The current version of the file counts" speaks of the task.
    r"|the (?:old|original|previous|current) (?:(?:\w+ )?(?:prompt|instruction)\b"
    r"|version (?:was|did|had|lacked|only)\b))"
    rf"|I(?:['’]ve| have)? {_DID}\b"
    r"|(?:this|the) (?:(?:new|revised|improved|updated|rewritten|optimi[sz]ed) )?(?:prompt|version|instruction|"
    r"revision) (?:is (?:better|clearer|more|designed|now)|adds|clarifies|emphasi[sz]es|now)\b"
    r"|(?:this (?:prompt|version|revision)|(?:this|the) (?:new|revised|improved|updated|rewritten|optimi[sz]ed) "
    r"(?:prompt|version|instruction|revision)) (?:makes|provides|ensures|should|will|includes|uses)\b"
    # A prompt may tell a model to ask, and what to say.
    r"|(?:let me know (?:if|whether|what|how)\b|feel free to (?:adjust|modify|change|let me)\b|would you like me to\b"
    r"|i hope this\b)(?![^\n]*\n\s*\n)"
    r").*\Z",
    re.IGNORECASE | re.DOTALL,
)
"""Paragraphs below a text that speak of it."""
_CHANGED = (
    r"(?:amélior|optimisé|révis|nouve|verbessert|überarbeitet|optimiert|neue|mejorad|nuev|optimizad|revisad|melhorad|nov[oa]|"
    r"migliorat|nuov|улучш|нов|改进|改進|优化|優化|改善|修订|修改|新しい|新的|개선)"
)
_PROMPT_WORD = (
    r"(?:prompt|consigne|instruc|anweisung|istruzion|промпт|инструкц|подсказк|提示|指令|プロンプト|指示|프롬프트|지시)"
)
_NEW = r"(?:new|improved|revised|rewritten|final|updated)"
_CHANGE_TOLD = re.compile(
    rf"(?=[^\n:：]{{0,80}}{_CHANGED})(?=[^\n:：]{{0,80}}{_PROMPT_WORD})[^\n:：]{{1,80}}[:：][*_ ]{{0,3}}\s*"
    rf"|(?:I(?:['’]ve| have)? {_DID}|the {_NEW}) [^\n:]{{0,30}}\b(?:prompt|instruction)s?\b[^\n:]{{0,30}}:\s*\n\s*"
    rf"|the {_NEW} (?:prompt|instruction) is:\s*"
    r"|[*_#\s]*(?:revised|improved|rewritten|paraphrased?)[*_ ]{0,3}:[*_]{0,3}(?!\s*\{)\s+"
    rf"|[*_#\s]*(?:{_NEW} )?prompt(?: \({_NEW}\))?[*_ ]{{0,3}}(?:→|->|=>|:)[*_]{{0,3}}(?!\s*\{{)\s+",
    re.IGNORECASE,
)
"""How models announce the text in other languages, and in sentences of their own."""
MANY = (
    r"[^\n:]{0,20}\b(?:two|three|four|five|six|ten|several|multiple|[2-9]|10"
    r"|(?:some|a few)(?! (?:\w+ )?instructions))\b"
    r"[^\n:]{0,40}\b(?:prompts|instructions|versions|variations|variants|options|alternatives|candidates)\b"
)
"""In an announcement of more than one text."""
_SEVERAL_VERSIONS = re.compile(
    rf"\A[^\n:]{{0,40}}\b(?:here are|below are){MANY}[^\n:]{{0,40}}:[*_ \t]{{0,3}}\n|"
    r"^[*_#\s>]*(?:option|version|variation|variant|alternative|candidate|prompt|instruction) (?:# ?)?[2-9]\b"
    r"[*_ ]{0,3}(?:[:.)]|\n)",
    re.IGNORECASE | re.MULTILINE,
)


_OBJECT = re.compile(
    rf"\{{\s*[\"'](?:[a-z]{{1,12}}[_ -]){{0,2}}(?:{_NOUN}|text|rewrite|section)[\"']\s*:\s*\"(?P<text>.*)\"\s*,?\s*\}}",
    re.IGNORECASE | re.DOTALL,
)
"""The text as the only member of a JSON object."""
_MEMBER = re.compile(r'(?<!\\)"\s*,\s*"[^"\n]{1,40}"\s*:')
_LIST_ITEM = re.compile(r"(?:\d{1,2}[.)]|[-*•])[ \t]+(?P<text>[^\n]+)")
_WORDS_COMPARED = 3
"""Words that a version has in common with its parent's beginning. Ours."""


def lists_versions(text: str, parent: str) -> bool:
    """Whether a text is a list whose items all begin as `parent` does: versions of it, and no steps."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    items = [_first_words(found["text"]) for line in lines if (found := _LIST_ITEM.fullmatch(line))]
    begun = _first_words(parent)
    return len(items) == len(lines) > 1 and len(begun) == _WORDS_COMPARED and all(item == begun for item in items)


def _first_words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())[:_WORDS_COMPARED]


def _member(text: str) -> str | None:
    """What stands in a JSON object that holds the text alone; a model's JSON is not always valid."""
    found = _OBJECT.fullmatch(text)
    if found is None or _MEMBER.search(found["text"]):
        return None
    try:
        return str(json.loads(f'"{found["text"]}"', strict=False)).strip()
    except ValueError:
        return found["text"].strip()


def unwrapped(text: str, parent: str) -> str:
    """The text without one such thing around it; what `parent` has as well stays."""
    member = _member(text)
    if member is not None and _member(parent) is None:
        return member
    for pattern in (_TAGS, _FENCED, _ALL_BOLD):
        found = pattern.fullmatch(text)
        # Of two fenced pieces neither is the whole text.
        if found is not None and pattern.fullmatch(parent) is None and text.count("```") in (0, 2):
            return found["text"].strip()
    if _ALL_QUOTED.fullmatch(text) and not _ALL_QUOTED.fullmatch(parent):
        return _QUOTE_PREFIX.sub("", text).strip()
    for pattern in (_CHANGE_TOLD, _ONLY_ITEM):
        found = pattern.match(text)
        if found is not None and found.end() < len(text) and pattern.match(parent) is None:
            return text[found.end() :]
    for pattern in (_REMARK, _RULE):
        found = pattern.search(text)
        if found is not None and pattern.search(parent) is None:
            return (text[: found.start()] + text[found.end() :]).strip()
    return text


def holds_several(text: str) -> bool:
    """Whether more than one version stands in a text: "Option 2: …"."""
    return _SEVERAL_VERSIONS.search(text) is not None
