from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
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
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.protocols import Evaluator, Forcing, Role, Surrogate
from promptopt.tasks.task import Task
from promptopt.testing import EvaluatorContract, planted_task, uniform
from promptopt.types import Cell, Content, Example, Likelihoods, Prompt, Request, Score, ScoreRequest

FREE = FakeTask()
LABELLED = FakeTask(labels=("positive", "negative"))
CELL = Cell(Prompt.of("Answer."), Example.of("one two three", text="x"))
SOLVED = Cell(CELL.prompt, Example.of("18", (), (), "9 + 9 = 18", text="x"))


def constant(each: float) -> Callable[[Content, str], Sequence[float]]:
    """`each` for every word, and for the end."""
    return lambda content, text: [each] * (len(text.split()) + 1)


def score(ask: FakeAsk, task: FakeTask = FREE, cell: Cell = CELL, **settings: object) -> Score:
    return Loss(task, **settings).score([cell], ask)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("instruction", ["Answer.", "Answer " * 500])
@pytest.mark.parametrize("chat", [False, True])
def test_the_loss_is_that_of_the_target_however_long_the_prompt(instruction: str, chat: bool) -> None:
    task, cell = FakeTask(chat=chat), Cell(Prompt.of(instruction), CELL.example)
    ask = FakeAsk(scores=words(one_two_three=[-0.5] * 3))
    assert score(ask, task, cell, reduction="sum", ends=False).value == pytest.approx(-0.5 * 3)
    assert score(ask, task, cell, reduction="token_mean", ends=False).value == pytest.approx(-0.5)
    assert {request.continuations for request in ask.scored} == {("one two three",) if chat else (" one two three",)}
    assert ask.asked == []


def test_one_request_a_cell_with_the_candidates_share() -> None:
    ask = FakeAsk(scores=constant(-1.0))
    score(ask)
    assert ask.scored == [ScoreRequest("Answer. x", (" one two three",), shared=7, ends=True)]
    assert Loss(FREE).calls_per_cell == 1


def test_free_text_is_averaged_and_ends() -> None:
    got = score(FakeAsk(scores=words(one_two_three=(-1.0, -1.0, -1.0, -5.0))))
    assert got.value == pytest.approx(-2.0)


def test_a_label_is_summed_and_does_not_end() -> None:
    cell = Cell(CELL.prompt, Example.of("positive", text="x"))
    ask = FakeAsk(scores=words(positive=(-1.0, -2.0)))
    assert score(ask, LABELLED, cell).value == pytest.approx(-3.0)
    assert not ask.scored[0].ends


def test_a_worked_solution_is_scored_in_the_targets_place_and_as_free_text() -> None:
    ask = FakeAsk(scores=constant(-0.5))
    for task in (FREE, replace(LABELLED, labels=("18", "19"))):
        assert score(ask, task, SOLVED).value == pytest.approx(-0.5)
    assert {request.continuations for request in ask.scored} == {(" 9 + 9 = 18",)}
    assert all(request.ends for request in ask.scored)


def test_settings_go_before_what_suits_the_answer() -> None:
    cell = Cell(CELL.prompt, Example.of("positive", text="x"))
    ask = FakeAsk(scores=constant(-1.0))
    assert score(ask, LABELLED, cell, reduction="token_mean", ends=True).value == pytest.approx(-1.0)
    assert ask.scored[0].ends
    assert score(ask, FREE, reduction="sum", ends=False).value == pytest.approx(-4.0)
    assert not ask.scored[1].ends


def test_probabilities_of_accepted_answers_are_added_up() -> None:
    cell = Cell(CELL.prompt, Example.of("the USA", ["America"], text="x"))
    half = math.log(0.5)
    ask = FakeAsk(scores=words(the_USA=(half, half), America=half))
    assert score(ask, cell=cell, reduction="sum", ends=False).value == pytest.approx(math.log(0.75))
    # A mean is over the tokens of the target, so that it only rises where one of the probabilities does.
    assert score(ask, cell=cell, ends=False).value == pytest.approx(math.log(0.75) / 2)
    assert ask.scored[0].continuations == (" the USA", " America")


def test_the_feedback_says_how_likely_the_answer_is_and_where_it_fails() -> None:
    shares = (0.5, 0.1, 0.8)
    got = score(FakeAsk(scores=words(one_two_three=[math.log(share) for share in shares])), ends=False)
    assert got.feedback == (
        "'one two three' has probability 0.04 (loss 1.07 nats a token); the least likely token is 'two', number 2 of "
        "3, with probability 0.1"
    )
    cell = Cell(CELL.prompt, Example.of("positive", text="x"))
    short = score(FakeAsk(scores=words(positive=math.log(0.12))), LABELLED, cell)
    assert short.feedback == "'positive' has probability 0.12 (loss 2.12 nats)"


def test_the_feedback_is_on_the_likeliest_of_the_accepted() -> None:
    cell = Cell(CELL.prompt, Example.of("rare", ["common"], text="x"))
    got = score(FakeAsk(scores=words(rare=(-9.0,), common=(-0.5,))), cell=cell, ends=False)
    assert got.feedback.startswith("'common' has probability 0.61")


# What cannot be scored


@pytest.mark.parametrize("broken", [math.nan, -math.inf, math.inf])
def test_a_token_without_a_number_makes_the_candidate_worthless_and_not_the_run(broken: float) -> None:
    def scores(content: Content, text: str) -> Sequence[float]:
        return [-1.0, broken, -1.0, -1.0] if "Bad" in content else [-1.0] * 4

    cells = [Cell(Prompt.of(instruction), CELL.example) for instruction in ("Good.", "Bad.", "Fine.")]
    good, bad, fine = Loss(FREE).score(cells, FakeAsk(scores=scores))
    assert good == fine
    assert good.value == -1.0
    assert (bad.value, bad.parsed) == (-math.inf, False)
    assert bad.feedback == (
        "the model gives no finite log-probability for 'one two three', so the prompt cannot be used"
    )


def test_an_alias_without_probability_adds_nothing() -> None:
    cell = Cell(CELL.prompt, Example.of("yes", ["aye"], text="x"))
    assert score(FakeAsk(scores=words(yes=-1.0, aye=-math.inf)), cell=cell, ends=False).value == pytest.approx(-1.0)


def test_what_does_not_fit_is_worthless() -> None:
    class Full(FakeAsk):
        def score(self, requests: Sequence[ScoreRequest], *, role: Role = "task") -> list[Likelihoods]:
            return [Likelihoods(finish="rejected") for _ in requests]

    expected = "the prompt and the target are too long for the model's context"
    assert score(Full()) == Score(-math.inf, parsed=False, feedback=expected)


@pytest.mark.parametrize("ends", [False, True])
def test_a_target_without_tokens_is_a_mistake_in_the_data(ends: bool) -> None:
    cell = Cell(CELL.prompt, Example.of("", text="x"))
    ask = FakeAsk(scores=lambda content, text: [-1.0] * ends)
    with pytest.raises(EvaluatorError, match=r"the text '' has no tokens.*visible character") as caught:
        score(ask, cell=cell, ends=ends)
    assert (caught.value.prompt_id, caught.value.example_id) == (cell.prompt.id, cell.example.id)
    assert ask.scored[0].continuations == ("",)


def test_a_model_without_log_probs_is_refused_before_any_call(tmp_path: Path) -> None:
    model, task = Scripted("yes", name="mute"), planted_task()
    with pytest.raises(ConfigError, match=r"'mute' cannot give the log-probabilities of a given text; .*hf/"):
        evaluate(task, model=model, evaluator=Loss(task), store=tmp_path / "store.db")
    assert model.calls == 0


def test_a_token_that_reaches_over_the_boundary_is_scored_and_told_once(tmp_path: Path) -> None:
    """Where the boundary lies is `models/boundary.py`."""

    class Merging(Scripted):
        def score(
            self, requests: Sequence[ScoreRequest], stopping: Callable[[], bool] = lambda: False
        ) -> Iterator[tuple[int, Likelihoods]]:
            for index, found in super().score(requests, stopping):
                yield index, replace(found, merged=True)

    task = planted_task()
    found = evaluate(
        task,
        model=Merging("yes", scores=lambda content, text: [-0.5, -0.25]),
        evaluator=Loss(task, "sum"),
        store=tmp_path / "store.db",
    )
    assert {score.value for score in found.scores} == {-0.75}
    assert [warning for warning in found.warnings if "token reaches from the prompt" in warning] == list(found.warnings)
    assert len(found.warnings) == 1


# Worked solutions


def test_the_answer_of_a_worked_solution_can_be_weighed() -> None:
    # Tokens: 9 + 9 = 18 <end>; the answer's are the last two.
    ask = FakeAsk(scores=words(**{"9 + 9 = 18": (-1.0, -2.0, -1.0, -2.0, -3.0, -5.0)}))
    assert score(ask, cell=SOLVED, answer_weight=0.25).value == pytest.approx(0.25 * -4.0 + 0.75 * -1.5)
    assert score(ask, cell=SOLVED, answer_weight=1.0).value == pytest.approx(-4.0)
    assert score(ask, cell=SOLVED, answer_weight=2 / 6).value == pytest.approx(score(ask, cell=SOLVED).value)


def test_the_answer_is_found_where_it_last_stands_as_a_word() -> None:
    cell = Cell(CELL.prompt, Example.of("9", (), (), "9 or 19 : 9", text="x"))
    ask = FakeAsk(scores=words(**{"9 or 19 : 9": (-1.0, -1.0, -1.0, -1.0, -7.0)}))
    assert score(ask, cell=cell, ends=False, answer_weight=1.0).value == pytest.approx(-7.0)


def test_a_solution_that_is_only_the_answer_is_its_mean() -> None:
    cell = Cell(CELL.prompt, Example.of("18", (), (), "18", text="x"))
    got = score(FakeAsk(scores=words(**{"18": (-1.0, -3.0)})), cell=cell, answer_weight=0.5)
    assert got.value == pytest.approx(-2.0)


def test_an_answer_that_is_not_in_its_solution_names_the_cell() -> None:
    for target in ("8", ""):
        cell = Cell(CELL.prompt, Example.of(target, (), (), "9 + 9 = 18", text="x"))
        with pytest.raises(EvaluatorError, match=f"does not hold the target '{target}'.*leave answer_weight out"):
            score(FakeAsk(scores=constant(-1.0)), cell=cell, answer_weight=0.5)


# Settings


def test_mistakes_in_the_settings_are_told_at_once() -> None:
    with pytest.raises(ConfigError, match=r"reduction 'mean'.*'sum' or 'token_mean'"):
        Loss(FREE, "mean")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"answer_weight 1.5.*\[0, 1\]"):
        Loss(FREE, answer_weight=1.5)
    with pytest.raises(ConfigError, match="reduction is 'sum': leave one out"):
        Loss(FREE, "sum", answer_weight=0.5)


def test_settings_come_from_the_command_line() -> None:
    texts = {"reduction": "sum", "ends": "false"}
    assert adjust(Loss.for_task(FREE), texts, "loss") == Loss(FREE, "sum", ends=False)
    assert adjust(Loss.for_task(FREE), {"answer_weight": "0.5"}, "loss") == Loss(FREE, answer_weight=0.5)
    assert adjust(Loss(FREE, "sum"), {"reduction": "none"}, "loss") == Loss(FREE)
    with pytest.raises(ConfigError, match="'sum' or 'token_mean'"):
        adjust(Loss.for_task(FREE), {"reduction": "mean"}, "loss")


def test_the_fingerprint_tells_every_setting_apart() -> None:
    evaluators = [Loss(FREE), Loss(FREE, "sum"), Loss(FREE, ends=False), Loss(FREE, answer_weight=0.5)]
    assert len({json.dumps(evaluator.fingerprint()) for evaluator in evaluators}) == len(evaluators)


def test_it_guides_and_the_tasks_metric_decides() -> None:
    evaluator = Loss(FREE)
    assert isinstance(evaluator, Evaluator)
    assert isinstance(evaluator, Surrogate)
    assert isinstance(evaluator, Forcing)
    assert evaluator.verdict_by() == Generation.for_task(FREE)
    assert evaluator.forced(SOLVED.example) == ("9 + 9 = 18",)
    assert evaluator.forced(Example.of("yes", ["aye"], text="x")) == ("yes", "aye")


# Invariants


@given(st.lists(st.floats(-50, 0), min_size=1, max_size=8))
def test_a_sum_is_the_mean_times_the_tokens(logprobs: list[float]) -> None:
    cell = Cell(CELL.prompt, Example.of(" ".join("abcdefgh"[: len(logprobs)]), text="x"))
    ask = FakeAsk(scores=lambda content, text: logprobs)
    mean, total = (score(ask, cell=cell, ends=False, reduction=way).value for way in ("token_mean", "sum"))
    assert total == pytest.approx(mean * len(logprobs))
    assert total <= mean <= 0.0


@given(st.floats(-50, 0), st.floats(-50, 0), st.floats(0, 5), st.sampled_from(["sum", "token_mean"]))
def test_no_answer_becomes_worse_by_growing_likelier(one: float, other: float, more: float, reduction: str) -> None:
    cell = Cell(CELL.prompt, Example.of("a b c", ["d"], text="x"))
    values = [
        score(FakeAsk(scores=words(a_b_c=(one, -0.5, -0.5), d=d)), cell=cell, ends=False, reduction=reduction).value
        for d in (other - more, other)
    ]
    assert values[0] <= values[1] + 1e-12
    assert max(values) <= 0.0


class TestLossContract(EvaluatorContract):
    def evaluator(self, task: Task) -> Evaluator:
        return Loss.for_task(task)

    def answer(self, request: Request) -> str:
        return "yes"

    def model(self) -> Scripted:
        return Scripted(self.answer, name="answers", scores=lambda content, text: [-uniform(str(content), text), -0.1])
