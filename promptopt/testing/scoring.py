"""The contracts of what a search scores by: evaluators and selectors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from promptopt.api import optimize
from promptopt.evaluation import evaluate
from promptopt.models.scripted import Scripted
from promptopt.protocols import Evaluator, Selector
from promptopt.run import Run
from promptopt.tasks.task import Task
from promptopt.testing.planted import Accuracy, planted_model, planted_task
from promptopt.types import Estimate, Reply, Request, Score


class EvaluatorContract:
    """What every evaluator keeps; `evaluator` and `answer` (the scripted model) are the subclass's."""

    def evaluator(self, task: Task) -> Evaluator:
        """The evaluator under test, for a planted task."""
        raise NotImplementedError

    def answer(self, request: Request) -> str | Reply:
        """What the task model answers. A function of the request."""
        raise NotImplementedError

    def model(self) -> Scripted:
        """A fresh task model; for an evaluator of given texts, a subclass gives it `scores`."""
        return Scripted(self.answer, name="answers")

    def scores(self, tmp_path: Path, count: int, batch: int) -> list[Score]:
        """The scores of `count` cells, asked for `batch` at a time through a run."""
        task = planted_task()

        @dataclass(frozen=True)
        class Batches:
            def optimize(self, run: Run) -> None:
                for begin in range(0, count, batch):
                    matrix = run.evaluate([run.initial], run.train[:count][begin : begin + batch])
                    found.extend(matrix[run.initial])

        found: list[Score] = []
        evaluator, store = self.evaluator(task), tmp_path / f"{batch}.db"
        optimize(task, Batches(), model=self.model(), evaluator=evaluator, store=store)
        return found

    def test_one_score_a_cell_whatever_the_batch(self, tmp_path: Path) -> None:
        """Order and values do not depend on how cells are batched."""
        together = self.scores(tmp_path, 12, 12)
        assert len(together) == 12
        # Batches that do not divide the whole: the last one is smaller.
        assert together == self.scores(tmp_path, 12, 5) == self.scores(tmp_path, 12, 1)

    def test_calls_per_cell_is_a_bound(self, tmp_path: Path) -> None:
        """No cell takes more calls than the evaluator says."""
        task = planted_task()
        evaluator = self.evaluator(task)
        measured = evaluate(task, model=self.model(), evaluator=evaluator, split="dev", store=tmp_path / "store.db")
        assert measured.spent.calls <= evaluator.calls_per_cell * measured.measured.n

    def test_fingerprint_is_stable_json(self) -> None:
        """Two evaluators made alike have equal fingerprints, which survive JSON."""
        fingerprint = dict(self.evaluator(planted_task()).fingerprint())
        assert fingerprint == dict(self.evaluator(planted_task()).fingerprint())
        assert json.loads(json.dumps(fingerprint)) == fingerprint


class SelectorContract:
    """What every selector keeps; `selector` is the subclass's, with a budget of at most 600 evaluations."""

    selector: Selector
    limit = 600
    """The evaluations the selector may spend."""

    def select(self, tmp_path: Path, accuracy: Accuracy, prompts: int, keep: int) -> tuple[list[Estimate], int]:
        """One selection among numbered prompts, through a run, and the evaluations that it took."""

        @dataclass(frozen=True)
        class Select:
            selector: Selector

            def optimize(self, run: Run) -> None:
                pool = [run.initial.replace("instruction", f"Answer, take {number}.") for number in range(prompts)]
                ranked.extend(self.selector.select(run, pool, run.train, keep))
                spent.append(run.spent.evaluations)

        ranked, spent = list[Estimate](), list[int]()
        optimize(
            planted_task(train=100),
            Select(self.selector),
            # All outcomes paired, so that a wide gap shows on few examples.
            model=planted_model(accuracy, common=1.0),
            store=tmp_path / "store.db",
        )
        return ranked, spent[0]

    def test_ranks_every_prompt_once_the_evaluated_first(self, tmp_path: Path) -> None:
        """All prompts come back, none twice; those never evaluated are last."""
        ranked, _ = self.select(tmp_path, lambda _: 0.5, 12, 3)
        assert len({estimate.prompt for estimate in ranked}) == len(ranked) == 12
        counts = [estimate.count > 0 for estimate in ranked]
        assert counts == sorted(counts, reverse=True)
        assert all(counts[:3])

    def test_keeps_within_its_budget(self, tmp_path: Path) -> None:
        """It spends no more than it may, and counts what it spends truly."""
        ranked, spent = self.select(tmp_path, lambda _: 0.5, 12, 3)
        assert sum(estimate.count for estimate in ranked) == spent <= self.limit

    def test_a_prompt_that_is_far_better_is_kept(self, tmp_path: Path) -> None:
        """With paired outcomes and a wide gap, the best is among the first."""
        ranked, _ = self.select(tmp_path, lambda text: 1.0 if "take 7." in text else 0.2, 12, 3)
        assert any("take 7." in estimate.prompt["instruction"] for estimate in ranked[:3])
