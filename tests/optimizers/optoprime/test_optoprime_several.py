"""Several replies for one step of OptoPrime: how each is asked for, which is taken, and what it costs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from promptopt.binding.settings import build_optimizer
from promptopt.errors import ConfigError
from promptopt.optimizers.optoprime.method import OptoPrime
from promptopt.optimizers.optoprime.several import GenerationTechnique, Multi, SelectionTechnique, medoid
from promptopt.run.budget import Budget
from promptopt.testing import OptimizerContract, planted_task, uniform
from promptopt.types import Request, Room
from tests.optimizers.graph_searches import search, text_of
from tests.optimizers.optoprime.optoprime_searches import ONE, author, named
from tests.optimizers.workflows import START, Workflow, workflow_task


@pytest.mark.slow
class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test and a planted gain, with three replies a step."""

    optimizer = OptoPrime(multi=Multi(num_responses=3))
    budget = Budget(evaluations=500)

    def propose(self, request: Request) -> str:
        return author(request)


def several(
    generation: GenerationTechnique = "temperature_variation",
    selection: SelectionTechnique = "scored",
    *,
    responses: int = 3,
    experts: tuple[str, ...] = (),
) -> OptoPrime:
    return replace(ONE, multi=Multi(responses, generation, selection, experts_list=experts))


def in_turn(*values: str) -> Callable[[Request], str]:
    """The values as replies, one after the other."""
    left = iter(values)
    return lambda _: named(next(left))


def worth(**means: float) -> Workflow:
    """A program whose score is that of the word in its instruction."""
    return Workflow(lambda prompt, _: (means.get(prompt["instruction"].strip(".").split()[-1], 0.2), ""))


def test_temperatures_go_from_the_highest_down_to_the_lowest(tmp_path: Path) -> None:
    _, asked = search(tmp_path, several(), lambda _: "NO CHANGE")
    assert [request.sampling.temperature for request in asked] == [1.0, 0.5, 0.0]
    assert len({text_of(request) for request in asked}) == 1
    method = replace(ONE, multi=Multi(2, temperature_min_max=(0.4, 0.9)))
    _, asked = search(tmp_path / "own", method, lambda _: "NO CHANGE")
    assert [request.sampling.temperature for request in asked] == [0.9, 0.4]


def test_each_reply_refines_the_one_before(tmp_path: Path) -> None:
    _, asked = search(tmp_path, several("self_refinement"), in_turn("Take one.", "Take two.", "Take three."))
    first, second, third = (text_of(request) for request in asked)
    assert "#Previous answer" not in first
    assert second.startswith(first)
    assert "Take one." in second
    assert "Take two." in third
    assert "Take one." not in third
    assert {request.sampling.temperature for request in asked} == {0.0}


def test_each_reply_is_to_differ_from_all_before(tmp_path: Path) -> None:
    _, asked = search(tmp_path, several("iterative_alternatives"), in_turn("Take one.", "Take two.", "Take three."))
    shown = [[word in text_of(request) for word in ("Take one.", "Take two.")] for request in asked]
    assert shown == [[False, False], [True, False], [True, True]]


def test_experts_that_are_named_answer_one_each_and_general_ones_fill_up(tmp_path: Path) -> None:
    method = several("multi_experts", experts=("a lawyer", "a nurse"))
    _, asked = search(tmp_path, method, lambda _: "NO CHANGE")
    heads = [text_of(request).partition(". Give")[0] for request in asked]
    assert [head.rpartition(": ")[2] for head in heads] == ["a lawyer", "a nurse", "expert of the subject"]
    # Nobody is asked to name any, and so none is planned for.
    assert len(asked) == 3 == method.multi.calls


def test_experts_that_nobody_names_are_named_by_the_model_in_one_call(tmp_path: Path) -> None:
    def write(request: Request) -> str:
        if "Name 3 experts" in text_of(request):
            return "<expert>a pilot</expert><expert>a cook</expert><expert>a judge</expert>"
        return "NO CHANGE"

    method = several("multi_experts")
    _, asked = search(tmp_path, method, write)
    assert len(asked) == 4 == method.multi.calls
    assert [who in text_of(request) for request, who in zip(asked[1:], ("a pilot", "a cook", "a judge"), strict=True)]


def test_all_are_run_on_the_minibatch_and_the_best_goes_on(tmp_path: Path) -> None:
    write = in_turn("Take one.", "Take two.", "Take three.")
    program = worth(one=0.4, two=0.8, three=0.6)
    result, asked = search(tmp_path, several(), write, task=workflow_task(), evaluator=program)
    assert len(asked) == 3
    assert [round(each.mean, 3) for each in result.steps[0].pool] == [0.2, 0.4, 0.8, 0.6]
    assert result.steps[0].spent.evaluations == 4 * 3
    assert result.steps[0].kept == (START.replace("instruction", "Take two."),)


@pytest.mark.slow
def test_of_equal_means_the_earlier_goes_on_and_none_where_none_gains(tmp_path: Path) -> None:
    write = lambda: in_turn("Take one.", "Take two.", "Take three.")  # noqa: E731
    program = worth(one=0.5, two=0.7, three=0.7)
    result, _ = search(tmp_path / "tie", several(), write(), task=workflow_task(), evaluator=program)
    assert result.steps[0].kept == (START.replace("instruction", "Take two."),)
    result, _ = search(tmp_path / "none", several(), write(), task=workflow_task(), evaluator=worth())
    assert result.steps[0].kept == (START,)


@pytest.mark.parametrize("selection", ["best_of_n", "moa"])
def test_a_further_call_sees_problem_and_answers_and_its_own_value_is_taken(
    selection: SelectionTechnique, tmp_path: Path
) -> None:
    method = several(selection=selection)
    write = in_turn("Take one.", "Take two.", "Take three.", "Take one and two.")
    result, asked = search(tmp_path, method, write, task=workflow_task(), evaluator=worth())
    assert len(asked) == 4 == method.multi.calls
    last = text_of(asked[-1])
    assert last.startswith(text_of(asked[0]))
    assert [f"Answer {number}:" in last for number in (1, 2, 3)] == [True] * 3
    assert asked[-1].sampling.temperature == 0.0
    assert [each.prompt["instruction"] for each in result.lineage[1:]] == ["Take one and two."]


@pytest.mark.parametrize("selection", ["best_of_n", "moa"])
def test_a_choice_that_cannot_be_read_leaves_the_last_answer_that_could(
    selection: SelectionTechnique, tmp_path: Path
) -> None:
    replies = iter([named("Take one."), named("Take two."), "nothing", "nothing", "I cannot say.", "No."])
    result, _ = search(
        tmp_path, several(selection=selection), lambda _: next(replies), task=workflow_task(), evaluator=worth()
    )
    assert [each.prompt["instruction"] for each in result.lineage[1:]] == ["Take two."]
    assert result.rejected["optimizer: no value"] == 4


def test_where_one_answer_alone_is_usable_nobody_is_asked_to_choose(tmp_path: Path) -> None:
    replies = iter(["NO CHANGE", named("Take two."), named(START["instruction"])])
    method = several(selection="best_of_n")
    result, asked = search(tmp_path, method, lambda _: next(replies), task=workflow_task(), evaluator=worth())
    assert len(asked) == 3
    assert [each.prompt["instruction"] for each in result.lineage[1:]] == ["Take two."]


def test_the_last_or_what_most_answers_say_is_taken_without_a_further_call(tmp_path: Path) -> None:
    values = ("Look closely at it.", "Take two.", "Look closely at it.")
    for selection, taken in (("majority", values[0]), ("last_of_n", "Take three.")):
        write = in_turn(*(values if selection == "majority" else ("Take one.", "Take two.", "Take three.")))
        result, asked = search(
            tmp_path / selection, several(selection=selection), write, task=workflow_task(), evaluator=worth()
        )
        assert len(asked) == 3
        assert [each.prompt["instruction"] for each in result.lineage[1:]] == [taken]


def test_an_answer_that_breaks_the_tasks_contract_is_none_to_choose_from(tmp_path: Path) -> None:
    task = planted_task()
    task = replace(task, contract=replace(task.contract, max_tokens=4))
    write = in_turn("Take one.", "Take two.", "Take three and many more.")
    result, _ = search(tmp_path, several(selection="last_of_n"), write, task=task)
    assert [each.prompt["instruction"] for each in result.lineage[1:]] == ["Take two."]
    assert result.rejected == {"longer than 4 tokens": 1}


def test_the_middle_of_the_largest_group_of_like_texts_is_found() -> None:
    base = "a b c d e f g h i j k l m n o p q r s t"
    near, far = base.replace("a", "A"), base.replace("a", "A").replace("t", "T")
    other = "quite another text altogether"
    # The one that is close to both of the others stands in their middle.
    assert medoid([other, base, near, far]) == 2
    assert medoid([other, far, base, near]) == 3
    assert medoid(["x", "y", "x"]) == 0
    assert medoid(["one two", "three four", "five six"]) == 0
    # Of a chain only neighbours are alike: as many as four of it are no group, and three that are all alike are one.
    letters = base.split()
    chain = [" ".join([*(f"{each}!" for each in letters[:cut]), *letters[cut:]]) for cut in (0, 3, 6, 9)]
    assert medoid([*chain, *(f"{other} {letter} 1 2 3 4 5 6" for letter in "xyz")]) >= len(chain)
    # Less than a fifth apart from each of a group, or it is none of it.
    assert medoid(["a b c d", "a b c D", "v w x y z 1 2 3 4 5", "v w x y z 1 2 3 4 6"]) == 2


def test_steps_without_a_change_are_asked_for_warmer(tmp_path: Path) -> None:
    _, asked = search(tmp_path, replace(several(), rounds=4), lambda _: "NO CHANGE")
    assert [request.sampling.temperature for request in asked[-3:]] == pytest.approx([1.2, 0.7, 0.2])


def test_a_step_begins_only_where_all_of_it_is_paid_for(tmp_path: Path) -> None:
    replies = count()
    write = lambda _: named(f"Take {next(replies)}.")  # noqa: E731
    method = OptoPrime(minibatch=5, multi=Multi(num_responses=3))
    right = lambda instruction, question: uniform(question, instruction) < 0.4  # noqa: E731
    result, _ = search(tmp_path, method, write, right, budget=Budget(evaluations=300))
    assert result.spent.evaluations <= 300
    assert all(len(step.pool) in (1, 4) for step in result.steps)


def test_a_budget_plans_fewer_steps_where_a_step_takes_more(tmp_path: Path) -> None:
    room = Room(400, None, 1, 60, 40)
    three, chosen = OptoPrime(multi=Multi(3)), OptoPrime(multi=Multi(3, selection_technique="best_of_n"))
    assert (three.plan(room).rounds, chosen.plan(room).rounds) == (20, 40)
    assert three.least(room) == 100
    assert three.upper_bounds_in(room).proposer_calls == 2 * 3 * 60
    assert chosen.upper_bounds_in(room).proposer_calls == 2 * 4 * 120
    # Calls of the proposer count under a cap on calls.
    assert chosen.plan(Room(None, 420, 1, 60, 40)).rounds == 30


@pytest.mark.parametrize(
    "setting",
    [
        {"multi.num_responses": 0},
        {"multi.temperature_min_max": "1.0,0.5"},
        {"multi.temperature_min_max": "0.5,2.5"},
        {"multi.selection_technique": "bestofn"},
    ],
)
def test_settings_of_several_out_of_range_are_refused(setting: dict[str, str | int]) -> None:
    with pytest.raises(ConfigError):
        build_optimizer("optoprime", setting)
    made = build_optimizer("optoprime", {"multi.num_responses": "3", "multi.temperature_min_max": "0.2,0.8"})
    assert made == OptoPrime(multi=Multi(3, temperature_min_max=(0.2, 0.8)))


def test_each_text_is_told_how_long_it_may_become_where_that_differs(tmp_path: Path) -> None:
    task = replace(workflow_task(), initial=START.replace("answer", f"Answer{' it' * 59}."))
    _, asked = search(
        tmp_path, replace(ONE, longest=30), lambda _: "NO CHANGE", task=task, evaluator=Workflow(lambda *_: (0.2, ""))
    )
    assert {text for request in asked for text in re.findall(r"in at most (.*?) words", text_of(request))} == {
        "20 (instruction) or 50 (answer)"
    }
