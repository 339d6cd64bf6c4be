"""Whether the start's first replies can be read: said once, and no sooner than enough of them came."""

from __future__ import annotations

import pytest

from promptopt.run.first_replies import FirstReplies
from promptopt.types import Cell, Example, Prompt, Score

START, OTHER = Prompt.of("start"), Prompt.of("other")
READ = Score(1.0)


def unread(feedback: str) -> Score:
    return Score(0.0, parsed=False, feedback=feedback)


def heard(*batches: list[Score], prompt: Prompt = START) -> list[str]:
    first = FirstReplies(START, 16)
    numbers = iter(range(1_000))
    return [
        first.unread([Cell(prompt, Example.of(text=str(next(numbers)))) for _ in batch], batch) for batch in batches
    ]


def test_it_waits_for_twenty_replies_and_speaks_once() -> None:
    nothing = unread("no answer could be read: expected a number")
    said = heard([nothing] * 8, [nothing] * 11, [nothing], [nothing] * 30)
    assert [bool(each) for each in said] == [False, False, True, False]
    assert said[2].startswith("20 of the first 20 replies to the start prompt")
    assert "--layouts" in said[2]


def test_a_cause_that_says_no_more_than_the_sentence_is_not_said_again() -> None:
    assert "mostly" not in heard([unread("no answer could be read")] * 20)[0]
    assert (
        "(mostly: no answer could be read: expected a number)"
        in heard([unread("no answer could be read: expected a number")] * 20)[0]
    )


def test_what_a_method_has_said_is_not_said_again_and_few_that_it_met_hide_nothing() -> None:
    nothing = [unread("no answer could be read")] * 20
    cells = [Cell(START, Example.of(text=str(number))) for number in range(20)]
    for share, silent in ((0.51, True), (0.5, False)):
        first = FirstReplies(START, 16)
        assert first.first_to_say(share)
        assert (first.unread(cells, nothing) == "") is silent
        # Whoever spoke, all is said.
        assert not first.first_to_say(1.0)


def test_half_of_them_may_be_unreadable() -> None:
    nothing = unread("no answer could be read")
    assert heard([nothing] * 10 + [READ] * 10) == [""]
    assert heard([nothing] * 11 + [READ] * 9)[0].startswith("11 of")


def test_other_prompts_are_not_the_starts() -> None:
    assert heard([unread("no answer could be read")] * 40, prompt=OTHER) == [""]


@pytest.mark.parametrize(("readable", "told"), [(0, True), (1, False)])
def test_where_none_can_be_read_it_does_not_wait_for_twenty_of_the_start(readable: int, told: bool) -> None:
    first, nothing = FirstReplies(START, 16), unread("no answer could be read")
    cells = [Cell(START if number < 3 else OTHER, Example.of(text=str(number))) for number in range(20)]
    scores = [READ] * readable + [nothing] * (20 - readable)
    said = first.unread(cells[::-1], scores)
    assert said.startswith("all of the first 20 replies are cut short or hold no readable answer") is told
    assert not first.unread(cells, scores)


@pytest.mark.parametrize(
    ("score", "advice"),
    [
        (unread("the reply was cut off at 16 tokens before an answer could be read"), "max_tokens, now 16"),
        (Score(0.0, feedback="answered Well, expected yes (the reply was cut off at 16 tokens)"), "max_tokens, now 16"),
        (unread("the thinking in the reply never ended and was cut off at 16 tokens, so there is no answer"), "now 16"),
        (unread("the thinking in the reply never ended, so there is no answer"), "thinking turned off"),
        (unread("the thinking in the reply never ended"), "max_tokens, now 16"),
        (unread("the prompt is too long for the model's context"), "longer context"),
        (unread("the model did not answer (filter): expected yes"), "another model"),
    ],
)
def test_the_setting_fits_the_cause(score: Score, advice: str) -> None:
    assert advice in heard([score] * 20)[0]
