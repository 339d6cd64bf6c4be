"""What a gate decided, as Markdown for a pull request: verdict, change, what it broke and mended, cost."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from promptopt.evaluators.judging import as_in_its_task
from promptopt.outcome.conversations import Conversations
from promptopt.outcome.criterion import scored_by
from promptopt.outcome.decisions import CheckOutcome, Decision, ScoredPair, deciding, overall
from promptopt.outcome.length_matched import LengthMatched
from promptopt.outcome.looks import Look, look_said
from promptopt.reports import words
from promptopt.text import counted, shorten, visible

SHOWN_EXAMPLES = 5
"""Examples broken, and mended, that are shown."""
SHOWN_CHARACTERS = 300
"""Characters of each of their texts."""
LARGEST = 60_000
"""Characters in all: services take 65,536."""
_OUTCOME_WORDS: dict[CheckOutcome, str] = {
    "passed": "passed",
    "regression": "REGRESSION",
    "inconclusive": "inconclusive",
}
_VERDICTS: dict[CheckOutcome, str] = {
    "passed": "The new prompt may replace the old one: nothing that was asked of it is worse.",
    "regression": "The new prompt is worse: do not ship it.",
    "inconclusive": "Not decided: the data does not show that the new prompt is no worse.",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """All that is told of one check. `texts` and `tokens`: of the old and the new prompt; `dollars`: of a call's input.

    `cost`: what each prompt's replies took on the test: tokens read and written, and dollars where prices are known.
    `look`: which look at the test examples the comparison was; `next_look`: the one that shows something new after it.
    `wanted`: the test examples that there are, where it is known: a cap may come first. `same`: both are one prompt.
    `by_task`: what scores each of several tasks, where each has its own. `length`: the gain where length plays no part,
    where a judge scores. `conversations`: what those were like that were played under each prompt. `sequential`:
    whether it was to end as soon as it was decided. `unjudged`: examples that were scored and are none of `pairs`, as
    a cap came before the end of a test that is judged once it is whole. `called`: what a person calls `evaluator`.
    """

    task: str
    model: str
    evaluator: str
    texts: tuple[str, str]
    tokens: tuple[int, int]
    cost: tuple[tuple[int, int, float | None], tuple[int, int, float | None]]
    decisions: tuple[Decision, ...]
    pairs: tuple[ScoredPair, ...]
    look: Look | None = None
    next_look: Look | None = None
    wanted: int = 0
    same: bool = False
    by_task: Mapping[str, str] = field(default_factory=dict[str, str])
    length: LengthMatched | None = None
    conversations: tuple[Conversations | None, Conversations | None] = (None, None)
    sequential: bool = False
    unjudged: int = 0
    called: str = ""

    def scored_by(self, marked: Callable[[str], str] = str) -> str:
        """What scored the replies; of several tasks that each have their own, each by its name."""
        return scored_by(self.called or self.evaluator, self.by_task, marked)

    def counted(self) -> str:
        """How many examples were scored, and of how many where it took no more, or a cap came first."""
        number = len(self.pairs) + self.unjudged
        if self.same and not number:
            return "no test example scored, as both are the same prompt"
        if number >= self.wanted:
            return counted(number, "example")
        decided = self.sequential and all(each.outcome != "inconclusive" for each in self.decisions if each.gain)
        why = "decided by these" if decided else "a cap came first"
        return f"{number:,} of {counted(self.wanted, 'example')} ({why})"

    def played(self) -> str:
        """What the conversations were like, a line for each prompt; nothing where none was played."""
        return "\n".join(
            f"Conversations under the {name} prompt: {each.sentence()}."
            for name, each in zip(("old", "new"), self.conversations, strict=True)
            if each is not None
        )

    def looked(self) -> str:
        """Which look it was, and what the next one needs; nothing where none is known."""
        return "" if self.look is None or self.next_look is None else look_said([self.look], self.next_look)


def pull_request(checked: Checked, *, examples: bool = True) -> str:
    """The Markdown, of at most `LARGEST` characters. `examples`: whether texts of the data are shown."""
    outcome = overall(checked.decisions)
    why = ", ".join(_code(each.name) for each in deciding(checked.decisions))
    sections = [
        f"## promptopt: {_OUTCOME_WORDS[outcome]}\n\n{_VERDICTS[outcome]}{f' By: {why}.' if why else ''}",
        f"Task {_code(checked.task)}, {checked.counted()}. Scored{':' if checked.by_task else ' by'} "
        f"{checked.scored_by(_code)} on "
        f"{_code(checked.model)}.",
        _decisions(checked.decisions),
        "" if checked.length is None else checked.length.sentence(),
        # Two lines of Markdown are one paragraph.
        checked.played().replace("\n", "\n\n"),
        checked.looked(),
        "### The change\n\n" + _fenced(_diff(*checked.texts), "diff"),
        *([_examples(checked.pairs)] if examples else []),
        _costs(checked),
    ]
    text = "\n\n".join(section for section in sections if section) + "\n"
    if len(text) > LARGEST:
        # 200 characters hold the fence and the sentence that are put behind.
        text = text[: LARGEST - 200].rsplit("\n", 1)[0]
        # A fence that was cut open would swallow the sentence.
        opened = re.findall(r"^(`{3,})", text, re.MULTILINE)
        text += (f"\n{opened[-1]}" if len(opened) % 2 else "") + "\n\nThe rest is left out: it is too long.\n"
    return text


def pull_request_of_failure(why: str) -> str:
    """The Markdown of a check that ended before it decided anything."""
    return f"## promptopt: failed\n\nNot decided: the check itself failed.\n\n{_fenced(why)}\n"


def _decisions(decisions: Sequence[Decision]) -> str:
    rows = ["| asked | result | |", "| --- | --- | --- |"]
    rows += [
        f"| {_markdown_cell(each.name)} | {_OUTCOME_WORDS[each.outcome]} | {_markdown_cell(each.message)} |"
        for each in decisions
    ]
    return "\n".join(rows)


def _diff(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "old", "new", lineterm="", n=2)
    found = "\n".join(lines)
    return found if found else "(the same text)"


def _examples(pairs: Sequence[ScoredPair]) -> str:
    # Sums in another order may differ in their last digits.
    moved = [pair for pair in pairs if abs(pair.after.value - pair.before.value) > 1e-9]
    broken = sorted((pair for pair in moved if pair.after.value < pair.before.value), key=_change)
    mended = sorted((pair for pair in moved if pair.after.value > pair.before.value), key=_change, reverse=True)
    parts: list[str] = []
    for title, found in (("Broken", broken), ("Mended", mended)):
        if found:
            more = f", {SHOWN_EXAMPLES} of them shown" if len(found) > SHOWN_EXAMPLES else ""
            parts.append(f"### {title} ({counted(len(found), 'example')}{more})")
            parts += [_pair_as_markdown(pair) for pair in found[:SHOWN_EXAMPLES]]
    return "\n\n".join(parts)


def _change(pair: ScoredPair) -> tuple[float, str]:
    # By id where changes are equal: the same check gives the same Markdown.
    return pair.after.value - pair.before.value, pair.example.id


def _pair_as_markdown(pair: ScoredPair) -> str:
    fields = "\n".join(f"{name}: {_shortened(value)}" for name, value in as_in_its_task(pair.example).fields)
    expected = f"\nexpected: {_shortened(pair.example.target)}" if pair.example.target else ""
    told = (
        f"{fields}{expected}\nold ({pair.before.value:.2f}): {_shortened(pair.before.output)}\n"
        f"new ({pair.after.value:.2f}): {_shortened(pair.after.output)}"
    )
    part = f", {_code(pair.example.slice)}" if pair.example.slice else ""
    return f"Example {_code(pair.example.id)}{part}\n\n{_fenced(told)}"


def _costs(checked: Checked) -> str:
    rows = [
        "| | old | new |",
        "| --- | --- | --- |",
        f"| tokens of the prompt | {checked.tokens[0]:,} | {checked.tokens[1]:,} |",
    ]
    for name, place in (("tokens read on the test", 0), ("tokens written on the test", 1)):
        rows.append(f"| {name} | {checked.cost[0][place]:,} | {checked.cost[1][place]:,} |")
    old, new = checked.cost[0][2], checked.cost[1][2]
    rows.append(f"| cost of the test | {words.dollars(old)} | {words.dollars(new)} |")
    return "### Length and cost\n\n" + "\n".join(rows)


def _shortened(text: str) -> str:
    return shorten(visible(text).strip(), SHOWN_CHARACTERS)


def _markdown_cell(text: str) -> str:
    """A text that neither ends its cell nor is read as Markdown or HTML."""
    plain = " ".join(visible(text).split())
    # `@` would notify a person of that name, `#` link an issue, `!` show an image, `$` begin a formula.
    return (
        re.sub(r"([\\`*_\[\]<>|#@!~$])", r"\\\1", shorten(plain, SHOWN_CHARACTERS))
        .replace("\\<", "&lt;")
        .replace("\\>", "&gt;")
    )


def _code(text: str) -> str:
    # Within a code span a backslash escapes nothing, so marks that would end it or its cell are replaced.
    return "`" + " ".join(visible(text).split()).replace("`", "'").replace("|", "/") + "`"


def _fenced(text: str, kind: str = "") -> str:
    """In a fence longer than any within, so that what a user wrote cannot leave it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{kind}\n{visible(text)}\n{fence}"
