"""What a model says once it has thought aloud: a thought is no answer, and no part of what it was asked to write.

A thought is opened and closed by marks: tags (`<think>`, `<thinking>`, `<reasoning>`, …), brackets (`[THINK]`), and
what chat templates write (`◁think▷`, `<|begin_of_thought|>`, the channels of gpt-oss). Templates may open it
themselves, so a closing mark without an opening one ends a thought as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

_THOUGHT = r"(?:think(?:ing)?|thoughts?|reasoning|analysis)"
_THOUGHT_TAGS = (
    rf"(?:(?:[a-z][a-z0-9]{{0,11}}[_\- ]){{0,3}}(?:(?:ant)?{_THOUGHT}|scratch[_\-]?pad|reflect(?:ions?)?|deliberation|"
    r"monologue|brainstorm(?:ing)?|contemplat(?:ion|or)|introspection|ponder(?:ing)?|chain[_\- ]of[_\- ]thoughts?)"
    r"(?:[_\-]?(?:process|trace|content|steps?|mode|engine))?[0-9]{0,2}|cot|思考)"
)
_CHANNEL = r"<\|channel\|>"
_THOUGHT_MARK = re.compile(
    rf"(?:(?:<|\[)\s?(?:(?P<end7>end)|begin|start)[_\- ](?:of_)?{_THOUGHT}\s?(?:>|\])"
    rf"|<[|｜]{_THOUGHT}[_▁](?:(?P<end8>end)|start|begin)[|｜]>"
    # Of Apertus and others, then of MedGemma, then of Ollama's command line.
    rf"|<\|(?:inner_(?:prefix|(?P<end12>suffix))|(?:cot|{_THOUGHT})_(?:(?P<end13>end)|start|begin))\|>"
    r"|<unused94>(?:thought\n)?|(?P<end9><unused95>)|\AThinking\.\.\.\s{0,4}\n|(?P<end10>\.\.\.done thinking\.)"
    rf"|(?:<|&lt;|＜)\s{{0,8}}(?P<end1>/?)\s{{0,8}}(?:[a-z]{{1,20}}:)?{_THOUGHT_TAGS}(?:\s[^<>\n/]{{0,60}})?(?:>|&gt;|＞)"
    # Of Magistral, in square brackets.
    r"|\[\s?(?P<end2>/?)\s?(?:THINK(?:ING)?|REASONING|THOUGHTS?)\s?\]"
    # Of Kimi.
    r"|◁\s?(?P<end3>/?)\s?think(?:ing)?\s?▷"
    rf"|<[|｜](?:(?P<end5>end)|begin|start)[_▁](?:of[_▁])?{_THOUGHT}[|｜]>"
    rf"|<[|｜]\s?(?P<end4>/?)\s?{_THOUGHT_TAGS}\s?[|｜]>"
    # The channels of gpt-oss: the final one ends a thought.
    rf"|(?P<end6>(?:<\|end\|>\s*(?:<\|start\|>assistant\s*)?)?{_CHANNEL}final[^<]{{0,40}}<\|message\|>)"
    rf"|{_CHANNEL}(?:analysis|commentary)[^<]{{0,80}}<\|message\|>"
    # The same channels where a server leaves their marks out.
    r"|\A\s{0,9}(?-i:(?:assistant)?analysis(?=[A-Z\"'(0-9]))|(?P<end11>(?-i:assistantfinal)))",
    re.IGNORECASE,
)
_TURN_END = re.compile(r"(?:<\|(?:return|end)\|>\s*)+\Z")
_STOP = re.compile(
    r"<\|(?:im_end|eot_id|eom_id|endoftext|end_of_text|end_of_solution|end_response)\|>"
    r"|(?<=\S)\s*<\|(?:user|observation|start_header_id)\|>|<end_of_turn>|<｜end▁of▁sentence｜>|</s>\s*\Z",
    re.IGNORECASE,
)
"""What chat templates write where a turn ends: some servers let it through, and some models go on with another turn."""
_TURN_BEGINS = re.compile(
    r"\s*(?:<\|(?:im_start|start_header_id)\|>\s*assistant\s*(?:<\|end_header_id\|>)?|<\|assistant\|>|<start_of_turn>model\b"
    r"|<\|(?:begin_of_solution|start_response)\|>|<｜assistant｜>)\s*",
    re.IGNORECASE,
)
"""What chat templates write where an answer begins."""
_MAY_OPEN = re.compile(r"[<\[◁＜]|&lt;|done thinking\.|assistantfinal|\A\s{0,9}(?:assistant)?analysis\S")
_FOLDED = re.compile(
    r"<details\b(?:[^<>]{0,300}\btype=[\"']?reasoning[^<>]{0,300}>"
    rf"|[^<>]{{0,300}}>\s{{0,9}}<summary>[^<>]{{0,40}}\b{_THOUGHT}\b[^<>]{{0,60}}</summary>).*?(?:</details>|\Z)"
    rf"|(?:(?<=\n)|\A)[ \t]{{0,9}}```[ \t]?(?:{_THOUGHT}|cot)[ \t]{{0,9}}\n.*?"
    r"(?:(?<=\n)[ \t]{0,9}```[ \t]*(?:\n|\Z)|\Z)",
    re.IGNORECASE | re.DOTALL,
)
"""How chat front ends fold a thought away, and how models fence one; other texts stand so, too, so their end alone is
no mark."""
_BOX_TOKEN = re.compile(r"<\|(?:begin|end)_of_box\|>")
"""What GLM sets around an answer."""
_ONLY_CLOSES = re.compile(r"(?:\s|</[\w:.-]{1,40}>|[`}\]).\"'])+")
"""What ends a form that a thought stands in, and says nothing itself."""
_PREAMBLE = re.compile(
    r"(?:sure|okay|ok|certainly|of course|hm+|let me think|all ?right|well)\b[^\n:]{0,60}", re.IGNORECASE
)

NESTED = 64
"""Marks inside one thought that are counted in pairs; a reply with more of them is stuck on them. Ours."""


def spoken(reply: str) -> str | None:
    """What is said after the last thought; where that is nothing, what is said outside of the thoughts.

    None where a thought never ends: whatever stands in it is no answer. A reply without thoughts is itself, up to where
    its turn ends.
    """
    reply = unfolded(turn(reply))
    marks = _marks(reply)
    if not marks:
        return reply
    outside, opened = _outside(reply, marks)
    if opened:
        return None
    # No thought is open, so the last mark is one that closes.
    after = _TURN_END.sub("", reply[marks[-1].end() :])
    # Where nothing follows the last thought, the answer stood before it.
    return _without_turn_mark("".join(outside) if not after or _ONLY_CLOSES.fullmatch(after) else after)


def turn(reply: str) -> str:
    """The reply from the mark of a chat template that begins a turn to the one that ends it; all where it has none.

    Marks that stand around the answer only go.
    """
    reply = _without_turn_mark(reply)
    found = _STOP.search(reply) if "<" in reply else None
    # `<s>` and `</s>` may also be a pair of tags in an HTML text: a struck line.
    ended = found is not None and not (found[0].startswith("</s>") and "<s>" in reply)
    said = reply[: found.start()] if found is not None and ended else reply
    return _BOX_TOKEN.sub("", said) if "_of_box|>" in said else said


def _without_turn_mark(reply: str) -> str:
    match = _TURN_BEGINS.match(reply) if "<" in reply else None
    return reply if match is None else reply[match.end() :]


def unfolded(reply: str) -> str:
    """The reply without the thoughts that are folded away or fenced."""
    return _FOLDED.sub("", reply) if "<details" in reply or "```" in reply else reply


def after_thought(reply: str) -> str:
    """The reply without a thought that it begins with, and without those folded away; "" where it never ends."""
    shown = unfolded(reply)
    start = _after_head(shown, _marks(shown))
    return "" if start is None else shown[start:].strip() if start or shown != reply else reply


def written(reply: str, tags: Sequence[str] = ()) -> str:
    """The reply without thoughts, trimmed, for who asked for a text of some length; "" where a thought never ends.

    `tags`: those the text was asked for in. Between a pair of them marks belong to the text ("think in <think> tags");
    in a reply without such a pair, only a thought before the text is one.
    """
    reply = unfolded(reply)
    marks = _marks(reply)
    start = _after_head(reply, marks)
    if start is None:
        return ""
    marks = [mark for mark in marks if mark.start() >= start]
    if not marks:
        return reply[start:].strip() if start else reply
    kept = _tag_pairs(reply, tags, start)
    if tags and not kept:
        # "Answer in this form: <think>…</think>" is a text that was written; "Sure. <think>…" begins a thought.
        if _PREAMBLE.fullmatch(reply[start : marks[0].start()].strip()) is None:
            return reply[start:].strip()
        start = marks[0].start()
    outside, opened = _outside(reply, marks, start, kept)
    return "" if opened else "".join(outside).strip()


def _marks(text: str) -> list[re.Match[str]]:
    if not _MAY_OPEN.search(text):
        return []
    # A quoted mark is spoken of, not used; but a thought may end in a quote.
    return [mark for mark in _THOUGHT_MARK.finditer(text) if not _is_quoted(text, mark)]


def _is_quoted(text: str, mark: re.Match[str]) -> bool:
    before = text[mark.start() - 1 : mark.start()] if mark.start() else ""
    both = text[mark.end() : mark.end() + 1] == before
    return before in tuple("`\"'") and (both or not _closes(mark))


def _closes(mark: re.Match[str]) -> bool:
    # No form of a mark has more than one group.
    return mark.lastgroup is not None and mark[mark.lastgroup] != ""


def _after_head(text: str, marks: Sequence[re.Match[str]]) -> int | None:
    """Where the text begins once it no longer begins with a thought; None where such a thought never ends."""
    start = position = 0
    while position < len(marks):
        if not _closes(marks[position]):
            if text[start : marks[position].start()].strip():
                return start
            last = _end_of_thought(marks, position)
            if last is None:
                return None
            position = last
        start = marks[position].end()
        position += 1
    return start


def _end_of_thought(marks: Sequence[re.Match[str]], opening: int) -> int | None:
    """The mark that ends the thought. A thought may speak of tags, so pairs inside it are counted."""
    depth = 0
    first: int | None = None
    for position in range(opening, len(marks)):
        closes = _closes(marks[position])
        depth += -1 if closes else 1
        first = position if closes and first is None else first
        if depth == 0:
            return position
        if position - opening > NESTED and first is not None:
            break
    # Pairs that never come out even: the first closing mark is then taken for the end.
    return first


def _outside(
    text: str, marks: Sequence[re.Match[str]], start: int = 0, kept: Sequence[tuple[int, int]] = ()
) -> tuple[list[str], bool]:
    """The pieces of `text` from `start` outside of thoughts, and whether the last thought is still open.

    Marks inside `kept` are text, unless a thought is open.
    """
    pieces: list[str] = []
    opened, beside = False, 0
    for mark in marks:
        while beside < len(kept) and kept[beside][1] <= mark.start():
            beside += 1
        if not opened and beside < len(kept) and kept[beside][0] <= mark.start():
            continue
        if not _closes(mark):
            if not opened:
                pieces.append(text[start : mark.start()])
            opened = True
            continue
        if not opened:
            # A closing mark alone: the template had opened the thought, so all before it was one.
            pieces.clear()
        opened, start = False, mark.end()
    return ([*pieces, ""] if opened else [*pieces, text[start:]]), opened


def _tag_pairs(text: str, tags: Sequence[str], start: int) -> list[tuple[int, int]]:
    """Where the pairs of `tags` stand, from their first opening tag to the end of the next closing one."""
    found: list[tuple[int, int]] = []
    opening: re.Match[str] | None = None
    for tag in _tag(tuple(tags)).finditer(text, start) if tags else ():
        if not tag["end"]:
            opening = tag if opening is None else opening
        elif opening is not None:
            found.append((opening.start(), tag.end()))
            opening = None
    return found


@lru_cache(maxsize=64)
def _tag(tags: tuple[str, ...]) -> re.Pattern[str]:
    names = "|".join(map(re.escape, tags))
    return re.compile(rf"<\s{{0,8}}(?P<end>/?)\s{{0,8}}(?:{names})\s{{0,8}}>", re.IGNORECASE)
