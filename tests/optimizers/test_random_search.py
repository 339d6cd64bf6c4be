"""Random search: M rewrites of the start, all scored on one sample; nothing it scores changes what it asks."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.binding.settings import adjust
from promptopt.errors import ConfigError
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.random_search import RandomSearch, RandomSearchPlan
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import (
    OptimizerContract,
    feature_accuracy,
    planted_model,
    planted_task,
    split_planted,
    uniform,
)
from promptopt.types import Content, Example, Reply, Request, Room, Sampling, ScoreRequest, UpperBounds

WORDS = ("carefully", "exactly", "twice", "soon", "please", "slowly")
START = "Answer the question."


def text_of(request: Request | ScoreRequest) -> str:
    content = request.content
    return content if isinstance(content, str) else "\n".join(message.content for message in content)


def vary(request: Request) -> str:
    """A rewrite with two more words, by the draw."""
    draw = uniform(str(request.seed))
    first, second = WORDS[int(draw * 6)], WORDS[int(draw * 36) % 6]
    return f"<prompt>{START} Do it {first} {second}. {request.seed}</prompt>"


def search(
    home: Path,
    optimizer: RandomSearch,
    *,
    proposer: Scripted | None = None,
    model: Scripted | None = None,
    task: Task | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> Result:
    return optimize(
        planted_task() if task is None else task,
        optimizer,
        model=Models(
            planted_model(feature_accuracy(WORDS, base=0.3)) if model is None else model,
            proposer=Scripted(vary, name="varying") if proposer is None else proposer,
        ),
        budget=budget,
        seed=seed,
        store=home / "store.db",
    )


class TestContract(OptimizerContract):
    """Replay, crashes, hash seeds, exact budgets, the sealed test, a planted gain."""

    optimizer = RandomSearch(candidates=12, breadth=5, examples=20)
    budget = Budget(evaluations=500)

    def propose(self, request: Request) -> str:
        return vary(request)


def test_every_rewrite_is_scored_once_on_the_same_sample(tmp_path: Path) -> None:
    model, proposer = planted_model(feature_accuracy(WORDS, base=0.3)), Scripted(vary, name="varying")
    task = planted_task()
    result = search(
        tmp_path, RandomSearch(candidates=23, breadth=10, examples=15), model=model, proposer=proposer, task=task
    )
    assert proposer.calls == 23
    assert [step.spent.evaluations for step in result.steps] == [15 * 11, 15 * 21, 15 * 24]
    train = {example["question"] for example in task.train}
    scored: dict[str, Counter[str]] = {}
    for request in model.log:
        instruction, question = split_planted(request)
        question = question.removeprefix("Question: ").split("\n")[0]
        if question in train:
            scored.setdefault(instruction, Counter())[question] += 1
    assert len(scored) == 24
    assert all(each == scored[START] for each in scored.values())
    assert len(scored[START]) == scored[START].total() == 15


@pytest.mark.slow
def test_what_is_asked_is_always_the_same_and_shows_the_start_alone(tmp_path: Path) -> None:
    asked: list[list[str]] = []
    for name, accuracy in (("good", 0.9), ("bad", 0.1)):
        proposer, task = Scripted(vary, name="varying"), planted_task()
        search(
            tmp_path / name,
            RandomSearch(candidates=9, breadth=4),
            proposer=proposer,
            model=planted_model(lambda _, accuracy=accuracy: accuracy),
            task=task,
        )
        asked.append([text_of(request) for request in proposer.log])
        assert len(dict.fromkeys(asked[-1])) == 1
        assert START in asked[-1][0]
        assert not any(example["question"] in asked[-1][0] for example in task.train)
        assert len({request.seed for request in proposer.log if isinstance(request, Request)}) == 9
    assert asked[0] == asked[1]


@pytest.mark.slow
def test_the_breadth_of_a_round_changes_no_candidate_and_no_end(tmp_path: Path) -> None:
    ends: list[tuple[list[str], str]] = []
    for breadth in (1, 4, 50):
        result = search(tmp_path / str(breadth), RandomSearch(candidates=14, breadth=breadth, examples=20))
        assert len(result.steps) == math.ceil(14 / breadth)
        ends.append(([candidate.prompt["instruction"] for candidate in result.candidates()], result.best.text))
    assert ends[0] == ends[1] == ends[2]


def test_the_best_on_the_sample_is_kept_and_ties_stay(tmp_path: Path) -> None:
    task = planted_task()
    texts = itertools.cycle(["plain", "carefully", "plain either", "carefully exactly", "exactly carefully"])
    proposer = Scripted(lambda _: f"<prompt>{next(texts)}</prompt>", name="listed")
    model = planted_model(feature_accuracy(WORDS, base=0.3, each=0.2), common=1.0)
    result = search(tmp_path, RandomSearch(candidates=5, breadth=1), proposer=proposer, model=model, task=task)
    assert [step.kept[0]["instruction"] for step in result.steps] == [
        START, "carefully", "carefully", "carefully exactly", "carefully exactly",
    ]  # fmt: skip
    assert [len(step.pool) for step in result.steps] == [2] * 5
    assert result.best.text == "carefully exactly"
    assert {c.proposal.operator for c in result.candidates()} == {"start", "rewriter"}
    assert all(c.proposal.parents == (task.initial,) for c in result.candidates()[1:])


def test_what_came_before_is_counted_and_neither_scored_again_nor_replaced(tmp_path: Path) -> None:
    texts = itertools.cycle(["New", f" {START} ", "New", "New \n", "Other"])
    proposer = Scripted(lambda _: f"<prompt>{next(texts)}</prompt>", name="repeating")
    result = search(tmp_path, RandomSearch(candidates=10, breadth=5, examples=20), proposer=proposer)
    assert proposer.calls == 10
    assert [c.prompt["instruction"] for c in result.candidates()] == [START, "New", "Other"]
    assert [step.spent.evaluations for step in result.steps] == [60, 60]
    assert result.rejected == {"rewriter: seen before": 8}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "reason", "calls"),
    [
        ("I like it more.", "no tags", 12),
        ("I'm sorry, I can't.", "refusal", 6),
        ("", "no tags", 12),
        ("<prompt></prompt>", "empty", 6),
        ("<prompt>...</prompt>", "form not filled in", 6),
        (f"<prompt>{START}</prompt>", "seen before", 6),
        ("<prompt>Answer {this}.</prompt>", "unresolved placeholder", 6),
        (f"<prompt>{'word ' * 401}</prompt>", "too long", 6),
        (Reply("<prompt>Answer", "length"), "cut at length", 6),
    ],
)
def test_a_proposer_that_gives_nothing_usable_leaves_the_start(
    tmp_path: Path, reply: str | Reply, reason: str, calls: int
) -> None:
    proposer = Scripted(lambda _: reply, name="stubborn")
    result = search(tmp_path, RandomSearch(candidates=6, breadth=4, examples=20), proposer=proposer)
    assert proposer.calls == calls
    assert result.rejected == {f"rewriter: {reason}": calls}
    assert result.best.text == START
    assert len(result.steps) == 2
    assert result.steps[-1].spent.evaluations == 20


@pytest.mark.parametrize("evaluations", [10, 40, 77, 150])
def test_the_budget_is_used_up_where_all_are_scored_alike(tmp_path: Path, evaluations: int) -> None:
    model = planted_model(lambda text: 0.3 if text == START else 0.8)
    settings = RandomSearch(preset="paper", examples=20)
    result = search(tmp_path, settings, model=model, budget=Budget(evaluations=evaluations))
    assert result.status == "budget"
    assert result.spent.evaluations <= evaluations
    assert result.best.test is not None
    # What the last rewrite saw before the cap counts as far as it goes.
    scored = [candidate.search.count for candidate in result.candidates()]
    assert scored == sorted(scored, reverse=True)
    assert evaluations < 150 or result.best.text != START


@pytest.mark.slow
@pytest.mark.parametrize("budget", [Budget(evaluations=300), Budget(calls=300), Budget(evaluations=1_000)])
def test_a_budget_is_planned_on_and_kept(tmp_path: Path, budget: Budget) -> None:
    runs: list[Run] = []
    model, proposer = planted_model(feature_accuracy(WORDS, base=0.3)), Scripted(vary, name="varying")
    result = optimize(
        planted_task(),
        RandomSearch(),
        model=Models(model, proposer=proposer),
        budget=budget,
        store=tmp_path / "store.db",
        session=Session(watch=runs.append),
    )
    plan, bound = RandomSearch().plan(runs[0].room), RandomSearch().upper_bounds_in(runs[0].room)
    assert proposer.calls == plan.candidates
    assert result.steps[-1].spent.evaluations <= bound.evaluations
    assert budget.calls is None or result.spent.calls <= budget.calls
    # One comparison of all: most are seen once or twice, the last ones often.
    (step,) = result.steps
    counts = sorted(estimate.count for estimate in step.pool)
    assert counts[0] <= 3
    assert counts[-1] >= 10
    assert len(step.kept) == 2
    assert result.best.text != START


def test_the_plan_grows_with_the_room_and_what_is_set_stays() -> None:
    plans = [RandomSearch().plan(Room(evaluations, None, 1, 120, 40)) for evaluations in (20, 273, 1_400)]
    assert [plan.candidates for plan in plans] == [4, 34, 175]
    own = RandomSearch(candidates=9, examples=30).plan(Room(500, None, 1, 120, 40))
    assert (own.candidates, own.examples) == (9, 30)
    for settings, room in ((RandomSearch(preset="paper"), Room(500, None, 1, 120, 40)),
                           (RandomSearch(), Room(None, None, 1, 120, 40))):  # fmt: skip
        assert settings.plan(room) == RandomSearchPlan(100, 50, None)
        assert settings.plan(room).describe()


def test_debris_is_no_part_of_a_rewrite(tmp_path: Path) -> None:
    count = itertools.count()
    debris = Scripted(lambda _: f"<prompt>New instruction: Say {next(count)}.\nScore: 90</prompt>", name="debris")
    result = search(tmp_path, RandomSearch(), proposer=debris, budget=Budget(evaluations=300))
    texts = [candidate.prompt["instruction"] for candidate in result.candidates()]
    assert len(texts) > 5
    assert not any("Score" in text or "New" in text for text in texts)


def loss_search(home: Path, scores: Callable[[Content, str], Sequence[float]]) -> Result:
    examples = [Example.of(f"word{number}", question=f"Which is number {number}?") for number in range(50)]
    task = Task.from_examples(
        examples, prompt="Answer.", metric="exact", answer="text", name="words", splits=Splits(10, 20, 20)
    )
    loss = Loss(task, reduction="sum", ends=False)
    texts = itertools.cycle(["Bad.", "Good."])
    return optimize(
        task,
        RandomSearch(candidates=4, breadth=2),
        model=Models(
            Scripted(lambda _: "yes", name="scorer", scores=scores),
            proposer=Scripted(lambda _: f"<prompt>{next(texts)}</prompt>", name="listed"),
        ),
        evaluator=loss,
        check_evaluator=loss,
        store=home / "store.db",
    )


@pytest.mark.parametrize(
    ("bad", "good", "start", "best"),
    [
        (-9.0, -1.0, -2.0, "Good."),
        (-math.inf, -1.0, -2.0, "Good."),
        (-2.0, -2.0, -2.0, None),
        (-math.inf, -math.inf, -2.0, "Answer."),
        (-math.inf, -math.inf, -math.inf, None),
    ],
)
def test_any_scale_of_scores(tmp_path: Path, bad: float, good: float, start: float, best: str | None) -> None:
    def scores(content: Content, text: str) -> list[float]:
        read = content if isinstance(content, str) else content[0].content
        return [bad if read.startswith("Bad") else good if read.startswith("Good") else start]

    result = loss_search(tmp_path, scores)
    assert result.status == "finished"
    assert best is None or result.best.text == best
    assert best is not None or result.verdict == "no_evidence"


def test_another_seed_draws_another_sample(tmp_path: Path) -> None:
    asked: list[list[str]] = []
    for seed in (0, 1):
        model = Scripted(lambda _: "yes", name="right")
        search(tmp_path / str(seed), RandomSearch(candidates=0, examples=5), model=model, seed=seed)
        asked.append([text_of(request) for request in model.log[:5]])
    assert asked[0] != asked[1]


def test_expected_is_the_cost_formula_and_bounds_what_is_spent(tmp_path: Path) -> None:
    assert RandomSearch().upper_bounds(1000) == UpperBounds(101 * 50, 200, 200 * 1024)
    assert RandomSearch(candidates=0).upper_bounds(30) == UpperBounds(30, 0, 0)
    settings = RandomSearch(candidates=7, breadth=3, examples=15)
    for name, proposer in (("varying", vary), ("untagged", lambda _: "no tags")):
        result = search(tmp_path / name, settings, proposer=Scripted(proposer, name=name))
        assert result.steps[-1].spent.evaluations <= settings.upper_bounds(60).evaluations
        assert result.spent.proposer_calls <= settings.upper_bounds(60).proposer_calls


def test_settings_from_the_command_line() -> None:
    settings = {"candidates": "30", "sampling.temperature": "0.8"}
    assert adjust(RandomSearch(), settings, "random") == RandomSearch(
        candidates=30, sampling=Sampling(temperature=0.8, max_tokens=1024)
    )


@pytest.mark.parametrize(("name", "value"), [("candidates", -1), ("breadth", 0), ("examples", 0), ("longest", 0)])
def test_unusable_settings_are_refused(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=repr(name)):
        RandomSearch(**{name: value})


def test_where_all_score_alike_the_start_stays_first(tmp_path: Path) -> None:
    result = search(tmp_path, RandomSearch(), model=planted_model(lambda _: 1.0), budget=Budget(evaluations=150))
    assert len(result.steps[0].pool) > 4
    assert result.steps[0].kept[0] == result.start.prompt
