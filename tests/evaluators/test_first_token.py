from __future__ import annotations

import math

import pytest
from fake_task import FakeAsk, FakeTask
from hypothesis import given, settings
from hypothesis import strategies as st

from promptopt.errors import ConfigError, EvaluatorError
from promptopt.evaluators.first_token import ALTERNATIVES
from promptopt.evaluators.labels import Labels
from promptopt.protocols import Evaluator
from promptopt.types import Cell, Example, Prompt, Reply, Request, Sampling, Score, Token

TASK = FakeTask(labels=("positive", "negative"))
CELL = Cell(Prompt.of("Sentiment?"), Example.of("positive", text="fine"))


def reply(**top: float) -> Reply:
    """A reply whose first token had these alternatives; probabilities, not logs. "_" stands for a space."""
    ranked = sorted(((token.replace("_", " "), math.log(share)) for token, share in top.items()), key=lambda t: -t[1])
    token, logprob = ranked[0]
    return Reply(token, "length", tokens=(Token(token, logprob, tuple(ranked)),))


def score(answer: Reply, task: FakeTask = TASK, cell: Cell = CELL, **settings: str) -> Score:
    return Labels(task, **settings).score([cell], FakeAsk(answer))[0]  # type: ignore[arg-type]


def test_the_likeliest_label_is_the_answer() -> None:
    right = score(reply(_positive=0.6, _negative=0.3))
    assert right == Score(1.0, " positive", "positive", probability=pytest.approx(2 / 3))
    wrong = score(reply(_the=0.5, Negative=0.3, _positive=0.2))
    assert (wrong.value, wrong.answer, wrong.parsed) == (0.0, "negative", True)
    assert wrong.feedback == "answered negative, expected positive"


def test_spellings_of_a_first_token_are_added_up() -> None:
    assert score(reply(_negative=0.3, _positive=0.2, Positive=0.15)).answer == "positive"


def test_the_probability_is_the_share_of_the_right_label() -> None:
    got = score(reply(_positive=0.6, _negative=0.2, _the=0.1), value="probability")
    assert got.value == pytest.approx(0.75)


def test_the_margin_is_its_lead_over_the_best_wrong_label() -> None:
    assert score(reply(_positive=0.6, _negative=0.2), value="margin").value == pytest.approx(0.5)
    assert score(reply(_positive=0.2, _negative=0.6), value="margin").value == pytest.approx(-0.5)


def test_a_tie_with_a_wrong_label_is_wrong() -> None:
    got = score(reply(_negative=0.4, _positive=0.4))
    assert (got.value, got.answer) == (0.0, "negative")


def test_an_absent_label_gets_the_smallest_share_and_the_feedback_says_so() -> None:
    got = score(reply(_negative=0.6, _the=0.2), value="probability")
    assert got.value == pytest.approx(0.25)
    assert got.feedback == "answered negative, expected positive; positive is not among the 2 likeliest first tokens"


def test_no_label_among_the_alternatives_is_unreadable() -> None:
    got = score(reply(_the=0.6, _I=0.2))
    assert (got.value, got.parsed) == (0.0, False)
    assert "no label among the likeliest first tokens (' the', ' I'" in got.feedback


def test_only_the_longest_prefix_of_a_label_counts() -> None:
    task = FakeTask(labels=("normal", "broken"))
    cell = Cell(CELL.prompt, Example.of("broken", text="x"))
    assert score(reply(_no=0.5, _broken=0.3, _normal=0.2), task, cell).answer == "broken"
    assert score(reply(_nor=0.5, _broken=0.3), task, cell).answer == "normal"


def test_one_token_with_its_alternatives_is_asked() -> None:
    ask = FakeAsk(reply(_positive=0.6, _negative=0.3))
    evaluator = Labels.for_task(TASK)
    evaluator.score([CELL], ask)
    request = Request("Sentiment? fine", Sampling(max_tokens=1), logprobs=ALTERNATIVES, shared=10)
    assert ask.asked == [(request, "task", 0)]
    assert isinstance(evaluator, Evaluator)
    assert evaluator.calls_per_cell == 1


def test_labels_that_begin_alike_are_refused_before_anything_is_asked() -> None:
    ask = FakeAsk(reply(_very=0.6))
    for labels in (("very good", "very bad"), ("very_good", "very-bad")):
        cell = Cell(CELL.prompt, Example.of(labels[0], text="x"))
        with pytest.raises(ConfigError, match=r"'very.good' and 'very.bad' both begin with 'very'.*rename"):
            Labels(FakeTask(labels=labels)).score([cell], ask)
    assert ask.asked == []


def test_words_that_stand_for_a_label_are_added_up() -> None:
    evaluator = Labels(TASK, "probability", verbalizers={"positive": ["great", "good"], "negative": "bad"})
    got = evaluator.score([CELL], FakeAsk(reply(_great=0.3, _good=0.15, _bad=0.15, _the=0.1)))[0]
    assert (got.value, got.answer) == (pytest.approx(0.75), "positive")
    with pytest.raises(ConfigError, match="both begin with 'very'"):
        Labels(TASK, verbalizers={"positive": "very good", "negative": "very bad"}).score([CELL], FakeAsk(""))


def test_words_of_one_label_that_share_a_token_count_it_once() -> None:
    evaluator = Labels(TASK, "probability", verbalizers={"positive": ["great", "greatly"], "negative": "bad"})
    got = evaluator.score([CELL], FakeAsk(reply(_great=0.3, _bad=0.1)))[0]
    assert got.value == pytest.approx(0.75)


def test_calibration_needs_a_model_that_scores_given_texts() -> None:
    ask = FakeAsk(reply(_positive=0.6))
    with pytest.raises(ConfigError, match=r"calibrated only with a model.*models list"):
        Labels(TASK, calibrated=True).score([CELL], ask)
    assert ask.asked == []


def test_labels_whose_first_token_turns_out_to_be_the_same_are_refused() -> None:
    task = FakeTask(labels=("refund", "return"))
    with pytest.raises(ConfigError, match="'refund' and 'return' both begin with 're'"):
        score(reply(_re=0.6, _the=0.3), task, Cell(CELL.prompt, Example.of("refund", text="x")))


@pytest.mark.parametrize("answer", [Reply("positive"), Reply("positive", tokens=(Token("positive", -0.1),))])
def test_an_engine_without_alternatives_is_named_as_the_cause(answer: Reply) -> None:
    with pytest.raises(ConfigError, match=r"llama\.cpp.*vLLM"):
        score(answer)


def test_outcomes_without_a_token_are_unreadable() -> None:
    for outcome in (Reply("", "rejected"), Reply("", "filter"), Reply("")):
        got = score(outcome)
        assert (got.value, got.parsed) == (0.0, False)


def test_a_target_that_is_no_label_names_the_cell() -> None:
    cell = Cell(CELL.prompt, Example.of("neutral", text="x"))
    with pytest.raises(EvaluatorError, match="'neutral' is none of the task's labels") as caught:
        score(reply(_positive=0.6), cell=cell)
    assert caught.value.example_id == cell.example.id


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["_positive", "neg", "negative", "the", "_Positive", "_x"]), st.floats(1e-9, 1)))
def test_values_stay_in_range_and_agree_with_the_answer(shares: dict[str, float]) -> None:
    if not shares:
        return
    accuracy, probability = score(reply(**shares)), score(reply(**shares), value="probability")
    assert accuracy.parsed == probability.parsed
    assert 0.0 <= probability.value <= 1.0
    if probability.value > 0.5 + 1e-9:
        assert accuracy.value == 1.0
    if accuracy.parsed:
        margin = score(reply(**shares), value="margin").value
        assert margin == pytest.approx(2 * probability.value - 1)
