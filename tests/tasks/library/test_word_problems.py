"""`word-problems`: every answer recomputed from the facts in its story, and the same stories in every process."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.errors import ConfigError
from promptopt.tasks.library import stories_amounts, stories_money, word_problems
from promptopt.tasks.library.story import Earlier, Frame, Operand, Story, dollars, many
from promptopt.tasks.library.word_problems import generate, tell, written

FRAMES = (*stories_money.FRAMES, *stories_amounts.FRAMES)
FRACTIONS = {"half": Fraction(1, 2), "a third": Fraction(1, 3), "a quarter": Fraction(1, 4),
             "three quarters": Fraction(3, 4), "two fifths": Fraction(2, 5)}  # fmt: skip
CONSTANTS = {2: ("rectangular", "add up"), 60: ("minutes",)}
"""Numbers that a reader has to bring along, and the words of the stories in which that may be."""


@pytest.fixture(scope="module")
def stories() -> list[Story]:
    return tell(1500, 11)


def facts(question: str) -> set[Fraction]:
    """The numbers that can be read in the story: digits, percentages (and what they leave), fractions in words."""
    plain = {Fraction(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", question)}
    hundredths = {Fraction(int(number), 100) for number in re.findall(r"(\d+)%", question)}
    worded = {value for name, value in FRACTIONS.items() if name in question.lower()}
    brought = {Fraction(number) for number, cues in CONSTANTS.items() if any(cue in question for cue in cues)}
    return plain | hundredths | {1 - share for share in hundredths} | worded | brought


def solved(story: Story) -> tuple[list[Decimal], set[Fraction]]:
    """Every step's result in decimal arithmetic, read from the last step back; and the facts that were used."""
    used: set[Fraction] = set()

    def value(operand: Operand) -> Decimal:
        if isinstance(operand, Earlier):
            return result(operand.index)
        used.add(Fraction(operand))
        return Decimal(Fraction(operand).numerator) / Decimal(Fraction(operand).denominator)

    def result(index: int) -> Decimal:
        left, operator, right = story.steps[index]
        one, other = value(left), value(right)
        by_operator = {"+": one + other, "-": one - other, "*": one * other, "/": one / other}
        return by_operator[operator]

    return [result(index) for index in range(len(story.steps))], used


@pytest.mark.slow
def test_the_steps_lead_from_facts_of_the_text_to_the_answer(stories: list[Story]) -> None:
    for story in stories:
        results, used = solved(story)
        assert abs(results[-1] - Decimal(written(story.answer))) < Decimal("1e-12"), story
        assert used <= facts(story.question), story


def test_every_step_counts_and_none_looks_ahead(stories: list[Story]) -> None:
    for story in stories:
        referred = [
            (index, operand.index)
            for index, (left, _, right) in enumerate(story.steps)
            for operand in (left, right)
            if isinstance(operand, Earlier)
        ]
        assert all(earlier < index for index, earlier in referred), story
        assert {earlier for _, earlier in referred} == set(range(len(story.steps) - 1)), story


def test_no_step_goes_below_zero(stories: list[Story]) -> None:
    for story in stories:
        assert min(solved(story)[0]) > 0, story


def test_stories_have_two_to_five_steps(stories: list[Story]) -> None:
    counts = Counter(len(story.steps) for story in stories)
    assert sorted(counts) == [2, 3, 4, 5]
    assert min(counts.values()) > 50


def test_answers_are_whole_or_money_with_two_decimals(stories: list[Story]) -> None:
    targets = [written(story.answer) for story in stories]
    assert all(re.fullmatch(r"[1-9]\d*|\d+\.\d\d", target) for target in targets)
    decimal = [story for story in stories if "." in written(story.answer)]
    assert 0.01 < len(decimal) / len(stories) < 0.15
    assert all("dollars" in story.question for story in decimal)
    assert all(Fraction(written(story.answer)) == story.answer for story in stories)


@pytest.mark.slow
def test_many_stories_hold_numbers_that_do_not_matter(stories: list[Story]) -> None:
    idle = sum(
        bool({Fraction(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", story.question)}
             - solved(story)[1] - {100 * fact for fact in solved(story)[1]}
             - {100 - 100 * fact for fact in solved(story)[1]})
        for story in stories
    )  # fmt: skip
    assert idle / len(stories) > 0.4


def test_an_answer_can_not_be_read_off_the_story(stories: list[Story]) -> None:
    stated = sum(story.answer in facts(story.question) for story in stories)
    assert stated / len(stories) < 0.08


@pytest.mark.parametrize("frame", FRAMES, ids=[getattr(frame, "__name__", "") for frame in FRAMES])
def test_the_english_of_a_frame(frame: Frame) -> None:
    rng = random.Random("english")
    for _ in range(200):
        question = frame(rng).question
        assert not re.search(r"(?<![\d,.])1 (?!square|per)\w+s\b", question), question
        assert not re.search(r"  | [.,;]|\$\D|\bNone\b|[{}]", question), question
        assert question.endswith("?")
        assert all(sentence[0].isupper() or sentence[0].isdigit() for sentence in re.split(r"(?<=[.?]) ", question))


def test_there_are_at_least_twelve_frames_and_all_are_told_equally_often(stories: list[Story]) -> None:
    assert len(FRAMES) == len(set(FRAMES)) >= 12
    taxis = sum("taxi" in story.question for story in stories[: 10 * len(FRAMES)])
    assert taxis == 10


def test_no_story_is_told_twice(stories: list[Story]) -> None:
    assert len({story.question for story in stories}) == len(stories)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers())
def test_a_shorter_list_is_the_beginning_of_a_longer_one(one: int, other: int, seed: int) -> None:
    short, long = sorted((one, other))
    assert generate(long, seed)[:short] == generate(short, seed)


def test_seeds_tell_different_stories() -> None:
    assert not {example["question"] for example in generate(100, 1)} & {
        example["question"] for example in generate(100, 2)
    }


def test_examples_are_the_stories() -> None:
    told = tell(20, 5)
    assert [(example["question"], example.target) for example in generate(20, 5)] == [
        (story.question, written(story.answer)) for story in told
    ]


@pytest.mark.slow
def test_other_processes_tell_the_same_stories() -> None:
    code = (
        "from promptopt.tasks.library.word_problems import generate; print([example.id for example in generate(60, 3)])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert outputs == {str([example.id for example in generate(60, 3)])}


def test_a_count_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="found -1"):
        generate(-1, 0)

    only = Story("How many?", ((1, "+", 1),), Fraction(2))

    def forgetful(rng: random.Random) -> Story:
        return only

    monkeypatch.setattr(word_problems, "_FRAMES", (forgetful,))
    assert [example.target for example in generate(1, 0)] == ["2"]
    with pytest.raises(ConfigError, match="only 1 of 2 different"):
        generate(2, 0)


def test_amounts_are_written_as_people_write_them() -> None:
    assert [many(1, "box", "boxes"), many(2, "box", "boxes"), many(1200, "page")] == ["1 box", "2 boxes", "1,200 pages"]
    assert [dollars(12), dollars(Fraction(62, 5)), dollars(3400)] == ["$12", "$12.40", "$3,400"]
    assert [written(Fraction(1250)), written(Fraction(62, 5)), written(Fraction(81, 20))] == ["1250", "12.40", "4.05"]
