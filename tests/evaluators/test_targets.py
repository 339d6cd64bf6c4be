from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.errors import EvaluatorError
from promptopt.evaluators import targets
from promptopt.types import Cell, Example, Likelihoods, Message, Prompt, TokenLogProbs

CELL = Cell(Prompt.of("Answer."), Example.of("yes", text="x"))


def scored(text: str, *logprobs: float) -> TokenLogProbs:
    return TokenLogProbs(tuple(text.split())[: len(logprobs)], logprobs)


def test_after_plain_text_the_space_belongs_to_what_follows() -> None:
    assert targets.attached(["yes", " no", "\nmaybe", ""], "Answer:") == (" yes", " no", "\nmaybe", "")


@pytest.mark.parametrize("content", ["Answer: ", "Answer:\n", (Message("user", "Answer:"),)])
def test_elsewhere_a_text_stands_as_it_is(content: str | tuple[Message, ...]) -> None:
    assert targets.attached(["yes", " no", ""], content) == ("yes", " no", "")


def test_after_nothing_at_all_there_is_still_a_space() -> None:
    assert targets.attached(["yes"], "") == (" yes",)


def test_a_worked_solution_is_what_is_taught() -> None:
    assert targets.taught(Example.of("18", ["18.0", "18"], text="x")) == ("18", "18.0")
    assert targets.taught(Example.of("18", ["18.0"], (), "9 + 9 = 18", text="x")) == ("9 + 9 = 18",)


@pytest.mark.parametrize("ends", [False, True])
def test_a_text_without_tokens_names_the_cell(ends: bool) -> None:
    end = [("<end>", -1.0)] if ends else []
    full = TokenLogProbs(("yes", *(token for token, _ in end)), (-1.0, *(value for _, value in end)))
    empty = TokenLogProbs(full.tokens[1:], full.logprobs[1:])
    targets.check_tokens(CELL, ["yes", "yes"], Likelihoods((full, full)), ends)
    with pytest.raises(EvaluatorError, match=r"the text '' has no tokens.*at least one visible character") as caught:
        targets.check_tokens(CELL, ["yes", ""], Likelihoods((full, empty)), ends)
    assert (caught.value.prompt_id, caught.value.example_id) == (CELL.prompt.id, CELL.example.id)


def test_labels_that_are_the_same_tokens_are_refused_by_name() -> None:
    unknown, other = TokenLogProbs(("<unk>",), (-2.0,)), TokenLogProbs(("<unk>",), (-3.0,))
    with pytest.raises(EvaluatorError, match=r"'Good' and 'bad' are the same tokens .* \('<unk>'\).*A:WORD,B:WORD"):
        targets.check_apart(CELL, [" Good", " bad"], ["A", "B"], Likelihoods((unknown, unknown)))
    # Words of one label may be alike, and what has another value is another token, whatever it looks like.
    targets.check_apart(CELL, [" Good", " good"], ["A", "A"], Likelihoods((unknown, unknown)))
    targets.check_apart(CELL, [" Good", " bad"], ["A", "B"], Likelihoods((unknown, other)))
    # Where a model gives no number that is told in other words.
    never = TokenLogProbs(("<unk>",), (-math.inf,))
    targets.check_apart(CELL, [" Good", " bad"], ["A", "B"], Likelihoods((never, never)))


def test_the_log_likelihood_of_what_has_none() -> None:
    assert targets.log_likelihood(scored("a b", -1.0, -2.0)) == -3.0
    assert targets.log_likelihood(scored("a b", -1.0, -math.inf)) == -math.inf
    for broken in ((math.nan, -1.0), (-math.inf, math.nan), (math.inf, -math.inf)):
        assert math.isnan(targets.log_likelihood(scored("a b", *broken)))


def test_log_sum_exp_at_its_edges() -> None:
    assert targets.log_sum_exp([]) == -math.inf
    assert targets.log_sum_exp([-math.inf, -math.inf]) == -math.inf
    assert targets.log_sum_exp([-2_000.0, -2_000.0]) == pytest.approx(-2_000.0 + math.log(2))
    assert math.isnan(targets.log_sum_exp([-1.0, math.nan]))
    assert math.isnan(targets.log_sum_exp([math.nan, -1.0]))


@given(st.lists(st.floats(-600, 0), min_size=1, max_size=6))
def test_log_sum_exp_is_the_log_of_the_sum(values: list[float]) -> None:
    assert math.exp(targets.log_sum_exp(values)) == pytest.approx(math.fsum(map(math.exp, values)))


def test_what_goes_on_from_a_text_is_taken_off_it() -> None:
    """P(a) = 0.9; of it "a b" 0.6, "a c" 0.2; of "a b", "a b d" 0.5."""
    texts = ("a", "a b", "a c", "a b d", "e")
    a, b, c, d = math.log(0.9), math.log(6 / 9), math.log(2 / 9), math.log(5 / 6)
    found = [(a,), (a, b), (a, c), (a, b, d), (math.log(0.1),)]
    each = [scored(text, *logprobs) for text, logprobs in zip(texts, found, strict=True)]
    shares = [math.exp(value) for value in targets.exclusive(each, targets.extensions(texts))]
    assert shares == pytest.approx([0.1, 0.1, 0.2, 0.5, 0.1])


def test_texts_that_begin_alike_in_letters_and_not_in_tokens_stay_as_they_are() -> None:
    each = [scored("no", -1.0), scored("normal", -0.5)]
    assert targets.exclusive(each, targets.extensions(("no", "normal"))) == [-1.0, -0.5]


def test_a_continuation_that_rounding_makes_likelier_leaves_nothing() -> None:
    each = [scored("a", -1.0), scored("a b", -0.999, 0.0)]
    assert targets.exclusive(each, targets.extensions(("a", "a b"))) == [-math.inf, -0.999]


def test_one_of_several_texts() -> None:
    a, b = math.log(0.5), math.log(0.25)
    assert targets.any_of(("a",), [scored("a", a)]) == a
    assert targets.any_of(("a", "b"), [scored("a", a), scored("b", b)]) == pytest.approx(math.log(0.75))
    # "a b" begins with "a", so it adds nothing to it.
    assert targets.any_of(("a", "a b"), [scored("a", a), scored("a b", a, b)]) == pytest.approx(a)
    assert targets.any_of(("a", "ab"), [scored("a", -0.1), scored("ab", -0.1)]) == 0.0
    assert math.isnan(targets.any_of(("a", "b"), [scored("a", a), scored("b", math.nan)]))


@given(st.lists(st.floats(-20, -0.01), min_size=1, max_size=5))
def test_nested_texts_never_add_up_to_more_than_their_beginning(logprobs: Sequence[float]) -> None:
    names = "abcde"[: len(logprobs)]
    texts = tuple(" ".join(names[: count + 1]) for count in range(len(names)))
    each = [scored(text, *logprobs[: place + 1]) for place, text in enumerate(texts)]
    found = targets.exclusive(each, targets.extensions(texts))
    assert math.fsum(map(math.exp, found)) == pytest.approx(math.exp(logprobs[0]))
    assert all(value <= whole.total + 1e-12 for value, whole in zip(found, each, strict=True))
