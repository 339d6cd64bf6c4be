"""Calls that a DSPy program makes in another way than its form says, and calls of copies of its predictors."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")

from promptopt.dspy import lm_of  # noqa: E402
from promptopt.dspy.demos import demos_as_text  # noqa: E402
from promptopt.dspy.program import named_calls, slots_of  # noqa: E402
from promptopt.models.scripted import Scripted  # noqa: E402
from promptopt.run.budget import Budget  # noqa: E402
from tests.inside_dspy.scripted import Engine, lm  # noqa: E402
from tests.inside_dspy.test_lms import compiled  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::promptopt.dspy.PromptOptWarning")
SMALL = Budget(evaluations=60)


class One(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hint = dspy.Predict(dspy.Signature("question -> hint", "Give a hint."))
        self.answer = dspy.Predict(dspy.Signature("question, hint -> answer", "Answer it."))


class Plain(One):
    def forward(self, question: str):
        return self.answer(question=question, hint=self.hint(question=question).hint)


class Awaited(One):
    async def aforward(self, question: str):
        hint = await self.hint.acall(question=question)
        return await self.answer.acall(question=question, hint=hint.hint)


class AwaitedInPart(One):
    async def aforward(self, question: str):
        hint = await self.hint.acall(question=question)
        return self.answer(question=question, hint=hint.hint)


class NeverAwaited(One):
    async def aforward(self, question: str):
        return self.answer(question=question, hint=self.hint(question=question).hint)


class InALoopOfItsOwn(One):
    def forward(self, question: str):
        hint = asyncio.run(self.hint.acall(question=question))
        return self.answer(question=question, hint=hint.hint)


class MadeSync(One):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Awaited()

    def forward(self, question: str):
        return dspy.syncify(self.inner)(question=question)


class Streamed(One):
    async def aforward(self, question: str):
        hint = await self.hint.acall(question=question)
        found = None
        async for piece in dspy.streamify(self.answer, is_async_program=True)(question=question, hint=hint.hint):
            found = piece if isinstance(piece, dspy.Prediction) else found
        return found


@pytest.mark.slow
@pytest.mark.parametrize("student", [Awaited, AwaitedInPart, NeverAwaited, InALoopOfItsOwn, MadeSync, Streamed])
def test_a_call_of_another_form_than_its_module_is_answered_and_counted_as_any_other(student, tmp_path: Path) -> None:
    plain, other = Engine(), Engine()
    want = compiled(tmp_path / "plain", Plain(), lm(plain), budget=SMALL).promptopt.result
    found = compiled(tmp_path / "other", student(), lm(other), budget=SMALL).promptopt.result
    assert found.start.test.score == want.start.test.score > 0
    assert (found.start.test.unreadable, other.calls) == (0, found.spent.calls)
    before = other.calls
    compiled(tmp_path / "other", student(), lm(other), budget=SMALL)
    assert other.calls == before


def test_a_model_of_promptopts_streams_its_reply_in_one_piece() -> None:
    model = Scripted(lambda _: "[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]", name="scripted")

    async def last() -> object:
        found = None
        async for piece in dspy.streamify(dspy.Predict("question -> answer"))(question="q1"):
            found = piece
        return found

    with dspy.context(lm=lm_of(model)):
        assert asyncio.run(last()).answer == "yes"
    assert model.calls == 1


@pytest.mark.slow
@pytest.mark.parametrize("helper", [dspy.BestOfN, dspy.Refine])
def test_what_a_copy_of_a_predictor_did_is_told_of_the_predictor(helper, tmp_path: Path) -> None:
    student = helper(module=Plain(), N=2, reward_fn=lambda given, found: float(found.answer == "yes"), threshold=0.0)
    engine = Engine()
    best = compiled(tmp_path, student, lm(engine), method="gepa", budget=Budget(evaluations=120))
    result = best.promptopt.result
    # Without a predictor that had a part in it no text is to blame, and nothing is proposed.
    assert result.spent.proposer_calls > 0
    assert result.best.prompt.id != result.start.prompt.id
    assert engine.calls == result.spent.calls


def test_calls_of_a_copy_are_demonstrations_and_those_of_equal_twins_are_nobodys() -> None:
    student, shared = Plain(), dspy.Signature("question -> hint", "Give a hint.")
    own = student.deepcopy()
    records = [(each, {"question": "q1"}, {"hint": "a"}) for _, each in own.named_predictors()]
    called = named_calls(student.named_predictors(), records)
    assert called == ["hint", "answer"]
    told = demos_as_text([(name, inputs) for name, (_, inputs, _) in zip(called, records, strict=True)])
    assert list(json.loads(told)["calls"]) == ["hint", "answer"]
    student.hint, student.answer = dspy.Predict(shared), dspy.Predict(shared)
    twins = student.deepcopy()
    records = [(student.answer, {}, {}), (twins.answer, {}, {}), (dspy.Predict("a -> b"), {}, {})]
    assert named_calls(student.named_predictors(), records) == ["answer", "", ""]


class MakesOne(One):
    """Puts a predictor into itself as it runs; cells that run side by side put theirs into the same copy."""

    def forward(self, question: str):
        self.more = dspy.Predict(dspy.Signature("question -> more", "Say more."))
        self.more(question=question)
        return self.answer(question=question, hint="")


@pytest.mark.slow
def test_a_predictor_that_is_made_as_the_program_runs_leaves_the_run_replayable(tmp_path: Path) -> None:
    engine, seen = Engine(), set[str]()

    def metric(gold: dspy.Example, prediction: dspy.Prediction, trace: object, name: str | None, own: object) -> bool:
        if name is not None:
            seen.add(name)
        return gold.answer == prediction.answer

    compiled(tmp_path, MakesOne(), lm(engine), method="bootstrap", metric=metric)
    before = engine.calls
    compiled(tmp_path, MakesOne(), lm(engine), method="bootstrap", metric=metric)
    assert engine.calls == before
    # No name at times and its own at others: it has none.
    assert seen == {"answer", ""}


def double(number: int) -> int:
    """Twice a number."""
    return 2 * number


@pytest.mark.filterwarnings("ignore:CodeAct is deprecated")
def test_a_module_that_writes_code_keeps_what_stands_behind_the_text_that_is_edited() -> None:
    student = dspy.CodeAct(dspy.Signature("question -> answer", "Answer it."), tools=[double])
    whole = student.codeact.signature.instructions
    slots, texts = slots_of(student, None)
    [acting] = [slot for slot in slots if slot.predictor == "codeact"]
    assert texts["codeact"] == "Answer it."
    assert texts["codeact"] + acting.fixed == whole
    assert "Twice a number." in acting.fixed


class Talks(Engine):
    """Answers a task in words of its own."""

    def write(self, system: str, user: str, request: object) -> str:
        return super().write(system, user, request) if "</" in user else f"Of {user.split()[-1]}: yes, by q1."


@pytest.mark.slow
def test_the_lm_of_an_adapter_is_metered_and_replayed(tmp_path: Path) -> None:
    engine, own = Talks(), Engine()
    with dspy.context(adapter=dspy.TwoStepAdapter(lm(own))):
        result = compiled(tmp_path, Plain(), lm(engine), budget=SMALL).promptopt.result
        before = engine.calls + own.calls
        assert own.calls > 0
        assert result.spent.calls == before
        compiled(tmp_path, Plain(), lm(engine), budget=SMALL)
    assert engine.calls + own.calls == before
