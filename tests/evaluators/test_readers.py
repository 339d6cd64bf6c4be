from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.errors import ConfigError, UnknownName
from promptopt.evaluators.readers import choice, resolve
from tests.ends import ends, long

INTENTS = ("order_status", "refund", "Positive", "very positive", "negative", "yes", "no", "C++", "c")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("refund", "refund"),
        ("order status", "order_status"),
        ("**Order-Status**.", "order_status"),
        ("OrderStatus", "order_status"),
        ("`refund`\n", "refund"),
        ("_refund_", "refund"),
        ("Label: REFUND", "refund"),
        ("The customer wants a refund, I believe.", "refund"),
        ("It is very positive!", "very positive"),
        ("C++", "C++"),
        ("c", "c"),
        ("Positive, rather than negative", "Positive"),
        ("Yes, because there is no reason against it", "yes"),
        ("refund\n\nMessage: where is it?\nIntent: order status", "refund"),
        ("It could be refund or order status.\nAnswer: refund", "refund"),
        ("Refund or order status? The answer is **refund**.", "refund"),
        (r"yes/no? \boxed{no}", "no"),
        ("It is not refund, it is refund", "refund"),
    ],
)
def test_reads_the_label_that_is_named(reply: str, expected: str) -> None:
    assert resolve("label", INTENTS)(reply) == expected


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "I cannot say.",
        "refunds",
        "not refund",
        "This isn't a refund.",
        "Positive or negative",
        "Positive, negative",
        "Positive and negative",
        "positive/negative",
        "Yes and no",
        "Yes, but no",
        "positive: 0.2, negative: 0.8",
        "refund+negative",
        "refund\norder status\nyes",
        "The labels are refund, order status",
    ],
)
def test_a_reply_that_names_no_label_or_several_cannot_be_read(reply: str) -> None:
    assert resolve("label", INTENTS)(reply) is None


def test_numbers_as_labels_are_whole_numbers() -> None:
    read = resolve("label", ("0", "1", "-1"))
    replies = ("0", "1.", "-1", "\N{MINUS SIGN}1", "Answer: -1", "10", "1.5")
    assert [read(reply) for reply in replies] == ["0", "1", "-1", "-1", "-1", None, None]


def test_labels_of_scripts_without_spaces_are_found_inside_a_sentence() -> None:
    assert resolve("label", ("正面", "负面"))("答案是正面。") == "正面"


@settings(deadline=None)
@given(st.sampled_from(INTENTS), st.sampled_from(["{}", " {}.", "**{}**", "{}\n", '"{}"', "Intent: {}", "Answer: {}!"]))
def test_decoration_and_case_never_change_the_label(label: str, frame: str) -> None:
    read = resolve("label", INTENTS)
    assert read(frame.format(label)) == label
    assert read(frame.format(label.upper().replace("_", " "))) == label


@settings(deadline=None)
@given(st.text(max_size=200))
def test_what_is_read_is_always_a_label(reply: str) -> None:
    assert resolve("label", INTENTS)(reply) in (None, *INTENTS)


@pytest.mark.parametrize(
    ("labels", "message"),
    [((), "has none"), (("a b", "A_b"), "differ only in case"), ((":)",), "no letter or digit")],
)
def test_labels_that_no_reply_could_name_are_refused(labels: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve("label", labels)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("(B)", "(B)"),
        ("B.", "(B)"),
        ("B) red", "(B)"),
        ("B: red", "(B)"),
        ("[B]", "(B)"),
        ("b", "(B)"),
        ("**B**", "(B)"),
        ("(B) 07/14/1938", "(B)"),
        ("The answer is (b)", "(B)"),
        ("The answer is B", "(B)"),
        ("the answer is **(A)**.", "(A)"),
        ("Answer: (A)\n", "(A)"),
        ("Option C is right", "(C)"),
        ("I think B", "(B)"),
        ("A is correct", "(A)"),
        ("(B) red\nsince (A) is wrong", "(B)"),
        ("(A) is bad. So the answer is (C).", "(C)"),
        (r"\boxed{\text{D}}", "(D)"),
        ("#### C", "(C)"),
    ],
)
def test_reads_the_option_that_is_chosen(reply: str, expected: str) -> None:
    assert choice(reply) == expected


@pytest.mark.parametrize(
    "reply", ["", "A dog ran", "I think so", "(A) red\n(B) blue", "(B) because (A) is wrong", "The answer is a dog"]
)
def test_no_option_or_several_cannot_be_read(reply: str) -> None:
    assert choice(reply) is None


def test_only_the_letters_of_the_task_are_options() -> None:
    read = resolve("choice", ("(A)", "(B)"))
    assert (read("b."), read("(C)")) == ("(B)", None)
    assert resolve("choice")("(C)") == "(C)"


def test_text_and_line_trim_and_leave_the_rest_alone() -> None:
    assert resolve("text")("  two\nlines \n") == "two\nlines"
    assert resolve("line")("\n\n  first one \nsecond") == "first one"
    assert resolve("text")(" \n") is None
    assert resolve("line")(" \n") is None


def test_a_pattern_gives_its_first_group() -> None:
    assert resolve(r"regex:x = (\d+)")("so x = 12, y = 3") == "12"
    assert resolve(r"regex:\d+")("so 12") == "12"
    assert resolve(r"regex:x = (\d+)")("no") is None
    assert resolve(r"regex:a(b)?")("a") is None


def test_what_cannot_be_a_reader_is_refused() -> None:
    with pytest.raises(ConfigError, match="not a regular expression"):
        resolve("regex:(")
    with pytest.raises(UnknownName, match="did you mean 'number'"):
        resolve("nubmer")


def test_a_function_is_its_own_reader() -> None:
    assert resolve(str.upper) is str.upper


@ends
@pytest.mark.slow
@pytest.mark.parametrize("around", [("", ""), ("yes", "no")])
@pytest.mark.parametrize(
    "piece", ["#", "(", "not ", "refund ", "refund negative ", " ", "A", "yes\n", "a-", "\\boxed{", "*"]
)
def test_a_runaway_reply_is_read_to_its_end(piece: str, around: tuple[str, str]) -> None:
    reply = long(piece).join(around)
    resolve("label", INTENTS)(reply)
    choice(reply)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_a_choice_is_one_letter_in_brackets(reply: str) -> None:
    read = choice(reply)
    assert read is None or re.fullmatch(r"\([A-Z]\)", read)


@pytest.mark.parametrize(
    ("reader", "wrong", "right", "read"),
    [
        ("text", "a", "b", "b"),
        ("line", "a", "b", "b"),
        ("label", "refund", "order status", "order_status"),
        ("choice", "The answer is B", "C", "(C)"),
        ("number", "The answer is 12. Wait, wrong.", "John has 15 apples.", "15"),
        ("number", "#### 12", "15", "15"),
        ("regex:[a-z]+", "a", "b", "b"),
    ],
)
def test_no_reader_reads_a_thought(reader: str, wrong: str, right: str, read: str) -> None:
    found = resolve(reader, INTENTS)
    for opening, closing in (("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("<reasoning>\n", "\n</reasoning>")):
        assert found(f"{opening}{wrong}{closing}\n\n{right}") == read
        assert found(f"{wrong}{closing}\n{right}") == read
        assert found(f"{opening}{wrong}") is None
        assert found(f"{opening}{wrong}{closing}") is None


@pytest.mark.parametrize(
    ("reply", "label"),
    [("4/5", "4"), ("Rating: 3 out of 5", "3"), ("5/5", "5"), ("4 of 5 stars", "4"), ("4 or 5", None), ("4, 5", None)],
)
def test_a_rating_out_of_the_highest_is_one_label(reply: str, label: str | None) -> None:
    assert resolve("label", ("1", "2", "3", "4", "5"))(reply) == label


@pytest.mark.parametrize("reply", ["Yes/No: No", "Yes or no: no.", "yes / no: No"])
def test_a_question_by_all_labels_announces_the_answer(reply: str) -> None:
    assert resolve("label", ("Yes", "No"))(reply) == "No"


@pytest.mark.parametrize(
    "end", ["<|im_end|>", "<|eot_id|>\n", "<end_of_turn>", "</s>", "<|im_end|>\n<|im_start|>user\nno"]
)
def test_the_end_of_a_turn_is_no_part_of_an_answer(end: str) -> None:
    for reader, said, read in (("text", "Paris", "Paris"), ("label", "yes", "yes"), ("number", "15", "15")):
        assert resolve(reader, INTENTS)(f"{said}{end}") == read
