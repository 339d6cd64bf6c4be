"""Mask analysis: what each part of a prompt does to its loss, measured by leaving it out.

Paper    Zhao et al. 2025, PMPO, arXiv:2505.16307; the checks of a marked copy, the fallback and the threshold are ours.
Calls    the proposer once (twice where its first reply cannot be used), the task model parts * examples times, and
         examples times more where the prompt itself was not scored before.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from promptopt.operators.losses import paired, unit_scores
from promptopt.operators.reflect import read_last
from promptopt.operators.replies import unthought
from promptopt.run import Run
from promptopt.text import Pattern, shorten
from promptopt.types import Example, Message, Prompt, Proposal, Reply, Sampling

Ablation = Literal["remove", "placeholder"]
"""What stands where a part stood: nothing, which gives a prompt one could use, or a mark (the paper's formula)."""
Kind = Literal["helps", "hurts", "neutral", "required"]

MASK_MARK = "[MASK]"
NEUTRAL = 0.005
"""A change of the loss by less than this share of it is none. Ours."""
SEGMENTER = Sampling(temperature=0.0, max_tokens=2048)
TAGS = ("prompt", "mask")

SEGMENT = Pattern(
    '''Mark the parts of a prompt that could be taken out one at a time.

A part is a rule, a step, an example or a definition: it says one thing of its own, and the rest still reads well \
without it. Single words and random phrases are no parts. Parts do not overlap, and no part stands inside another.

Copy the whole prompt without changing anything between <prompt> and </prompt>, and put <mask> and </mask> around each \
part, at most {most} parts. If nothing can be taken out on its own, copy the prompt without marks.

For example,
"""
Translate the sentence. Keep names as they are. Use simple words.
"""
becomes
<prompt>
Translate the sentence. <mask>Keep names as they are.</mask> <mask>Use simple words.</mask>
</prompt>
and
"""
Translate the sentence.
"""
stays
<prompt>
Translate the sentence.
</prompt>

The prompt to mark:
"""
{prompt}
"""{reminder}''',
    ("most", "prompt", "reminder"),
)
REMINDER = """

Copy it word for word, close every tag, mark at most {most} parts and none inside another."""

_MASK = re.compile(r"(<\s*/?\s*mask\s*>)", re.IGNORECASE)
_OWN_TAG = re.compile(r"<\s*/?\s*(?:mask|prompt)\s*>", re.IGNORECASE)
_MARKER = r"(?:[-*•–]|\(?\d{1,3}[.)]|\(?[A-Za-z][.)])"
_BARE_MARKER = re.compile(rf"[ \t]*{_MARKER}?[ \t]*")
# With the lines below it that are indented further.
_ITEM_WITH_INDENTED = re.compile(rf"^(?P<indent>[ \t]*){_MARKER}[ \t]+\S.*(?:\n(?P=indent)[ \t]+\S.*)*", re.MULTILINE)
_PARAGRAPH = re.compile(r"\S.*?(?=\s*(?:\n[ \t]*\n|\Z))", re.DOTALL)
# A small letter after a full stop goes on with the sentence: what stands there is an abbreviation.
_SENTENCE_OF_PROMPT = re.compile(r"\S.*?(?:[.!?][\"'”’)\]]*(?=\s+[^\sa-z]|\s*\Z)|[。！？]|(?=\s*(?:\n|\Z)))")
_LIST_NUMBER = re.compile(r"^([ \t]*\(?)(\d{1,3})(?=[.)][ \t])", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a text: `text` stands in it from `start` to `end`."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Effect:
    """What a part does to the loss (in nats, where the evaluator is a loss), on the same examples with and without it.

    `delta`: mean loss without it minus mean loss with it; positive where it helps. `error`: the standard error of
    that mean of paired differences, in which examples of one group count as one; infinite for a single one.
    `required`: the task's contract does not let it go; nothing was measured, and `delta` is infinite.
    """

    segment: Segment
    delta: float
    error: float
    kind: Kind


def analyse(
    run: Run,
    prompt: Prompt,
    examples: Sequence[Example],
    *,
    most: int = 5,
    mode: Ablation = "remove",
    sampling: Sampling | None = SEGMENTER,
) -> list[Effect]:
    """The effects of up to `most` parts of the editable text on the loss over `examples`, what helps most first.

    sampling: how the proposer is asked to mark the parts; None leaves the proposer out and cuts by rule (list items,
    paragraphs or sentences). In mode `remove` the shortened prompts become candidates of the run. Every example must
    have a finite score under `prompt`: see `scorable`. A shortened prompt without a finite loss has no effect listed.
    """
    editable = run.task.editable
    text = prompt[editable]
    if not text.strip():
        # Nobody is asked to take nothing apart.
        return []
    segments = fallback_segments(text, most) if sampling is None else _segments(run, text, most, sampling)
    without = {segment: prompt.replace(editable, ablate(text, segment, mode)) for segment in segments}
    # A part that holds the only place for the input cannot go, whatever its loss.
    kept = {segment: each for segment, each in without.items() if run.task.broken_by(each, run.count_tokens) is None}
    if mode == "remove":
        run.admit([Proposal(each, (prompt,), "ablation", shorten(part.text, 200)) for part, each in kept.items()])
    before = unit_scores(run.evaluate([prompt], examples), prompt)
    # A prompt with a mark in it is not one to end with: scored as a repetition, it is never ranked among the others.
    scores = run.evaluate(list(kept.values()), examples, repetition=0 if mode == "remove" else 1)
    # Infinite, so that what must stay comes first in the order below.
    effects = [Effect(segment, math.inf, 0.0, "required") for segment in segments if segment not in kept]
    for segment, each in kept.items():
        after = unit_scores(scores, each)
        # Without the part some output is impossible: the loss has no change that could be told.
        if all(map(math.isfinite, after)):
            effects.append(effect_of(segment, before, after))
        else:
            run.reject("ablation: no finite loss")
    return sorted(effects, key=lambda effect: effect.delta, reverse=True)


def effect_of(segment: Segment, before: Sequence[float], after: Sequence[float]) -> Effect:
    """The effect of leaving `segment` out: scores (higher is better) with it and without, paired by position.

    A score for each unit that was drawn by itself: see `unit_scores`.
    """
    # Scores are losses with the sign turned: what a score falls by the loss rises by.
    differences = [old - new for old, new in zip(before, after, strict=True)]
    delta, error = paired(differences)
    loss = math.fsum(before) / len(before)
    # The paper names no threshold.
    if abs(delta) <= max(NEUTRAL * abs(loss), error):
        return Effect(segment, delta, error, "neutral")
    return Effect(segment, delta, error, "helps" if delta > 0 else "hurts")


def show_effects(effects: Iterable[Effect]) -> str:
    """One line a part, for a rewriter: its text, the change of the loss without it, and what that means."""
    lines: list[str] = []
    for effect in effects:
        text = shorten(" ".join(effect.segment.text.split()), 300)
        if effect.kind == "required":
            lines.append(f'- "{text}": required, it must stay')
        else:
            lines.append(f'- "{text}": {effect.delta:+.4f} ± {effect.error:.4f} without it: {_MEANING[effect.kind]}')
    return "\n".join(lines)


def summarise(effect: Effect) -> str:
    """The effect in a few words, for a lineage."""
    change = "" if effect.kind == "required" else f" ({effect.delta:+.4f} ± {effect.error:.4f})"
    return f'"{shorten(effect.segment.text, 80)}" {effect.kind}{change}'


_MEANING: dict[Kind, str] = {
    "helps": "it helps",
    "hurts": "it hurts or is redundant",
    "neutral": "no clear effect",
}


def _segments(run: Run, text: str, most: int, sampling: Sampling) -> list[Segment]:
    """The parts that the proposer marked, else, after one more try, those found by rule."""
    # A prompt with such tags of its own cannot be told from its marked copy.
    if _OWN_TAG.search(text):
        return fallback_segments(text, most)
    # The second request says more, for at temperature 0 the same one would get the same reply.
    for reminder in ("", REMINDER.format(most=most)):
        meta = SEGMENT.render({"most": str(most), "prompt": text, "reminder": reminder})
        (reply,) = run.generate([(Message("user", meta),)], sampling)
        segments = read_segments(unthought(reply, "prompt"), text, most)
        if segments is not None:
            return segments
        run.reject("segmenter: not a marked copy of the prompt")
    return fallback_segments(text, most)


def read_segments(reply: Reply, prompt: str, most: int) -> list[Segment] | None:
    """The parts marked in the last copy of `prompt` in the reply; None where the reply breaks a rule.

    The copy must be the prompt but for white space, and at most `most` parts are closed, not empty and not nested. A
    copy without marks is an answer: nothing can be taken out.
    """
    copy = read_last(reply, "prompt")
    if copy is None:
        return None
    # Only visible characters are counted, so marks are found again in the prompt whatever happened to its white space.
    visible = [index for index, character in enumerate(prompt) if not character.isspace()]
    copied = ""
    begin = -1
    segments = list[Segment]()
    for piece in _MASK.split(copy):
        if _MASK.fullmatch(piece) is None:
            copied += "".join(piece.split())
        elif "/" not in piece:
            if begin >= 0:
                return None
            begin = len(copied)
        # A copy that is longer than the prompt would reach past the end of `visible`.
        elif begin < 0 or len(copied) == begin or len(copied) > len(visible):
            return None
        else:
            start, end = visible[begin], visible[len(copied) - 1] + 1
            segments.append(Segment(prompt[start:end], start, end))
            begin = -1
    complete = begin < 0 and len(segments) <= most and copied == "".join(prompt.split())
    return segments if complete else None


def fallback_segments(prompt: str, most: int) -> list[Segment]:
    """Parts by rule: list items if there are two, else paragraphs, else sentences.

    The `most` longest of those that the prompt does not begin with, in order; none for a single sentence.
    """
    units: list[Segment] = []
    for pattern in (_ITEM_WITH_INDENTED, _PARAGRAPH, _SENTENCE_OF_PROMPT):
        found = [(match.group(), *match.span()) for match in pattern.finditer(prompt)]
        units = [Segment(text.strip(), start + len(text) - len(text.lstrip()), end) for text, start, end in found]
        if len(units) > 1:
            break
    first = len(prompt) - len(prompt.lstrip())
    later = [unit for unit in units if unit.start > first]
    longest = sorted(later, key=lambda unit: len(unit.text), reverse=True)[:most]
    return sorted(longest, key=lambda unit: unit.start)


def ablate(prompt: str, segment: Segment, mode: Ablation = "remove") -> str:
    """The prompt without the segment, white space and list numbers repaired; or with a mark where it stood."""
    if mode == "placeholder":
        return prompt[: segment.start] + MASK_MARK + prompt[segment.end :]
    begin = prompt.rfind("\n", 0, segment.start) + 1
    head, before = prompt[begin : segment.start], prompt[:begin]
    end = prompt.find("\n", segment.end)
    tail, after = (prompt[segment.end :], "") if end < 0 else (prompt[segment.end : end], prompt[end + 1 :])
    if _BARE_MARKER.fullmatch(head) and not tail.strip():
        # Whole lines go, with the marker of a list item; of the blank lines on both sides one stays.
        if not before.strip() or before.endswith("\n\n"):
            after = after.lstrip("\n")
        return (before + _renumbered(after, prompt[begin : segment.end])).strip("\n")
    rest = tail.lstrip(" \t")
    # No blank before a mark that closes: what went may have stood right before it.
    gap = " " if head.strip() and rest and rest[0] not in ".,;:!?)" else ""
    line = head.rstrip(" \t") + gap + rest if head.strip() else head + rest
    return f"{before}{line}\n{after}".strip("\n")


def _renumbered(after: str, removed: str) -> str:
    """What follows a removed part, with the numbers of its list moved up; other lists keep theirs."""
    gone = list(_LIST_NUMBER.finditer(removed))
    # What went was not the numbered item as a whole.
    if not gone or gone[0].start() > 0:
        return after
    indent, expected = gone[0].group(1), int(gone[0].group(2))
    count = sum(match.group(1) == indent for match in gone)
    following = expected + count

    def move(match: re.Match[str]) -> str:
        nonlocal following
        # A number out of turn is of another list, and so is one of another indent.
        if match.group(1) != indent or int(match.group(2)) != following:
            return match.group()
        following += 1
        return f"{indent}{following - 1 - count}"

    return _LIST_NUMBER.sub(move, after)
