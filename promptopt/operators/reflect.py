"""Reflection: mistakes shown to a model, and its tagged replies read back.

Methods that criticise and rewrite prompts share both. What was written is checked in `drafts.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise

from promptopt.evaluators.generation import ANSWER_CHARACTERS
from promptopt.operators.other_words import rewrites
from promptopt.operators.refusals import refuses
from promptopt.operators.replies import marked_off, unthought
from promptopt.protocols import Task
from promptopt.run import Run
from promptopt.text import find_spans, shorten, strip_fence
from promptopt.types import Example, Message, Prompt, Reply, Sampling, Score, ScoreMatrix

Mistake = tuple[Example, Score]
"""An example, and what the prompt made of it."""

FIELD = 600
"""Characters of one field, target or reply that are shown: four mistakes on 10,000-token inputs fit any context."""
WORKING = 40
"""A reply longer than its answer by more than this holds working that is worth showing. Ours."""

_PAGE = re.compile(
    r"<(?:!doctype|html|body|div|span|template|script|img|[ibp]|sentence|response|answer|output|review|sentiment|label|"
    r"customer[_-]review|human|user)\b[^<>]{0,200}>",
    re.IGNORECASE,
)
"""How a page begins, or an example or its answer in tags of their own: "<Sentence>…". A prompt in tags says <task>."""
_NO_TAGS = "no tags"
_NO_TAGS_SAID = "without the tags that were asked for"
BESIDE = "Text that stands beside the instruction and never changes"
"""How requests name the fixed parts of a prompt: a text that says so was copied from the request."""


def reason_said(rejected: str) -> str:
    """Why a reply or a prompt could not be used, as it is told to a person who has not seen the request."""
    return rejected.replace(_NO_TAGS, _NO_TAGS_SAID)


TAG_LIKENESS = 0.7
"""How much of two names of tags is the same, at least, where one is the other misspelt. Ours."""
_CLOSING_TAG = re.compile(r"<\s{0,3}(?:/|\\(?=[a-z]{1,20}>))\s{0,3}([A-Za-z][\w-]{0,30})\s{0,3}(?:>|\Z)")


def find_mistakes(scores: ScoreMatrix, prompt: Prompt, threshold: float, worst: float) -> list[Mistake]:
    """The examples on which `prompt` scored below `threshold`, in the order they were scored.

    Where scores are not all in [0, 1], no threshold tells right from wrong. Then it is the share `worst` of the
    examples, at least one, on which it scored lowest; of equal scores the earlier.
    """
    pairs = list(zip(scores.examples, scores[prompt], strict=True))
    if all(0.0 <= score.value <= 1.0 for each in scores for score in scores[each]):
        return [pair for pair in pairs if pair[1].value < threshold]
    # One at least: a critic that is shown no mistake has nothing to say.
    lowest = sorted(range(len(pairs)), key=lambda place: pairs[place][1].value)[: max(1, round(worst * len(pairs)))]
    return [pairs[place] for place in sorted(lowest)]


def show_mistakes(mistakes: Sequence[Mistake]) -> str:
    """Numbered: the input, the right answer, and the answer given; what is long is shortened with a visible mark."""
    return "\n\n".join(f"{number}. {_show_scored(*mistake)}" for number, mistake in enumerate(mistakes, 1))


def _show_scored(example: Example, score: Score) -> str:
    lines = [f"{name}: {shorten(value, FIELD)}" for name, value in example.fields]
    if example.target:
        lines.append(f"Right answer: {shorten(example.target, FIELD)}")
    output = score.output.strip()
    if not score.parsed:
        lines.append(f"Answer given: unreadable: {shorten(output, FIELD)}")
    elif score.answer or output:
        lines.append(f"Answer given: {shorten(score.answer if score.answer else output, FIELD)}")
        if score.answer and len(output) > len(score.answer) + WORKING:
            lines.append(f"In full: {shorten(output, FIELD)}")
    if note := remark(example, score):
        lines.append(f"Feedback: {shorten(note, FIELD)}")
    return "\n   ".join(lines)


def remark(example: Example, score: Score) -> str:
    """What the feedback says beyond the answer and the right one, which the feedback of built-in metrics repeats."""
    said, repeated, rest = score.feedback.partition(f"answered {score.answer}, expected {example.target}")
    # Behind the repetition the rest stands in brackets; other feedback keeps its own.
    return (said + rest).strip(" ()") if repeated else said.strip()


def untold(example: Example, score: Score) -> str:
    """The right answer where full marks are missing and the feedback does not tell it, as that of a bare number; or "".

    Without it a critic is told that something is wrong, and not what would be right.
    """
    told = score.value >= 1.0 or f"expected {shorten(example.target, ANSWER_CHARACTERS)}" in score.feedback
    return "" if told else example.target.strip()


def show_example(example: Example) -> str:
    """Input and expected output; for preference data, the preferred output and a rejected one."""
    lines = [f"{name}: {shorten(value, FIELD)}" for name, value in example.fields]
    output = example.solution if example.solution else example.target
    lines.append(f"{'Preferred' if example.rejected else 'Expected'} output: {shorten(output, FIELD)}")
    lines += [f"Rejected output: {shorten(text, FIELD)}" for text in example.rejected[:1]]
    return "\n".join(lines)


def show_task(task: Task, prompt: Prompt, edited: Collection[str] = ()) -> str:
    """What a proposer must know of the task: its description, its labels, and the parts it cannot change.

    `edited`: the parts that it can change, where they are not the task's `editable` alone. Ends in a blank line; empty
    where there is nothing to say.
    """
    changed = edited if edited else (task.editable,)
    lines: list[str] = []
    if task.description:
        lines.append(f"Task: {task.description}")
    if task.labels:
        lines.append(f"Possible answers: {', '.join(task.labels)}")
    fixed = [text for part, text in prompt.texts if part not in changed and text.strip()]
    if fixed:
        lines.append(f"{BESIDE}:")
        lines += [shorten(text, FIELD) for text in fixed]
    return "".join(f"{line}\n" for line in [*lines, ""] if lines)


_JSON = re.compile(r"\{|\[(?!\w{1,24}\])")
"""Where JSON begins, and no tag in square brackets."""


def ask(run: Run, texts: Sequence[str], tag: str, wanted: int, sampling: Sampling, who: str) -> list[list[str]]:
    """For each text one call of the proposer, and the spans between its `<tag>` and `</tag>`: at most `wanted`.

    Calls that gave fewer are asked once more, together, with a reminder of the contract; then what there is counts. One
    that was cut before any tag is not.
    Every reply that falls short is counted as rejected, under `who`. Equal texts are separate draws.
    """
    found = _ask_once(run, texts, tag, wanted, sampling, who)
    again = [index for index, spans in enumerate(found) if spans is not None and len(spans) < wanted]
    # With a reminder: at temperature 0 the same request would get the same reply.
    reminded = [f"{texts[index]}\n\n{_reminder(tag, wanted)}" for index in again]
    for index, more in zip(again, _ask_once(run, reminded, tag, wanted, sampling, who), strict=True):
        # The last ones: models that give more than was asked tend to quote what they were shown first.
        found[index] = [*(found[index] or ()), *(more or ())][-wanted:]
    return [[] if spans is None else spans for spans in found]


def _reminder(tag: str, wanted: int) -> str:
    form = f"begin with <{tag}> and end with </{tag}>"
    return f"Only write the {tag}: {form}." if wanted == 1 else f"Write {wanted} times a {tag}: each must {form}."


def _ask_once(
    run: Run, texts: Sequence[str], tag: str, wanted: int, sampling: Sampling, who: str
) -> list[list[str] | None]:
    """The spans of each reply; None where asking again is futile: it can never fit, or was cut before any."""
    found: list[list[str] | None] = []
    for reply in _generate(run, texts, tag, sampling):
        spans = read_tagged(reply, tag)[-wanted:]
        if wanted == 1 and not spans and (marked := _reply_text(reply, tag)[0]):
            spans = [marked]
        if len(spans) < wanted:
            run.reject(f"{who}: {_shortfall(reply, spans)}")
        # The same cap would cut the next thought, or ramble, too.
        untold = reply.finish == "length" and not tag_pattern((tag,)).search(reply.text)
        found.append(None if untold or reply.finish in ("rejected", "unasked") else spans)
    return found


def ask_whole(
    run: Run,
    texts: Sequence[str],
    tag: str,
    sampling: Sampling,
    who: str,
    *,
    parents: Sequence[str] = (),
    bare: bool = False,
    closed: bool = False,
) -> list[str | None]:
    """For each text one call of the proposer, and what stands in the last `<tag>` of its reply; None for no use.

    A reply without tags that marks its text off in another way is read by that (`marked_off`), and one that is nothing
    but another wording of the text that it was to rewrite (`parents`, one for each) as it stands. Any other is asked
    for once more, with a reminder; one that is cut short, refused or empty is dropped. `bare`: a whole reply without
    tags is taken, unless it refuses or is JSON, as small models forget the tags but not the task. `closed`: only
    complete pairs of tags count. What is dropped is counted under `who`. Equal texts are separate draws.
    """
    found: list[str | None] = [None] * len(texts)

    def take(indices: Sequence[int], asked: Sequence[str]) -> list[int]:
        untagged: list[int] = []
        for index, reply in zip(indices, _generate(run, asked, tag, sampling), strict=True):
            parent = parents[index] if parents else ""
            found[index], why = _reply_text(reply, tag, bare=bare, closed=closed, parent=parent)
            if why:
                run.reject(f"{who}: {why}")
            if why == _NO_TAGS:
                untagged.append(index)
        return untagged

    again = take(range(len(texts)), texts)
    take(again, [f"{texts[index]}\n\n{_reminder(tag, 1)}" for index in again])
    return found


def _generate(run: Run, texts: Sequence[str], tag: str, sampling: Sampling) -> list[Reply]:
    # Before tags are looked for: a thought may hold drafts between the same ones.
    return [unthought(reply, tag) for reply in run.generate([(Message("user", text),) for text in texts], sampling)]


def _reply_text(
    reply: Reply, tag: str, *, bare: bool = False, closed: bool = False, parent: str = ""
) -> tuple[str | None, str]:
    """(text, "") or (None, why not)."""
    if reply.finish not in ("stop", "length"):
        return None, reply.finish
    text = read_last(reply, tag, closed=closed)
    # Half a pair: the reply is no bare text, and would be taken with a tag in it.
    if text is None and tag_pattern((tag,)).search(reply.text):
        return None, _shortfall(reply, ())
    if text is None:
        said = strip_fence(reply.text)
        if refuses(said):
            return None, "refusal"
        # A thought or a ramble that met the cap meets it again: nobody pays for it twice.
        if reply.finish != "stop":
            return None, _shortfall(reply, ())
        if not bare:
            marked = None if closed else marked_off(reply.text)
            plain = rewrites(reply.text, parent) if marked is None and not closed else marked
            if plain is None:
                return None, _NO_TAGS
            said = plain
        if _JSON.match(said) and said.endswith(("}", "]")):
            return None, "JSON"
        if _PAGE.match(said):
            return None, "markup"
        text = said
    return (text, "") if text else (None, "empty")


def _shortfall(reply: Reply, spans: Sequence[str]) -> str:
    if reply.finish == "length":
        return "cut at length"
    if reply.finish != "stop":
        return reply.finish
    return "too few" if spans else _NO_TAGS


def read_last(reply: Reply, tag: str, *, closed: bool = False) -> str | None:
    """The text of the last complete pair of tags, "" where nothing stands in it; None where there is no such pair.

    A last tag that is not closed reaches to the end of a reply that stopped by itself. One that was cut short says
    nothing then, for what was complete before was quoted. `closed`: only complete pairs count, whatever follows them.
    Lenient as `read_tagged`; also where the first "<" is missing, and where a second opening tag ends the text.
    """
    said = re.sub(
        rf"\A(\s{{0,9}}(?:```\s{{0,9}})?){re.escape(tag)}\s?>", rf"\1<{tag}>", reply.text, flags=re.IGNORECASE
    )
    tags = list(tag_pattern((tag,)).finditer(said))
    opens = [each for each in tags if "/" not in each.group()]
    if len(opens) == len(tags) == 2 and not closed and not said[tags[1].end() :].strip("`* \n"):
        return _without_fences(said[tags[0].end() : tags[1].start()])
    if tags and "/" not in tags[-1].group():
        rest = said[tags[-1].end() :]
        ended = _ended(rest, tag)
        # With a misspelt end tag it is complete.
        if ended != rest.strip():
            return _without_fences(ended)
        if not closed:
            return _without_fences(ended.removesuffix("```")) if reply.finish == "stop" else None
    # Neighbours alone: a tag that is named in passing has no end of its own behind it.
    for begin, end in reversed(list(pairwise(tags))):
        if "/" in end.group() and "/" not in begin.group():
            return _without_fences(said[begin.end() : end.start()])
    return None


def read_tagged(reply: Reply, tag: str) -> list[str]:
    """The texts between `<tag>` and `</tag>`; a missing last end tag is forgiven unless the reply was cut short.

    Case, white space in tags, code fences and the triple quotes that prompts are shown in make no difference. Empty
    spans are left out.
    """
    spans = find_spans(reply.text, tag)
    tags = list(tag_pattern((tag,)).finditer(reply.text))
    if tags and "/" not in tags[-1].group() and reply.finish == "stop":
        spans.append(_ended(reply.text[tags[-1].end() :], tag).removesuffix("```"))
    return [bare for span in spans if (bare := _without_fences(span))]


def _ended(span: str, tag: str) -> str:
    """The text up to a closing tag that is meant for `tag`, and spelled otherwise: "</promt>"."""
    alike = (
        end for end in _CLOSING_TAG.finditer(span) if SequenceMatcher(None, end[1].lower(), tag).ratio() >= TAG_LIKENESS
    )
    # One that was opened in the text is of a block of its own.
    end = next((end for end in alike if f"<{end[1].lower()}>" not in span[: end.start()].lower()), None)
    return span.strip() if end is None else span[: end.start()].strip()


def _without_fences(span: str) -> str:
    return strip_fence(span).removeprefix('"""').removesuffix('"""').strip()


@lru_cache(maxsize=64)
def tag_pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    """Begin and end tags of these names, in any case, with white space or attributes inside."""
    attribute = r"""\s{1,9}[\w-]{1,30}\s?=\s?(?:"[^"<>]{0,80}"|'[^'<>]{0,80}')"""
    named = "|".join(map(re.escape, names))
    return re.compile(rf"<\s*/?\s*(?:{named})(?:{attribute}){{0,4}}\s*>", re.IGNORECASE)
