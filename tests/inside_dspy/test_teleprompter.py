"""Compiling a DSPy program: metered, replayed, with a verdict; the student and its LMs stay as they were."""

from __future__ import annotations

import copy
import json
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from promptopt.errors import ConfigError, DataError, EvaluatorError
from promptopt.operators.policy_marks import mark_of
from promptopt.optimizers.rlprompt.method import RLPrompt
from promptopt.run.budget import Budget
from promptopt.types import Proposal

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")

from promptopt.dspy import PromptOpt  # noqa: E402
from promptopt.dspy.program import is_async  # noqa: E402
from tests.inside_dspy.scripted import Engine, Two, examples, lm, right, text_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::promptopt.dspy.PromptOptWarning")


def compiled(home: Path, student, engine, metric=right, *, data=None, method="apo", budget=None, **settings):
    budget = Budget(evaluations=300) if budget is None else budget
    sets = {name: settings.pop(name) for name in ("valset", "testset") if name in settings}
    teleprompter = PromptOpt(method, metric=metric, budget=budget, store=home / "store.db", **settings)
    with dspy.context(lm=lm(engine)):
        return teleprompter.compile(student, trainset=examples() if data is None else data, **sets)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory):
    home, engine, student = tmp_path_factory.mktemp("whole"), Engine(), dspy.ChainOfThought("question -> answer")
    return home, engine, student, compiled(home, student, engine)


def test_a_module_is_looked_at_without_a_warning_of_dspys_that_it_is_called_wrongly() -> None:
    class Waits(dspy.Module):
        async def aforward(self, question):
            return question

    seen: list[str] = []
    told = logging.Handler()
    told.emit = lambda record: seen.append(record.getMessage())
    logging.getLogger("dspy.primitives.module").addHandler(told)
    try:
        assert not is_async(dspy.ChainOfThought("question -> answer"))
        assert is_async(Waits())
    finally:
        logging.getLogger("dspy.primitives.module").removeHandler(told)
    assert seen == []


def test_a_policy_that_writes_for_each_input_is_refused_before_anything_is_asked() -> None:
    PromptOpt(RLPrompt(policy="hf/x"), metric=right)
    with pytest.raises(ConfigError, match=r"inputs=2 ends in a policy, .* set inputs=0"):
        PromptOpt(RLPrompt(policy="hf/x", inputs=2), metric=right)


def test_a_text_that_stands_for_a_policy_never_gets_into_a_program(tmp_path: Path) -> None:
    class Marks:
        """Any method whose winner stands for a policy."""

        name = "marks"

        def optimize(self, run) -> None:
            mark = run.initial.replace(run.task.editable, mark_of("0" * 16))
            run.vary(mark, lambda example: run.initial.replace(run.task.editable, "Answer carefully."))
            run.evaluate(run.admit([Proposal(mark, (run.initial,), "a policy")]), run.train)

    with pytest.raises(ConfigError, match=r"the prompt holds .*policy 0000000000000000"):
        compiled(tmp_path, dspy.ChainOfThought("question -> answer"), Engine(), method=Marks())


def test_a_signature_without_instructions_is_given_some(tmp_path: Path) -> None:
    class Bare(dspy.Signature):
        """"""

        question = dspy.InputField()
        answer = dspy.OutputField()

    engine = Engine()
    best = compiled(tmp_path, dspy.Predict(Bare), engine)

    assert Bare.instructions == ""
    assert best.promptopt.verdict == "better"
    assert any(word in best.signature.instructions for word in engine.good)


def test_the_instructions_become_better_and_a_verdict_says_so(whole) -> None:
    _, engine, student, best = whole
    assert best.promptopt.verdict == "better"
    assert best.promptopt.gain.mean > 0
    assert "sealed test items" in best.promptopt.report()
    text = best.predict.signature.instructions
    assert text.startswith(student.predict.signature.instructions)
    assert any(word in text for word in engine.good)
    assert "no testset was given" in best.promptopt.report()


def test_the_student_stays_as_it_was_and_the_lms_too(whole) -> None:
    _, _, student, best = whole
    assert student.predict.signature.instructions == "Given the fields `question`, produce the fields `answer`."
    assert student.predict.lm is None
    assert best.predict.lm is None
    assert not hasattr(student, "promptopt")


def test_every_call_is_metered_and_a_second_run_pays_nothing(whole) -> None:
    home, engine, student, best = whole
    assert best.promptopt.result.spent.calls == engine.calls
    before = engine.calls
    again = compiled(home, student, engine)
    assert engine.calls == before
    assert again.predict.signature.instructions == best.predict.signature.instructions


def test_a_saved_program_sends_the_same_bytes_when_it_is_loaded(whole, tmp_path: Path) -> None:
    best = whole[3]
    best.save(tmp_path / "program.json")
    loaded = dspy.ChainOfThought("question -> answer")
    loaded.load(tmp_path / "program.json")
    sent = []
    for program in (best, loaded):
        engine = Engine()
        with dspy.context(lm=lm(engine, cache=False)):
            program(question="q1")
        sent.append([text_of(request) for request in engine.requests])
    assert sent[0] == sent[1]


def test_both_predictors_of_a_program_are_edited_and_its_calls_counted(tmp_path: Path) -> None:
    engine = Engine()
    best = compiled(tmp_path, Two(), engine)
    texts = {name: each.signature.instructions for name, each in best.named_predictors()}
    assert {name for name, _ in best.named_predictors()} == {"plan", "solve.predict"}
    assert any(word in texts["solve.predict"] for word in engine.good)
    assert best.promptopt.result.spent.calls == engine.calls
    trained = {len(dict(each.prompt.texts)) for each in best.promptopt.result.lineage}
    assert trained == {2}


def test_a_named_predictor_alone_is_edited(tmp_path: Path) -> None:
    best = compiled(tmp_path, Two(), Engine(), predictors=["solve.predict"])
    assert best.plan.signature.instructions == "Plan it."
    with pytest.raises(ConfigError, match=r"no predictor .sove.; it has plan, solve\.predict"):
        compiled(tmp_path, Two(), Engine(), predictors=["sove"])


def as_prediction(gold, prediction, trace=None):
    return dspy.Prediction(score=right(gold, prediction), feedback="Think.")


def as_gepa(gold, prediction, trace, pred_name, pred_trace):
    feedback = "" if pred_name is None else f"{pred_name} saw {pred_trace[0][1]['question']}"
    return dspy.Prediction(score=float(right(gold, prediction)), feedback=feedback)


def with_a_share(gold, prediction, share=1.0):
    """What has a default keeps it, as `dspy.evaluate.answer_exact_match` does."""
    return right(gold, prediction) and share == 1.0


METRICS = {
    "share": with_a_share,
    "dspy's own": dspy.evaluate.answer_exact_match,
    "tensor": lambda gold, prediction: SimpleNamespace(ndim=0, item=lambda: right(gold, prediction)),
    "two": lambda gold, prediction: right(gold, prediction),
    "float": lambda gold, prediction, trace=None: float(right(gold, prediction)),
    "any": lambda *given: right(*given[:2]),
    "prediction": as_prediction,
    "gepa": as_gepa,
}


@pytest.mark.parametrize("kind", METRICS)
def test_a_metric_of_any_form_ranks_alike(kind: str, whole, tmp_path: Path) -> None:
    best = compiled(tmp_path, dspy.ChainOfThought("question -> answer"), Engine(), METRICS[kind])
    assert best.promptopt.result.start.test == whole[3].promptopt.result.start.test


@pytest.mark.parametrize("given", [None, float("nan"), "good", [1], 2.0, -1, object(), 10**400])
def test_a_metric_that_gives_no_number_is_an_error_that_says_so(given: object, tmp_path: Path) -> None:
    with pytest.raises(EvaluatorError, match=r"the metric .* gave .*; give a number in \[0, 1\]"):
        compiled(tmp_path, dspy.Predict("question -> answer"), Engine(), lambda gold, prediction, trace=None: given)


def test_a_prediction_without_a_score_and_an_async_metric_are_named_as_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(EvaluatorError, match="gave 'a Prediction without a score'"):
        compiled(tmp_path, dspy.Predict("question -> answer"), Engine(), lambda gold, prediction: prediction)

    async def waits(gold, prediction, trace=None):
        return True

    with pytest.raises(ConfigError, match=r"'.*waits' is async"):
        PromptOpt(metric=waits)


def test_a_metric_that_fails_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(EvaluatorError, match="failed: AttributeError"):
        compiled(tmp_path, dspy.Predict("question -> answer"), Engine(), lambda gold, prediction: gold.nothing)


def test_an_overlap_of_valset_and_trainset_is_said_and_of_testset_refused(tmp_path: Path) -> None:
    data = examples()
    best = compiled(tmp_path, dspy.Predict("question -> answer"), Engine(), valset=data[:30])
    assert "30 examples of trainset stand in valset too" in best.promptopt.report()
    with pytest.raises(DataError, match="5 examples of testset stand in trainset or valset too"):
        compiled(tmp_path, dspy.Predict("question -> answer"), Engine(), testset=data[:5])


def numbered(count: int, first: int = 0, label: str = "yes") -> list:
    """The same questions as `examples`, with a number of their own."""
    rows = (dspy.Example(question=f" q{number}.", answer=label, id=first + number) for number in range(count))
    return [row.with_inputs("question") for row in rows]


def test_examples_with_the_same_inputs_stand_on_one_side(tmp_path: Path) -> None:
    small, student = Budget(evaluations=40), dspy.Predict("question -> answer")
    best = compiled(tmp_path, student, Engine(), data=numbered(40), valset=numbered(10, 500, "no"), budget=small)
    assert "10 examples of trainset stand in valset too" in best.promptopt.report()
    with pytest.raises(DataError, match="20 examples of testset stand in trainset or valset too, by their inputs"):
        compiled(tmp_path, student, Engine(), data=numbered(40), testset=numbered(20, 500))
    twice = [*numbered(20), *numbered(20, 500), *numbered(20, 900)]
    result = compiled(tmp_path, student, Engine(), data=twice, budget=small).promptopt.result
    assert result.start.test.n > 0


def test_rows_without_a_value_are_told_of(tmp_path: Path) -> None:
    rows = examples(40)
    rows[3].answer, rows[4].answer = None, float("nan")
    best = compiled(tmp_path, dspy.Predict("question -> answer"), Engine(), data=rows, budget=Budget(evaluations=40))
    assert "2 examples of trainset have no value in 'answer'" in best.promptopt.report()


def lacking() -> list:
    data = examples(20)
    return [*data, dspy.Example(question="q99").with_inputs("question")]


def lacking_its_input() -> list:
    return [*examples(20), dspy.Example(answer="yes").with_inputs("question")]


def named_otherwise() -> list:
    return [*examples(20), dspy.Example(question="q99", answer="yes").with_inputs("answer")]


BAD = {
    "empty": ([], "trainset is empty"),
    "missing fields": (lacking, r"trainset\[20\] lacks the field 'answer'"),
    "missing input": (lacking_its_input, r"trainset\[20\] lacks the field 'question'"),
    "input that is no field": ([dspy.Example(answer="y").with_inputs("q")], r"names the input 'q', and has no such"),
    "other inputs": (named_otherwise, r"trainset\[20\] has the inputs answer, the first one question"),
    "no inputs": ([dspy.Example(question="q", answer="yes")], "names no inputs"),
    "no examples": (["q"], "give a dspy.Example"),
    "too few": (lambda: examples(3), "3 examples, too few"),
}


@pytest.mark.parametrize("kind", BAD)
def test_data_that_will_not_do_are_refused_with_a_sentence(kind: str, tmp_path: Path) -> None:
    data, why = BAD[kind]
    with pytest.raises(DataError, match=why):
        compiled(tmp_path, dspy.Predict("question -> answer"), Engine(), data=data() if callable(data) else data)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"valset": []}, "valset is empty; leave it out"),
        ({"testset": []}, "testset is empty; leave it out"),
        ({"valset": [dspy.Example(query="q", answer="y").with_inputs("query")]}, "valset has the inputs query"),
    ],
)
def test_sets_that_do_not_fit_trainset_are_refused_with_a_sentence(given: dict, why: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=why):
        compiled(tmp_path, dspy.Predict("question -> answer"), Engine(), **given)


class Uncopyable(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict("question -> answer")

    def forward(self, question: str):
        return self.answer(question=question)

    def deepcopy(self):
        raise TypeError("cannot pickle a lock")


class Bare(dspy.Module):
    def forward(self, question: str):
        return question


STUDENTS = {
    "cannot be copied": (Uncopyable, "cannot be copied .*cannot pickle a lock"),
    "has no predictor": (Bare, "has no predictors"),
    "is no module": (lambda: "question -> answer", "give a dspy.Module"),
}


@pytest.mark.parametrize("kind", STUDENTS)
def test_a_student_that_cannot_be_optimised_is_refused_with_a_sentence(kind: str, tmp_path: Path) -> None:
    student, why = STUDENTS[kind]
    with pytest.raises(ConfigError, match=why):
        compiled(tmp_path, student(), Engine())


def test_a_react_program_keeps_its_tool_list(tmp_path: Path) -> None:
    def look(name: str) -> str:
        """Look a name up."""
        return f"{name}: yes"

    class Tools(Engine):
        def write(self, system, user, request):
            if "next_tool_name" in system and "your objective is" in system:
                done = "observation_0" in user
                name, args = ("finish", "{}") if done else ("look", json.dumps({"name": "x"}))
                parts = {"next_thought": "hm", "next_tool_name": name, "next_tool_args": args}
                return "\n\n".join(f"[[ ## {key} ## ]]\n{value}" for key, value in parts.items())
            return super().write(system, user, request)

    student = dspy.ReAct(dspy.Signature("question -> answer", "Answer it."), tools=[look], max_iters=3)
    best = compiled(tmp_path, student, Tools(), budget=Budget(evaluations=150))
    behind = student.react.signature.instructions.removeprefix("Answer it.")
    assert "look" in behind
    assert best.react.signature.instructions.endswith(behind)
    assert best.promptopt.result.start.test.score > 0


def test_the_students_own_lm_stays_in_place_and_is_metered(tmp_path: Path) -> None:
    engine = Engine()
    student = dspy.ChainOfThought("question -> answer")
    student.predict.lm = lm(engine)
    best = compiled(tmp_path, student, Engine())
    assert best.predict.lm.engine is engine
    assert student.predict.lm.engine is engine


def test_a_cap_on_calls_is_exact(tmp_path: Path) -> None:
    engine = Engine()
    best = compiled(tmp_path, Two(), engine, budget=Budget(calls=200))
    assert engine.calls == best.promptopt.result.spent.calls <= 200


def test_it_is_a_teleprompter_of_dspys() -> None:
    assert isinstance(PromptOpt("apo", metric=right), dspy.teleprompt.Teleprompter)
    with pytest.raises(ConfigError, match="give a function of"):
        PromptOpt("apo", metric="exact")
    with pytest.raises(ConfigError, match="takes one argument"):
        PromptOpt("apo", metric=lambda gold: 1)
    with pytest.raises(ConfigError, match="takes no argument by its place"):
        PromptOpt(metric=lambda *, gold, pred: 1.0)
    copy.deepcopy(PromptOpt("apo", metric=right))
