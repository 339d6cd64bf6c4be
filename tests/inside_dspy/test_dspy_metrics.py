"""Metrics that give no score: told after the first cells where they never do, counted apart where some cells fail."""

from __future__ import annotations

import math
import threading
import time
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from promptopt.errors import BackendError, ConfigError, EvaluatorError
from promptopt.run.budget import Budget
from promptopt.types import Reply, Request

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")

from promptopt.dspy import PromptOpt  # noqa: E402
from promptopt.dspy.in_flight import InFlight  # noqa: E402
from promptopt.dspy.metric import judged  # noqa: E402
from promptopt.dspy.unscored import Unscored  # noqa: E402
from tests.inside_dspy.scripted import Engine, Two, author, right  # noqa: E402
from tests.inside_dspy.test_teleprompter import compiled  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::promptopt.dspy.PromptOptWarning")
SMALL = Budget(evaluations=60)


class Counts(Engine):
    """Counts the calls of the program apart from those of the proposer."""

    cells = 0

    def write(self, system, user, request):
        if "your objective is" not in system:
            return author(user, request.config.temperature, self.calls)
        self.cells += 1
        return super().write(system, user, request)


def raises(gold, prediction, trace=None):
    raise RuntimeError("a table is missing")


NEVER = {
    "None": lambda gold, prediction: None,
    "NaN": lambda gold, prediction: math.nan,
    "text": lambda gold, prediction: "good",
    "tensor": lambda gold, prediction: SimpleNamespace(ndim=1, item=None),
    "dict": lambda gold, prediction: {"accuracy": 1.0},
    "raises": raises,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", NEVER)
def test_a_metric_that_never_gives_a_score_is_told_of_after_five_cells_and_nothing_is_paid_twice(
    kind: str, tmp_path: Path
) -> None:
    engine, whole, student = Counts(), Counts(), dspy.Predict("question -> answer")
    with pytest.raises(EvaluatorError, match=r"it gave no score on any example to train on .*; mend the metric"):
        compiled(tmp_path / "one", student, engine, NEVER[kind], method="random", budget=SMALL)
    assert engine.cells == 5
    best = compiled(tmp_path / "one", student, engine, method="random", budget=SMALL)
    compiled(tmp_path / "two", student, whole, method="random", budget=SMALL)
    assert engine.calls == whole.calls == best.promptopt.result.spent.calls


def by_a_digit(gold, prediction, trace=None):
    return None if gold.question.endswith("3") else right(gold, prediction)


def by_the_answer(gold, prediction, trace=None):
    return {"yes": 1.0}[prediction.answer]


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "first"), [(by_a_digit, "gave None"), (by_the_answer, "failed: KeyError: 'no'")])
def test_a_metric_that_fails_on_some_outputs_costs_those_cells_and_they_are_counted_apart(
    metric, first: str, tmp_path: Path
) -> None:
    best = compiled(tmp_path, Two(), Engine(), metric, method="random", budget=SMALL)
    test = best.promptopt.result.start.test
    assert 0 < test.unreadable < test.n
    assert sum(f"{first}" in each and "such a cell is worth 0" in each for each in best.promptopt.result.warnings) == 1
    assert not [each for each in best.promptopt.result.warnings if "hold no readable answer" in each]
    counted = [each for each in best.promptopt.said if "the metric gave no score in" in each]
    assert len(counted) == 1
    assert best.promptopt.report().endswith(f"Warning: {counted[0]}")


@pytest.mark.slow
def test_a_metric_that_looks_for_a_key_that_a_set_lacks_ends_the_run_there(tmp_path: Path) -> None:
    bare = [dspy.Example(question=f"q{number}").with_inputs("question") for number in range(200, 210)]
    by_key = lambda gold, prediction: gold["answer"] == prediction.answer  # noqa: E731
    with pytest.raises(EvaluatorError, match=r"KeyError: 'answer', .* no score on any example to choose by"):
        compiled(
            tmp_path,
            dspy.Predict("question -> answer"),
            Engine(),
            by_key,
            valset=bare,
            method="random",
            budget=Budget(evaluations=40),
        )


def handed_on(metric):
    """As a decorator without `functools.wraps`."""

    def inner(*given, **named):
        return metric(*given, **named)

    return inner


class HandsOn:
    def __init__(self, metric) -> None:
        self.metric = metric

    def __call__(self, *given, **named):
        return self.metric(*given, **named)


class Asks(dspy.Module):
    """A module as a metric, as `dspy.evaluate.SemanticF1` is one; it does nothing with a trace."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def forward(self, gold, prediction, trace=None):
        self.times += 1
        return right(gold, prediction)


class AsksOfTwo(dspy.Module):
    def forward(self, gold, prediction):
        return right(gold, prediction)


class Waits(dspy.Module):
    async def aforward(self, gold, prediction):
        return True


def of_two(gold, prediction):
    return right(gold, prediction)


def of_five(gold, prediction, trace, pred_name, pred_trace):
    return dspy.Prediction(score=1.0, feedback="" if pred_name is None else f"of {pred_name}")


@pytest.mark.parametrize(
    ("metric", "feedback"),
    [
        (handed_on(of_two), ""),
        (handed_on(handed_on(of_two)), ""),
        (HandsOn(of_two), ""),
        (handed_on(HandsOn(of_five)), "of answer"),
        (partial(of_five, pred_name=None, pred_trace=None), ""),
        (AsksOfTwo(), ""),
        (handed_on(AsksOfTwo()), ""),
    ],
)
def test_a_metric_is_given_what_it_takes_whatever_hands_it_on(metric, feedback: str) -> None:
    gold = dspy.Example(question="q", answer="yes").with_inputs("question")
    found = judged(
        PromptOpt(metric=metric).metric,
        gold,
        dspy.Prediction(answer="yes"),
        [("answer", (None, {}, dspy.Prediction()))],
        ("", ""),
    )
    assert (found.value, found.feedback) == (1.0, feedback)


def test_a_module_that_does_nothing_with_a_trace_is_asked_once() -> None:
    gold = dspy.Example(question="q", answer="yes").with_inputs("question")
    asks = Asks()
    judged(asks, gold, dspy.Prediction(answer="yes"), [], ("", ""))
    assert asks.times == 1


@pytest.mark.parametrize("given", [0, 0.0, False, 1, 1.0, True, Decimal("0.5")])
def test_both_ends_of_the_scale_are_scores(given: object) -> None:
    gold = dspy.Example(question="q", answer="yes").with_inputs("question")
    found = judged(lambda gold, prediction: given, gold, dspy.Prediction(answer="yes"), [], ("", ""))
    assert found.value == float(given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("worth", "traces"), [(0.0, [None]), (0.5, [None, []])])
def test_a_run_that_is_worth_nothing_is_not_asked_about_with_its_trace(worth: float, traces: list) -> None:
    asked = []

    def metric(gold, prediction, trace=None):
        asked.append(trace)
        return worth

    gold = dspy.Example(question="q", answer="yes").with_inputs("question")
    judged(metric, gold, dspy.Prediction(answer="no"), [], ("", ""))
    assert asked == traces


def test_a_module_that_is_awaited_is_no_metric() -> None:
    with pytest.raises(ConfigError, match="the metric 'Waits' is async; give a plain function"):
        PromptOpt(metric=Waits())


@pytest.mark.parametrize(("missing", "ends"), [(["hint"], False), ("hint", True), ("other", False)])
def test_what_a_metric_did_not_find_may_be_of_any_kind(missing: object, ends: bool) -> None:
    failure = EvaluatorError("the metric failed", prompt_id="p", example_id="e")
    failure.__cause__ = KeyError(missing)
    rows = [dspy.Example(question="a", hint="b"), dspy.Example(question="c")]
    unscored = Unscored("start", {"e": "train"}, rows)
    unscored.failed(("p", "e"), rows[1], failure)
    if ends:
        with pytest.raises(EvaluatorError, match="to train on"):
            unscored.check()
    else:
        unscored.check()


def test_each_predictor_is_told_of_by_its_own_calls() -> None:
    told: dict[str | None, object] = {}

    def metric(gold, prediction, trace, pred_name, pred_trace):
        told[pred_name] = (trace, pred_trace)
        return dspy.Prediction(score=1.0, feedback="" if pred_name is None else f"of {pred_name}")

    gold = dspy.Example(question="q", answer="yes").with_inputs("question")
    calls = [(None, {"question": f"{at}"}, dspy.Prediction()) for at in range(3)]
    records = list(zip(("hint", "answer", "hint"), calls, strict=True))
    found = judged(metric, gold, dspy.Prediction(answer="yes"), records, ("", ""))
    assert told["hint"] == (calls, [calls[0], calls[2]])
    assert told["answer"] == (calls, [calls[1]])
    assert found.feedback == "of hint\nof answer"


@pytest.mark.parametrize(("failed", "ends"), [(2, True), (1, False)])
def test_a_metric_that_fails_on_all_of_a_small_split_ends_the_run(failed: int, ends: bool) -> None:
    rows = [dspy.Example(question=f"q{at}").with_inputs("question") for at in range(2)]
    unscored = Unscored("start", {"0": "dev", "1": "dev", "2": "train"}, rows)
    for at in range(failed):
        unscored.failed(("start", f"{at}"), rows[at], EvaluatorError("it gave None", prompt_id="start", example_id="e"))
    if ends:
        with pytest.raises(EvaluatorError, match="to choose by"):
            unscored.check()
    else:
        unscored.check()


def test_of_calls_that_fail_side_by_side_the_first_is_told_and_no_further_one_goes_out() -> None:
    both, sent = threading.Barrier(2), list[str]()

    def fails(request: Request) -> Reply:
        sent.append(str(request.content))
        if request.content != "never":
            both.wait(10)
        time.sleep(0.0 if request.content == "first" else 0.2)
        raise BackendError(f"{request.content}")

    asked = InFlight([Request("later"), Request("first"), Request("never")], fails, lambda: False)
    with pytest.raises(BackendError, match="first"):
        list(asked.replies(2))
    assert sorted(sent) == ["first", "later"]
