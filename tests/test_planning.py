"""What a search is granted is known before it spends, is part of which run it is, and too little of it is said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.plan import too_little
from promptopt.binding.session import Session
from promptopt.cli.run_words import opening_lines
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.run.events import Event, Planned
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import feature_accuracy, planted_model, planted_task, split_planted, uniform
from promptopt.types import Content, Example, Prompt, Proposal, Request, Room


@dataclass(frozen=True, slots=True)
class Scheme:
    rounds: int

    def describe(self) -> str:
        return f"{self.rounds} rounds of 10 evaluations"


@dataclass(frozen=True)
class Planner:
    """Scores a prompt on ten examples a round, as many rounds as there is room for; at most `most`."""

    most: int = 1_000

    def plan(self, room: Room) -> Scheme:
        cells = room.cells()
        return Scheme(self.most if cells is None else min(self.most, cells // 10))

    def least(self, room: Room) -> int:
        return 100

    def optimize(self, run: Run) -> None:
        for number in range(self.plan(run.room).rounds):
            [prompt] = run.admit([Proposal(Prompt.of(f"Answer carefully, take {number}."), (run.initial,))])
            run.evaluate([prompt], run.train[:10])


def conduct(home: Path, optimizer: object, budget: Budget | None = None, runs: list[Run] | None = None) -> Result:
    model = planted_model(feature_accuracy(["carefully"], base=0.4, each=0.3))
    watch = None if runs is None else runs.append
    return optimize(
        planted_task(), optimizer, model=model, budget=budget, store=home / "store.db", session=Session(watch=watch)
    )  # type: ignore[arg-type]


def test_a_cell_brings_its_share_of_the_proposers_calls() -> None:
    assert Room(500, 300, 1, 50, 50).cells() == 300
    assert Room(500, 300, 1, 50, 50).cells(0.2) == 250
    assert Room(None, 300, 2, 50, 50).cells(1.0) == 100
    assert Room(None, None, 1, 50, 50).cells(3.0) is None


@pytest.mark.parametrize("budget", [Budget(evaluations=400), Budget(calls=400), Budget(tokens=30_000), Budget()])
def test_the_room_is_what_the_plan_grants_and_stays(tmp_path: Path, budget: Budget) -> None:
    rooms: list[Room] = []

    @dataclass(frozen=True)
    class Look:
        def optimize(self, run: Run) -> None:
            rooms.append(run.room)
            run.evaluate([run.initial], run.train[:7])
            rooms.append(run.room)

    conduct(tmp_path, Look(), budget)
    assert rooms[0] == rooms[1]
    task = planted_task()
    assert (rooms[0].train, rooms[0].dev, rooms[0].calls_per_cell) == (len(task.train), len(task.dev), 1)
    assert (rooms[0].cells() is None) == (budget == Budget())


@pytest.mark.slow
def test_another_plan_is_another_run_and_an_equal_one_goes_on(tmp_path: Path) -> None:
    small, large = (conduct(tmp_path, Planner(), Budget(evaluations=cap)) for cap in (400, 800))
    assert small.run_id != large.run_id
    assert large.paid.calls < large.spent.calls, "the cells that both score are in the store"
    equal = [conduct(tmp_path, Planner(most=12), Budget(evaluations=cap)) for cap in (400, 800)]
    assert equal[0].run_id == equal[1].run_id


@pytest.mark.slow
def test_too_little_room_is_said_before_anything_is_spent(tmp_path: Path) -> None:
    warned = conduct(tmp_path, Planner(), Budget(evaluations=100)).warnings
    assert any("`planner` needs about 100" in said and "`random` or `auto`" in said for said in warned)
    assert not any("needs about" in said for said in conduct(tmp_path, Planner(), Budget(evaluations=400)).warnings)


@pytest.mark.parametrize(
    ("cells", "instead"),
    [(20, "allow more"), (35, "allow more; a round of `auto` fits"), (45, "a round of `random` or `auto` fits")],
)
def test_only_methods_that_have_a_useful_round_there_are_named(cells: int, instead: str) -> None:
    room = Room(cells, None, 1, 60, 40)
    assert too_little(Planner(), room).endswith(instead)


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (
            Budget(evaluations=400),
            "the search plans 24 rounds of 10 evaluations, as 241 evaluations are left to it; more may follow where "
            "these take less",
        ),
        (Budget(), "the search plans 1000 rounds of 10 evaluations"),
        # What warns of too little holds the plan.
        (Budget(evaluations=100), ""),
    ],
)
def test_what_the_method_plans_is_told_before_anything_is_spent(tmp_path: Path, budget: Budget, said: str) -> None:
    told: list[Planned] = []

    def hear(event: Event) -> None:
        if isinstance(event, Planned):
            told.append(event)
            raise KeyboardInterrupt

    model = planted_model(feature_accuracy(["carefully"]))
    with pytest.raises(KeyboardInterrupt):
        optimize(
            planted_task(), Planner(), model=model, budget=budget, store=tmp_path / "store.db", session=Session([hear])
        )
    assert told[0].search == said
    assert model.calls == 0
    assert (said in opening_lines(told[0])) == bool(said)


def test_what_the_search_leaves_goes_to_dev_and_test(tmp_path: Path) -> None:
    runs: list[Run] = []
    result = conduct(tmp_path, Planner(most=3), Budget(evaluations=400), runs)
    dev, test = len(runs[0].dev), len(planted_task().test)
    assert result.best.dev is not None
    assert result.best.dev.n == dev
    assert result.best.test is not None
    assert result.best.test.n == min(test, (400 - 30 - 3 * dev) // 2)


def test_the_final_choice_counts_what_the_search_saw(tmp_path: Path) -> None:
    """On dev the start is better, by luck; on train, of which there is more, it is far worse."""
    task = planted_task()
    dev = {example["question"] for example in task.dev}

    def answer(request: Request) -> str:
        instruction, question = split_planted(request)
        better = "carefully" in instruction
        held = any(f"{each}\n" in f"{question}\n" for each in dev)
        share = (0.4 if better else 0.6) if held else (0.9 if better else 0.4)
        return "yes" if uniform("luck", question) < share else "no"

    @dataclass(frozen=True)
    class One:
        examples: int

        def optimize(self, run: Run) -> None:
            [prompt] = run.admit([Proposal(Prompt.of("Answer carefully."), (run.initial,))])
            run.evaluate([run.initial, prompt], run.train[: self.examples])

    def chosen(examples: int) -> str:
        model, home = Scripted(answer, name="lucky"), tmp_path / f"{examples}.db"
        return optimize(task, One(examples), model=model, store=home).best.text

    assert chosen(len(task.train)) == "Answer carefully."
    assert chosen(1) == task.initial["instruction"]


def test_by_another_measure_than_the_search_had_dev_alone_decides(tmp_path: Path) -> None:
    """What the search saw is a loss in nats, which says nothing beside right and wrong."""
    examples = [Example.of(("no", "yes")[number % 2], question=f"question {number}") for number in range(120)]
    task = Task.from_examples(
        examples, prompt="Answer.", name="odd", labels=("no", "yes"), splits=Splits(40, 40, 40),
        layout=Layout("text", text="{instruction}\n\nQ: {question}\nA:"),
    )  # fmt: skip

    def right(content: Content) -> str:
        assert isinstance(content, str)
        return ("no", "yes")[int(content.split("question ")[1].split("\n")[0]) % 2]

    def scores(content: Content, continuation: str) -> list[float]:
        """By the loss the other prompt is far better, and it answers nothing right."""
        return [-0.1 if "loss" in str(content) else -5.0]

    model = Scripted(
        lambda request: "who knows" if "loss" in str(request.content) else right(request.content),
        name="odd",
        scores=scores,
    )

    @dataclass(frozen=True)
    class One:
        def optimize(self, run: Run) -> None:
            [prompt] = run.admit([Proposal(Prompt.of("Mind the loss."), (run.initial,))])
            run.evaluate([run.initial, prompt], run.train)

    result = optimize(task, One(), model=model, evaluator="loss", store=tmp_path / "store.db")
    assert result.best.text == "Answer."
