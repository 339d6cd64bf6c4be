"""Demonstrations inside DSPy: those that its own BootstrapFewShot makes of the same runs, whatever the fields are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

import pytest

dspy = pytest.importorskip("dspy", reason="DSPy is not installed (the extra 'dspy')")
pydantic = pytest.importorskip("pydantic", reason="DSPy brings it")

from promptopt.api import optimize  # noqa: E402
from promptopt.binding.models import Models  # noqa: E402
from promptopt.binding.session import Session  # noqa: E402
from promptopt.dspy import PromptOpt  # noqa: E402
from promptopt.dspy.demos import demos_as_text, show  # noqa: E402
from promptopt.dspy.lm import DspyModel  # noqa: E402
from promptopt.dspy.metric import looks_at_trace  # noqa: E402
from promptopt.dspy.task import Data, bind  # noqa: E402
from promptopt.operators.bootstrapping import Teaching  # noqa: E402
from promptopt.operators.demos import trimmed_reply  # noqa: E402
from promptopt.optimizers.mipro.method import MIPRO, Proposing  # noqa: E402
from promptopt.run.budget import Budget  # noqa: E402
from promptopt.run.events import Event, StepDone  # noqa: E402
from promptopt.types import Cell, Example, Prompt  # noqa: E402
from tests.inside_dspy.scripted import Door, Engine, Two, Writes, examples, lm, right, text_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::promptopt.dspy.PromptOptWarning")


class Person(pydantic.BaseModel):
    name: str
    age: int


class Typed(dspy.Signature):
    """Answer it."""

    question: str = dspy.InputField()
    sure: bool = dspy.OutputField()
    person: Person = dspy.OutputField()
    words: list[str] = dspy.OutputField()
    maybe: int | None = dspy.OutputField()
    answer: Literal["yes", "no"] = dspy.OutputField()


VALUES: dict[str, Any] = {
    "sure": True,
    "person": {"name": "Änn", "age": 3},
    "words": ["a", 'b "c"'],
    "maybe": None,
    # A value that looks like the beginning of another field.
    "reasoning": "First.\nanswer: no\nThen.",
}


class TypedEngine(Engine):
    """Right on all questions, in the form that is asked for."""

    def write(self, system, user, request):
        names = re.findall(r"`(?:\[\[ ## )?(\w+)(?: ## \]\])?`", user.rpartition("Respond with")[2])
        values = {name: VALUES.get(name, "yes") for name in names if name != "completed"}
        if "JSON object" in user.rpartition("Respond with")[2]:
            return json.dumps(values)
        told = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
        return "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in told.items())


STUDENTS = {
    "two predictors": (Two, Engine, dspy.ChatAdapter),
    "typed outputs": (lambda: dspy.Predict(Typed), TypedEngine, dspy.ChatAdapter),
    "typed outputs in JSON": (lambda: dspy.Predict(Typed), TypedEngine, dspy.JSONAdapter),
    "a value like a field": (lambda: dspy.ChainOfThought(Typed), TypedEngine, dspy.ChatAdapter),
}


def asked_by(program, engine) -> list[Any]:
    with dspy.context(lm=lm(engine, cache=False)):
        program(question="q999")
    return [(request.system, request.messages) for request in engine.requests]


@pytest.mark.slow
@pytest.mark.parametrize("kind", STUDENTS)
def test_a_demonstration_is_shown_as_dspy_shows_its_own(kind: str, tmp_path: Path) -> None:
    student, engine, adapter = STUDENTS[kind]
    data = examples(12)
    with dspy.context(lm=lm(engine(), cache=False), adapter=adapter()):
        theirs = dspy.BootstrapFewShot(metric=right, max_bootstrapped_demos=3, max_labeled_demos=0).compile(
            student(), trainset=data
        )
        bound = bind(student(), Data(data, data, examples(20)[12:]), right, lm=dspy.settings.lm)
        # In the order of the data: what was solved first.
        rows = {example["question"]: example for example in [*bound.task.train, *bound.task.dev]}
        cells = [Cell(bound.task.initial, rows[each.question]) for each in data]
        scores = bound.task.scored_by.score(cells, Door(DspyModel(dspy.settings.lm)))
        pairs = zip(cells, scores, strict=True)
        demos = [Example(cell.example.fields, score.demonstration) for cell, score in pairs if score.value][:3]
        ours = bound.configured(bound.task.initial.with_demos(demos))
        assert len(demos) == 3
        assert [len(each.demos) for _, each in ours.named_predictors()] == [3] * len(ours.named_predictors())
        assert asked_by(ours, engine()) == asked_by(theirs, engine())
        # Saved and loaded, it sends the same.
        ours.save(tmp_path / "program.json")
        loaded = student()
        loaded.load(tmp_path / "program.json")
        assert asked_by(loaded, engine()) == asked_by(ours, engine())


@pytest.mark.slow
def test_every_predictor_of_a_program_is_taught_by_its_own_calls(tmp_path: Path) -> None:
    class Learns(Engine):
        """Right where it is shown how the question was planned."""

        def write(self, system, user, request):
            if "your objective is" not in system:
                return super().write(system, user, request)
            shown = sum(message.role == "assistant" for message in request.messages)
            outputs = re.findall(r"`\[\[ ## (\w+) ## \]\]`", user)
            solved = shown or int(re.findall(r"q(\d+)", user)[-1]) % 3 == 0
            values = dict.fromkeys(outputs, "text") | {"answer": "yes" if solved else "no"}
            return "\n\n".join(f"[[ ## {name} ## ]]\n{values[name]}" for name in outputs)

    with dspy.context(lm=lm(Learns())):
        teleprompter = PromptOpt("bootstrap", metric=right, budget=Budget(evaluations=200), store=tmp_path / "store.db")
        best = teleprompter.compile(Two(), trainset=examples())
    marked = {"augmented"}
    assert [{*demo.keys()} for demo in best.plan.demos[:1]] == [{"question", "plan"} | marked]
    solved = [{*demo.keys()} for demo in best.solve.predict.demos[:1]]
    assert solved == [{"question", "plan", "reasoning", "answer"} | marked]
    assert best.promptopt.verdict == "better"


@pytest.mark.slow
def test_a_proposer_is_shown_of_what_was_solved_the_calls_of_the_predictor_it_writes_for(tmp_path: Path) -> None:
    class Writes(Engine):
        def write(self, system, user, request):
            return f"<summary>Sums.</summary><prompt>Do it {self.calls} times.</prompt>"

    writer = Writes()
    method = MIPRO(
        preset="paper", trials=1, sets=4, minibatch=6, scored=12,
        teach=Teaching(bootstrapped=2, labelled=2), propose=Proposing(instructions=3),
    )  # fmt: skip
    with dspy.context(lm=lm(Engine())):
        PromptOpt(method, metric=right, proposer=lm(writer), store=tmp_path / "store.db").compile(
            Two(), trainset=examples(60)
        )
    told = [text_of(request)[1] for request in writer.requests]
    solved = [text.split("Inputs that were solved:")[1] for text in told if "Inputs that were solved:" in text]
    assert len(solved) == 8  # two of each predictor, in two requests
    # As DSPy's own proposer is: a field a line, and nothing of how a demonstration is kept.
    assert all('"calls"' not in text for text in solved)
    assert sum(re.search(r"question: q\d+\nplan: text\n\n", text) is not None for text in solved) == 4
    whole = r"question: q\d+\nplan: text\nreasoning: text\nanswer: yes\n\n"
    assert sum(re.search(whole, text) is not None for text in solved) == 4


def test_of_several_calls_of_a_predictor_one_is_shown_the_last_about_as_often_as_the_others() -> None:
    places: list[int] = []
    for run in range(200):
        text = demos_as_text([("act", {"step": f"{run} {place}"}) for place in range(3)])
        places.append(int(json.loads(text)["calls"]["act"]["step"].split()[1]))
        assert demos_as_text([("act", {"step": f"{run} {place}"}) for place in range(3)]) == text
    assert 80 <= places.count(2) <= 120
    assert {0, 1} < {*places}


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    "target",
    ["yes", '{"answer": "yes"}', '{"calls": 3}', '{"calls": {"self": "x"}}', "[1]", "", pytest.param(DEEP, id="deep")],
)
def test_a_right_answer_is_never_taken_for_a_run(target: str) -> None:
    student = dspy.Predict("question -> answer")
    gold = dspy.Example(question="q1", answer=target).with_inputs("question")
    own = Example.of(target, question="q1")
    show(student, [own], {own.fields: gold})
    assert [dict(demo.items()) for demo in student.demos] == [{"question": "q1", "answer": target}]


def test_what_was_asked_of_predictors_that_are_no_part_is_left_out() -> None:
    assert json.loads(demos_as_text([("", {"x": 1}), ("plan", {"y": {"b", "a"}})])) == {
        "calls": {"plan": {"y": '["a", "b"]'}}
    }


@pytest.mark.slow
@pytest.mark.parametrize("method", ["auto", "bootstrap", "capo", "mipro", "simba", "tpe"])
def test_no_method_tries_an_example_that_no_predictor_of_a_program_can_show(method: str, tmp_path: Path) -> None:
    tried: set[Prompt] = set()

    def watch(event: Event) -> None:
        if isinstance(event, StepDone):
            tried.update(each.prompt for each in event.pool)

    # Neither predictor is complete without the plan, which no example has.
    bound = bind(Two(), Data(examples(90)), right, lm=None)
    optimize(
        bound.task, method, model=Models(*(DspyModel(lm(each, cache=False)) for each in (Engine(), Writes()))),
        budget=Budget(evaluations=200), store=tmp_path / "store.db", session=Session([watch]),
    )  # fmt: skip
    assert tried
    for prompt in tried:
        shown = [predictor.demos for predictor in bound.configured(prompt).predictors()]
        assert any(shown) == bool(prompt.demos)
        assert not prompt.demos or len(shown[0]) == len(prompt.demos)


def test_of_one_predictor_an_example_with_its_answer_is_a_demonstration() -> None:
    for student, bare in ((dspy.ChainOfThought("question -> answer"), True), (Two(), False)):
        assert bind(student, Data(examples(40)), right, lm=None).program.program_text().shows_bare == bare


def strict(gold, prediction, trace=None):
    # As DSPy's pages have it: with a trace, only what may be shown is right.
    return right(gold, prediction) and (trace is None or "1" not in gold.question)


def forwards(gold, prediction, trace=None, pred_name=None, pred_trace=None):
    return strict(gold, prediction, trace)


class Strict:
    def __call__(self, gold, prediction, trace=None):
        return dspy.Prediction(score=strict(gold, prediction, trace), feedback="")


@pytest.mark.parametrize("metric", [strict, forwards, Strict(), lambda *given: strict(*given)])
def test_what_a_metric_refuses_with_a_trace_counts_and_is_no_demonstration(metric, tmp_path: Path) -> None:
    class Right(Engine):
        def write(self, system, user, request):
            outputs = re.findall(r"`\[\[ ## (\w+) ## \]\]`", user)
            return "\n\n".join(f"[[ ## {name} ## ]]\n{'yes' if name == 'answer' else 'text'}" for name in outputs)

    with dspy.context(lm=lm(Right())):
        bound = bind(Two(), Data(examples(30)), metric, lm=dspy.settings.lm)
        cells = [Cell(bound.task.initial, example) for example in bound.task.train]
        scores = bound.task.scored_by.score(cells, Door(DspyModel(dspy.settings.lm)))
    assert {score.value for score in scores} == {1.0}
    shown = {cell.example["question"] for cell, score in zip(cells, scores, strict=True) if trimmed_reply(score)}
    assert shown == {cell.example["question"] for cell in cells if "1" not in cell.example["question"]}


@pytest.mark.parametrize(
    ("metric", "looks"),
    [
        (strict, True),
        (Strict(), True),
        (forwards, True),
        (right, False),
        (lambda gold, prediction: 1.0, False),
        (lambda gold, prediction, trace=None: any(each for each in [1] if trace), True),
        (dspy.evaluate.answer_exact_match, False),
        (lambda *given: 1.0 if given[2] else 0.5, True),
        (max, False),
    ],
)
def test_a_metric_is_asked_a_second_time_only_where_it_looks_at_the_trace(metric, looks: bool) -> None:
    assert looks_at_trace(metric) == looks
