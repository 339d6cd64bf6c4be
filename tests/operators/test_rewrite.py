"""One whole prompt a request: which replies stand in for the part that is edited, and why others do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from promptopt.operators.quotes import Quotes
from promptopt.operators.replies import AROUND, UNKNOWN_FORM
from promptopt.operators.rewrite import revisions, rewrites
from promptopt.testing import planted_task
from promptopt.types import Content, Example, Prompt, Reply, Sampling

PARENT = planted_task().initial
SECTION = PARENT["instruction"]


class FakeRun:
    """Answers from a list; a token is a word."""

    def __init__(self, *replies: str | Reply) -> None:
        self.task = planted_task()
        self.replies = list(replies)
        self.asked: list[tuple[str, Sampling]] = []
        self.rejected: Counter[str] = Counter()

    def generate(self, contents: Sequence[Content], sampling: Sampling) -> list[Reply]:
        texts = [content if isinstance(content, str) else content[0].content for content in contents]
        self.asked += [(text, sampling) for text in texts]
        taken = [self.replies.pop(0) for _ in texts]
        return [reply if isinstance(reply, Reply) else Reply(reply) for reply in taken]

    def reject(self, reason: str) -> None:
        self.rejected[reason] += 1

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def written(run: Any, parents: Sequence[Prompt] = (PARENT,), **settings: Any) -> list[str | None]:
    asked = [(parent, f"request {number}") for number, parent in enumerate(parents)]
    found = rewrites(
        run, asked, Sampling(max_tokens=9), **{"who": "writer", "longest": 6, "form": UNKNOWN_FORM, **settings}
    )
    for parent, prompt in zip(parents, found, strict=True):
        assert prompt is None or prompt == parent.replace("instruction", prompt["instruction"])
    return [None if prompt is None else prompt["instruction"] for prompt in found]


@pytest.mark.parametrize(
    ("reply", "text", "why"),
    [
        ("<prompt>Say it.</prompt>", "Say it.", None),
        ("<prompt>New instruction: Say it.</prompt>", "Say it.", None),
        # Equal to the parent up to white space: the parent's own text.
        (f"<prompt>{SECTION.replace(' ', '  ')}</prompt>", SECTION, None),
        ("<prompt></prompt>", None, "empty"),
        ("<prompt>Say {this}.</prompt>", None, "unresolved placeholder"),
        ("<prompt>one two three four five six</prompt>", "one two three four five six", None),
        ("<prompt>one two three four five six seven</prompt>", None, "too long"),
        ("<prompt>Say <other>it</other>.</prompt>", None, "tags in the text"),
        (Reply("<prompt>Say", "length"), None, "cut at length"),
    ],
)
def test_what_stands_in_for_the_part_and_why_not(reply: str | Reply, text: str | None, why: str | None) -> None:
    run = FakeRun(reply)
    assert written(run, tags=("other",)) == [text]
    assert run.rejected == ({} if why is None else {f"writer: {why}": 1})


def test_a_reply_without_tags_is_asked_for_once_more_or_taken_where_it_is_bare() -> None:
    run = FakeRun("Say it.", "<prompt>Say so.</prompt>")
    assert written(run) == ["Say so."]
    assert run.rejected == {"writer: no tags": 1}
    assert written(FakeRun("Say it."), bare=True) == ["Say it."]


def test_a_long_parent_may_grow_by_a_quarter_and_every_reply_has_space_for_the_longest() -> None:
    long = PARENT.replace("instruction", "word " * 2_000)
    run = FakeRun(
        f"<prompt>{'new ' * 2_500}</prompt>", f"<prompt>{'new ' * 2_501}</prompt>", "<prompt>Say it.</prompt>"
    )
    found = written(run, (long, long, PARENT))
    assert [None if text is None else len(text.split()) for text in found] == [2_500, None, 2]
    # One and a half times its tokens, and what a model says beside them.
    assert {sampling.max_tokens for _, sampling in run.asked} == {3_000 + AROUND}
    # A short parent asks for what it was told.
    short = FakeRun("<prompt>Say it.</prompt>")
    rewrites(short, [(PARENT, "request")], Sampling(max_tokens=1_024), who="writer", longest=6, form=UNKNOWN_FORM)  # type: ignore[arg-type]
    assert short.asked[0][1].max_tokens == 1_024


def revised(run: Any, parent: Prompt = PARENT) -> list[str | None]:
    quotes = Quotes([Example.of("yes", question="is it raining cats")], ())
    asked = [(parent, "instruction", "request")]
    return revisions(run, asked, Sampling(), who="editor", longest=20, quotes=quotes, form=UNKNOWN_FORM)


@pytest.mark.parametrize(
    ("reply", "text", "why"),
    [
        ("Say it.", "Say it.", None),
        (SECTION, None, "same as its parent"),
        ("Sorry, I cannot do that.", None, "refusal"),
        ("Ask: is it raining cats?", None, "quotes an example"),
        ("Yes.", None, "quotes an example"),
    ],
)
def test_a_revision_is_new_and_neither_refuses_nor_quotes(reply: str, text: str | None, why: str | None) -> None:
    run = FakeRun(f"<prompt>{reply}</prompt>")
    assert revised(run) == [text]
    assert run.rejected == ({} if why is None else {f"editor: {why}": 1})


def test_what_its_parent_does_a_revision_may_do_too() -> None:
    sorry = PARENT.replace("instruction", "Sorry is the word.")
    assert revised(FakeRun("<prompt>Sorry, that is the word.</prompt>"), sorry) == ["Sorry, that is the word."]
    quoting = PARENT.replace("instruction", "Ask: is it raining cats?")
    assert revised(FakeRun("<prompt>Say: is it raining cats?</prompt>"), quoting) == ["Say: is it raining cats?"]
    # Only complete pairs of tags count.
    run = FakeRun("<prompt>Say it.", "<prompt>Say it.")
    assert revised(run) == [None]
