from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from fake_task import FakeAsk, FakeTask, words
from hypothesis import given
from hypothesis import strategies as st

from promptopt.binding.settings import adjust
from promptopt.errors import ConfigError, EvaluatorError
from promptopt.evaluation import evaluate
from promptopt.evaluators.generation import Generation
from promptopt.evaluators.preference import Preference
from promptopt.models.scripted import Scripted
from promptopt.protocols import Evaluator, Forcing, Role, Surrogate
from promptopt.tasks.task import Task
from promptopt.testing import EvaluatorContract, planted_task, uniform
from promptopt.types import Cell, Content, Example, Likelihoods, Prompt, Request, Score, ScoreRequest

FREE = FakeTask()
OPTIONS = FakeTask(labels=("a", "b", "c", "d"))
PROMPT = Prompt.of("Answer.")
PAIR = Cell(PROMPT, Example.of("good", (), ["bad"], text="x"))
OPTION = Cell(PROMPT, Example.of("b", text="x"))


def ended(**logprobs: Sequence[float] | float) -> Callable[[Content, str], Sequence[float]]:
    """As `words`, for free text: the end of the reply is scored too, and certain."""
    scores = words(**logprobs)
    return lambda content, text: [*scores(content, text), 0.0]


def each(logprob: float) -> Callable[[Content, str], Sequence[float]]:
    """`logprob` for every word, and for the end."""
    return lambda content, text: [logprob] * (len(text.split()) + 1)


def score(ask: FakeAsk, task: FakeTask = FREE, cell: Cell = PAIR, **settings: object) -> Score:
    return Preference(task, **settings).score([cell], ask)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(("good", "bad", "loss"), [(-2.0, -5.0, 0.048587), (-5.0, -2.0, 3.048587)])
@pytest.mark.parametrize("form", ["pairs", "softmax"])
def test_the_loss_of_a_pair(good: float, bad: float, loss: float, form: str) -> None:
    assert score(FakeAsk(scores=ended(good=good, bad=bad)), form=form).value == pytest.approx(-loss, abs=5e-7)


@pytest.mark.parametrize("form", ["pairs", "softmax"])
def test_a_distance_of_a_thousand_nats_is_a_finite_number(form: str) -> None:
    assert score(FakeAsk(scores=ended(good=-1.0, bad=-1001.0)), form=form).value == 0.0
    assert score(FakeAsk(scores=ended(good=-1001.0, bad=-1.0)), form=form).value == pytest.approx(-1000.0)


def test_four_options_are_three_pairs_in_one_request() -> None:
    ask = FakeAsk(scores=words(a=-1.0, b=-2.0, c=-4.0, d=-8.0))
    got = score(ask, OPTIONS, OPTION)
    assert got.value == pytest.approx(-sum(math.log1p(math.exp(-margin)) for margin in (-1.0, 2.0, 6.0)) / 3)
    assert ask.scored == [ScoreRequest("Answer. x", (" b", " a", " c", " d"), shared=7, ends=False)]
    assert ask.asked == []
    assert Preference(OPTIONS).calls_per_cell == 1


def test_four_options_are_one_softmax() -> None:
    got = score(FakeAsk(scores=words(a=-1.0, b=-2.0, c=-4.0, d=-8.0)), OPTIONS, OPTION, form="softmax")
    shares = [math.exp(value) for value in (-1.0, -2.0, -4.0, -8.0)]
    assert got.value == pytest.approx(math.log(shares[1] / sum(shares)))


# What is compared with what


def test_own_rejected_outputs_go_before_the_other_labels_and_free_text_ends() -> None:
    ask = FakeAsk(scores=words(b=-1.0, e=-2.0, good=(-1.0, -0.5), bad=(-2.0, -0.5)))
    score(ask, OPTIONS, Cell(PROMPT, Example.of("b", (), ["e"], text="x")))
    score(ask)
    assert [request.continuations for request in ask.scored] == [(" b", " e"), (" good", " bad")]
    assert [request.ends for request in ask.scored] == [False, True]


def test_a_worked_solution_is_preferred_to_outputs_rejected_beside_it() -> None:
    ask = FakeAsk(scores=each(-1.0))
    solved = Example.of("b", (), ["so it is c"], "so it is b", text="x")
    unrejected = Example.of("b", (), (), "so it is b", text="x")
    for example in (solved, unrejected):
        score(ask, OPTIONS, Cell(PROMPT, example))
    assert [request.continuations for request in ask.scored] == [
        (" so it is b", " so it is c"),
        (" b", " a", " c", " d"),
    ]
    assert [request.ends for request in ask.scored] == [True, False]
    assert Preference(OPTIONS).forced(solved) == ("so it is b", "so it is c")


def test_accepted_outputs_are_preferred_together() -> None:
    cell = Cell(PROMPT, Example.of("good", ["fine"], ["bad"], text="x"))
    quarter, half = math.log(0.25), math.log(0.5)
    got = score(FakeAsk(scores=ended(good=quarter, fine=quarter, bad=half)), cell=cell)
    assert got.value == pytest.approx(-math.log(2))
    cell = Cell(PROMPT, Example.of("b", ["c"], text="x"))
    ask = FakeAsk(scores=words(a=-1.0, b=-2.0, c=-4.0, d=-8.0))
    score(ask, OPTIONS, cell)
    assert ask.scored[0].continuations == (" b", " c", " a", " d")


def test_beta_scales_the_distance() -> None:
    ask = FakeAsk(scores=ended(good=-2.0, bad=-5.0))
    for form in ("pairs", "softmax"):
        assert score(ask, beta=0.5, form=form).value == pytest.approx(-math.log1p(math.exp(-1.5)))


def test_a_mean_takes_the_length_out() -> None:
    ask = FakeAsk(scores=words(so_very_good=(-1.0, -1.0, -1.0, -1.0), bad=(-1.5, -1.5)))
    cell = Cell(PROMPT, Example.of("so very good", (), ["bad"], text="x"))
    assert score(ask, cell=cell).value == pytest.approx(-math.log1p(math.exp(1.0)))
    assert score(ask, cell=cell, reduction="token_mean").value == pytest.approx(-math.log1p(math.exp(-0.5)))


def test_the_feedback_is_on_the_hardest_pair() -> None:
    ask = FakeAsk(scores=words(a=-1.0, b=-2.0, c=-4.0, d=-8.0))
    assert score(ask, OPTIONS, OPTION).feedback == "the preferred 'b' is 1 nats less likely than the rejected 'a'"
    pair = FakeAsk(scores=ended(good=-2.0, bad=-9.0))
    got = score(pair, beta=0.1, reduction="token_mean").feedback
    assert got == "the preferred 'good' is 3.5 nats a token more likely than the rejected 'bad'"


# What cannot be compared


def test_a_task_of_examples_without_rejected_outputs_is_refused_at_once() -> None:
    bare = Example.of("good", text="x")
    with pytest.raises(ConfigError, match=r"1 of the 2 train examples of task 'fake' have no rejected.*'loss'"):
        Preference(FakeTask(train=(PAIR.example, bare)))
    Preference(FakeTask(train=(bare,), labels=("good", "bad")))
    with pytest.raises(EvaluatorError, match="no rejected output") as caught:
        score(FakeAsk(scores=words()), cell=Cell(PROMPT, bare))
    assert (caught.value.prompt_id, caught.value.example_id) == (PROMPT.id, bare.id)


@pytest.mark.parametrize("broken", [math.nan, -math.inf])
@pytest.mark.parametrize("output", ["good", "bad"])
def test_an_output_without_a_number_makes_the_candidate_worthless_and_not_the_run(output: str, broken: float) -> None:
    def scores(content: Content, text: str) -> Sequence[float]:
        return [broken if "Bad" in content and output in text else -1.0, 0.0]

    cells = [Cell(Prompt.of(instruction), PAIR.example) for instruction in ("Good.", "Bad.", "Fine.")]
    good, bad, fine = Preference(FREE).score(cells, FakeAsk(scores=scores))
    assert good == fine
    assert good.value == pytest.approx(-math.log(2))
    assert (bad.value, bad.parsed) == (-math.inf, False)
    assert f"no finite log-probability for '{output}'" in bad.feedback


def test_what_does_not_fit_is_worthless() -> None:
    class Full(FakeAsk):
        def score(self, requests: Sequence[ScoreRequest], *, role: Role = "task") -> list[Likelihoods]:
            return [Likelihoods(finish="rejected") for _ in requests]

    expected = "the prompt and the target are too long for the model's context"
    assert score(Full()) == Score(-math.inf, parsed=False, feedback=expected)


def test_an_output_without_tokens_is_a_mistake_in_the_data() -> None:
    cell = Cell(PROMPT, Example.of("good", (), [""], text="x"))
    with pytest.raises(EvaluatorError, match=r"the text '' has no tokens") as caught:
        score(FakeAsk(scores=lambda content, text: [-1.0, -1.0] if text else [-1.0]), cell=cell)
    assert caught.value.example_id == cell.example.id


def test_a_model_without_log_probs_is_refused_before_any_call(tmp_path: Path) -> None:
    model, task = Scripted("yes", name="mute"), replace(planted_task(), labels=("yes", "no"))
    with pytest.raises(ConfigError, match=r"'mute' cannot give the log-probabilities of a given text"):
        evaluate(task, model=model, evaluator=Preference(task), store=tmp_path / "store.db")
    assert model.calls == 0


# Warnings


def pairs(count: int, good: int = 1, bad: int = 1) -> list[Cell]:
    """Cells whose preferred and rejected outputs have so many words."""
    return [
        Cell(PROMPT, Example.of(" ".join(["good"] * good), (), [" ".join(["bad"] * bad)], text=str(number)))
        for number in range(count)
    ]


@pytest.mark.parametrize(("good", "bad", "warned"), [(3, 3, False), (4, 3, False), (5, 3, True), (3, 5, True)])
def test_outputs_of_unequal_length_are_told_of(good: int, bad: int, warned: bool) -> None:
    ask = FakeAsk(scores=each(-0.1))
    Preference(FREE).score(pairs(8, good, bad), ask)
    assert any("differ in length by more than a quarter" in warning for warning in ask.warned) is warned


def test_length_is_no_matter_where_it_changes_nothing() -> None:
    ask = FakeAsk(scores=each(-0.1))
    Preference(FREE, reduction="token_mean").score(pairs(8, 9), ask)
    task = FakeTask(labels=("one", "one and the same"))
    Preference(task).score([Cell(PROMPT, Example.of("one", text=str(number))) for number in range(8)], ask)
    assert ask.warned == []


def test_distances_that_saturate_the_loss_are_told_of() -> None:
    ask = FakeAsk(scores=ended(good=-1.0, bad=-40.0))
    Preference(FREE).score(pairs(8), ask)
    assert [warning.partition(": ")[2] for warning in ask.warned] == [
        "set a smaller beta, or reduction to 'token_mean'"
    ]
    quiet = FakeAsk(scores=ended(good=-1.0, bad=-40.0))
    Preference(FREE, beta=0.1).score(pairs(8), quiet)
    assert quiet.warned == []


def test_a_few_examples_of_many_say_nothing_on_average() -> None:
    ask = FakeAsk(scores=each(-10.0))
    many = FakeTask(train=tuple(cell.example for cell in pairs(20, 9)))
    Preference(many).score(pairs(7, 9), ask)
    assert ask.warned == []
    few = FakeTask(train=tuple(cell.example for cell in pairs(3, 9)))
    Preference(few).score(pairs(3, 9), ask)
    assert len(ask.warned) == 2


def test_a_warning_is_the_same_sentence_for_every_batch() -> None:
    ask = FakeAsk(scores=each(-10.0))
    for words_of_good in (6, 9):
        Preference(FREE).score(pairs(8, words_of_good), ask)
    assert len(ask.warned) == 4
    assert len(set(ask.warned)) == 2


# Settings


def test_mistakes_in_the_settings_are_told_at_once() -> None:
    for beta in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ConfigError, match=r"beta .*expected a number above 0"):
            Preference(FREE, beta)
    with pytest.raises(ConfigError, match=r"reduction 'mean'.*'sum' or 'token_mean'"):
        Preference(FREE, reduction="mean")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"form 'list'.*'pairs' or 'softmax'"):
        Preference(FREE, form="list")  # type: ignore[arg-type]


def test_settings_come_from_the_command_line() -> None:
    texts = {"beta": "0.1", "reduction": "token_mean", "form": "softmax"}
    told = adjust(Preference.for_task(FREE), texts, "preference")
    assert told == Preference(FREE, 0.1, "token_mean", "softmax")


def test_the_fingerprint_tells_every_setting_apart() -> None:
    evaluators = [Preference(FREE), Preference(FREE, 0.5), Preference(FREE, reduction="token_mean"),
                  Preference(FREE, form="softmax")]  # fmt: skip
    assert len({json.dumps(evaluator.fingerprint()) for evaluator in evaluators}) == len(evaluators)


def test_labels_are_judged_by_the_tasks_metric_and_preferences_by_themselves() -> None:
    labelled, free = Preference(OPTIONS), Preference(FREE)
    for evaluator in (labelled, free):
        assert isinstance(evaluator, Evaluator)
        assert isinstance(evaluator, Surrogate)
        assert isinstance(evaluator, Forcing)
    assert labelled.verdict_by() == Generation.for_task(OPTIONS)
    assert free.verdict_by() is free
    assert labelled.forced(OPTION.example) == ("b", "a", "c", "d")
    assert free.forced(PAIR.example) == ("good", "bad")


# Invariants


@given(
    st.floats(-50, 0),
    st.floats(0, 5),
    st.lists(st.floats(-50, 0), min_size=1, max_size=4),
    st.floats(0.01, 10),
    st.sampled_from(["pairs", "softmax"]),
)
def test_the_loss_falls_as_the_preferred_output_grows_likelier(
    good: float, more: float, others: list[float], beta: float, form: str
) -> None:
    rejected = [f"bad{number}" for number in range(len(others))]
    cell = Cell(PROMPT, Example.of("good", (), rejected, text="x"))
    table = dict(zip(rejected, others, strict=True))
    lower, higher = (
        score(FakeAsk(scores=ended(good=value, **table)), cell=cell, beta=beta, form=form).value
        for value in (good - more, good)
    )
    assert lower <= higher + 1e-12
    assert higher <= 0.0


@given(st.floats(-50, 0), st.floats(-50, 0))
def test_a_pair_and_its_mirror_image_share_all_the_probability(good: float, bad: float) -> None:
    one, other = (
        math.exp(score(FakeAsk(scores=ended(good=first, bad=second))).value)
        for first, second in ((good, bad), (bad, good))
    )
    assert one + other == pytest.approx(1.0)


class TestPreferenceContract(EvaluatorContract):
    def evaluator(self, task: Task) -> Evaluator:
        return Preference.for_task(replace(task, labels=("yes", "no", "maybe")))

    def answer(self, request: Request) -> str:
        return "yes"

    def model(self) -> Scripted:
        return Scripted(self.answer, name="answers", scores=lambda content, text: [-uniform(str(content), text)])
