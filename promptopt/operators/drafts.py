"""Edited texts, checked before they cost anything: what of a reply can stand in for the text it was made from."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from promptopt.operators.exemplars import INSTRUCTION_MARK
from promptopt.operators.other_words import PLACEHOLDER
from promptopt.operators.reflect import BESIDE, tag_pattern
from promptopt.operators.refusals import answers, changes_nothing, concerns_instructions, criticises, refuses
from promptopt.operators.replies import Form, debris, tidy
from promptopt.protocols import Task
from promptopt.run import Run
from promptopt.tasks.contract import contract_in
from promptopt.text import normalise
from promptopt.types import Prompt, Proposal

_STRUCTURE = re.compile(
    r"<[|｜][^|｜<>\n]{1,40}[|｜]>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:bos|eos)>", re.IGNORECASE
)
"""What chat templates read as the end of a message, or the start of another."""
SAME = "same as its parent"
"""Why a text is of no use that says nothing new."""
_UNFILLED = re.compile(
    r"^[\s\-*]*(?:If\s*)?(?:\.\.\.|…)\s*$"
    r"|\A[\[(<{]?(?:(?:please )?(?:insert|write|put) )?(?:(?:your|the|a) )?"
    r"(?:(?:new|improved|revised|rewritten|final|whole) )*"
    r"(?:prompts?|instructions?)(?: text)?(?: (?:goes )?here)?[\])>}]?\.?\Z",
    re.MULTILINE | re.IGNORECASE,
)
"""A line of the reply form that was copied as it stood, or a place that was left open: "[your new prompt here]"."""


def texts_beside_prompt(task: Task, prompt: Prompt) -> list[str]:
    """What requests say of a task that a prompt may say as well: its description, its labels, the fixed parts."""
    fixed = [text for part, text in prompt.texts if part != task.editable]
    return [task.description, ", ".join(task.labels), *fixed]


def placeholders(text: str) -> list[str]:
    """The placeholders in a text as they stand there, each once, in order."""
    return list(dict.fromkeys(found.group() for found in PLACEHOLDER.finditer(text)))


def edit_limit(section: str, longest: int, count_tokens: Callable[[str], int]) -> int:
    """Tokens that an edit of `section` may have: `longest`, or a quarter more than the section has."""
    # An edit of a text that is longer than that already needs room for what it keeps.
    return max(longest, count_tokens(section) * 5 // 4)


def words_allowed(task: Task, part: str, section: str, longest: int, count_tokens: Callable[[str], int]) -> int:
    """The words that a request for an edit of `section`, the text of `part`, states as the most.

    By `edit_limit`, and by what the task's contract allows: a text beyond that would be refused after it was paid for.
    """
    most, cap = edit_limit(section, longest, count_tokens), contract_in(task).most_tokens(part)
    # A token is about three quarters of a word; two thirds leave a margin.
    return max(1, (most if cap is None else min(most, cap)) * 2 // 3)


def unusable(
    text: str,
    parent: str,
    *,
    most: int,
    tags: Collection[str],
    count_tokens: Callable[[str], int],
    form: Form,
    own: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> str | None:
    """Why `text` cannot stand in for the section `parent`, in a few words; None where it can.

    `most`: its tokens. `tags`: those of the reply contract. `form`: what the requests say by themselves, and `own`:
    what of it a text may say all the same. `labels`: the task's, one of which alone is an answer and no instruction.
    """
    if not text.strip():
        return "empty"
    # Before what follows: a parent may itself hold tags, or be longer than it should.
    if normalise(text) == normalise(parent) or (changes_nothing(text) and not changes_nothing(parent)):
        return SAME
    form_of_reply = _no_prose(text, parent, tags)
    if form_of_reply is not None:
        return form_of_reply
    # A prompt may begin so itself, and its edits with it.
    if refuses(text) and not refuses(parent):
        return "refusal"
    # Where the task is about prompts or instructions, what a rule says of them is no criticism of this one.
    if criticises(text) and not (criticises(parent) or concerns_instructions((parent, *own))):
        return "criticises its parent"
    # By name: braces may be doubled or hold blanks, and stand for the same input.
    before, after = set(PLACEHOLDER.findall(parent)), set(PLACEHOLDER.findall(text))
    if before - after:
        return "lost placeholder"
    if after - before:
        return "unresolved placeholder"
    # A parent may hold the mark: it is a tag that people write, too.
    if BESIDE in text or (INSTRUCTION_MARK in text and INSTRUCTION_MARK not in parent):
        return "repeats the request"
    piece = debris(text, parent, form, own)
    if piece is not None:
        return piece
    if _UNFILLED.search(text) and not _UNFILLED.search(parent):
        return "form not filled in"
    if answers(text, labels) and not answers(parent, labels):
        return "answers instead of rewriting"
    # Last, as it alone may have to ask an engine.
    if count_tokens(text) > most:
        return "too long"
    return None


def _no_prose(text: str, parent: str, tags: Collection[str]) -> str | None:
    # A bare "42" or "1." answers an example of the request, or begins a list that never came.
    if not _has_letters(text) and _has_letters(parent):
        return "form not filled in" if _UNFILLED.search(text) else "no words"
    if tag_pattern(tuple(tags)).search(text):
        return "tags in the text"
    return "reads as chat structure" if _STRUCTURE.search(text) else None


def _has_letters(text: str) -> bool:
    return any(each.isalpha() for each in text)


class Drafts:
    """The distinct usable texts written for one parent's editable part: who wrote each, and the reason behind it."""

    def __init__(self, run: Run, parent: Prompt, most: int, tags: Collection[str], form: Form) -> None:
        """`most`, `tags` and `form`: as in `unusable`."""
        self._run, self._parent, self._most, self._tags, self._form = run, parent, most, tags, form
        self._own = texts_beside_prompt(run.task, parent)
        self._found: dict[str, tuple[str, str, str]] = {}

    def add(self, texts: Sequence[str], who: str, reason: str) -> bool:
        """Keep what is usable and new, up to white space; the rest is counted as rejected, under `who`.

        Whether any was kept.
        """
        before = len(self._found)
        section = self._parent[self._run.task.editable]
        for text in (tidy(text, section) for text in texts):
            why = unusable(
                text,
                section,
                most=self._most,
                tags=self._tags,
                count_tokens=self._run.count_tokens,
                form=self._form,
                own=self._own,
                labels=self._run.task.labels,
            )
            if why is not None:
                self._run.reject(f"{who}: {why}")
            else:
                self._found.setdefault(normalise(text), (text, who, reason))
        return len(self._found) > before

    def sections(self) -> list[tuple[str, str]]:
        """(text, reason), in the order they came."""
        return [(text, reason) for text, _, reason in self._found.values()]

    def proposals(self) -> list[Proposal]:
        """The parent with its editable part exchanged for each text."""
        editable = self._run.task.editable
        return [
            Proposal(self._parent.replace(editable, text), (self._parent,), who, reason)
            for text, who, reason in self._found.values()
        ]
