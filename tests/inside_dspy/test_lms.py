"""LMs: every call of a program goes to the model it is meant for, and is counted as what it is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")

from dspy.utils.dummies import DummyLM  # noqa: E402

from promptopt.dspy import PromptOpt, lm_of  # noqa: E402
from promptopt.dspy.lm import DspyModel, route_of  # noqa: E402
from promptopt.dspy.task import Data, bind  # noqa: E402
from promptopt.errors import ConfigError  # noqa: E402
from promptopt.models.scripted import Scripted  # noqa: E402
from promptopt.run.budget import Budget  # noqa: E402
from promptopt.types import Cell  # noqa: E402
from tests.inside_dspy.scripted import Door, Engine, examples, lm, right  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::promptopt.dspy.PromptOptWarning")


def compiled(home: Path, student, settings, *, metric=right, method="random", budget=None, data=None, **given):
    budget = Budget(evaluations=100) if budget is None else budget
    with dspy.context(lm=settings):
        teleprompter = PromptOpt(method, metric=metric, budget=budget, store=home / "store.db", **given)
        return teleprompter.compile(student, trainset=examples(60) if data is None else data)


class Two(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.plan = dspy.Predict(dspy.Signature("question -> plan", "Plan it."))
        self.solve = dspy.Predict(dspy.Signature("question, plan -> answer", "Solve it."))

    def forward(self, question: str):
        return self.solve(question=question, plan=self.plan(question=question).plan)


def test_a_predictors_own_lm_answers_it_and_the_configured_one_the_others(tmp_path: Path) -> None:
    configured, own = Engine(), Engine()
    student = Two()
    student.plan.lm = lm(own)
    best = compiled(tmp_path, student, lm(configured))
    assert {request.system.split("Your output fields are:\n1. `")[1].split("`")[0] for request in own.requests} == {
        "plan"
    }
    asked = [request.system for request in configured.requests if request.system]
    assert all("1. `answer`" in system for system in asked)
    assert own.calls + configured.calls == best.promptopt.result.spent.calls
    assert best.plan.lm is student.plan.lm


def test_a_reply_that_only_json_can_be_read_from_is_two_calls_and_one_record(tmp_path: Path) -> None:
    class Json(Engine):
        def write(self, system, user, request):
            if "your objective is" not in system:
                return super().write(system, user, request)
            return json.dumps({"answer": "yes"}) if "JSON" in system + user else "no fields here"

    engine = Json()
    best = compiled(tmp_path, dspy.Predict("question -> answer"), lm(engine), budget=Budget(evaluations=60))
    spent = best.promptopt.result.spent
    assert best.promptopt.result.start.test.score == 1.0
    assert spent.calls == engine.calls
    assert spent.calls - spent.proposer_calls == 2 * spent.evaluations
    with dspy.context(lm=lm(engine)):
        bound = bind(dspy.Predict("question -> answer"), Data(examples(12)), right, lm=dspy.settings.lm)
        cells = [Cell(bound.task.initial, example) for example in bound.task.train]
        scores = bound.task.scored_by.score(cells, Door(DspyModel(dspy.settings.lm)))
    assert {len(score.trace) for score in scores} == {1}


def test_a_reply_that_nothing_can_be_read_from_costs_its_cell(tmp_path: Path) -> None:
    class Mute(Engine):
        def write(self, system, user, request):
            return super().write(system, user, request) if "your objective is" not in system else "mute"

    best = compiled(tmp_path, dspy.Predict("question -> answer"), lm(Mute()), budget=Budget(evaluations=60))
    test = best.promptopt.result.start.test
    assert (test.score, test.unreadable) == (0.0, test.n)


def test_any_model_of_promptopts_is_an_lm() -> None:
    model = Scripted(lambda request: "[[ ## answer ## ]]\n42\n\n[[ ## completed ## ]]", name="scripted")
    with dspy.context(lm=lm_of(model)):
        assert dspy.Predict("question -> answer")(question="How much?").answer == "42"
    assert model.log[0].sampling.temperature == 0.0
    assert [message.role for message in model.log[0].content] == ["system", "user"]


def answering(request) -> str:
    content = request.content
    text = content if isinstance(content, str) else "\n".join(each.content for each in content)
    config = SimpleNamespace(config=SimpleNamespace(temperature=request.seed))
    return Engine().write(text if "your objective is" in text else "", text, config)


@pytest.mark.parametrize("given", ["an LM of ours is configured", "a model is given", "an LM is given"])
def test_a_model_of_promptopts_answers_in_place_of_an_lm(given: str, tmp_path: Path) -> None:
    model = Scripted(answering, name="scripted")
    if given == "an LM of ours is configured":
        best = compiled(tmp_path, Two(), lm_of(model))
    else:
        best = compiled(tmp_path, Two(), None, model=model if given == "a model is given" else lm_of(model))
    assert best.promptopt.result.model == "scripted"
    assert best.promptopt.result.spent.calls == model.calls


def test_without_any_lm_a_sentence_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no LM is configured"):
        compiled(tmp_path, Two(), None)


def test_a_dummy_lm_of_dspys_works(tmp_path: Path) -> None:
    dummy = DummyLM({f"q{number}": {"answer": "yes"} for number in range(60)})
    best = compiled(tmp_path, dspy.Predict("question -> answer"), dummy, proposer=lm(Engine()))
    assert best.promptopt.result.start.test.score == 1.0


def test_a_module_that_asks_another_for_its_only_lm_finds_one(tmp_path: Path) -> None:
    student = dspy.BestOfN(module=Two(), N=2, reward_fn=lambda given, found: float(found.answer == "yes"), threshold=1)
    engine = Engine()
    best = compiled(tmp_path, student, lm(engine))
    test = best.promptopt.result.start.test
    assert (test.unreadable, test.score > 0) == (0, True)
    assert engine.calls == best.promptopt.result.spent.calls


class Awaited(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = dspy.Predict(dspy.Signature("question -> one", "First."))
        self.other = dspy.Predict(dspy.Signature("question -> other", "Second."))
        self.solve = dspy.Predict(dspy.Signature("question, one, other -> answer", "Solve it."))

    async def aforward(self, question: str):
        one, other = await asyncio.gather(self.one.acall(question=question), self.other.acall(question=question))
        return await self.solve.acall(question=question, one=one.one, other=other.other)


def test_an_async_program_is_run_and_replayed(tmp_path: Path) -> None:
    engine = Engine()
    best = compiled(tmp_path, Awaited(), lm(engine))
    result = best.promptopt.result
    assert result.start.test.score > 0
    assert result.spent.calls == engine.calls
    # Prompts that differ in one part share the calls of the other.
    assert result.spent.evaluations < result.spent.calls < 3 * result.spent.evaluations
    before = engine.calls
    compiled(tmp_path, Awaited(), lm(engine))
    assert engine.calls == before


class Shared(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Two(), Two()
        self.second.plan = self.first.plan

    def forward(self, question: str):
        return self.second.solve(question=question, plan=self.first(question=question).answer)


def test_a_predictor_that_two_modules_share_is_one_part(tmp_path: Path) -> None:
    best = compiled(tmp_path, Shared(), lm(Engine()))
    assert [name for name, _ in best.named_predictors()] == ["first.plan", "first.solve", "second.solve"]
    assert best.first.plan is best.second.plan
    assert best.promptopt.result.best.prompt.parts == ("first.plan", "first.solve", "second.solve")


def test_demonstrations_become_those_of_the_predictors_they_are_complete_for(tmp_path: Path) -> None:
    engine = Engine()
    best = compiled(
        tmp_path, dspy.ChainOfThought("question -> answer"), lm(engine), method="capo", budget=Budget(evaluations=300)
    )
    shown = [each.prompt.demos for each in best.promptopt.result.lineage if each.prompt.demos]
    assert shown
    assert any(len(request.messages) > 1 for request in engine.requests)


def test_an_lm_that_fails_suspends_the_run_and_the_next_goes_on(tmp_path: Path) -> None:
    class Failing(Engine):
        def complete(self, request):
            if self.calls >= 50:
                raise dspy.lm15.InvalidRequestError("the server is gone")
            return super().complete(request)

    stopped = compiled(tmp_path, dspy.Predict("question -> answer"), lm(Failing()))
    assert stopped.promptopt.result.status == "suspended"
    assert "the server is gone" in stopped.promptopt.result.reason
    engine = Engine()
    resumed = compiled(tmp_path, dspy.Predict("question -> answer"), lm(engine))
    assert resumed.promptopt.result.status == "finished"
    assert engine.calls < resumed.promptopt.result.spent.calls


def test_two_dummies_with_other_answers_are_told_apart() -> None:
    one, other = (DummyLM({"q": {"answer": answer}}) for answer in ("yes", "no"))
    assert route_of(one) != route_of(other)
    assert route_of(one) == route_of(DummyLM({"q": {"answer": "yes"}}))
