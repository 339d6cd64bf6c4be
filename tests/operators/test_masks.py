from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.operators.masks import (
    Effect,
    Segment,
    ablate,
    analyse,
    effect_of,
    fallback_segments,
    read_segments,
    show_effects,
    summarise,
)
from promptopt.testing import planted_task
from promptopt.types import Content, Example, Prompt, Proposal, Reply, Sampling, Score, ScoreMatrix, Weigh

LIST = """Classify the review.

Rules:
1. Say one word.
2. Be kind. Always.
3. Ignore names.

Then stop."""


def segment(prompt: str, text: str) -> Segment:
    start = prompt.index(text)
    return Segment(text, start, start + len(text))


def texts(segments: Sequence[Segment] | None) -> list[str]:
    assert segments is not None
    return [each.text for each in segments]


@pytest.mark.parametrize(
    ("copy", "parts"),
    [
        ("<prompt>One two. <mask>Three four.</mask>\nFive.</prompt>", ["Three four."]),
        (
            "Here: <prompt>\nOne two.<mask>\nThree four.</mask>\n\n<mask> Five. </mask></prompt>",
            ["Three four.", "Five."],
        ),
        ("<Prompt>One two. < MASK >Three four.</ mask> Five.", ["Three four."]),
        ("<prompt>One two. Three four. Five.</prompt>", []),
        ("<prompt>old</prompt> so <prompt><mask>One two.</mask> Three four. Five.</prompt>", ["One two."]),
        ('<prompt>\n"""\nOne two. <mask>Three\n four.</mask> Five.\n"""\n</prompt>', ["Three four."]),
    ],
)
def test_reads_marks_whatever_the_white_space(copy: str, parts: list[str]) -> None:
    prompt = "One two. Three four.\nFive."
    segments = read_segments(Reply(copy), prompt, 5)
    assert texts(segments) == parts
    assert all(prompt[each.start : each.end] == each.text for each in segments or ())


@pytest.mark.parametrize(
    "copy",
    [
        "",
        "One two. <mask>Three four.</mask> Five.",
        "<prompt></prompt>",
        "<prompt>One two. <mask>Three for.</mask> Five.</prompt>",
        "<prompt>One two. <mask>Three four.</mask></prompt>",
        "<prompt>One two. <mask>Three four.</mask> Five. Six.</prompt>",
        "<prompt>One <mask>two. <mask>Three</mask> four.</mask> Five.</prompt>",
        "<prompt><mask>One <mask>two.</mask> Three four. Five.</prompt>",
        "<prompt>One two. <mask>Three four. Five.</prompt>",
        "<prompt>One two. Three four.</mask> Five.</prompt>",
        "<prompt>One two. <mask> </mask>Three four. Five.</prompt>",
        "<prompt><mask>One</mask> <mask>two.</mask> <mask>Three</mask> <mask>four.</mask> Five.</prompt>",
        "<prompt>One two. Three four. Five. And <mask>much more.</mask></prompt>",
    ],
)
def test_a_copy_that_breaks_a_rule_is_none(copy: str) -> None:
    assert read_segments(Reply(copy), "One two. Three four.\nFive.", 3) is None


def test_a_copy_that_was_cut_short_is_none() -> None:
    assert read_segments(Reply("<prompt>One two.", "length"), "One two.", 5) is None


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters='<>`"'), min_size=1), min_size=1), st.data())
def test_what_was_marked_is_read_back(pieces: list[str], data: st.DataObject) -> None:
    pieces = [piece for piece in pieces if piece.strip()]
    prompt = " ".join(pieces)
    marks = [data.draw(st.booleans()) for _ in pieces]
    copy = "\n".join(f"<mask>{piece}</mask>" if mark else piece for piece, mark in zip(pieces, marks, strict=True))
    wanted = [piece.strip() for piece, mark in zip(pieces, marks, strict=True) if mark]
    if prompt.strip():
        found = read_segments(Reply(f"<prompt>{copy}</prompt>"), prompt, len(pieces))
        assert texts(found) == wanted


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        (LIST, ["1. Say one word.", "2. Be kind. Always.", "3. Ignore names."]),
        ("- first rule here\n- second\n  goes on\n- third", ["- second\n  goes on", "- third"]),
        ("Do it.\n\nMind the gap.\nAnd more.\n\nStop.", ["Mind the gap.\nAnd more.", "Stop."]),
        ("Do it. Mind the gap! Is it so? Yes (it is.) End", ["Mind the gap!", "Is it so?", "Yes (it is.)", "End"]),
        ("Use e.g. commas. Stop.", ["Stop."]),
        ("回答问题。要简短。", ["要简短。"]),
        ("First line\nsecond line", ["second line"]),
        ("Just one sentence.", []),
        ("", []),
    ],
)
def test_parts_by_rule(prompt: str, parts: list[str]) -> None:
    found = fallback_segments(prompt, 5)
    assert texts(found) == parts
    assert all(prompt[each.start : each.end] == each.text for each in found)


def test_the_longest_parts_in_their_order() -> None:
    assert texts(fallback_segments("A b. Dd dd dd. E e. Fff fff fff fff.", 2)) == ["Dd dd dd.", "Fff fff fff fff."]
    assert fallback_segments(LIST, 0) == []


@pytest.mark.parametrize(
    ("prompt", "part", "rest"),
    [
        (LIST, "2. Be kind. Always.", LIST.replace("2. Be kind. Always.\n3.", "2.")),
        (LIST, "Be kind. Always.", LIST.replace("2. Be kind. Always.\n3.", "2.")),
        (
            LIST,
            "1. Say one word.\n2. Be kind. Always.",
            LIST.replace("1. Say one word.\n2. Be kind. Always.\n3.", "1."),
        ),
        (LIST, "Always.", LIST.replace(" Always.", "")),
        (LIST, "Be kind.", LIST.replace("Be kind. ", "")),
        (LIST, "Then stop.", LIST.removesuffix("\n\nThen stop.")),
        (LIST, "Classify the review.", LIST.removeprefix("Classify the review.\n\n")),
        ("One. Two. Three.", "Two.", "One. Three."),
        ("One. Two. Three.", "Three.", "One. Two."),
        ("One. Two. Three.", "One.", "Two. Three."),
        ("One, if so, two.", ", if so", "One, two."),
        ("A\n\nB\n\nC", "B", "A\n\nC"),
        ("A\n- b\n\nC", "- b", "A\n\nC"),
        ("A\n- b\n- c", "- b", "A\n- c"),
        ("1. a\n  1. x\n  2. y\n2. b\n\n1. c", "1. a\n  1. x\n  2. y", "1. b\n\n1. c"),
        ("(1) a\n(2) b\n(3) c", "(2) b", "(1) a\n(2) c"),
        ("All of it.", "All of it.", ""),
    ],
)
def test_what_is_left_reads_as_if_the_part_had_never_been(prompt: str, part: str, rest: str) -> None:
    assert ablate(prompt, segment(prompt, part)) == rest


def test_a_list_may_begin_after_an_empty_line() -> None:
    prompt = "\n- One\n- Two"
    assert ablate(prompt, segment(prompt, "One")) == "- Two"


def test_a_mark_stands_where_the_part_stood() -> None:
    assert ablate("One. Two. Three.", segment("One. Two. Three.", "Two."), "placeholder") == "One. [MASK] Three."


WORD = st.text("abc", min_size=1, max_size=3)


@given(st.lists(st.lists(WORD, min_size=1, max_size=4).map(" ".join), min_size=1, max_size=5), st.data())
def test_no_word_is_lost_but_those_of_the_part(lines: list[str], data: st.DataObject) -> None:
    prompt = "\n".join(lines)
    begin = data.draw(st.integers(0, len(prompt.split()) - 1))
    end = data.draw(st.integers(begin, len(prompt.split()) - 1))
    starts = [
        index for index, c in enumerate(prompt) if not c.isspace() and (index == 0 or prompt[index - 1].isspace())
    ]
    words = prompt.split()
    start, stop = starts[begin], starts[end] + len(words[end])
    left = ablate(prompt, Segment(prompt[start:stop], start, stop))
    assert left.split() == words[:begin] + words[end + 1 :]
    assert "  " not in left
    assert left == left.strip()
    assert "\n\n\n" not in left


ONE = Segment("one", 0, 3)


def test_effects_are_paired_and_small_ones_are_neutral() -> None:
    # Removal costs 0.3 and 0.5 nats: 0.4 on average, with a standard error of 0.1.
    effect = effect_of(ONE, [-1.0, -3.0], [-1.3, -3.5])
    assert (effect.delta, effect.error) == (pytest.approx(0.4), pytest.approx(0.1))
    assert effect.kind == "helps"
    assert effect_of(ONE, [-1.0, -3.0], [-0.7, -2.5]).kind == "hurts"
    # Its error is larger than the effect, or the effect smaller than a two-hundredth of the loss.
    assert effect_of(ONE, [-1.0, -3.0], [-1.9, -2.5]).kind == "neutral"
    assert effect_of(ONE, [-2.0, -2.0], [-2.01, -2.01]).kind == "neutral"
    assert effect_of(ONE, [-2.0, -2.0], [-2.011, -2.011]).kind == "helps"
    assert effect_of(ONE, [-2.0], [-5.0]) == Effect(ONE, 3.0, math.inf, "neutral")


def test_effects_in_words() -> None:
    effects = [
        Effect(ONE, math.inf, 0.0, "required"),
        Effect(ONE, 0.25, 0.01, "helps"),
        Effect(ONE, -1.0, 0.5, "hurts"),
    ]
    assert show_effects(effects).splitlines() == [
        '- "one": required, it must stay',
        '- "one": +0.2500 ± 0.0100 without it: it helps',
        '- "one": -1.0000 ± 0.5000 without it: it hurts or is redundant',
    ]
    assert [summarise(effect) for effect in effects[:2]] == ['"one" required', '"one" helps (+0.2500 ± 0.0100)']


class FakeRun:
    """Replies from a list; a prompt's score on an example is minus what `losses` says."""

    def __init__(self, *replies: str, losses: dict[str, float], task=None) -> None:
        self.replies = list(replies)
        self.losses = losses
        self.task = planted_task() if task is None else task
        self.asked: list[str] = []
        self.proposed: list[Proposal] = []
        self.repetitions: list[int] = []
        self.rejected: Counter[str] = Counter()

    def generate(self, contents: Sequence[Content], sampling: Sampling) -> list[Reply]:
        assert sampling.temperature == 0.0
        self.asked += [content if isinstance(content, str) else content[0].content for content in contents]
        return [Reply(self.replies.pop(0)) for _ in contents]

    def admit(self, proposals: Sequence[Proposal]) -> None:
        self.proposed += proposals

    def reject(self, reason: str) -> None:
        self.rejected[reason] += 1

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def evaluate(self, prompts: Sequence[Prompt], examples: Sequence[Example], *, repetition: int = 0) -> ScoreMatrix:
        self.repetitions.append(repetition)
        rows = {
            prompt: [Score(-sum(loss for word, loss in self.losses.items() if word in prompt["instruction"]))]
            * len(examples)
            for prompt in prompts
        }
        return ScoreMatrix(examples, rows)


def planted(run: FakeRun, instruction: str, **settings) -> list[Effect]:
    prompt = run.task.initial.replace("instruction", instruction)
    return analyse(run, prompt, run.task.train[:4], **settings)  # pyright: ignore[reportArgumentType]


def test_analysis_orders_parts_from_what_helps_to_what_hurts() -> None:
    run = FakeRun(
        "<prompt>A. <mask>B.</mask> <mask>C.</mask> <mask>D.</mask></prompt>", losses={"A": 3, "B": 1, "C": -1}
    )
    effects = planted(run, "A. B. C. D.")
    assert [(effect.segment.text, effect.delta, effect.kind) for effect in effects] == [
        ("C.", 1.0, "helps"),
        ("D.", 0.0, "neutral"),
        ("B.", -1.0, "hurts"),
    ]
    assert [proposal.prompt["instruction"] for proposal in run.proposed] == ["A. C. D.", "A. B. D.", "A. B. C."]
    assert {(proposal.operator, proposal.note) for proposal in run.proposed} == {("ablation", f"{c}.") for c in "BCD"}


@pytest.mark.parametrize(("weigh", "delta", "error"), [("turn", 0.25, 0.25), ("conversation", 0.5, 0.5)])
def test_examples_of_a_group_are_one_in_the_error_and_in_the_mean_where_conversations_are_weighed(
    weigh: Weigh, delta: float, error: float
) -> None:
    run = FakeRun(losses={})
    prompt = run.task.initial.replace("instruction", "One. Two. Three.")
    # Without its longest part the prompt loses 1 on the one example that stands alone, and nothing on three of a group.
    examples = [replace(example, group=name) for example, name in zip(run.task.train, "aaab", strict=False)]

    def evaluate(prompts: Sequence[Prompt], examples: Sequence[Example], *, repetition: int = 0) -> ScoreMatrix:
        rows = {each: [Score(-1.0)] * 3 + [Score(-1.0 if each == prompt else -2.0)] for each in prompts}
        return ScoreMatrix(examples, rows, weigh)

    run.evaluate = evaluate
    (effect,) = analyse(run, prompt, examples, most=1, sampling=None)  # pyright: ignore[reportArgumentType]
    assert (effect.delta, effect.error) == (pytest.approx(delta), pytest.approx(error))


def test_a_second_request_says_more_than_the_first() -> None:
    run = FakeRun("no", "<prompt>A. <mask>B.</mask></prompt>", losses={})
    assert [effect.segment.text for effect in planted(run, "A. B.")] == ["B."]
    first, second = run.asked
    assert second.startswith(first)
    assert "at most 5 parts" in second.removeprefix(first)


def test_after_two_markings_that_cannot_be_read_parts_are_cut_by_rule() -> None:
    run = FakeRun("no", "<prompt>Another.</prompt>", losses={})
    # The longest two of three sentences that the prompt does not begin with.
    assert [each.segment.text for each in planted(run, "One. Two. Three. Fourth.", most=2)] == ["Three.", "Fourth."]
    assert run.rejected == {"segmenter: not a marked copy of the prompt": 2}
    assert len(run.asked) == 2


@pytest.mark.parametrize("tag", ["<prompt>", "</ MASK>", "< mask >"])
def test_a_prompt_that_holds_the_tags_itself_is_cut_by_rule(tag: str) -> None:
    run = FakeRun(losses={})
    effects = planted(run, f"Write {tag}. Then stop. Now.", most=1)
    assert [effect.segment.text for effect in effects] == ["Then stop."]
    assert run.asked == []


def test_without_a_segmenter_nothing_is_asked() -> None:
    run = FakeRun(losses={})
    assert [effect.segment.text for effect in planted(run, "One. Two. Three.", most=1, sampling=None)] == ["Three."]


def test_what_the_contract_protects_is_required_and_never_masked() -> None:
    from promptopt.tasks.task import Task

    examples = [Example.of("yes", question=f"question {number}") for number in range(20)]
    task = Task.from_examples(examples, prompt="Given {question}, answer. Be quick.", metric="exact", answer="text")
    run = FakeRun(losses={"quick": 1.0}, task=task)
    both = "<prompt><mask>Given {question}, answer.</mask> <mask>Be quick.</mask></prompt>"
    for mode in ("remove", "placeholder"):
        run.replies.append(both)
        effects = planted(run, "Given {question}, answer. Be quick.", mode=mode)
        assert [(effect.segment.text, effect.kind) for effect in effects] == [
            ("Given {question}, answer.", "required"),
            ("Be quick.", "hurts"),
        ]
        assert effects[0].delta == math.inf
    assert run.rejected == {}


def test_prompts_with_a_mark_are_scored_apart_and_not_proposed() -> None:
    run = FakeRun("<prompt>A. <mask>B.</mask></prompt>", losses={"[MASK]": 2.0})
    (effect,) = planted(run, "A. B.", mode="placeholder")
    assert effect.delta == 2.0
    assert run.proposed == []
    assert run.repetitions == [0, 1]


def test_a_shortened_prompt_without_a_finite_loss_has_no_effect() -> None:
    run = FakeRun("<prompt>A. <mask>B.</mask> <mask>C.</mask></prompt>", losses={"A. C.": math.inf})
    assert [effect.segment.text for effect in planted(run, "A. B. C.")] == ["C."]
    assert run.rejected == {"ablation: no finite loss": 1}
