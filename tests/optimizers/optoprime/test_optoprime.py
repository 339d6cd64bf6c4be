"""OptoPrime: what its problem shows, which replies change what, and when a step is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from promptopt.binding.settings import build_optimizer
from promptopt.errors import ConfigError, EvaluatorError
from promptopt.operators.suggestions import suggestions
from promptopt.optimizers.optoprime.method import COOL, DRY, OptoPrime, OptoPrimePlan
from promptopt.optimizers.optoprime.problem import FIXED_VALUE_CHARACTERS, Problem
from promptopt.run.budget import Budget
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, planted_task, uniform
from promptopt.types import Example, Prompt, Reply, Request, Room, Score, TracedCall
from tests.optimizers.graph_searches import BEGIN, search, text_of
from tests.optimizers.optoprime.optoprime_searches import ONE, author, named
from tests.optimizers.workflows import PARTS, START, Workflow, workflow_task


class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test and a planted gain, where the budget plans."""

    optimizer = OptoPrime()
    budget = Budget(evaluations=500)

    def propose(self, request: Request) -> str:
        return author(request)


def test_one_call_a_step_whatever_the_number_of_texts(tmp_path: Path) -> None:
    workflow = Workflow(lambda prompt, question: (0.0, "it is wrong"))
    write = lambda request: named("Rewrite it well.") + named("Say it well.", "answer")  # noqa: E731
    result, asked = search(tmp_path, replace(ONE, rounds=3), write, task=workflow_task(), evaluator=workflow)
    assert len(asked) == 3
    child = result.lineage[1].prompt
    assert (child["instruction"], child["answer"], child["unused"]) == (
        "Rewrite it well.",
        "Say it well.",
        START["unused"],
    )


def test_a_text_that_no_output_was_made_from_is_not_offered(tmp_path: Path) -> None:
    workflow = Workflow(lambda prompt, question: (0.0, ""))
    write = lambda request: named("Do something.", "unused")  # noqa: E731
    result, asked = search(tmp_path, ONE, write, task=workflow_task(), evaluator=workflow)
    variables = text_of(asked[0]).split("#Variables")[1].split("#Inputs")[0]
    assert [name in variables for name in PARTS] == [True, True, False]
    assert result.rejected["optimizer: unknown variable"] == 1
    assert len(result.lineage) == 1


def test_a_value_for_a_text_that_was_not_used_changes_nothing_and_is_counted(tmp_path: Path) -> None:
    workflow = Workflow(lambda prompt, question: (0.0, ""))
    reply = "".join(named("Take it.").replace("instruction", name) for name in ("unused", "answer"))
    result, _ = search(tmp_path, ONE, lambda _: reply, task=workflow_task(), evaluator=workflow)
    assert result.rejected == {"optimizer: unknown variable": 1}
    assert result.lineage[1].prompt == START.replace("answer", "Take it.")


def test_the_problem_shows_code_once_and_the_values_of_every_example(tmp_path: Path) -> None:
    workflow = Workflow(lambda prompt, question: (0.25, f"{question} was missed"))
    _, asked = search(tmp_path, ONE, lambda _: "NO CHANGE", task=workflow_task(), evaluator=workflow)
    text = text_of(asked[0])
    section = {part.partition("\n")[0]: part.partition("\n")[2] for part in text.split("\n#")}
    assert section["Code"].strip().splitlines() == [
        "reply_1 = model(instruction=instruction, question=question)",
        "reply_2 = model(answer=answer, reply_1=reply_1)",
        "output = reply_2",
    ]
    assert section["Variables"].count("Rewrite the question.") == 1
    assert [f"ID [{number}]: question = question" in section["Inputs"] for number in range(4)] == [True] * 3 + [False]
    assert section["Others"].count("reply_1 = ") == 3
    assert section["Outputs"].count("output = ") == 3
    assert section["Feedback"].count("score 0.25; question") == 3


@pytest.mark.parametrize(("examples", "said"), [(1, "one input"), (2, "2 inputs")])
def test_a_problem_of_one_input_is_said_to_be_of_one(examples: int, said: str) -> None:
    task = planted_task()
    score = Score(0.0, "no", "no", trace=(TracedCall("instruction", "asked", "no"),))
    problem = Problem.of(task.initial, ["instruction"], task.train[:examples], [score] * examples)
    text = problem.render(task, task.initial, [], [99])
    assert [each for each in ("one input", "1 inputs", "2 inputs") if each in text] == [said]


@pytest.mark.parametrize(
    ("value", "feedback", "told"),
    [(0.0, "", True), (0.5, "it is wrong", True), (0.0, "answered no, expected yes", False), (1.0, "", False)],
)
def test_a_right_answer_that_no_feedback_tells_stands_beside_the_feedback(
    value: float, feedback: str, told: bool
) -> None:
    task = planted_task()
    example = replace(task.train[0], target="yes")
    score = Score(value, "no", "no", feedback=feedback, trace=(TracedCall("instruction", "asked", "no"),))
    # The other one has full marks, and needs none.
    problem = Problem.of(task.initial, ["instruction"], [example] * 2, [score, Score(1.0, "yes")])
    text = problem.render(task, task.initial, [], [99])
    assert ("\n#Right answers\nID [0]: yes\n\n#Feedback\n" in text) == told
    assert ("Right answers" in text) == told


def test_a_text_that_may_be_changed_is_not_said_never_to_change(tmp_path: Path) -> None:
    workflow = Workflow(lambda prompt, question: (0.25, ""))
    _, asked = search(tmp_path, ONE, lambda _: "NO CHANGE", task=workflow_task(), evaluator=workflow)
    fixed, _, rest = text_of(asked[0]).partition("#Variables")
    assert [text in fixed for _, text in sorted(START.texts)] == [False, False, True]
    assert [text in rest for _, text in sorted(START.texts)] == [True, True, False]


def test_full_marks_are_left_alone_and_end_the_search(tmp_path: Path) -> None:
    result, asked = search(tmp_path, OptoPrime(), author, lambda *_: True, budget=Budget(evaluations=2_000))
    assert asked == []
    assert any("nothing was changed" in warning for warning in result.warnings)


ODD = 'Say "it" {twice}, \'so\' {{and}} {x^2}\n\nthen TERMINATE the "suggestion": {"a": 1}'


@pytest.mark.parametrize("form", ["tags", "json"])
def test_a_value_with_quotes_lines_braces_and_odd_words_comes_through_unchanged(tmp_path: Path, form: str) -> None:
    odd = ODD if form == "tags" else ODD.replace("{twice}", "twice")
    begin = f"{BEGIN} {{twice}} {{{{and}}}}" if form == "tags" else f"{BEGIN} {{{{and}}}}"
    reply = named(odd) if form == "tags" else json.dumps({"reasoning": "so", "suggestion": {"instruction": odd}})
    result, _ = search(tmp_path, ONE, lambda _: reply, task=replace(planted_task(), initial=Prompt.of(begin)))
    assert result.rejected == {}
    assert result.lineage[1].prompt["instruction"] == odd


def test_tags_json_in_a_fence_json_in_prose_and_garbage_are_read_in_this_order(tmp_path: Path) -> None:
    fenced = f"```json\n{json.dumps({'suggestion': {'instruction': 'Take two.'}})}\n```"
    prose = f"I think so: {json.dumps({'instruction': 'Take three.'})} That is all."
    replies = iter([named("Take one."), fenced, prose, "nothing here", "nothing again"])
    better = lambda instruction, question: False  # noqa: E731
    result, asked = search(tmp_path, replace(ONE, rounds=4), lambda _: next(replies), better)
    assert [each.prompt["instruction"] for each in result.lineage[1:]] == ["Take one.", "Take two.", "Take three."]
    assert len(asked) == 5
    assert "held no value" in text_of(asked[-1])
    assert result.rejected["optimizer: no value"] == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (named("Say it.", "system"), "unknown variable"),
        (named("question 1", "question"), "unknown variable"),
        (named(""), "empty"),
        (named("Answer without the slot."), "lost placeholder"),
        (json.dumps({"instruction": False}), "no text"),
        (json.dumps({"instruction": ["Say", "it"]}), "no text"),
        (named(f"{BEGIN} {{hint}}"), "same as its parent"),
        (Reply(f"<name>instruction</name><value>{BEGIN} {{hint}} and", finish="length"), "cut at length"),
    ],
)
def test_a_value_that_cannot_be_used_changes_nothing_and_is_counted(
    tmp_path: Path, reply: str | Reply, reason: str
) -> None:
    examples = [Example.of("yes", hint=f"h{number}", question=f"question {number}") for number in range(140)]
    layout = Layout("slotted", messages=(("user", "{instruction}\n\nQuestion: {question}\nAnswer:"),))
    task = Task.from_examples(
        examples, prompt=Prompt.of(f"{BEGIN} {{hint}}"), layout=layout, metric="exact", splits=Splits(40, 40, 60)
    )
    result, asked = search(tmp_path, ONE, lambda _: reply, task=task)
    assert dict(result.rejected) == {f"optimizer: {reason}": 1}
    assert len(asked) == 1
    assert len(result.lineage) == 1


def test_the_word_that_nothing_changes_counts_alone_on_a_line_and_with_no_value_beside(tmp_path: Path) -> None:
    result, asked = search(tmp_path / "alone", ONE, lambda _: "All is well.\nNO CHANGE")
    assert (len(asked), dict(result.rejected), len(result.lineage)) == (1, {}, 1)
    said = named("Answer it: NO CHANGE of mind.") + "\nNO CHANGE"
    assert len(search(tmp_path / "beside", ONE, lambda _: said)[0].lineage) == 2


def test_nothing_that_a_reply_holds_is_executed(tmp_path: Path) -> None:
    code = f"__import__('pathlib').Path({str(tmp_path / 'ran')!r}).write_text('x')"
    result, _ = search(tmp_path, ONE, lambda _: named(code))
    assert result.lineage[1].prompt["instruction"] == code
    # In what is no JSON, and is read as a table of Python's.
    search(tmp_path / "table", ONE, lambda _: f"{{'instruction': {code}}}")
    assert not (tmp_path / "ran").exists()


def test_a_cell_that_failed_is_told_with_its_message_and_the_others_are_scored(tmp_path: Path) -> None:
    missed = iter(count())
    workflow = Workflow(lambda prompt, question: (0.0, "KeyError: 'b'") if next(missed) == 1 else (0.5, ""))
    _, asked = search(tmp_path, ONE, lambda _: "NO CHANGE", task=workflow_task(), evaluator=workflow)
    feedback = text_of(asked[0]).split("#Feedback\n")[1].splitlines()[:3]
    assert feedback == ["ID [0]: score 0.5", "ID [1]: score 0; KeyError: 'b'", "ID [2]: score 0.5"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "threshold", "kept"),
    [(0.6, 0.6, 0.0, False), (0.6, 0.7, 0.0, True), (0.6, 0.65, 0.1, False), (0.6, 0.75, 0.1, True)],
)
def test_a_step_is_kept_where_the_mean_rises_by_more_than_the_threshold(
    tmp_path: Path, old: float, new: float, threshold: float, kept: bool
) -> None:
    workflow = Workflow(lambda prompt, question: (old if prompt == START else new, ""))
    method = replace(ONE, threshold=threshold)
    result, _ = search(tmp_path, method, lambda _: named("Rewrite it."), task=workflow_task(), evaluator=workflow)
    assert result.steps[0].kept == ((START.replace("instruction", "Rewrite it."),) if kept else (START,))


def test_a_value_is_cut_visibly_and_a_text_is_never_cut() -> None:
    long = "word " * 3_000
    prompt = Prompt.of(long)
    trace = (TracedCall("instruction", "in", "x" * 50_000),)
    problem = Problem.of(prompt, ("instruction",), [Example.of("yes", question="q")], [Score(0.0, "no", trace=trace)])
    task = planted_task()
    text = problem.render(task, prompt, [], [100])
    assert long.strip() in text
    others = text.split("#Others\n")[1].split("#Outputs")[0]
    assert others.count("x") <= FIXED_VALUE_CHARACTERS
    assert len(others) < FIXED_VALUE_CHARACTERS + 100
    assert "..." in others or "…" in others or "[" in others


@pytest.mark.slow
def test_a_metric_without_words_shows_scores_and_its_mistakes_are_errors(tmp_path: Path) -> None:
    workflow = Workflow(lambda prompt, question: (0.5, ""))
    _, asked = search(tmp_path / "score", ONE, lambda _: "NO CHANGE", task=workflow_task(), evaluator=workflow)
    assert "ID [2]: score 0.5\n" in text_of(asked[0])
    for name, value in (("bool", True), ("float", 0.5)):
        task = replace(planted_task(), metric=lambda answer, example, value=value: value)
        search(tmp_path / name, ONE, lambda _: "NO CHANGE", task=task)
    for name, value in (("nan", float("nan")), ("none", None)):
        task = replace(planted_task(), metric=lambda answer, example, value=value: value)
        with pytest.raises(EvaluatorError, match="example"):
            search(tmp_path / name, ONE, lambda _: "NO CHANGE", task=task)


def test_past_values_are_shown_with_their_feedback_as_many_as_told(tmp_path: Path) -> None:
    replies = count()
    write = lambda _: named(f"Take {next(replies)}.")  # noqa: E731
    better = lambda instruction, question: uniform(question, instruction) < 0.3 + 0.1 * len(instruction)  # noqa: E731
    _, none = search(tmp_path / "none", replace(ONE, rounds=3), write, better)
    assert not any("#History" in text_of(request) for request in none)
    _, two = search(tmp_path / "two", replace(ONE, rounds=4, memory=2), write)
    assert [text_of(request).split("#History")[-1].count('"""') // 2 for request in two[1:]] == [1, 2, 2]


def test_steps_without_a_change_are_asked_for_warmer_and_end_the_search(tmp_path: Path) -> None:
    result, asked = search(tmp_path, OptoPrime(), lambda _: "NO CHANGE", budget=Budget(evaluations=2_000))
    assert len(asked) == DRY
    heat = [request.sampling.temperature for request in asked]
    assert heat == [heat[0]] * COOL + [pytest.approx(heat[0] + 0.2)] * (DRY - COOL)
    assert any("nothing was changed" in warning for warning in result.warnings)


def test_values_are_read_by_name_the_last_of_each() -> None:
    text = named("first") + named("second", "other") + named("third")
    assert suggestions(text, ("instruction", "other")) == {"instruction": "third", "other": "second"}
    assert suggestions("<value>alone</value>", ("instruction",)) == {"instruction": "alone"}
    assert suggestions("<value>alone</value>", ("instruction", "other")) == {}
    assert suggestions('{"a": {"b": "}"}} tail', ("a",)) == {"a": {"b": "}"}}


@pytest.mark.parametrize("cap", [12, 20])
def test_a_cap_below_a_step_on_five_examples_tries_new_texts_on_fewer(tmp_path: Path, cap: int) -> None:
    # It asked nothing, and left up to 60 % of the cap.
    result, asked = search(tmp_path, OptoPrime(), author, budget=Budget(evaluations=cap))
    assert asked
    assert len(result.lineage) > 1


def test_a_budget_plans_the_steps_and_bounds_hold(tmp_path: Path) -> None:
    room = Room(400, None, 1, 60, 40)
    assert OptoPrime().plan(room).rounds == 40
    assert OptoPrime().plan(Room(None, None, 1, 60, 40)).rounds == 12
    assert OptoPrime(preset="paper").plan(room).minibatch == 1
    # Less than a step on five examples is one on fewer; what is set stays.
    for evaluations, minibatch in ((10, 5), (9, 4), (5, 2), (1, 1)):
        small = Room(evaluations, None, 1, 60, 40)
        assert OptoPrime().plan(small) == OptoPrimePlan(1, minibatch)
        assert OptoPrime().least(small) == 50
        assert OptoPrime(minibatch=3).plan(small).minibatch == 3
    result, _ = search(tmp_path, OptoPrime(), author, budget=Budget(evaluations=200))
    assert result.spent.evaluations <= 200
    assert result.spent.proposer_calls <= OptoPrime().upper_bounds_in(Room(160, None, 1, 60, 40)).proposer_calls


@pytest.mark.parametrize("setting", [{"minibatch": 0}, {"threshold": -1.0}, {"memory": -1}, {"longest": 0}])
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        build_optimizer("optoprime", setting)
