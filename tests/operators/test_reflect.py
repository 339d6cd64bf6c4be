from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.operators.reflect import (
    FIELD,
    ask,
    ask_whole,
    find_mistakes,
    read_last,
    read_tagged,
    remark,
    show_example,
    show_mistakes,
    show_task,
)
from promptopt.testing import planted_task
from promptopt.types import Content, Example, Prompt, Reply, Sampling, Score, ScoreMatrix

SAMPLING = Sampling()


class FakeRun:
    """Answers from a list, call after call; keeps what was asked and rejected."""

    def __init__(self, *replies: str | Reply) -> None:
        self.replies = list(replies)
        self.asked: list[str] = []
        self.rejected: Counter[str] = Counter()

    def generate(self, contents: Sequence[Content], sampling: Sampling) -> list[Reply]:
        self.asked += [content if isinstance(content, str) else content[0].content for content in contents]
        taken = [self.replies.pop(0) for _ in contents]
        return [reply if isinstance(reply, Reply) else Reply(reply) for reply in taken]

    def reject(self, reason: str, count: int = 1) -> None:
        self.rejected[reason] += count


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("<reason>a</reason>", ["a"]),
        ("Sure!\n< Reason >\n a\n</ REASON > Bye", ["a"]),
        ("```xml\n<reason>a</reason>\n```", ["a"]),
        ("<reason>\n```\na\n```\n</reason>", ["a"]),
        ('<reason>"""\na\n"""</reason>', ["a"]),
        ("<reason>a</reason> and <reason>b</reason>", ["a", "b"]),
        ("<reason>a", ["a"]),
        ("<reason>a</reason><reason>b", ["a", "b"]),
        ("```\n<reason>a\n```", ["a"]),
        ("<reason> </reason>", []),
        ("</reason>a<reason>", []),
        ("a", []),
        ("", []),
    ],
)
def test_reads_what_small_models_write(text: str, spans: list[str]) -> None:
    assert read_tagged(Reply(text), "reason") == spans


def test_a_reply_cut_at_length_gives_its_complete_spans_only() -> None:
    assert read_tagged(Reply("<reason>a</reason><reason>b", "length"), "reason") == ["a"]


@given(st.text(st.characters(exclude_characters='<>`"', exclude_categories=("Cs",))))
def test_reads_back_what_was_tagged(text: str) -> None:
    assert read_tagged(Reply(f"x<TAG>{text}</tag >y"), "tag") == [text.strip()] * bool(text.strip())


def test_asks_once_more_where_spans_are_missing_and_goes_on() -> None:
    run = FakeRun("<reason>a</reason>", "none", "cut <reason>", "<reason>b</reason>", "still none")
    assert ask(run, ["p", "q", "r"], "reason", 1, SAMPLING, "critic") == [["a"], ["b"], []]
    assert run.asked[:3] == ["p", "q", "r"]
    assert [text.split("\n")[0] for text in run.asked[3:]] == ["q", "r"]
    assert all("</reason>" in text for text in run.asked[3:])
    assert run.rejected == {"critic: no tags": 3}


def test_what_the_first_try_gave_is_kept() -> None:
    run = FakeRun("<reason>a</reason>", "<reason>b</reason>")
    assert ask(run, ["p"], "reason", 3, SAMPLING, "critic") == [["a", "b"]]
    assert run.rejected == {"critic: too few": 2}


def test_of_more_spans_than_asked_the_last_count() -> None:
    run = FakeRun("<reason>quoted</reason> <reason>new</reason>")
    assert ask(run, ["p"], "reason", 1, SAMPLING, "critic") == [["new"]]


def test_reasons_for_rejection_and_no_second_try_where_it_is_futile() -> None:
    run = FakeRun(Reply("", "rejected"), Reply("<reason>a", "length"), Reply("no", "refusal"), "-", "-")
    assert ask(run, ["p", "q", "r"], "reason", 1, SAMPLING, "critic") == [[], [], []]
    assert run.rejected == {
        "critic: rejected": 1,
        "critic: cut at length": 1,
        "critic: refusal": 1,
        "critic: no tags": 2,
    }
    assert len(run.asked) == 5


@pytest.mark.parametrize(
    ("feedback", "said"),
    [
        ("does not call find_stock (it calls no tool)", "does not call find_stock (it calls no tool)"),
        ("(a) is missing", "(a) is missing"),
        ("answered a, expected b", ""),
        ("answered a, expected b (0.2 to 0.8)", "0.2 to 0.8"),
    ],
)
def test_feedback_keeps_its_own_brackets(feedback: str, said: str) -> None:
    score = Score(0.0, "a", parsed=True, answer="a", feedback=feedback)

    assert remark(Example.of("b", text="x"), score) == said


def test_mistakes_are_shown_in_words() -> None:
    example = Example.of("refund", title="Jacket", text="too small")
    builtin = Score(0.0, "Complaint!", "complaint", feedback="answered complaint, expected refund")
    assert show_mistakes([(example, builtin)]) == (
        "1. title: Jacket\n   text: too small\n   Right answer: refund\n   Answer given: complaint"
    )
    own = Score(0.5, "complaint", "complaint", feedback="half of it is right")
    assert "Feedback: half of it is right" in show_mistakes([(example, own)])
    unread = Score(0.0, "Who knows?", parsed=False)
    assert "2. title" in show_mistakes([(example, own), (example, unread)])
    assert "Answer given: unreadable: Who knows?" in show_mistakes([(example, unread)])
    worked = Score(0.0, "Three and four make eight, so I say that it is 8", "8")
    assert "Answer given: 8\n   In full: Three and" in show_mistakes([(example, worked)])


def test_ten_thousand_tokens_are_shortened_with_a_mark() -> None:
    example = Example.of("right " * 10_000, text="word " * 10_000)
    shown = show_mistakes([(example, Score(0.0, "wrong " * 10_000, "wrong " * 10_000))] * 4)
    assert len(shown) < 4 * 3 * (FIELD + 80)
    assert shown.count("left out") == 12


def test_the_task_is_shown_with_its_frozen_parts() -> None:
    task = planted_task()
    prompt = task.initial.replace("system", "You are terse.")
    assert "You are terse." in show_task(task, prompt)
    assert prompt["instruction"] not in show_task(task, prompt)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<reason>a</reason>", "a"),
        ("<reason>a</reason> then <reason>b</reason> Bye", "b"),
        ("I use <reason> tags: <reason>a</reason>", "a"),
        ("<reason>a</reason></reason>", "a"),
        ("<reason>a</reason> <reason>b", "b"),
        ("< Reason >```\na\n```</ REASON>", "a"),
        ("<reason> </reason>", ""),
        ("<reason>a<reason>", "a"),
        ("<reason>a <reason>\n```", "a"),
        ("<reason>a <reason>b", "b"),
        ('<reason class="x">a</reason>', "a"),
        ("<reason id='x' className = \"y z\">a</reason>", "a"),
        ("reason>a</reason>", "a"),
        ("```\nreason>a</reason>\n```", "a"),
        ("no reason>a</reason>", None),
        ("</reason>a", None),
        ("a", None),
        ("", None),
    ],
)
def test_the_last_complete_pair_counts(text: str, found: str | None) -> None:
    assert read_last(Reply(text), "reason") == found


def test_an_open_tag_in_a_reply_cut_short_voids_what_was_quoted_before() -> None:
    assert read_last(Reply("<reason>a</reason> <reason>b", "length"), "reason") is None
    assert read_last(Reply("<reason>a</reason> and so", "length"), "reason") == "a"


def test_only_a_reply_without_tags_is_asked_for_again() -> None:
    run = FakeRun(
        "<reason>a</reason>",
        "none",
        Reply("<reason>cut", "length"),
        "Sorry, I can't.",
        Reply("", "filter"),
        "<reason></reason>",
        "<reason>b</reason>",
    )
    assert ask_whole(run, list("pqrstu"), "reason", SAMPLING, "critic") == ["a", "b", None, None, None, None]
    assert run.rejected == {
        "critic: no tags": 1,
        "critic: cut at length": 1,
        "critic: refusal": 1,
        "critic: filter": 1,
        "critic: empty": 1,
    }
    assert run.asked[-1].startswith("q\n")
    assert len(run.asked) == 7


def test_a_bare_reply_is_taken_where_it_may_be_one() -> None:
    run = FakeRun("Answer well.", '["Answer well."]', "I cannot do that.", Reply("Answer", "length"))
    found = ask_whole(run, list("pqrs"), "reason", SAMPLING, "critic", bare=True)
    assert found == ["Answer well.", None, None, None]
    assert run.rejected == {"critic: JSON": 1, "critic: refusal": 1, "critic: cut at length": 1}


@pytest.mark.parametrize(
    "page",
    ["<Sentence>\na\n</Sentence>", '<div class="x">Answer.</div>', "<i>Answer</i>", "<response>\nyes</response>"],
)
def test_a_page_or_an_example_in_tags_of_its_own_is_no_bare_text(page: str) -> None:
    run = FakeRun(page, page)
    assert ask_whole(run, ["p"], "reason", SAMPLING, "critic", bare=True) == [None]
    assert run.rejected == {"critic: markup": 1}


@pytest.mark.parametrize(
    "text", ["<task>Answer.</task>", "<instructions>\nAnswer.\n</instructions>", "Use <b>bold</b>."]
)
def test_a_bare_text_may_be_in_sections(text: str) -> None:
    run = FakeRun(text, text)
    assert ask_whole(run, ["p"], "reason", SAMPLING, "critic", bare=True) == [text]


def test_an_example_is_shown_with_what_is_right() -> None:
    assert show_example(Example.of("b", text="a")) == "text: a\nExpected output: b"
    assert show_example(Example.of("b", (), (), "c so b", text="a")) == "text: a\nExpected output: c so b"
    pair = Example.of("b", (), ("c", "d"), text="a" * 2000)
    assert show_example(pair).endswith("\nPreferred output: b\nRejected output: c")
    assert len(show_example(pair)) < 2 * FIELD


@pytest.mark.parametrize(("opening", "closing"), [("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("", "</think>")])
def test_what_a_proposer_thinks_is_no_part_of_what_it_proposes(opening: str, closing: str) -> None:
    thought = f"{opening}\nI must wrap it in <prompt> tags.\n{closing}\n\n"
    run = FakeRun(f"{thought}<prompt>NEW</prompt>", f"{thought}Classify it CAREFULLY.", f"{thought}<prompt>A</prompt>")
    found = ask_whole(run, ["p", "q"], "prompt", SAMPLING, "writer", bare=True)
    assert found == ["NEW", "Classify it CAREFULLY."]
    assert ask(run, ["r"], "prompt", 1, SAMPLING, "writer") == [["A"]]
    assert not run.rejected


def matrix(*values: float) -> tuple[ScoreMatrix, Prompt]:
    examples = [Example.of("yes", question=str(number)) for number in range(len(values))]
    prompt = planted_task().initial
    return ScoreMatrix(examples, {prompt: [Score(value) for value in values]}), prompt


@pytest.mark.parametrize(
    ("values", "worst", "found"),
    [
        # Of a metric in [0, 1] what is below the threshold of a half, in the order of the examples.
        ((1.0, 0.0, 0.5, 0.49), 0.5, [1, 3]),
        ((1.0, 1.0), 0.5, []),
        # Else the lowest share, one at least; of equals the earlier, and again in the order of the examples.
        ((-1.0, -3.0, -2.0, -3.0), 0.5, [1, 3]),
        ((-3.0, -1.0, -3.0, -3.0), 0.5, [0, 2]),
        ((-1.0, -3.0, -2.0), 0.1, [1]),
        ((1.5, 0.2, 0.4, 0.1), 0.25, [3]),
    ],
)
def test_mistakes_are_what_scores_below_the_threshold_or_lowest(
    values: tuple[float, ...], worst: float, found: list[int]
) -> None:
    scores, prompt = matrix(*values)
    assert [int(example["question"]) for example, _ in find_mistakes(scores, prompt, 0.5, worst)] == found
