"""The reader of proposals: what stands beside the text that was asked for is taken off, or the reply is refused.

Small proposers hand back pieces of the request with their answer: its labels, a score, a sentence of its own, its
worked example. Such debris changes what the task model does, and can win by luck. Every method reads proposals here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from promptopt.operators.wrappings import MANY, holds_several, lists_versions, unwrapped
from promptopt.text import Pattern, strip_fence
from promptopt.thoughts import turn, written
from promptopt.types import Reply, Sampling

PIECE_WORDS = 6
"""Words in a row that make a piece of the request. Ours."""
AROUND = 256
"""Tokens for what a model says beside the section that was asked for. Ours."""

BEGINNING = 24
"""Characters by which a text is known to begin where its reply does. Ours."""
LAYERS = 64
"""Things around a text that are taken off, at most: of nothing but quotes, a reply would be searched anew for each.
Ours."""

_CHANGED = (
    r"(?:new|improved|revised|rewritten|rephrased|paraphrased|final|better|best|updated|optimi[sz]ed|modified|whole)"
)
_PROMPT_NOUN = r"(?:instructions?|prompts?|versions?|variations?)"
_HERE_IS = re.compile(
    r"(?:(?:sure|certainly|okay|ok|of course|absolutely)\b[^\n:]{0,40}?[,.!:]\s*)?"
    rf"(?:here(?:['’]s| is| are)|below is)\b(?!{MANY})[^\n:]{{0,80}}"
    rf"(?:\b{_PROMPT_NOUN}|\b{_CHANGED} text|\bparaphrase|\brewrite)\b"
    r"[^\n:]{0,60}:(?!\s*\{)\s*|(?:sure|certainly|of course|absolutely)[!.]\s*\n\s*",
    re.IGNORECASE,
)
"""The line in which a model says that the text will follow."""
_HEADING = re.compile(
    rf"[#*_\s]*(?:{_CHANGED}\s+){{1,2}}{_PROMPT_NOUN}[*_]{{0,3}}\s+[-–—]\s+"
    rf"|[#*_\s]*(?:(?:the|your|my)\s+)?(?:{_CHANGED}\s+){{0,2}}(?:{_PROMPT_NOUN}|text)(?:\s+(?:now|\d{{1,2}}))?"
    rf"\s*[*_]*:(?!\s*\{{)[*_]*\s*|#+[ \t]*(?:{_CHANGED}[ \t]+){{1,2}}(?:{_PROMPT_NOUN}|text)[ \t]*\n\s*",
    re.IGNORECASE,
)
"""A label before the text, as requests and models write them; before a placeholder it is the prompt's own."""
_SCORE = re.compile(
    r"(?:^|(?<=[.!?])[ \t]+)[*_ \t]*scores?[*_ \t]*[:=][*_\s]*-?\d+(?:\.\d+)?[ \t]*(?:%|/[ \t]*\d+)?"
    r"[*_ \t]*(?=\n|\Z)",
    re.IGNORECASE | re.MULTILINE,
)
"""A score on a line of its own, or after the last sentence of one; its number may stand on the next line."""
_SCORE_BESIDE = re.compile(
    r"\A[*_\s]*scores?[*_ ]*[:=]?[*_ ]*\d+(?:\.\d+)?[ \t]*(?:%|/[ \t]*\d+)?[*_ ]*[:–—-][*_]*\s+"
    r"(?!.*(?:\bscores?[ :]*\d|[,;.\n]\s*\d{1,3}\s*[:=–—-]\s))"
    r"|[*_\s]{0,8}[\[(][*_ ]*scores?[*_ ]*[:=]?[*_ ]*\d+(?:\.\d+)?[ \t]*(?:%|/[ \t]*\d+|points?)?[*_ ]*[\])][*_ .]*\Z",
    re.IGNORECASE | re.DOTALL,
)
"""A score before the text, of which no other follows (a scale has several), or in brackets behind it."""
_TALKED = re.compile(
    r"\A(?!\s*[-*#>\d])[^\n]*[.!?]\s+[*_#]*(?:the |my )?(?:new|improved|revised|rewritten|updated|optimi[sz]ed)\s+"
    r"(?:instruction|prompt)[*_ ]{0,3}:(?!\s*\{)[*_]*\s+(?=\S)",
    re.IGNORECASE,
)
"""What a model says of the mistakes before it names its text, in one line with it."""
_FIELD = re.compile(
    r"^[*_\s>]*(?:(?<!:\n)score(?=[*_\s]*[:=])(?![*_ \t]*[:=][*_ \t]*(?:[<\[{(…_]|\.\.|"
    r"\d+(?:\.\d+)?[*_ \t]*(?:[-–—:=→]|to|if|for|when|where|means)|"
    r"(?:an?|the|your|from|between|number|integer)\b|\n[*_ \t]*[A-Za-z][\w ]{0,20}[:=]))"
    r"|right answer|answer given|(?:expected|preferred|rejected) output|mistakes? it led to|"
    r"what is wrong with it|instructions? now|the prompt now)[*_\s]*[:=]",
    re.IGNORECASE | re.MULTILINE,
)
"""Labels under which requests show examples, scores and prompts: a text that has one at the head of a line repeats the
request's form. A rubric's scale, and a score in a form that the prompt asks for, are the prompt's own."""
_NAMED = re.compile(
    rf"^[*_#\s>]{{0,6}}(?:here(?:['’]s| is) )?(?:(?:the|your|my|an?)\s+)?(?:{_CHANGED}\s+){{1,2}}{_PROMPT_NOUN}"
    rf"[*_ ]{{0,3}}:(?!\s*\{{)[*_]{{0,3}}\s*",
    re.IGNORECASE | re.MULTILINE,
)
"""The line in which a model names its text below what it says of the old one."""
_BLOCK = re.compile(r"```(?:te?xt|plaintext|markdown|md|prompt|xml|json)?[ \t]*\n(?P<text>.*?)\n?[ \t]*```", re.DOTALL)
"""A fence that may hold a prompt; one of code does not."""
_INPUT = re.compile(r"[\W_]*text[\W_]*:", re.IGNORECASE)
_FENCE_LINE = re.compile(r"\A```[^\n`]*\n")
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_QUOTE_PAIRS = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "„": "“", "`": "`", "「": "」", "『": "』"}


def unthought(reply: Reply, *tags: str) -> Reply:
    """The reply without what a model thought aloud before it spoke; without any text where a thought has no end.

    `tags`: those that the text was asked for in; what stands between them is the text (`thoughts.written`).
    """
    text = written(reply.text, tags)
    return reply if text == reply.text else replace(reply, text=text)


def sized(sampling: Sampling, tokens: int) -> Sampling:
    """`sampling`, with space for a whole section of so many tokens, or for all that one reply should hold.

    Where 1.5 times the tokens exceed the cap of a reply, the cap becomes that and 256 for what stands around them.
    """
    needed = math.ceil(1.5 * tokens)
    return sampling if needed <= sampling.max_tokens else replace(sampling, max_tokens=needed + AROUND)


def tidy(text: str, parent: str = "") -> str:
    """The text without announcements, labels, quotes and fences around it, and without a score below it.

    What `parent`, which the text was made from, has around it as well stays. Tidying twice is tidying once, unless more
    than 64 such things stand around the text.
    """
    for _ in range(LAYERS):
        # What is taken off may uncover more: a label within quotes, a fence below a label.
        bare = _without_score(_unlabelled(strip_fence(turn(text)), parent).strip(), parent)
        bare = _unquoted(unwrapped(bare, parent.strip()), parent.strip()).strip()
        if bare == text:
            break
        text = bare
    return text


def marked_off(said: str) -> str | None:
    """The one text that a reply without the tags asked for marks off in another way; None for none, or several.

    By a fence, as JSON, by tags or quotes of its own, or by a line that says what follows: "New instruction:".
    """
    block, named = _BLOCK.search(said), list(_NAMED.finditer(said))
    # Inputs are labelled so as well: what follows is an example.
    if holds_several(said) or len(named) > 1 or _INPUT.match(said):
        return None
    if "```" in said:
        return tidy(block["text"]) if block is not None and said.count("```") == 2 else None
    if named:
        return tidy(said[named[0].end() :])
    text = tidy(said)
    # Something stood before the text that is no part of it.
    return text if text and not said.strip().startswith(text[:BEGINNING]) else None


class Form:
    """What a method's requests say by themselves, whatever they are about: their fixed sentences, their examples."""

    __slots__ = ("_heard", "_runs")

    def __init__(self, *sources: Pattern | str) -> None:
        """`sources`: the request patterns, and texts that fill their slots and are no data (a worked example)."""
        # Joined over the slots: what fills most of them is a number.
        texts = [source if isinstance(source, str) else " ".join(source.pieces[0::2]) for source in sources]
        self._heard = [_padded_words(text) for text in texts]
        self._runs = frozenset(run for text in texts for run in _runs_of_words(_folded_words(text)))

    def repeated_by(self, text: str, own: Sequence[str] = ()) -> bool:
        """Whether `text` has six words in a row from the form, or is a shorter piece of it as a whole.

        What stands in `own` (its parents, the task's description) is its own.
        """
        words = _folded_words(text)
        if len(words) < PIECE_WORDS:
            said = _padded_words(text)
            # One word alone stands in many a request by chance.
            return (
                len(words) > 1
                and _is_within(said, self._heard)
                and not _is_within(said, [_padded_words(each) for each in own])
            )
        found = [run for run in _runs_of_words(words) if run in self._runs]
        return bool(found) and not {run for each in own for run in _runs_of_words(_folded_words(each))}.issuperset(
            found
        )


UNKNOWN_FORM = Form()
"""The form of a request that is not known."""


def debris(text: str, parent: str, form: Form = UNKNOWN_FORM, own: Sequence[str] = ()) -> str | None:
    """Why `text` is a piece of the request, in a few words; None where it is not. `own`: as in `Form.repeated_by`."""
    # More than the parent has: a prompt may use such labels itself.
    if len(_FIELD.findall(text)) > len(_FIELD.findall(parent)):
        return "repeats the request's labels"
    if (holds_several(text) and not holds_several(parent)) or lists_versions(text, parent):
        return "several versions"
    if form.repeated_by(text, (parent, *own)):
        return "repeats the request"
    return None


def _folded_words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _padded_words(text: str) -> str:
    return f" {' '.join(_folded_words(text))} "


def _is_within(said: str, texts: Sequence[str]) -> bool:
    return any(said in text for text in texts)


def _runs_of_words(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(PIECE_WORDS)), strict=False)


def _unlabelled(text: str, parent: str) -> str:
    """The text without an announcement and a label at its head."""
    # In this order: a label may follow the announcement. What the parent has too is the prompt's own.
    for pattern in (_HERE_IS, _TALKED, _HEADING):
        found = pattern.match(text)
        if found is not None and pattern.match(parent) is None:
            # "**Prompt: text.**" has the label within its bold print.
            opened = found.group().count("**") % 2
            text = text[found.end() :].replace("**", "", opened)
    return text


def _without_score(text: str, parent: str) -> str:
    """The text up to the first score, or after it where it stands first."""
    # Where the parent holds a score, that of the text may be the prompt's own.
    if _SCORE.search(parent) or _SCORE_BESIDE.search(parent):
        return text
    text = _SCORE_BESIDE.sub("", text)
    found = _SCORE.search(text)
    if found is None:
        return text
    before = text[: found.start()].rstrip()
    # "Answer in this form:" is followed by the form.
    if before.rstrip("*_`").endswith(":"):
        return text
    return before if before else text[found.end() :]


def _unquoted(text: str, parent: str) -> str:
    """The text without quotes around all of it, or one that was opened or closed and no more."""
    for mark in ('"""', "'''", "```"):
        if text.startswith(mark) and not parent.startswith(mark):
            # The line that opens a fence may name a language.
            return _FENCE_LINE.sub("", text).removeprefix(mark).removesuffix(mark)
        if text.endswith(mark) and text.count(mark) == 1 and not parent.endswith(mark):
            return text.removesuffix(mark)
    for begin, end in _QUOTE_PAIRS.items():
        if _wrapped(text, begin, end) and not _wrapped(parent, begin, end):
            return text[1:-1]
        count = text.count(begin) + (text.count(end) if end != begin else 0)
        # An apostrophe opens and closes nothing.
        if count == 1 and end not in "'’" and not parent.startswith(begin) and not parent.endswith(end):
            text = text.removeprefix(begin).removesuffix(end)
    return text


def _wrapped(text: str, begin: str, end: str) -> bool:
    inner = text[1:-1]
    return len(text) > 1 and text[0] == begin and text[-1] == end and begin not in inner and end not in inner
