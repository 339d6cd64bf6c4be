"""What a run lets a method know of its budget, and the order it takes from a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.errors import ReplayDiverged
from promptopt.outcome.result import Result
from promptopt.protocols import Ask, Task
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.testing import feature_accuracy, planted_model, planted_task
from promptopt.types import Cell, Prompt, Request, Score


def conduct(home: Path, optimizer: object, budget: Budget | None = None) -> Result:
    model = planted_model(feature_accuracy(["carefully"], base=0.4, each=0.2))
    return optimize(planted_task(), optimizer, model=model, budget=budget, store=home / "store.db")  # type: ignore[arg-type]


@dataclass(frozen=True)
class Thrifty:
    """Scores prompts while it can afford to score the first one on dev too; says so, or does not."""

    says: bool

    def optimize(self, run: Run) -> None:
        for number in range(6):
            left = run.evaluations_left()
            if left is not None and left < len(run.train) + len(run.dev):
                if self.says:
                    run.follow_budget()
                break
            run.evaluate([run.initial.replace("instruction", f"Answer, take {number}.")], run.train)
        run.evaluate([run.initial], run.dev)


@pytest.mark.slow
def test_what_depends_on_the_budget_is_recorded_anew(tmp_path: Path) -> None:
    small = conduct(tmp_path, Thrifty(says=True), Budget(evaluations=400))
    whole = conduct(tmp_path, Thrifty(says=True))
    assert len(small.candidates()) < len(whole.candidates()) == 7
    # And back again: the search is checked as far as it goes, the rest is not.
    assert conduct(tmp_path, Thrifty(says=True), Budget(evaluations=400)).paid.calls == 0


def test_a_method_that_does_not_say_so_diverges(tmp_path: Path) -> None:
    conduct(tmp_path, Thrifty(says=False), Budget(evaluations=400))
    with pytest.raises(ReplayDiverged):
        conduct(tmp_path, Thrifty(says=False))


@dataclass(frozen=True)
class AskedTwice:
    """Asks for all replies, and then for a second word on each, as a judge does."""

    task: Task
    calls_per_cell: int = 2

    def fingerprint(self) -> Mapping[str, object]:
        return {"evaluator": "asked twice"}

    def score(self, cells: Sequence[Cell], ask: Ask) -> list[Score]:
        contents = [self.task.render(cell.prompt, cell.example)[0] for cell in cells]
        replies = ask([Request(content) for content in contents])
        ask(
            [
                Request(f"Is this right? {content} {reply.text}")
                for content, reply in zip(contents, replies, strict=True)
            ]
        )
        return [Score(float(reply.text == cell.example.target)) for reply, cell in zip(replies, cells, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("small", [Budget(evaluations=130), Budget(calls=260), Budget(tokens=9_000)])
def test_a_raised_cap_goes_on_where_cells_take_calls_one_after_the_other(tmp_path: Path, small: Budget) -> None:
    @dataclass(frozen=True)
    class Batch:
        def optimize(self, run: Run) -> None:
            prompts = [run.initial.replace("instruction", f"Answer, take {number}.") for number in range(4)]
            run.evaluate(prompts, run.train)

    def search(budget: Budget | None, home: Path) -> Result:
        task, model = planted_task(), planted_model(feature_accuracy(["carefully"], base=0.4, each=0.2))
        return optimize(task, Batch(), model=model, evaluator=AskedTwice(task), budget=budget, store=home / "store.db")

    before = search(small, tmp_path / "raised")
    assert before.status == "budget"
    raised, whole = search(None, tmp_path / "raised"), search(None, tmp_path / "whole")
    assert raised.spent == whole.spent
    assert raised.paid.calls < whole.paid.calls
    assert search(small, tmp_path / "raised").paid.calls == 0


def test_what_is_left_counts_both_caps(tmp_path: Path) -> None:
    seen: list[int | None] = []

    @dataclass(frozen=True)
    class Look:
        def optimize(self, run: Run) -> None:
            seen.append(run.evaluations_left())
            run.evaluate([run.initial], run.train[:7])
            seen.append(run.evaluations_left())

    for number, budget in enumerate((None, Budget(evaluations=1_000), Budget(calls=1_000))):
        conduct(tmp_path / str(number), Look(), budget)
    assert seen[:2] == [None, None]
    for before, after in (seen[2:4], seen[4:6]):
        assert before is not None
        assert after == before - 7


def test_a_methods_own_order_comes_before_means_and_only_for_what_was_scored(tmp_path: Path) -> None:
    ranked: list[list[Prompt]] = []

    @dataclass(frozen=True)
    class Ordered:
        def optimize(self, run: Run) -> None:
            texts = ("Answer carefully.", "Answer.", "Answer now.", "Answer never.")
            prompts = [run.initial.replace("instruction", text) for text in texts]
            run.evaluate(prompts[:3], run.train)
            for order in ((), [prompts[2], prompts[3], prompts[1]]):
                run.rank_by(run.train, order)
                ranked.append(first(run, prompts))

    def first(run: Run, prompts: Sequence[Prompt]) -> list[Prompt]:
        return [estimate.prompt for estimate in run.ranked() if estimate.prompt in prompts]

    conduct(tmp_path, Ordered())
    by_mean, by_order = ranked
    assert by_mean[0]["instruction"] == "Answer carefully."
    assert [prompt["instruction"] for prompt in by_order] == ["Answer now.", "Answer.", "Answer carefully."]
