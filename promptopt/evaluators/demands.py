"""Demands: what can be checked of a reply without a judge, each example with its own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import cast

from promptopt.errors import DataError
from promptopt.evaluators import numerals, wording
from promptopt.evaluators.cues import UNSPACED_CHARACTER, WORD_CHARACTER
from promptopt.text import Regex, counted, shorten
from promptopt.types import Demand, Example, Score, ToolCall

NAMED = 6
"""Unmet demands that a feedback sentence names."""
DEMAND_CHARACTERS = 60
"""Characters of a text in it."""

_FUNCTION_NAME = re.compile(r"[\w.:-]{1,200}")
"""Of a tool, before the arguments of a call as `calls.with_calls` writes it, on a line of its own."""
_TYPOGRAPHIC = str.maketrans("‘’‚‛“”„‐‑‒–—−", "''''\"\"\"------")
"""Quotes and dashes as models like to set them; a demand is written on a keyboard."""
# Not the underscores within a name, as in order_number.
_EMPHASIS_SIGNS = re.compile(r"[*`]+|(?<![^\W_])_+|_+(?![^\W_])")
# A point within a number or an address ends none: white space has to follow.
_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?…])[\"')\]]*\s+|[。！？]+|[\n\r]+")
_ITEM_NUMBER = re.compile(r"^\s*[0-9]{1,2}[.)]\s", re.MULTILINE)
"""The number of a point in a list, which says nothing."""


def demands(answer: str, example: Example) -> Score:
    """(the weights met of what is asked - those broken of what is forbidden) / what is asked, in [0, 1].

    So what is left out earns nothing: a reply of one word that breaks no rule is worth 0. Where an example only
    forbids, it is the share of that which is kept to. 0 without a critical demand, and for a reply that says nothing
    and calls nothing. `Score.parts`: for each name, or kind, of demand the share met; the feedback names the unmet.
    Raises DataError for an example without demands.
    """
    if not example.demands:
        raise DataError(
            f"example {example.id} has no demands, and the metric 'demands' needs some; write them into its row, or "
            f"[[demands]] for all into the task file"
        )
    said = _parsed_answer(answer)
    if not said.words and not said.calls:
        parts = _mean_by_name(example.demands, [False] * len(example.demands))
        return Score(0.0, answer, answer, feedback="says nothing and calls no tool", parts=parts)
    unmet = [_unmet(demand, said, example) for demand in example.demands]
    met = [not each for each in unmet]
    pairs = list(zip(example.demands, met, strict=True))
    feedback = _feedback([(demand, why) for demand, why in zip(example.demands, unmet, strict=True) if why])
    lost = any(demand.critical and not kept for demand, kept in pairs)
    value = 0.0 if lost else _demands_score(pairs)
    return Score(value, answer, answer, feedback=feedback, parts=_mean_by_name(example.demands, met))


@dataclass(frozen=True, slots=True)
class _Said:
    """A reply taken apart: what is written for a reader, the same folded, its words, and the calls."""

    text: str
    folded: str
    words: int
    calls: tuple[ToolCall, ...]


@lru_cache(maxsize=4_096)
def _parsed_answer(answer: str) -> _Said:
    lines: list[str] = []
    calls: list[ToolCall] = []
    for line in answer.splitlines():
        call = _call_in(line)
        if call is None:
            lines.append(line)
        else:
            calls.append(call)
    text = "\n".join(lines)
    return _Said(text, _folded_text(text), _word_count(text), tuple(calls))


def _word_count(text: str) -> int:
    apart = UNSPACED_CHARACTER.sub(" ", text).split()
    return len(UNSPACED_CHARACTER.findall(text)) + sum(WORD_CHARACTER.search(each) is not None for each in apart)


def _call_in(line: str) -> ToolCall | None:
    name, mark, rest = line.strip().partition("(")
    if not mark or rest[:1] != "{" or rest[-2:] != "})" or not _FUNCTION_NAME.fullmatch(name):
        return None
    try:
        value: object = json.loads(rest[:-1])
    except (ValueError, RecursionError):
        return None
    return ToolCall.of(name, value)


def _folded_text(text: str) -> str:
    return wording.folded(_EMPHASIS_SIGNS.sub("", text.translate(_TYPOGRAPHIC)))


def _demands_score(pairs: Sequence[tuple[Demand, bool]]) -> float:
    asked = sum(demand.weight for demand, _ in pairs if not demand.forbids)
    broken = sum(demand.weight for demand, kept in pairs if demand.forbids and not kept)
    if asked > 0.0:
        earned = sum(demand.weight for demand, kept in pairs if kept and not demand.forbids)
        return max(0.0, (earned - broken) / asked)
    forbidden = sum(demand.weight for demand, _ in pairs if demand.forbids)
    return 1.0 - broken / forbidden if forbidden > 0.0 else 1.0


def _mean_by_name(given: Sequence[Demand], met: Sequence[bool]) -> tuple[tuple[str, float], ...]:
    found: dict[str, list[bool]] = {}
    for demand, kept in zip(given, met, strict=True):
        found.setdefault(demand.name if demand.name else demand.kind, []).append(kept)
    return tuple((name, sum(each) / len(each)) for name, each in found.items())


def _unmet(demand: Demand, said: _Said, example: Example) -> str:
    """Why a reply does not meet a demand, in words; empty where it does."""
    match demand.kind:
        case "says" | "never_says":
            held = [text for text in demand.texts if wording.holds(said.folded, _folded_text(text))]
            return _texts_unmet(demand, held)
        case "number":
            # By its decimal writing: the binary value of 0.1 is not one tenth.
            wanted = Fraction(str(demand.number))
            known = any(numerals.equal(found, wanted) for found in numerals.numbers_named(said.text))
            return "" if known else f"does not give the number {demand.number:.12g}"
        case "matches" | "never_matches":
            found = Regex.of(demand.texts[0]).search(said.text)
            if demand.forbids:
                return "" if found is None else f"says {shorten(found[0], DEMAND_CHARACTERS)!r}, which it must not"
            return f"does not match {shorten(demand.texts[0], DEMAND_CHARACTERS)}" if found is None else ""
        case "numbers_among":
            return _numbers_unmet(demand, said, example)
        case "calls" | "never_calls":
            return _calls_unmet(demand, said.calls)
        case _:
            return _length_unmet(demand, said)


def _texts_unmet(demand: Demand, held: Sequence[str]) -> str:
    if demand.forbids:
        return f"says {shorten(held[0], DEMAND_CHARACTERS)!r}, which it must not" if held else ""
    shown = " or ".join(repr(shorten(text, DEMAND_CHARACTERS)) for text in demand.texts[:3])
    return "" if held else f"does not say {shown}"


def _numbers_unmet(demand: Demand, said: _Said, example: Example) -> str:
    known = [Fraction(text) for text in demand.texts]
    for _, value in example.fields:
        # What a user wrote may be said again.
        known += numerals.numbers_named(value)
    other = sorted(found for found in numerals.numbers_named(_ITEM_NUMBER.sub("", said.text))
                   if not any(numerals.equal(found, each) for each in known))  # fmt: skip
    return "" if not other else f"names {float(other[0]):.12g}, which stands neither in its input nor in the rules"


def _calls_unmet(demand: Demand, calls: Sequence[ToolCall]) -> str:
    if demand.forbids:
        wrong = next((call for call in calls if "*" in demand.texts or call.name in demand.texts), None)
        return "" if wrong is None else f"calls {wrong.name}, which it must not"
    if any(call.name == demand.texts[0] and holds_arguments(call, demand.arguments) for call in calls):
        return ""
    given = f"({demand.arguments})" if demand.arguments else ""
    instead = "no tool" if not calls else ", ".join(shorten(call.written, DEMAND_CHARACTERS) for call in calls[:3])
    return f"does not call {shorten(demand.texts[0] + given, 2 * DEMAND_CHARACTERS)} (it calls {instead})"


def holds_arguments(call: ToolCall, wanted: str) -> bool:
    """Whether a call has these arguments, JSON of an object, and any others beside them; empty: any call has."""
    if not wanted:
        return True
    asked = cast("dict[str, object]", json.loads(wanted))
    given: object = json.loads(call.arguments)
    table = cast("dict[str, object]", given) if isinstance(given, dict) else {}
    return all(
        name in table and _comparable_argument(table[name]) == _comparable_argument(value)
        for name, value in asked.items()
    )


def _comparable_argument(value: object) -> object:
    """An argument as it is compared: a text in one case, and a number as the text that models write it as too."""
    if isinstance(value, dict):
        return {name: _comparable_argument(each) for name, each in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_comparable_argument(each) for each in cast("list[object]", value)]
    if isinstance(value, int | float) and not isinstance(value, bool):
        # So 10 and 10.0 are one.
        return f"{value:.12g}"
    return _folded_text(value) if isinstance(value, str) else value


def _length_unmet(demand: Demand, said: _Said) -> str:
    bound = int(demand.number)
    if demand.kind == "sentences_at_most":
        count = sum(WORD_CHARACTER.search(piece) is not None for piece in _BETWEEN_SENTENCES.split(said.text))
        return f"has {counted(count, 'sentence')}, at most {bound:,} are allowed" if count > bound else ""
    if demand.kind == "words_at_most":
        return f"has {counted(said.words, 'word')}, at most {bound:,} are allowed" if said.words > bound else ""
    return f"has {counted(said.words, 'word')}, at least {bound:,} are asked for" if said.words < bound else ""


def _feedback(unmet: Sequence[tuple[Demand, str]]) -> str:
    ordered = sorted(unmet, key=lambda each: not each[0].critical)
    named = [
        f"{demand.name}: {why}" if demand.name else why + (" (without it all is worth 0)" if demand.critical else "")
        for demand, why in ordered[:NAMED]
    ]
    more = f"and {len(ordered) - NAMED} more" if len(ordered) > NAMED else ""
    return "; ".join([*named, *([more] if more else [])])
