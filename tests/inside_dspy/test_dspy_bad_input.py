"""Fields, metrics and modules of DSPy users that nothing could be made of, and what they are told before it costs."""

from __future__ import annotations

import warnings
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from promptopt.errors import ConfigError, EvaluatorError
from promptopt.run.budget import Budget

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")

from promptopt.dspy import PromptOpt  # noqa: E402
from promptopt.dspy.texts import value_as_shown, value_as_text, varies  # noqa: E402
from tests.inside_dspy.scripted import Engine  # noqa: E402
from tests.inside_dspy.test_teleprompter import compiled  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::promptopt.dspy.PromptOptWarning")
SMALL = Budget(evaluations=40)


class Held:
    """An object that says nothing of itself but where it lies."""

    def __init__(self, number: int, inner: object = None) -> None:
        self.number, self.inner = number, inner


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: {"b", "a"}, '["a", "b"]'),
        (lambda: [frozenset({2, 1}), "x"], '[[1, 2], "x"]'),
        (lambda: {"tags": {"b", "a"}}, '{"tags": ["a", "b"]}'),
        (lambda: Held(3), '{"inner": null, "is": "Held", "number": 3}'),
        (lambda: (Held(1, {"z", "y"}),), '[{"inner": ["y", "z"], "is": "Held", "number": 1}]'),
        (object, "<object object>"),
    ],
)
def test_a_value_that_python_writes_otherwise_in_every_process_has_one_text(make, text: str) -> None:
    # By its text an example is known again: a run that goes on would else take all its data for new ones, and pay anew.
    first, second = make(), make()
    assert varies(first)
    assert value_as_text(first) == value_as_text(second) == value_as_shown(first) == text


@pytest.mark.parametrize(
    ("value", "text", "told"),
    [
        ("plain", "plain", "plain"),
        ([1, "a"], '[1, "a"]', '[1, "a"]'),
        (None, "null", "None"),
        (b"x", "b'x'", "x"),
        ({"k": b"x"}, "{'k': b'x'}", '{"k": "x"}'),
    ],
)
def test_all_other_values_keep_their_text_and_are_shown_as_dspy_shows_them(value: object, text: str, told: str) -> None:
    assert not varies(value)
    assert (value_as_text(value), value_as_shown(value)) == (text, told)


def test_a_value_that_holds_itself_has_a_text() -> None:
    own = Held(1)
    own.inner = own
    assert value_as_text(own) == value_as_text(own)
    loop: list[object] = [{"a"}]
    loop.append(loop)
    assert value_as_text(loop)


@pytest.mark.slow
def test_inputs_that_are_written_otherwise_in_every_process_are_told_of_and_labels_are_not(tmp_path: Path) -> None:
    rows = [
        dspy.Example(question=f"q{number}", kinds={"a", "b"}, held=Held(number), answer="yes").with_inputs(
            "question", "kinds"
        )
        for number in range(40)
    ]
    student = dspy.Predict("question, kinds -> answer")
    said = compiled(tmp_path, student, Engine(), data=rows, method="random", budget=SMALL).promptopt.said
    assert [each for each in said if "trainset has in 'kinds' what Python writes otherwise in every process" in each]
    assert not [each for each in said if "'held'" in each]


@pytest.mark.slow
def test_a_field_that_another_set_lacks_is_told_of_before_the_search(tmp_path: Path) -> None:
    bare = [dspy.Example(question=f"q{number}").with_inputs("question") for number in range(200, 210)]
    student, engine = dspy.Predict("question -> answer"), Engine()
    with (
        pytest.warns(UserWarning, match="valset has no field 'answer', as trainset has"),
        pytest.raises(EvaluatorError, match="has no attribute 'answer'"),
    ):
        compiled(tmp_path, student, engine, valset=bare, method="random", budget=SMALL)
    # A metric that needs no label goes on without one.
    easy = lambda gold, prediction, trace=None: prediction.answer == "yes"  # noqa: E731
    assert compiled(tmp_path, student, engine, easy, valset=bare, method="random", budget=SMALL).promptopt.result


@pytest.mark.slow
@pytest.mark.parametrize("given", [Decimal("0.5"), Decimal(1)])
def test_a_metric_may_give_a_decimal(given: Decimal, tmp_path: Path) -> None:
    best = compiled(
        tmp_path,
        dspy.Predict("question -> answer"),
        Engine(),
        lambda gold, prediction: given,
        method="random",
        budget=SMALL,
    )
    assert best.promptopt.result.start.test.score == float(given)


@pytest.mark.slow
def test_a_metric_that_exits_is_named_as_the_one_that_did(tmp_path: Path) -> None:
    def exits(gold, prediction, trace=None):
        raise SystemExit(3)

    with pytest.raises(EvaluatorError, match=r"the metric '.*exits' failed: SystemExit: 3"):
        compiled(tmp_path, dspy.Predict("question -> answer"), Engine(), exits, method="random", budget=SMALL)


class One(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict("question -> answer")


class Pieces(One):
    def forward(self, question: str):
        yield self.answer(question=question)


class InAnotherThread(One):
    async def aforward(self, question: str):
        return await dspy.asyncify(self.answer)(question=question)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("student", "why"),
    [
        (Pieces, "it gave back a generator; end `forward` with `return`, and leave out `yield`"),
        (
            InAnotherThread,
            "or await (in DSPy: without dspy.Parallel, dspy.asyncify and dspy.streamify)",
        ),
    ],
)
def test_a_module_that_gives_no_prediction_is_told_of_and_its_metric_is_not_blamed(
    student: type[One], why: str, tmp_path: Path
) -> None:
    best = compiled(tmp_path, student(), Engine(), method="random", budget=SMALL)
    assert any(why in warning for warning in best.promptopt.result.warnings)
    assert best.promptopt.result.start.test.score == 0.0


class Same(One):
    def forward(self, question: str):
        return self.answer(question=question)

    def deepcopy(self):
        return self


def test_a_copy_that_is_the_module_itself_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    engine = Engine()
    with pytest.raises(ConfigError, match="a copy of the program Same is not apart from it"):
        compiled(tmp_path, Same(), engine, method="random", budget=SMALL)
    assert engine.calls == 0


async def waits(gold, prediction, trace=None):
    return 1.0


def needs_more(gold, prediction, *, strict):
    return 1.0


def needs_trace(gold, prediction, *, trace):
    return 1.0


def needs_six(gold, prediction, trace, pred_name, pred_trace, more):
    return 1.0


def yields(gold, prediction, trace=None):
    yield 1.0


async def yields_later(gold, prediction, trace=None):
    yield 1.0


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        (yields, "'yields' yields; give a function that returns a score"),
        (partial(yields_later), "yields; give a function that returns a score"),
        (partial(waits), "is async; give a plain function"),
        (partial(partial(waits), trace=None), "is async; give a plain function"),
        (
            needs_more,
            r"given gold, prediction by their places, and needs more \(.*'strict'\); give all else .* a default",
        ),
        (needs_trace, r"given gold, prediction by their places, and needs more \(.*'trace'\)"),
        (needs_six, r"given gold, prediction, trace, pred_name, pred_trace by their places, .*'more'"),
    ],
)
def test_a_metric_that_every_call_would_fail_of_is_refused_before_a_program_is_compiled(metric, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        PromptOpt(metric=metric)


def test_a_metric_that_has_all_else_by_default_is_taken() -> None:
    for metric in (
        partial(needs_more, strict=True),
        partial(needs_six, more=1),
        lambda gold, found, *, strict=True: 1.0,
    ):
        assert PromptOpt(metric=metric).metric is metric


@pytest.mark.slow
def test_a_metric_that_turns_out_to_be_async_is_called_so_and_python_warns_of_nothing(tmp_path: Path) -> None:
    hidden = lambda gold, prediction: waits(gold, prediction)  # noqa: E731
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(EvaluatorError, match="it is async; give a plain function"):
            compiled(tmp_path, dspy.Predict("question -> answer"), Engine(), hidden, method="random", budget=SMALL)
    assert not [each for each in seen if issubclass(each.category, RuntimeWarning)]
