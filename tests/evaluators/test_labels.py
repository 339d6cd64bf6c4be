from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from fake_task import FakeAsk, FakeTask, words
from hypothesis import given
from hypothesis import strategies as st

from promptopt.binding.settings import adjust
from promptopt.errors import ConfigError, EvaluatorError, UnknownName
from promptopt.evaluators.labels import CONTENT_FREE, Labels
from promptopt.models.scripted import Scripted
from promptopt.operators.reflect import show_mistakes
from promptopt.protocols import Evaluator, Forcing, Surrogate
from promptopt.tasks.task import Task
from promptopt.testing import EvaluatorContract, uniform
from promptopt.types import Cell, Content, Example, Likelihoods, Message, Prompt, Request, Score, ScoreRequest

TASK = FakeTask(labels=("positive", "negative"))
CELL = Cell(Prompt.of("Sentiment?"), Example.of("positive", text="fine"))


def odds(*shares: float) -> Callable[[Content, str], Sequence[float]]:
    """Labels positive, negative (and neutral) have these probabilities, whatever is read."""
    labels = ("positive", "negative", "neutral")[: len(shares)]
    return words(**{label: math.log(share) for label, share in zip(labels, shares, strict=True)})


def score(ask: FakeAsk, task: FakeTask = TASK, cell: Cell = CELL, **settings: object) -> Score:
    return Labels(task, **settings).score([cell], ask)[0]  # type: ignore[arg-type]


def test_all_labels_are_scored_in_one_request_and_nothing_is_generated() -> None:
    ask = FakeAsk(scores=odds(0.6, 0.2))
    assert score(ask) == Score(1.0, answer="positive", probability=pytest.approx(0.75))
    assert ask.scored == [ScoreRequest("Sentiment? fine", (" positive", " negative"), shared=10, ends=False)]
    assert ask.asked == []
    assert Labels(TASK).calls_per_cell == 1


def test_in_a_chat_labels_stand_as_they_are() -> None:
    ask = FakeAsk(scores=odds(0.6, 0.2))
    score(ask, FakeTask(labels=TASK.labels, chat=True))
    assert ask.scored[0].continuations == ("positive", "negative")


def test_a_wrong_answer_names_the_likeliest_label_and_its_probability() -> None:
    got = score(FakeAsk(scores=odds(0.1, 0.3)))
    assert (got.value, got.answer) == (0.0, "negative")
    assert got.feedback == ("answered negative, expected positive (negative has probability 0.75, positive 0.25)")
    shown = show_mistakes([(CELL.example, got)])
    assert shown.count("expected") == 0
    assert "Feedback: negative has probability 0.75, positive 0.25" in shown


def test_probability_and_margin_are_normalised_over_the_labels() -> None:
    ask = FakeAsk(scores=odds(0.3, 0.1))
    assert score(ask, value="probability").value == pytest.approx(0.75)
    assert score(ask, value="margin").value == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("logits", "gold", "gap"), [((2, 0, 1), 0, 0.420512), ((0, 1, 1), 1, 0.0), ((0, 0, 3), 0, -0.864164)]
)
def test_the_margin_is_the_gap_of_rlprompt(logits: tuple[int, ...], gold: int, gap: float) -> None:
    # RLPrompt's reward before its factors of 180 and 200, worked by hand.
    labels = ("positive", "negative", "neutral")
    scores = words(**{label: float(logit) - 3.0 for label, logit in zip(labels, logits, strict=True)})
    cell = Cell(CELL.prompt, Example.of(labels[gold], text="fine"))
    got = score(FakeAsk(scores=scores), FakeTask(labels=labels), cell, value="margin")
    assert got.value == pytest.approx(gap, abs=1e-6)


def test_a_label_is_worth_the_sum_over_all_its_tokens() -> None:
    task = FakeTask(labels=("very good", "very bad"))
    cell = Cell(CELL.prompt, Example.of("very bad", text="fine"))
    scores = words(very_good=(-0.1, -3.0), very_bad=(-0.1, -1.0))
    got = score(FakeAsk(scores=scores), task, cell, value="probability")
    assert got.answer == "very bad"
    assert got.value == pytest.approx(1 / (1 + math.exp(-2.0)))


def test_a_label_that_another_goes_on_from_counts_without_it() -> None:
    """P(order) = 0.9, of which 0.6 goes on as "order change": "order" and nothing more has 0.3."""
    task = FakeTask(labels=("order", "order change", "refund"))
    cell = Cell(CELL.prompt, Example.of("order change", text="fine"))
    first = math.log(0.9)
    scores = words(order=first, order_change=(first, math.log(2 / 3)), refund=math.log(0.1))
    got = score(FakeAsk(scores=scores), task, cell, value="probability")
    assert got.answer == "order change"
    assert got.value == pytest.approx(0.6)


def test_words_that_stand_for_a_label_are_added_up() -> None:
    verbalizers = {"positive": ["great", "truly good"], "negative": "terrible"}
    scores = words(great=math.log(0.2), truly_good=(math.log(0.5), math.log(0.2)), terrible=math.log(0.1))
    ask = FakeAsk(scores=scores)
    got = score(ask, value="probability", verbalizers=verbalizers)
    assert got == Score(pytest.approx(0.75), answer="positive")  # type: ignore[arg-type]
    assert ask.scored[0].continuations == (" great", " truly good", " terrible")


def test_words_not_given_are_the_labels_themselves() -> None:
    ask = FakeAsk(scores=words(great=-1.0, negative=-2.0))
    assert score(ask, verbalizers={"positive": "great"}).answer == "positive"


def test_verbalizers_as_a_text_say_the_same() -> None:
    mapping = Labels(TASK, verbalizers={"negative": ["terrible", "so bad"], "positive": "great"})
    text = Labels(TASK, verbalizers="negative:terrible|so bad, positive:great")
    assert text.fingerprint() == mapping.fingerprint() != Labels(TASK).fingerprint()


def test_mistakes_in_the_settings_are_told_at_once() -> None:
    with pytest.raises(ConfigError, match="has no labels"):
        Labels(FakeTask())
    with pytest.raises(ConfigError, match="'accuracy', 'probability', 'margin' or 'piecewise'"):
        Labels(TASK, "gain")  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match=r"no label is named 'positiv'; did you mean 'positive'"):
        Labels(TASK, verbalizers={"positiv": "great"})
    with pytest.raises(ConfigError, match=r"the word 'negative' stands for both labels, 'positive' and 'negative'"):
        Labels(TASK, verbalizers={"positive": "negative"})
    for empty in ("", [], ["great", " "]):
        with pytest.raises(ConfigError, match="'positive' has an empty verbalizer"):
            Labels(TASK, verbalizers={"positive": empty})
    with pytest.raises(ConfigError, match=r"LABEL:WORD\|WORD.*found 'great'"):
        Labels(TASK, verbalizers="positive:good,great")


def test_settings_come_from_the_command_line() -> None:
    texts = {"value": "margin", "calibrated": "true", "verbalizers": "positive:great|good"}
    told = adjust(Labels.for_task(TASK), texts, "labels")
    expected = Labels(TASK, "margin", calibrated=True, verbalizers={"positive": ("great", "good")})
    assert told.fingerprint() == expected.fingerprint()
    with pytest.raises(ConfigError, match="'accuracy' or 'probability' or 'margin'"):
        adjust(Labels.for_task(TASK), {"value": "gain"}, "labels")


def test_the_fingerprint_tells_every_setting_apart() -> None:
    evaluators = [
        Labels(TASK),
        Labels(TASK, "margin"),
        Labels(TASK, calibrated=True),
        Labels(TASK, verbalizers={"positive": "great"}),
        Labels(FakeTask(labels=("a", "b"))),
    ]
    prints = {json.dumps(evaluator.fingerprint()) for evaluator in evaluators}
    assert len(prints) == len(evaluators)


@pytest.mark.parametrize("labels", [("positive", "negative"), ("negative", "positive")])
def test_a_right_label_must_be_likelier_than_every_wrong_one(labels: tuple[str, str]) -> None:
    got = score(FakeAsk(scores=odds(0.4, 0.4)), FakeTask(labels=labels))
    assert (got.value, got.parsed, got.answer) == (0.0, True, "negative")
    assert got.feedback == "answered negative, expected positive (negative has probability 0.5, positive 0.5)"
    assert score(FakeAsk(scores=odds(0.4, 0.4)), FakeTask(labels=labels), value="margin").value == 0.0


def test_every_accepted_label_is_right() -> None:
    task = FakeTask(labels=("positive", "negative", "neutral"))
    cell = Cell(CELL.prompt, Example.of("positive", ["neutral"], text="fine"))
    ask = FakeAsk(scores=odds(0.1, 0.3, 0.6))
    assert score(ask, task, cell).value == 1.0
    assert score(ask, task, cell, value="probability").value == pytest.approx(0.7)
    assert score(ask, task, cell, value="margin").value == pytest.approx(0.4)


def test_labels_that_differ_in_case_only_are_told_apart() -> None:
    task = FakeTask(labels=("a", "A"))
    cell = Cell(CELL.prompt, Example.of("A", text="fine"))
    assert score(FakeAsk(scores=words(a=-1.0, A=-2.0)), task, cell).value == 0.0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_no_number_for_one_label_is_no_answer(value: float) -> None:
    got = score(FakeAsk(scores=words(positive=-1.0, negative=(-1.0, value))), value="margin")
    assert (got.value, got.parsed, got.answer) == (-1.0, False, "")
    assert "NaN or minus infinity" in got.feedback


def test_a_label_without_any_probability_is_never_likeliest() -> None:
    got = score(FakeAsk(scores=words(positive=-900.0, negative=-math.inf)), value="margin")
    assert (got.value, got.answer, got.parsed) == (1.0, "positive", True)
    none = score(FakeAsk(scores=words(positive=-math.inf, negative=-math.inf)))
    assert (none.value, none.parsed) == (0.0, False)


def test_what_does_not_fit_is_unreadable() -> None:
    class Full(FakeAsk):
        def score(self, requests: Sequence[ScoreRequest], *, role: str = "task") -> list[Likelihoods]:
            return [Likelihoods(finish="rejected") for _ in requests]

    got = score(Full(scores=odds(0.5, 0.5)), value="margin")
    assert got == Score(-1.0, parsed=False, feedback="the prompt is too long for the model's context")
    assert not score(Full(scores=odds(0.5, 0.5)), calibrated=True).parsed


def test_a_label_without_tokens_names_the_cell() -> None:
    with pytest.raises(EvaluatorError, match="the text 'negative' has no tokens") as caught:
        score(FakeAsk(scores=words(positive=-1.0, negative=())))
    assert (caught.value.prompt_id, caught.value.example_id) == (CELL.prompt.id, CELL.example.id)


def test_a_target_that_is_no_label_costs_nothing() -> None:
    ask = FakeAsk(scores=odds(0.5, 0.5))
    with pytest.raises(EvaluatorError, match="'neutral' is none of the task's labels"):
        score(ask, cell=Cell(CELL.prompt, Example.of("neutral", text="x")))
    assert ask.scored == []


# Calibration


def leaning(content: Content, text: str) -> Sequence[float]:
    """A model that leans to "positive" whatever it reads: for "fine" 0.6, for the three empty inputs 0.7 on average."""
    read = content if isinstance(content, str) else content[-1].content
    positive, mass = {"N/A": (0.8, 0.1), "": (0.6, 1.0), "[MASK]": (0.7, 0.5)}.get(
        read.removeprefix("Sentiment?").strip(), (0.6, 1.0)
    )
    return [math.log(mass * (positive if text.strip() == "positive" else 1.0 - positive))]


def test_calibration_by_hand() -> None:
    """p = (0.6, 0.4), p_cf = mean of (0.8, 0.2), (0.6, 0.4), (0.7, 0.3): 0.6 / 0.7 : 0.4 / 0.3 = 0.857 : 1.333."""
    ask = FakeAsk(scores=leaning)
    assert score(ask).answer == "positive"
    got = score(ask, value="probability", calibrated=True)
    assert got.answer == "negative"
    assert got.value == pytest.approx((0.6 / 0.7) / (0.6 / 0.7 + 0.4 / 0.3))


def test_calibration_is_asked_once_a_prompt() -> None:
    ask = FakeAsk(scores=leaning)
    evaluator = Labels(TASK, calibrated=True)
    cells = [Cell(prompt, Example.of("positive", text=text)) for prompt in (CELL.prompt, Prompt.of("Mood?"))
             for text in ("fine", "poor", "odd")]  # fmt: skip
    evaluator.score(cells, ask)
    assert len(ask.scored) == len(cells) + 2 * len(CONTENT_FREE)
    free = ask.scored[len(cells) : len(cells) + 3]
    assert [request.content for request in free] == ["Sentiment? N/A", "Sentiment? ", "Sentiment? [MASK]"]
    assert [request.shared for request in free] == [10, 10, 10]
    assert evaluator.calls_per_cell == 4


def test_an_input_that_leaves_a_message_empty_is_passed_over() -> None:
    ask = FakeAsk(scores=leaning)
    got = score(ask, replace(TASK, chat=True), value="probability", calibrated=True)
    assert [request.content[-1] for request in ask.scored[1:]] == [Message("user", "N/A"), Message("user", "[MASK]")]
    assert got.value == pytest.approx((0.6 / 0.75) / (0.6 / 0.75 + 0.4 / 0.25))


def test_a_label_without_probability_after_nothing_cannot_be_calibrated() -> None:
    def scores(content: Content, text: str) -> Sequence[float]:
        return [-math.inf if "fine" not in content and "negative" in text else -1.0]

    got = score(FakeAsk(scores=scores), calibrated=True)
    assert (got.value, got.parsed) == (0.0, False)
    assert "content-free" in got.feedback


# Invariants


@given(st.lists(st.floats(-2_000, 0), min_size=2, max_size=5), st.booleans())
def test_probabilities_add_up_and_margins_stay_in_range(logprobs: list[float], calibrated: bool) -> None:
    labels = tuple("abcde"[: len(logprobs)])
    task = FakeTask(labels=labels)
    table = dict(zip(labels, logprobs, strict=True))

    def scores(content: Content, text: str) -> Sequence[float]:
        return [table[text.strip()]] if "fine" in content else [-1.0]

    cells = [Cell(CELL.prompt, Example.of(label, text="fine")) for label in labels]
    by_value = {
        value: Labels(task, value, calibrated).score(cells, FakeAsk(scores=scores))  # type: ignore[arg-type]
        for value in ("accuracy", "probability", "margin")
    }
    assert math.fsum(each.value for each in by_value["probability"]) == pytest.approx(1.0)
    probabilities = [each.value for each in by_value["probability"]]
    alone = probabilities.count(max(probabilities)) == 1
    assert [each.value for each in by_value["accuracy"]].count(1.0) == alone
    for accuracy, margin in zip(by_value["accuracy"], by_value["margin"], strict=True):
        assert -1.0 <= margin.value <= 1.0
        assert margin.value <= 0.0 or accuracy.value == 1.0
        assert margin.value >= 0.0 or accuracy.value == 0.0


@given(st.floats(-30, 0), st.floats(-30, 0), st.floats(-30, 30))
def test_what_all_labels_share_changes_nothing(positive: float, negative: float, shift: float) -> None:
    one, other = (
        score(FakeAsk(scores=words(positive=positive + move, negative=negative + move)), value="margin").value
        for move in (0.0, shift)
    )
    assert one == pytest.approx(other, abs=1e-9)


class TestLabelsByLikelihood(EvaluatorContract):
    calibrated = False

    def evaluator(self, task: Task) -> Evaluator:
        return Labels(replace(task, labels=("yes", "no")), "margin", self.calibrated)

    def answer(self, request: Request) -> str:
        return "yes"

    def model(self) -> Scripted:
        return Scripted(self.answer, name="answers", scores=lambda content, text: [-uniform(str(content), text)])


class TestCalibratedLabels(TestLabelsByLikelihood):
    calibrated = True


def test_labels_are_their_own_verdict() -> None:
    assert isinstance(Labels(TASK), Evaluator)
    own = Labels(TASK)
    assert isinstance(own, Surrogate)
    assert own.verdict_by() is own
    assert not isinstance(own, Forcing)
