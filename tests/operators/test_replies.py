from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.operators.replies import Form, debris, sized, tidy, unthought
from promptopt.text import Pattern
from promptopt.types import Reply, Sampling

WORKED = "Read the letter and name its kind: complaint or thank-you."
REQUEST = Pattern(
    'Improve an instruction.\n"""\n{section}\n"""\nA rule must hold for all inputs of that kind: do not copy them. '
    "Write the whole new instruction, in at most {words} words, in this form:",
    ("section", "words"),
)
FORM = Form(REQUEST, WORKED)
PARENT = "Classify the review."
WORDS = st.lists(st.sampled_from(["say", "which", "label", "fits", "best", "it's", "of", "films"]), min_size=1)


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("Name the mood.", "Name the mood."),
        ("New instruction: Name the mood.", "Name the mood."),
        ("**New Instruction:**\nName the mood.", "Name the mood."),
        ("**Prompt: Name the mood.**", "Name the mood."),
        ("**Prompt: Name the mood.** Say **one** word.", "Name the mood. Say **one** word."),
        ("## Improved prompt\nName the mood.", "Name the mood."),
        ("text:\nName the mood.\nscore:\n61", "Name the mood."),
        ("text:\nName the mood.\nscore:\n61\n\ntext:\nName it.\nscore:\n63", "Name the mood."),
        ("Name the mood. score: 61", "Name the mood."),
        ("Name the mood.\n**Score:** 61/100", "Name the mood."),
        ("score: 61\ntext: Name the mood.", "Name the mood."),
        ("Sure, here is the improved instruction:\n\nName the mood.", "Name the mood."),
        ("Here's a revised version of the prompt:\n```\nName the mood.\n```", "Name the mood."),
        ('"Name the mood."', "Name the mood."),
        ("“Name the mood.”", "Name the mood."),
        ('"""Name the mood."""', "Name the mood."),
        ("```text\nName the mood.", "Name the mood."),
        ('"Name the mood.', "Name the mood."),
        ('Instruction: "Name the mood."', "Name the mood."),
        ('Say "yes" or "no"', 'Say "yes" or "no"'),
        ('"yes" or "no"', '"yes" or "no"'),
        ("Don't guess", "Don't guess"),
        ("Text: {text}\nMood:", "Text: {text}\nMood:"),
        ("Here is a text: {text}", "Here is a text: {text}"),
        ("Give a score: 5 is best", "Give a score: 5 is best"),
        ("Answer: the mood, in one word.", "Answer: the mood, in one word."),
        ("Answer as below:\n```\nmood\n```", "Answer as below:\n```\nmood\n```"),
        ("score: 61", ""),
        ("", ""),
    ],
)
def test_what_stands_around_the_text_is_taken_off(text: str, bare: str) -> None:
    assert tidy(text, PARENT) == bare


@pytest.mark.parametrize(
    "parent", ["Instruction: name the mood.", '"Name the mood."', "Name the mood.\nscore: 5", '"""Name it."""']
)
def test_what_the_parent_has_around_it_stays(parent: str) -> None:
    child = parent.replace("mood", "tone").replace("it", "tone")
    assert tidy(child, parent) == child
    assert tidy(child) != child


def test_a_lone_quote_is_around_nothing() -> None:
    assert tidy('"Name it."', '"') == "Name it."
    assert tidy("", '"') == ""


@given(st.text(max_size=80), st.text(max_size=20))
def test_tidying_twice_is_tidying_once(text: str, parent: str) -> None:
    once = tidy(text, parent)
    assert tidy(once, parent) == once
    assert once in text


@given(
    WORDS,
    st.sampled_from(["", "New instruction: ", "text:\n", "Here is the new prompt:\n", "**Prompt:** "]),
    st.sampled_from(["", "\nscore:\n61", " \nScore: 61.5 %", "\n"]),
    st.sampled_from([("", ""), ('"', '"'), ('"""\n', '\n"""'), ("```\n", "\n```"), ("“", "”")]),
)
def test_the_text_itself_comes_through(words: list[str], label: str, score: str, quotes: tuple[str, str]) -> None:
    text = " ".join(words) + "."
    assert tidy(f"{label}{quotes[0]}{text}{quotes[1]}{score}") == text


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("<think>So.</think>Name it.", "Name it."),
        ("<Think>\n<prompt>no</prompt>\n</think >\n<prompt>a</prompt>", "<prompt>a</prompt>"),
        ("So the user wants <prompt>.</think>\n<prompt>a</prompt>", "<prompt>a</prompt>"),
        ("<reasoning>So.</reasoning> Name it.", "Name it."),
        ("<prompt>a</prompt> <think>but", ""),
        ("<think>So <think>twice</think>", ""),
        ("Think first. Then name it.", "Think first. Then name it."),
    ],
)
def test_thoughts_are_no_part_of_a_reply_and_must_end(said: str, left: str) -> None:
    assert unthought(Reply(said, "stop", 3, 4)) == Reply(left, "stop", 3, 4)


@pytest.mark.slow
@given(st.text(st.characters(exclude_characters="<>", exclude_categories=("Cs",))), WORDS)
def test_nothing_of_a_thought_comes_through(thought: str, words: list[str]) -> None:
    text = " ".join(words)
    assert unthought(Reply(f"<think>{thought}</think>{text}")).text == text
    assert unthought(Reply(f"{thought}</think>{text}")).text == text
    assert unthought(Reply(f"<think>{thought} {text}")).text == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Name the mood, which is good or bad.", None),
        (WORKED, "repeats the request"),
        ("First read the letter and name its kind, then the mood.", "repeats the request"),
        ("A RULE must hold, for all inputs!", "repeats the request"),
        ("a rule must hold for the mood", None),
        ("Improve an instruction.", "repeats the request"),
        ("Write the whole new instruction, in at most 80 words.", "repeats the request"),
        ("Instruction", None),
        ("Name it.\nExpected output: negative", "repeats the request's labels"),
        ("Expected output: negative", "repeats the request's labels"),
        ("Name it.\n**Right answer:** bad", "repeats the request's labels"),
        ("Name it.\nscore:\n", "repeats the request's labels"),
        ("Say good or bad. Expected output: one word.", None),
        ("", None),
    ],
)
def test_pieces_of_the_request_are_refused(text: str, why: str | None) -> None:
    assert debris(text, PARENT, FORM) == why


@pytest.mark.parametrize(
    "text",
    [
        "Judge the reply.\n\nAnswer in this form:\nScore: 4\nReason: one sentence",
        "Rate it.\nScore: 1 if wrong\nScore: 2 if right",
        "Rate it.\nScore: 0-100",
        "Rate it.\nScore: a whole number\nComment: one sentence",
        "Rate it.\nOutput:\n**Score:** <1-10>\n**Why:** <reason>",
        "Score: 1 = bad\nScore: 5 = good",
        "Grade the essay.\nScore:\nFeedback:",
        "Your answer ends with a line such as:\nScore: 3/5",
    ],
)
def test_a_scale_and_a_form_with_a_score_are_the_prompt_s_own(text: str) -> None:
    assert tidy(text, PARENT) == text
    assert debris(text, PARENT, FORM) is None


def test_what_its_parent_or_the_task_says_a_text_may_say_too() -> None:
    text = "First read the letter and name its kind, then the mood."
    assert debris(text, WORKED, FORM) is None
    assert debris(text, PARENT, FORM, [WORKED]) is None
    assert debris(f"{text} A rule must hold for all inputs.", WORKED, FORM) == "repeats the request"
    assert debris("Improve an instruction.", "Improve an instruction. Quickly.", FORM) is None
    labelled = "Name it.\nExpected output: one word"
    assert debris(labelled, f"{labelled}.", FORM) is None


@given(st.data())
def test_any_run_of_six_words_of_the_form_is_found(data: st.DataObject) -> None:
    words = WORKED.split()
    start = data.draw(st.integers(0, len(words) - 6))
    count = data.draw(st.integers(6, len(words) - start))
    text = " ".join([*data.draw(WORDS), *words[start : start + count], *data.draw(WORDS)])
    assert FORM.repeated_by(text)
    assert not FORM.repeated_by(text, [text])


def test_a_reply_has_space_for_the_section_it_must_hold() -> None:
    small = Sampling(0.7, max_tokens=1024)
    assert sized(small, 682) == small
    assert sized(small, 1600) == Sampling(0.7, max_tokens=2656)


@pytest.mark.parametrize("end", ["<|im_end|>", "<|eot_id|>", "<end_of_turn>\n", "</s>", "<|im_end|>\n<|im_start|>user"])
def test_the_end_of_a_turn_is_no_part_of_a_prompt(end: str) -> None:
    assert tidy(f"Classify the text.{end}", PARENT) == "Classify the text."
