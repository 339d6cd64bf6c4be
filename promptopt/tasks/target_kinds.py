"""What the targets of a data set look like (numbers, letters, labels, texts), and the settings that follow."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median

from promptopt.digits import decimal_comma, is_number, numbers_in
from promptopt.tasks.toml_text import quoted
from promptopt.text import folded, normalise
from promptopt.types.identity import object_in

_MOST_LABELS = 25
"""Different targets up to which they can be labels; each has to repeat three times on average too. Ours."""
_CURRENCY_OR_PERCENT = re.compile(r"(?<![^-−])[$€£¥₹]\s?|\s?[%$€£¥₹]$")
_COMMA = "Every target is a number. Decimals have a comma in them, so 1,234 is read as 1 and a fraction."
_ANSWER_MARKS = ("####", "The answer is", "the answer is", "Final answer:", "Answer:")
"""What published worked solutions have before the answer."""
LETTER_TARGET = re.compile(r"\(?([A-Z])\)?")
"""A target that is the letter of an option: B, or (B)."""


@dataclass(frozen=True, slots=True)
class TargetGuess:
    """What the targets look like, why it was concluded, and the settings that follow."""

    why: str
    metric: str
    answer: str
    max_tokens: int
    instruction: str
    answer_format: str
    labels: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    """Further lines of the table `[data]`."""


def guess_of(targets: Sequence[str], field: str, *, lines: bool) -> TargetGuess:
    """The settings for such targets. `field`: what they answer. `lines`: read labels as whole lines."""
    solutions = _from_solutions(targets, field)
    return _from_targets(targets, field, lines=lines) if solutions is None else solutions


def guess_of_letters(why: str, field: str, told: str, data: tuple[str, ...] = ()) -> TargetGuess:
    """For answers that are letters of options. `told`: what the model is told of the letters, behind its order."""
    return TargetGuess(
        why=why,
        metric="choice",
        answer="choice",
        max_tokens=64,
        instruction=f"Answer the {field}.",
        answer_format=f"Answer with the letter of the right option in brackets{told}.",
        data=data,
    )


def _from_solutions(targets: Sequence[str], field: str) -> TargetGuess | None:
    """Worked solutions that close with a number behind one mark, as those of GSM8K do; None for anything else."""
    for mark in _ANSWER_MARKS:
        parts = [target.rpartition(mark) for target in targets]
        if all(found and before.strip() and is_number(after.strip().rstrip(".")) for before, found, after in parts):
            stop = "" if all(after.rstrip().endswith(".") for _, _, after in parts) else "."
            # GSM8K's notes for a calculator, such as `<<48/2=24>>`, are no part of a solution.
            steps = ", without = '<<[^>]*>>'" if any("<<" in before for before, _, _ in parts) else ""
            data = (
                f"target_after = {quoted(mark)}   # the answer is what follows",
                f'solution = {{ end = "The answer is {{target}}{stop}"{steps} }}   # what demonstrations may show',
            )
            return TargetGuess(
                why=f"Every target is a worked solution with a number behind {mark!r}.",
                metric="number",
                answer="number",
                max_tokens=512,
                instruction=f"Work out the answer to the {field}.",
                answer_format="End with a last line that says: The answer is <number>.",
                labels=(),
                data=data,
            )
    return None


def _from_targets(targets: Sequence[str], field: str, *, lines: bool) -> TargetGuess:
    counts = Counter(targets)
    letters = all(LETTER_TARGET.fullmatch(target) for target in counts)
    # Each label three times on average: fewer repeats are answers that happen to be equal.
    few = 2 <= len(counts) <= _MOST_LABELS and len(targets) >= 3 * len(counts) and max(map(len, counts)) <= 40
    # Objects first: where they repeat they would pass for labels.
    if all(object_in(each) is not None for each in counts):
        return TargetGuess(
            why="Every target is a JSON object: scored by the fields that are right.",
            metric="json",
            answer="text",
            max_tokens=512,
            instruction=f"Answer the {field}.",
            answer_format="Answer with a JSON object.",
        )
    # Before labels: an option's letter is also read from (B) and from B.
    if letters and len(counts) > 1:
        return guess_of_letters("Every target is an option letter.", field, ", such as (A)")
    # Ten numbers or fewer that come again and again are ratings: labels, and not results.
    if all(map(is_number, _without_unit(counts))) and not (few and len(counts) <= 10):
        why = "Every target is a number." if not decimal_comma(targets) else _COMMA
        return TargetGuess(
            why=why,
            metric="number",
            answer="number",
            max_tokens=256,
            instruction=f"Work out the answer to the {field}.",
            answer_format="End with a last line that says: The answer is <number>.",
        )
    if few:
        return _from_labels(counts, field, lines=lines)
    return _from_texts(counts, field)


def _without_unit(targets: Mapping[str, int]) -> list[str]:
    """The targets without a sign of money or "%", where all have the same one."""
    units = {match[0].strip() if (match := _CURRENCY_OR_PERCENT.search(target)) else "" for target in targets}
    return [_CURRENCY_OR_PERCENT.sub("", target) for target in targets] if len(units) == 1 else list(targets)


def _from_texts(targets: Counter[str], field: str) -> TargetGuess:
    """Texts of many kinds: equal where they are short, else compared by their words."""
    # Two tokens for three characters of the longest target: scripts of many tokens a letter fit too.
    tokens = min(512, max(16, 2 * max(map(len, targets)) // 3))
    if median(len(target.split()) for target in targets.elements()) <= 5:
        return TargetGuess(
            why="The targets are short texts: an answer is right if it is the same but for spaces.",
            metric="exact",
            answer="line",
            max_tokens=tokens,
            instruction=f"Answer the {field}.",
            answer_format="Answer on one line.",
        )
    return TargetGuess(
        why="The targets are long texts: scored by the words they share with the answer (f1).",
        metric="f1",
        answer="text",
        max_tokens=tokens,
        instruction=f"Answer the {field}.",
        answer_format="Answer briefly.",
    )


def _from_labels(counts: Mapping[str, int], field: str, *, lines: bool) -> TargetGuess:
    """Few targets, taken for labels; those that differ in case, spaces or punctuation only for one label."""
    spelt: dict[str, list[str]] = {}
    comma = decimal_comma(counts)

    def plain_first(label: str) -> tuple[int, int, bool, str]:
        return -counts[label], len(folded(label)), label != normalise(label), label

    # The most frequent spelling names the label, and of equals the plainest.
    for label in sorted(counts, key=plain_first):
        spelt.setdefault(_spelling(label, comma), []).append(label)
    labels = tuple(sorted(same[0] for same in spelt.values()))
    why = f"{len(labels)} different targets in {sum(counts.values()):,} rows: taken for labels."
    data: tuple[str, ...] = ()
    # They differ in case or punctuation alone, which nothing but a whole line tells apart.
    if len(labels) < 2:
        labels = tuple(sorted(counts))
        lines = True
    elif len(labels) < len(counts):
        pairs = ", ".join(f"{quoted(each)} = {quoted(same[0])}" for same in spelt.values() for each in same)
        merged = next(same for same in spelt.values() if len(same) > 1)
        why += f" {merged[0]!r} and {merged[1]!r} are taken for one: [data] classes says so."
        data = (f"classes = {{ {pairs} }}   # what stands in the data, and the label it is",)
    if all(is_number(label) for label in labels):
        why += ' They are numbers: models do better with words, which [data] classes = { 0 = "…", … } gives them.'
    longest = max(map(len, labels))
    # A label without a letter or digit cannot be looked for in a longer reply.
    whole = lines or not all(any(character.isalnum() for character in label) for label in labels)
    return TargetGuess(
        why=why,
        metric="exact",
        answer="line" if whole else "label",
        # Three characters a token, and a few tokens for what models put around a label.
        max_tokens=8 + longest // 3,
        instruction=f"Classify the {field}.",
        answer_format=f"Answer with one of: {', '.join(labels)}.",
        labels=labels,
        data=data,
    )


def _spelling(label: str, comma: bool) -> str:
    """What two spellings of one label share: all but case, Unicode form, spaces, hyphens, quotes and a full stop.

    Numbers share what they are worth: 1 and 1.0 are one label. `comma`: as in `digits.numbers_in`.
    """
    plain = folded(label)
    if is_number(plain):
        return f"{Fraction(numbers_in(plain.lstrip('+-−–'), comma)[0]) * (-1 if plain[0] in '-−–' else 1)}"
    # A sign at the beginning tells labels apart (`+` and `-`); other hyphens are a matter of spelling.
    sign = plain[:1] if plain[:1] in "+-" else ""
    bare = re.sub(r"[\s_'\"«»-]+", "", plain)
    return sign + bare if bare else label
