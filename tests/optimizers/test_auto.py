"""`auto`: what it plans, what it asks, what it shows to whom, and how it ends."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.operators.demos import evenly
from promptopt.optimizers.auto.credit import Credit
from promptopt.optimizers.auto.operators import pieces
from promptopt.optimizers.auto.search import Auto
from promptopt.outcome.result import Result
from promptopt.protocols import Model
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.selection.fresh import evaluations_of, looks
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import OptimizerContract, feature_accuracy, planted_model, planted_task
from promptopt.types import Content, Example, Prompt, Request, Room

WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")
START = "Answer the question."


def said(content: Content) -> str:
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def author(request: Request) -> str:
    """A proposer that keeps its contract: it adds a word to the first prompt it is shown."""
    text = said(request.content)
    draw = random.Random(f"{text}{request.seed}")
    section = text.split('"""')[1].strip() if '"""' in text else "Answer."
    return f"<prompt>{section} {draw.choice(WORDS)}.</prompt>"


def search(
    home: Path,
    optimizer: Auto | None = None,
    *,
    task: Task | None = None,
    model: Model | None = None,
    proposer: Callable[[Request], str] = author,
    budget: Budget | None = None,
    runs: list[Run] | None = None,
    evaluator: str | None = None,
) -> Result:
    return optimize(
        planted_task() if task is None else task,
        Auto() if optimizer is None else optimizer,
        model=Models(
            planted_model(feature_accuracy(WORDS[:3], base=0.4, each=0.15)) if model is None else model,
            proposer=Scripted(proposer, name="proposer"),
        ),
        budget=Budget(evaluations=500) if budget is None else budget,
        evaluator=evaluator,
        store=home / "store.db",
        session=Session(watch=None if runs is None else runs.append),
    )


class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test, a planted gain."""

    optimizer = Auto()
    budget = Budget(evaluations=400)
    sizes = (40, 90, 170, 333)

    def propose(self, request: Request) -> str:
        return author(request)


@pytest.mark.parametrize(
    ("evaluations", "children", "depth", "rounds"),
    [
        (109, 4, 3.0, 6), (273, 5, 3.3, 12), (550, 6, 3.9, 18), (1_400, 8, 4.9, 29), (4_100, 11, 6.4, 49),
        (19_100, 19, 9.4, 97), (2, 1, 3.0, 0), (3, 1, 3.0, 1), (5, 3, 3.0, 1), (6, 4, 3.0, 1),
    ],
)  # fmt: skip
def test_the_plan_grows_with_what_is_granted(evaluations: int, children: int, depth: float, rounds: int) -> None:
    plan = Auto().plan(Room(evaluations, None, 1, 200, 100))
    assert (plan.children, plan.keep, plan.rounds) == (children, 2, rounds)
    assert plan.depth == pytest.approx(depth, abs=0.06)
    assert plan.look == min(20, evaluations // 20)


@pytest.mark.slow
def test_the_first_generation_of_a_small_search_is_twice_as_large(tmp_path: Path) -> None:
    small, large = list[Run](), list[Run]()
    search(tmp_path / "small", Auto(children=6), budget=Budget(evaluations=500), runs=small)
    ends = planted_model(feature_accuracy(WORDS[:3], base=0.4, each=0.15))
    ends.fail_at = 500  # what comes after the first generation is of no interest
    search(tmp_path / "large", Auto(children=6), budget=Budget(evaluations=3_000), runs=large, model=ends)
    first, second = (len(runs[0].steps[0].pool) for runs in (small, large))
    assert second <= 7 < first <= 13


def test_what_a_user_sets_stays_and_without_a_cap_the_plan_is_that_of_two_thousand() -> None:
    plan = Auto(children=3, depth=9.0).plan(Room(4_100, None, 1, 200, 100))
    assert (plan.children, plan.depth) == (3, 9.0)
    assert Auto().plan(Room(None, None, 1, 200, 100)).evaluations == 1_400
    with pytest.raises(ConfigError, match="children"):
        Auto(children=0)
    # However shallow a look, it is one example; and of few examples no more are looked at.
    shallow = Auto(depth=1.0).plan(Room(600, None, 1, 15, 9))
    assert "each shown 1 to 2 fresh examples" in shallow.describe()
    assert shallow.look == 15


@pytest.mark.slow
@given(st.integers(20, 5_000), st.integers(1, 4))
def test_a_cap_on_calls_pays_for_children_too(calls: int, per_cell: int) -> None:
    plan = Auto().plan(Room(None, calls, per_cell, 200, 100))
    assert plan.evaluations * per_cell < calls
    assert "of 4 children, each shown" in Auto(children=4).plan(Room(200, None, 1, 200, 100)).describe()


@given(st.integers(3, 40), st.integers(1, 4), st.integers(1, 400))
def test_a_generation_costs_its_budget_and_one_look_an_arm_at_most(arms: int, keep: int, budget: int) -> None:
    phases = looks(arms, keep, budget)
    assert phases == sorted(phases)
    assert evaluations_of(arms, phases) <= budget + arms


@pytest.mark.slow
def test_a_dear_proposer_is_asked_less_and_each_prompt_is_looked_at_longer(tmp_path: Path) -> None:
    room = Room(600, None, 1, 200, 100)
    usual, dear = Auto().plan(room), Auto(call_cost=60.0).plan(room)
    assert dear.depth == pytest.approx(2 * usual.depth)
    assert Auto(call_cost=10.0).plan(room).depth == pytest.approx(2**0.5 * usual.depth)
    assert Auto(call_cost=60.0, depth=4.0).plan(room).depth == 4.0
    assert Auto(call_cost=1.0).plan(room) == usual
    asked = [
        search(tmp_path / f"{cost}", Auto(call_cost=cost), budget=Budget(evaluations=400)).spent.proposer_calls
        for cost in (5.0, 60.0)
    ]
    assert asked[1] < asked[0] / 2


def test_after_a_success_and_three_failures_an_operator_is_drawn_less_but_never_given_up() -> None:
    names = ("critic", "rewrite", "cross")
    credit = Credit(dict.fromkeys(names, 1.0))
    for success in (True, False, False, False):
        credit.note("critic", success)
    assert credit.rate("critic") == pytest.approx(0.3254, abs=5e-5)
    for _ in range(500):
        credit.note("critic", False)
    chances = credit.probabilities(names)
    assert sum(chances.values()) == pytest.approx(1.0)
    assert 0.4 / 3 <= chances["critic"] < 0.2 < chances["rewrite"] == chances["cross"]
    credit.reset()
    assert credit.rate("critic") == 0.5


@pytest.mark.slow
def test_each_generation_looks_at_other_examples(tmp_path: Path) -> None:
    model = planted_model(feature_accuracy(WORDS[:3], base=0.4, each=0.15))
    result = search(tmp_path, model=model)
    first: dict[str, set[str]] = {}
    for request in model.log:
        prompt, _, question = said(request.content).rpartition("\n\n")
        first.setdefault(prompt, set()).add(question)
    young = [questions for questions in first.values() if len(questions) == 1]
    assert len(result.steps) > 8
    assert len({min(questions) for questions in young}) > 4


@pytest.mark.slow
def test_the_best_is_found_and_known_cells_are_not_asked_again(tmp_path: Path) -> None:
    model = planted_model(feature_accuracy(WORDS[:3], base=0.4, each=0.15))
    result = search(tmp_path, model=model)
    assert sum(word in result.best.text for word in WORDS[:3]) >= 2
    contents = [request.content for request in model.log]
    assert len(contents) == len(dict.fromkeys(contents)) == result.spent.evaluations
    assert result.status == "finished"
    assert 480 <= result.spent.evaluations <= 500


@pytest.mark.slow
def test_a_cap_of_250_leaves_five_finalists_and_the_start_on_dev(tmp_path: Path) -> None:
    runs: list[Run] = []
    result = search(tmp_path, budget=Budget(evaluations=250), runs=runs)
    compared = [each.prompt for each in result.candidates() if each.dev.count]
    # Two finalists and the start are promised eight cells each, of which a quarter shows six prompts one example.
    assert len(compared) == 6
    assert {*runs[0].steps[-1].kept, runs[0].initial} <= set(compared)


@pytest.mark.slow
def test_tokens_that_end_in_the_middle_of_a_generation_lose_nothing(tmp_path: Path) -> None:
    runs: list[Run] = []
    result = search(tmp_path, budget=Budget(tokens=9_000), runs=runs)
    assert result.status == "budget"
    ranked = [estimate.prompt for estimate in runs[0].ranked()]
    assert set(runs[0].steps[-1].kept) <= set(ranked[:6])
    assert result.prompt in {*ranked[:4], runs[0].initial}


@pytest.mark.slow
def test_a_cap_on_calls_holds_for_all_models_together(tmp_path: Path) -> None:
    result = search(tmp_path, budget=Budget(calls=300))
    assert result.spent.calls <= 300
    assert result.spent.proposer_calls > 10
    assert result.start.test is not None


@pytest.mark.slow
def test_the_critic_is_shown_mistakes_and_only_mistakes(tmp_path: Path) -> None:
    model = planted_model(feature_accuracy(WORDS[:3], base=0.4, each=0.15))
    requests: list[str] = []

    def propose(request: Request) -> str:
        requests.append(said(request.content))
        return author(request)

    search(tmp_path, model=model, proposer=propose)
    critics = [text for text in requests if "makes mistakes" in text]
    assert critics
    for text in critics:
        shown = re.findall(r"Right answer: (\w+)\n.*Answer given: (\w+)", text)
        assert 1 <= len(shown) <= 4
        assert all(right != given for right, given in shown)
    assert any("Score " in text and "best last" in text for text in requests)
    assert any("Instruction 2" in text for text in requests)
    assert all(text.count("<prompt>") == 1 for text in requests)


def test_prompts_that_differ_in_demonstrations_alone_are_shown_once(tmp_path: Path) -> None:
    requests: list[str] = []

    def propose(request: Request) -> str:
        requests.append(said(request.content))
        return "" if len(requests) > 6 else author(request)

    layout = Layout("text", text="{instruction}\n\n{demos}Q: {question}\nA:", demo="Q: {question}\nA: {target}\n\n")
    search(tmp_path, task=labelled_task(layout), model=Scripted(half_right, name="half"), proposer=propose)
    for text in requests:
        shown = re.findall(r'"""\n(.*?)\n"""', text, re.DOTALL)
        assert len(shown) == len(dict.fromkeys(shown))


@pytest.mark.slow
def test_a_child_that_quotes_what_its_request_showed_is_dropped(tmp_path: Path) -> None:
    questions = [f"how does item number {number} get home to its owner at last" for number in range(160)]
    examples = [Example.of("yes", question=question) for question in questions]
    task = Task.from_examples(examples, prompt=START, name="quoted", metric="exact", splits=Splits(60, 40, 60))

    def propose(request: Request) -> str:
        found = re.search(r"question: (how .* last)", said(request.content), re.IGNORECASE)
        return f"<prompt>If asked {found.group(1)}, say yes.</prompt>" if found else author(request)

    result = search(tmp_path, task=task, proposer=propose)
    assert any("quotes an example" in reason for reason in result.rejected)
    assert not [each for each in result.candidates() if "home to its owner" in each.prompt["instruction"]]


def test_a_repeated_prompt_is_not_scored_again_whatever_its_case_and_spaces(tmp_path: Path) -> None:
    result = search(tmp_path, Auto(demos=0, layouts=False), proposer=lambda _: f"<prompt>{START.upper()}  </prompt>")
    assert [each.prompt["instruction"] for each in result.candidates()] == [START]
    assert result.rejected["seen before"] > 5


def test_pruning_leaves_out_a_sentence_or_an_item() -> None:
    assert pieces("One. Two?\n- item a\n- item b") == ["One. ", "Two?\n", "- item a\n", "- item b"]
    assert pieces("Version 3.5 is meant") == ["Version 3.5 is meant"]
    assert "".join(pieces("A b.  C d!\n\nE")) == "A b.  C d!\n\nE"


def labelled_task(layout: Layout | None = None, train: int = 60) -> Task:
    labels = ("no", "yes")
    examples = [Example.of(labels[number % 2], question=f"question {number}") for number in range(train + 80)]
    return Task.from_examples(
        examples, prompt=START, name="labelled", labels=labels, metric="exact", layout=layout,
        splits=Splits(train, 40, 40),
    )  # fmt: skip


def half_right(request: Request) -> str:
    text = said(request.content)
    number = int(re.findall(r"question (\d+)", text)[-1])
    right = number % 2 == 1
    shown = text.count("question ") - 1
    return "yes" if right == ((number * 7) % 10 < 5 + shown) else "no"


@pytest.mark.slow
def test_what_a_prompt_shows_is_not_what_its_generation_is_scored_on(tmp_path: Path) -> None:
    layout = Layout("text", text="{instruction}\n\n{demos}Q: {question}\nA:", demo="Q: {question}\nA: {target}\n\n")
    runs: list[Run] = []
    result = search(
        tmp_path, task=labelled_task(layout), model=Scripted(half_right, name="half"), proposer=lambda _: "", runs=runs
    )
    shown = [each for each in result.candidates() if each.prompt.demos]
    assert shown
    assert max(len(each.prompt.demos) for each in shown) <= 4
    for each in shown:
        scored = [example.fields for example, _ in runs[0].seen(each.prompt)]
        assert not {demo.fields for demo in each.prompt.demos} & set(scored)
    assert result.best.prompt.demos


def test_demonstrations_are_balanced_over_the_answers() -> None:
    pool = [Example.of("no" if number < 30 else "yes", question=str(number)) for number in range(32)]
    drawn = evenly(random.Random(0), pool, [pool[0]], 3)
    assert sorted(each.target for each in drawn) == ["no", "yes", "yes"]
    assert len(evenly(random.Random(0), pool, [], 100)) == 32


@pytest.mark.slow
def test_operators_that_cannot_work_are_named(tmp_path: Path) -> None:
    layout = Layout("text", text="{instruction}\n\nQ: {question}\nA:")
    model = Scripted(half_right, name="half")
    result = search(tmp_path, task=labelled_task(layout), model=model)
    assert any("auto shows no demonstrations: the layout has no place" in warning for warning in result.warnings)
    assert not any(each.prompt.demos for each in result.candidates())


@pytest.mark.parametrize("reply", ["", "I cannot help with that.", "<prompt></prompt>"])
def test_a_proposer_that_always_refuses_ends_in_a_sentence(tmp_path: Path, reply: str) -> None:
    result = search(tmp_path, Auto(demos=0, layouts=False), proposer=lambda _: reply)
    assert result.best.text == START
    assert result.status == "finished"
    assert any(warning.startswith("24 replies of the proposer in a row gave no new") for warning in result.warnings)
    assert result.start.test is not None
    assert result.spent.evaluations == 16 + 40 + 60, "the first look, and all there is of dev and test"


def test_a_proposer_that_refuses_leaves_the_parts_of_the_start(tmp_path: Path) -> None:
    task = Task.from_examples(
        planted_task().train, prompt="Answer it. Be brief.", name="two", splits=Splits(30, 10, 20)
    )
    result = search(tmp_path, Auto(demos=0), task=task, proposer=lambda _: "")
    assert {"Answer it.", "Be brief."} & {each.prompt["instruction"] for each in result.candidates()}


@pytest.mark.slow
def test_eight_training_examples_and_a_small_cap_are_enough_to_end_well(tmp_path: Path) -> None:
    result = search(tmp_path, task=planted_task(train=8), budget=Budget(evaluations=200))
    assert result.spent.evaluations <= 200
    small = search(tmp_path, budget=Budget(evaluations=40))
    assert small.spent.evaluations <= 40
    assert any("`auto` needs about 30" in warning for warning in small.warnings)


@pytest.mark.slow
def test_a_faultless_start_ends_the_search_and_a_lucky_one_does_not(tmp_path: Path) -> None:
    faultless = search(tmp_path / "faultless", model=planted_model(lambda _: 1.0))
    assert any("nothing to be found" in warning for warning in faultless.warnings)
    assert any("100% of 60 training examples" in warning for warning in faultless.warnings), "never more than 60"
    assert faultless.spent.proposer_calls == 0
    assert search(tmp_path / "good", model=planted_model(lambda _: 0.9)).spent.proposer_calls > 0


@pytest.mark.slow
def test_unreadable_replies_are_answered_with_a_line_on_the_form(tmp_path: Path) -> None:
    def mumble(request: Request) -> str:
        return half_right(request) if "Answer with one of: no, yes." in said(request.content) else "who knows"

    bare = Layout("text", text="{instruction}\n\nQ: {question}\nA:")
    result = search(tmp_path, task=labelled_task(bare), model=Scripted(mumble, name="mumble"))
    assert any("no readable answer" in warning for warning in result.warnings)
    assert "Answer with one of: no, yes." in result.best.text


def test_it_is_the_method_where_none_is_named(tmp_path: Path) -> None:
    result = optimize(
        planted_task(),
        model=Models(planted_model(lambda _: 1.0), proposer=Scripted(author, name="proposer")),
        budget=Budget(evaluations=100),
        store=tmp_path / "store.db",
    )
    assert result.method == "auto"


@pytest.mark.slow
def test_two_caps_are_two_searches_and_the_same_cap_replays(tmp_path: Path) -> None:
    small, large, again = (search(tmp_path, budget=Budget(evaluations=cap)) for cap in (300, 600, 300))
    assert small.run_id == again.run_id != large.run_id
    assert again.paid.calls == 0
    assert again.prompt == small.prompt
    assert isinstance(small.prompt, Prompt)
