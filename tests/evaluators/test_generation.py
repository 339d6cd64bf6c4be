from __future__ import annotations

import tracemalloc
from decimal import Decimal

import pytest
from fake_task import FakeAsk, FakeTask

from promptopt.errors import ConfigError, DataError, EvaluatorError, StopRun, UnknownName
from promptopt.evaluators.generation import REMEMBERED, Generation
from promptopt.protocols import Evaluator
from promptopt.types import Cell, Example, Prompt, Reply, Request, Sampling, Score

PROMPT = Prompt.of("Classify:")
LABELS = ("refund", "order_status")
INTENTS = FakeTask(labels=LABELS, answer="label")


def cell(target: str = "refund", text: str = "money back", repetition: int = 0, accepted: tuple[str, ...] = ()) -> Cell:
    return Cell(PROMPT, Example.of(target, accepted, text=text), repetition)


def score(task: FakeTask, reply: Reply | str, *, target: str = "refund") -> Score:
    return Generation.for_task(task).score([cell(target)], FakeAsk(reply))[0]


def test_it_is_an_evaluator_of_one_call_a_cell() -> None:
    evaluator = Generation.for_task(INTENTS)
    assert isinstance(evaluator, Evaluator)
    assert evaluator.calls_per_cell == 1


def test_a_right_answer_is_worth_one_and_needs_no_feedback() -> None:
    assert score(INTENTS, " Refund.") == Score(1.0, " Refund.", "refund", True, "")


def test_a_wrong_answer_says_what_was_expected() -> None:
    expected = Score(0.0, "order status", "order_status", True, "answered order_status, expected refund")
    assert score(INTENTS, "order status") == expected


@pytest.mark.parametrize("target", LABELS)
def test_a_reply_that_is_no_label_is_worth_nothing_whatever_the_target(target: str) -> None:
    got = score(INTENTS, "I cannot say", target=target)
    assert (got.value, got.parsed, got.answer) == (0.0, False, "")
    assert got.feedback == "no answer could be read: expected one of refund, order_status"


def test_outcomes_that_are_no_answer_say_why() -> None:
    cut = score(INTENTS, Reply("Let me think about", finish="length"))
    assert (cut.parsed, cut.feedback) == (False, "the reply was cut off at 8 tokens before an answer could be read")
    rejected = score(INTENTS, Reply("", finish="rejected"))
    assert (rejected.value, rejected.parsed) == (0.0, False)
    assert "too long for the model's context" in rejected.feedback
    refused = score(INTENTS, Reply("I can't", finish="refusal"))
    assert refused.feedback == "the model did not answer (refusal): expected one of refund, order_status"


def test_a_reply_that_only_thinks_is_named_so() -> None:
    endless = score(INTENTS, "<think>It could be a refund")
    assert (endless.value, endless.parsed) == (0.0, False)
    assert endless.feedback == "the thinking in the reply never ended, so there is no answer"
    cut = score(INTENTS, Reply("[THINK]refund", finish="length"))
    assert cut.feedback == "the thinking in the reply never ended and was cut off at 8 tokens, so there is no answer"
    thought = score(INTENTS, "<think>order status?</think>refund")
    assert (thought.value, thought.output) == (1.0, "<think>order status?</think>refund")


@pytest.mark.parametrize(("said", "value"), [("1,234", 1.0), ("1.234", 0.0), ("1234", 0.0), ("es sind 1,2340", 1.0)])
def test_right_answers_say_which_way_decimals_are_written(said: str, value: float) -> None:
    examples = tuple(Example.of(target, text=target) for target in ("1,234", "0,5"))
    task = FakeTask(metric="number", answer="number", train=examples)
    assert score(task, said, target="1,234").value == value
    assert score(FakeTask(metric="number", answer="number"), "1.234", target="1.234").value == 1.0


def test_an_answer_before_the_cut_counts_and_the_cut_is_said() -> None:
    assert score(INTENTS, Reply("refund because", finish="length")).value == 1.0
    wrong = score(INTENTS, Reply("order status", finish="length"))
    assert wrong.feedback == "answered order_status, expected refund (the reply was cut off at 8 tokens)"


def test_it_asks_the_task_model_what_the_task_renders() -> None:
    ask = FakeAsk("refund")
    sampling = Sampling(temperature=0.7, max_tokens=3)
    task = FakeTask(labels=LABELS, answer="label", sampling=sampling)
    Generation.for_task(task).score([cell(text="a")], ask)
    assert ask.asked == [(Request("Classify: a", sampling, shared=9), "task", 0)]


def test_repetitions_are_asked_apart_and_come_back_in_order() -> None:
    ask = FakeAsk(lambda request: str(request.content).split()[-1])
    cells = [cell(text="refund", repetition=1), cell(text="order_status"), cell(text="what", repetition=1)]
    scores = Generation.for_task(INTENTS).score(cells, ask)
    assert [got.answer for got in scores] == ["refund", "order_status", ""]
    assert [repetition for _, _, repetition in ask.asked] == [1, 1, 0]
    assert Generation.for_task(INTENTS).score([], ask) == []


def test_a_metric_sees_answer_and_example_and_may_give_a_whole_score() -> None:
    def graded(answer: str, example: Example) -> Score:
        return Score(0.25, feedback=f"{answer} is a quarter of {example.target}")

    assert score(FakeTask(metric=graded), " x ") == Score(0.25, " x ", "x", True, "x is a quarter of refund")


def test_a_metric_may_give_a_number_with_a_sentence() -> None:
    task = FakeTask(metric=lambda answer, example: (0.5, f"{answer} is half right"))
    assert score(task, "x") == Score(0.5, "x", "x", True, "x is half right")
    right = score(FakeTask(metric=lambda answer, example: (True, "")), "x")
    assert (right.value, right.feedback) == (1.0, "")


@pytest.mark.parametrize(
    "value", [float("nan"), 1.5, -0.1, 10**400, Decimal("sNaN"), "high", None, (0.5,), (0.5, 1), (2.0, "x"), ("x", 0.5)]
)
def test_a_metric_out_of_range_or_type_is_an_error_at_the_cell(value: object) -> None:
    with pytest.raises(EvaluatorError, match=r"expected a (number|pair)") as caught:
        score(FakeTask(metric=lambda answer, example: value), "x")  # type: ignore[arg-type, return-value]
    assert caught.value.prompt_id == PROMPT.id
    assert caught.value.example_id == cell().example.id


def test_whole_numbers_and_truth_values_are_numbers() -> None:
    assert score(FakeTask(metric=lambda answer, example: True), "x").value == 1.0
    assert score(FakeTask(metric=lambda answer, example: 0), "x").value == 0.0


def test_a_metric_that_raises_is_named_with_its_cell_and_cause() -> None:
    def broken(answer: str, example: Example) -> float:
        raise KeyError("column")

    with pytest.raises(EvaluatorError, match=r"broken.*KeyError.*column") as caught:
        score(FakeTask(metric=broken), "x")
    assert isinstance(caught.value.__cause__, KeyError)
    assert PROMPT.id in str(caught.value)


def test_a_reader_that_raises_or_gives_no_text_is_named_with_its_cell() -> None:
    with pytest.raises(EvaluatorError, match=r"answer reader.*ZeroDivisionError"):
        score(FakeTask(answer=lambda reply: str(1 // 0)), "x")
    with pytest.raises(EvaluatorError, match=r"answer reader.*gave 7"):
        score(FakeTask(answer=lambda reply: 7), "x")  # type: ignore[arg-type, return-value]


def test_a_target_that_the_metric_cannot_use_names_the_cell() -> None:
    with pytest.raises(EvaluatorError, match="is not one plain number"):
        score(FakeTask(metric="number", answer="number"), "7", target="many")


def test_a_stop_passes_through_a_metric() -> None:
    def stopping(answer: str, example: Example) -> float:
        raise StopRun("enough")

    with pytest.raises(StopRun, match="enough"):
        score(FakeTask(metric=stopping), "x")


def test_settings_are_checked_before_anything_is_asked() -> None:
    with pytest.raises(UnknownName, match="metric"):
        Generation.for_task(FakeTask(metric="exat"))
    with pytest.raises(ConfigError, match="labels"):
        Generation.for_task(FakeTask(answer="label"))


def test_the_fingerprint_tells_metrics_and_readers_apart() -> None:
    prints = [
        str(Generation(FakeTask(), metric, answer).fingerprint())
        for metric, answer in (("exact", "text"), ("f1", "text"), ("exact", "line"), ("exact", str.strip))
    ]
    assert len(set(prints)) == 4


def test_an_own_metric_is_called_for_every_cell_and_ours_once_a_reply() -> None:
    calls: list[str] = []

    def counting(answer: str, example: Example) -> float:
        calls.append(answer)
        return 1.0

    cells = [cell(text=str(index)) for index in range(50)]
    Generation.for_task(FakeTask(metric=counting)).score(cells, FakeAsk("refund"))
    assert len(calls) == 50
    scores = Generation.for_task(INTENTS).score(cells, FakeAsk("refund"))
    assert all(got is scores[0] for got in scores)


@pytest.mark.slow
def test_shared_judgements_depend_on_reply_and_right_answers_and_stay_bounded() -> None:
    evaluator = Generation.for_task(FakeTask(metric="number", answer="number"))
    cells = [cell(target=str(index % 2)) for index in range(REMEMBERED + 500)]
    counter = iter(range(len(cells)))
    scores = evaluator.score(cells, FakeAsk(lambda request: str(next(counter))))
    assert [got.value for got in scores[:3]] == [1.0, 1.0, 0.0]
    assert scores[REMEMBERED + 100].feedback == f"answered {REMEMBERED + 100}, expected 0"
    aliased = [cell(target="7"), cell(target="7", accepted=("8",))]
    assert [got.value for got in evaluator.score(aliased, FakeAsk("8"))] == [0.0, 1.0]


def test_many_equal_cells_are_judged_once_and_take_little_memory() -> None:
    cells = [cell(text="same")] * 20_000
    ask = FakeAsk(Reply("order status"))
    evaluator = Generation.for_task(INTENTS)
    replies = ask([Request("x")] * len(cells))
    scored = evaluator.judge
    tracemalloc.start()
    scores = [scored(item, reply) for item, reply in zip(cells, replies, strict=True)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * len(cells)
    assert all(score is scores[0] for score in scores)


def test_right_answers_say_whether_three_numbers_can_be_one() -> None:
    for target, reply, readable in (("100200300", "100 200 300", True), ("300", "100 200 300", False)):
        example = Example.of(target, text="x")
        task = FakeTask(metric="number", answer="number", train=(example,))
        (scored,) = Generation.for_task(task).score([Cell(PROMPT, example)], FakeAsk(reply))
        assert (scored.parsed, scored.value) == (readable, float(readable))


@pytest.mark.parametrize(
    ("metric", "bad", "good"),
    [("number", "12:05", "5"), ("choice", "0", "B"), ("regex", "((", "b"), ("json", "{a", '{"a": 1}')],
)
def test_a_target_in_the_test_that_the_metric_cannot_use_is_told_before_anything_is_paid(
    metric: str, bad: str, good: str
) -> None:
    def task(last: str) -> FakeTask:
        return FakeTask(metric=metric, test=(Example.of(good, q="1"), Example.of(last, q="2")))

    Generation.for_task(task(good))
    with pytest.raises(DataError, match="test example"):
        Generation.for_task(task(bad))
