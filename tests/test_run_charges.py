"""What a search may ask beside `evaluate`, and what it may know of its evaluator: all of it in the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.errors import BudgetSpent, ConfigError
from promptopt.evaluators.generation import Generation
from promptopt.evaluators.labels import Labels
from promptopt.evaluators.loss import Loss
from promptopt.evaluators.preference import Preference
from promptopt.models.scripted import Scripted
from promptopt.protocols import Evaluator
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing import planted_task
from promptopt.types import Abilities, Example, Sampling

WARM = Sampling(temperature=0.7)


def within(
    home: Path,
    body: Callable[[Run], None],
    evaluator: Callable[[Task], Evaluator] = Generation.for_task,
    *,
    task: Task | None = None,
    model: Scripted | None = None,
    budget: Budget | None = None,
) -> None:
    """Runs `body` as a search."""

    @dataclass(frozen=True)
    class Once:
        def optimize(self, run: Run) -> None:
            body(run)

    task = planted_task() if task is None else task
    measure = evaluator(task)
    optimize(
        task,
        Once(),
        model=Scripted(lambda _: "yes", scores=lambda *_: [-1.0]) if model is None else model,
        evaluator=measure,
        check_evaluator=measure,
        budget=budget,
        store=home / "store.db",
    )


def loss(task: Task) -> Loss:
    return Loss(task, ends=False)


def test_scores_that_are_computed_again_are_charged_and_change_nothing(tmp_path: Path) -> None:
    def body(run: Run) -> None:
        run.evaluate([run.initial], run.train[:8])
        before = run.estimate(run.initial, run.train)
        assert [score.value for score in run.rescore(run.initial, run.train[:8])] == [-1.0] * 8
        assert (run.spent.evaluations, run.spent.calls) == (16, 16)
        assert run.estimate(run.initial, run.train) == before
        run.rescore(run.initial, run.train[:8])
        assert (run.spent.evaluations, run.spent.calls) == (16, 16), "a call that was made is no second one"

    within(tmp_path, body, loss)


def test_replies_are_not_drawn_again_and_are_free(tmp_path: Path) -> None:
    def body(run: Run) -> None:
        run.evaluate([run.initial], run.train[:8])
        run.rescore(run.initial, run.train[:8])
        assert (run.spent.evaluations, run.spent.calls) == (8, 8)

    within(tmp_path, body)


def test_a_cap_cuts_what_is_computed_again(tmp_path: Path) -> None:
    def body(run: Run) -> None:
        left = run.evaluations_left()
        assert left is not None
        run.evaluate([run.initial], run.train[: left - 3])
        assert len(run.rescore(run.initial, run.train[:8])) == 3
        assert run.evaluations_left() == 0
        with pytest.raises(BudgetSpent):
            run.rescore(run.initial, run.train[:8])

    within(tmp_path, body, loss, budget=Budget(evaluations=60))


def test_own_replies_are_counted_draws_an_evaluation_each_up_to_the_cap(tmp_path: Path) -> None:
    drawn: list[int] = []

    def body(run: Run) -> None:
        left = run.evaluations_left()
        assert left is not None
        replies = run.draw(run.initial, [run.train[0]] * 3, WARM)
        assert [reply.text for reply in replies] == ["yes"] * 3
        assert run.spent.evaluations == run.spent.calls == 3
        assert run.spent.proposer_calls == 0
        drawn.append(left)
        run.draw(run.initial, list(run.train) * 9, WARM)

    model = Scripted(lambda _: "yes", name="answering")
    within(tmp_path, body, model=model, budget=Budget(evaluations=60))
    seeds = [request.seed for request in model.log[: drawn[0]]]  # type: ignore[union-attr]
    assert len(set(seeds)) == drawn[0]


def test_a_prompts_known_scores_are_free_to_look_at(tmp_path: Path) -> None:
    def body(run: Run) -> None:
        run.evaluate([run.initial], [run.train[4], run.train[1]])
        assert [example for example, _ in run.seen(run.initial)] == [run.train[1], run.train[4]]
        assert [example for example, _ in run.seen(run.initial, run.train[3:6])] == [run.train[4]]
        assert run.seen(run.initial.replace("instruction", "Unknown.")) == []
        assert run.spent.evaluations == 2

    within(tmp_path, body)


def labelled() -> Task:
    examples = [Example.of("ab"[number % 2], question=f"Which is {number}?") for number in range(60)]
    return Task.from_examples(
        examples, prompt="Say a or b.", labels=("a", "b"), metric="exact", answer="label", splits=Splits(20, 20, 20)
    )


@pytest.mark.parametrize(
    ("evaluator", "abilities"),
    [
        (Generation.for_task, Abilities(forces=False, contrasts=False, sums=False, stands_in=False)),
        (Loss, Abilities(forces=True, contrasts=False, sums=False, stands_in=True)),
        (lambda task: Loss(task, reduction="sum"), Abilities(True, False, True, True)),
        (Preference, Abilities(forces=True, contrasts=True, sums=True, stands_in=True)),
        (lambda task: Preference(task, reduction="token_mean"), Abilities(True, True, False, True)),
        (lambda task: Labels(task, value="piecewise"), Abilities(False, False, False, True)),
    ],
)
def test_what_a_search_may_know_of_its_evaluator(tmp_path: Path, evaluator, abilities: Abilities) -> None:
    found: list[Abilities] = []
    model = Scripted(lambda _: "a", scores=lambda _, text: [-1.0] * 2)
    within(tmp_path, lambda run: found.append(run.abilities), evaluator, task=labelled(), model=model)
    assert found == [abilities]


def test_a_model_that_cannot_do_what_the_evaluator_needs_is_refused_before_it_is_asked(tmp_path: Path) -> None:
    blind = Scripted(lambda _: "yes", name="blind")
    with pytest.raises(ConfigError, match="'blind' cannot give the log-probabilities"):
        within(tmp_path, lambda run: run.check_model(), loss, model=blind)
    assert blind.calls == 0
    within(tmp_path / "generation", lambda run: run.check_model(), model=Scripted(lambda _: "yes", name="blind"))
