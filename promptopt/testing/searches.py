"""The contract of every optimizer: replay, crashes, hash seeds, budgets, the sealed test, a better prompt."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.binding.session import Session
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.protocols import Model, Optimizer
from promptopt.run import Run
from promptopt.run.budget import Budget
from promptopt.run.events import Event, PhaseBegun
from promptopt.tasks.reach import examples_within
from promptopt.tasks.task import Task
from promptopt.testing.planted import feature_accuracy, planted_model, planted_task
from promptopt.testing.processes import outcome, outcomes_elsewhere
from promptopt.types import Request, flat


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """A whole run of a contract, and what was seen on the way: the tests of a class share one."""

    result: Result
    asked: tuple[str, ...]
    """Every line that any model read before the sealed test."""
    reached: tuple[str, ...]
    """The ids of the test examples that were reached from the run: before it began, and when the search had ended."""
    tests_held: int
    """The test examples of the run's own task, then too."""
    store: Mapping[str, bytes]
    """The files that the run left in its home."""
    drew: bool
    """Whether something was drawn from the generator that all of Python shares."""


_UNDISTURBED: dict[type[OptimizerContract], Undisturbed] = {}


class OptimizerContract:
    """What every optimizer keeps; `optimizer` and `propose` (the scripted proposer) are the subclass's.

    A run must depend on the class alone: the tests of a class share one.
    """

    optimizer: Optimizer
    words: tuple[str, ...] = ("carefully", "exactly", "twice")
    """Words that make an instruction better in truth; the scripted proposer should come up with some of them."""
    base = 0.4
    each = 0.15
    evaluator: str | None = None
    """What the search goes by; None: the method's own choice, or `generation`."""
    budget: Budget = Budget(evaluations=1_500)
    sizes: tuple[int, ...] = (40, 90, 170, 333)
    """Budgets, in evaluations, that a run is cut at."""

    def propose(self, request: Request) -> str:
        """What the proposer answers. A function of the request, so that runs can be repeated."""
        raise NotImplementedError

    def conduct(
        self,
        home: Path,
        *,
        budget: Budget | None = None,
        seed: int = 0,
        task: Task | None = None,
        task_model: Model | None = None,
        proposer: Model | None = None,
        observers: Sequence[Callable[[Event], None]] = (),
        watch: Callable[[Run], None] | None = None,
    ) -> Result:
        """One run on the planted task, in a store of its own under `home`; `watch` is handed the run at first."""
        return optimize(
            planted_task() if task is None else task,
            self.optimizer,
            model=Models(
                self.task_model() if task_model is None else task_model,
                proposer=self.author() if proposer is None else proposer,
            ),
            evaluator=self.evaluator,
            budget=self.budget if budget is None else budget,
            seed=seed,
            store=home / "store.db",
            session=Session(observers=observers, watch=watch),
        )

    def task_model(self) -> Scripted:
        """The planted task model."""
        return planted_model(feature_accuracy(self.words, base=self.base, each=self.each))

    def author(self) -> Scripted:
        """The scripted proposer."""
        return Scripted(self.propose, name="proposer")

    def undisturbed(self) -> Undisturbed:
        """A whole run, made once for a class."""
        kind = type(self)
        if kind not in _UNDISTURBED:
            with TemporaryDirectory() as home:
                _UNDISTURBED[kind] = self._observed(Path(home))
        return _UNDISTURBED[kind]

    def _observed(self, home: Path) -> Undisturbed:
        task_model, proposer = self.task_model(), self.author()
        sealed = {example.id for example in planted_task().test}
        asked: list[str] = []
        reached: list[str] = []
        held: list[int] = []
        runs: list[Run] = []

        def note_reached(run: Run) -> None:
            held.append(len(run.task.test))
            reached.extend(example.id for example in examples_within(run) if example.id in sealed)

        def begun(run: Run) -> None:
            runs.append(run)
            note_reached(run)

        def watch(event: Event) -> None:
            if isinstance(event, PhaseBegun) and event.name == "test":
                asked.extend(
                    line for each in (*task_model.log, *proposer.log) for line in flat(each.content).splitlines()
                )
                note_reached(runs[0])

        # What draws from the generator of all Python is not repeated by the run's seed.
        state = random.getstate()
        result = self.conduct(home, task_model=task_model, proposer=proposer, observers=[watch], watch=begun)
        drew, store = random.getstate() != state, {path.name: path.read_bytes() for path in home.iterdir()}
        return Undisturbed(result, tuple(asked), tuple(reached), sum(held), store, drew)

    def test_replay_pays_nothing(self, tmp_path: Path) -> None:
        """The second time everything comes from the store, and the result is the same."""
        whole = self.undisturbed()
        tmp_path.mkdir(parents=True, exist_ok=True)
        # Copied: the run that all tests of a class share must stay as it ended.
        for name, content in whole.store.items():
            (tmp_path / name).write_bytes(content)
        first, second = whole.result, self.conduct(tmp_path)
        assert first.paid.calls > 0
        assert second.paid.calls == 0
        assert second.paid.evaluations == 0
        assert outcome(second) == outcome(first)

    def test_survives_crash_after_crash(self, tmp_path: Path) -> None:
        """Failing again and again, a run gets to the end an undisturbed one has, and pays nothing twice."""
        whole = self.undisturbed().result
        asked = {"proposer": whole.spent.proposer_calls, "task": whole.spent.calls - whole.spent.proposer_calls}
        paid = 0
        # Calls are counted anew in each execution: the first call after one crash fails again, later ones further on.
        for role, share in (("task", 0), ("proposer", 2), ("task", 3), ("proposer", 0)):
            # Some methods ask no proposer.
            if asked[role]:
                task_model, proposer = self.task_model(), self.author()
                broken = task_model if role == "task" else proposer
                broken.fail_at = 1 + (asked[role] // share if share else 0)
                stopped = self.conduct(tmp_path, task_model=task_model, proposer=proposer)
                paid += stopped.paid.calls
                # An execution that needs fewer new calls than that ends before it can fail.
                assert (stopped.status == "suspended") == (broken.calls >= broken.fail_at), f"{role} {broken.fail_at}"
        resumed = self.conduct(tmp_path)
        assert outcome(resumed) == outcome(whole)
        assert paid + resumed.paid.calls == whole.paid.calls

    def test_survives_a_crash_at_any_call(self, tmp_path: Path) -> None:
        """Failing at call k, then running again, ends as an undisturbed run does, and pays nothing twice."""
        whole = self.undisturbed().result
        for role, total in (
            ("task", whole.spent.calls - whole.spent.proposer_calls),
            ("proposer", whole.spent.proposer_calls),
        ):
            for call in sorted(call for call in {1, 2, total // 3, total // 2, total - 1, total} if 0 < call <= total):
                home = tmp_path / f"{role}-{call}"
                task_model, proposer = self.task_model(), self.author()
                broken = task_model if role == "task" else proposer
                broken.fail_at = call
                stopped = self.conduct(home, task_model=task_model, proposer=proposer)
                assert stopped.status == "suspended", f"{role} call {call} of {total}"
                resumed = self.conduct(home)
                assert outcome(resumed) == outcome(whole)
                assert stopped.paid.calls + resumed.paid.calls == whole.paid.calls

    def test_same_run_under_other_hash_seeds(self, tmp_path: Path) -> None:
        """Nothing depends on the order of a set or on string hashing: this process and another, one outcome."""
        own = json.loads(json.dumps(outcome(self.undisturbed().result)))
        # This process hashes by a seed of its own, which Python draws unless it is told one.
        other = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
        assert outcomes_elsewhere(type(self), tmp_path, (other,)) == [own]

    def test_budget_is_exact(self, tmp_path: Path) -> None:
        """A cap on evaluations or calls is never passed, by the ledger and by the engines' own count."""
        for size in self.sizes:
            for budget in (Budget(evaluations=size), Budget(calls=size)):
                task_model, proposer = self.task_model(), self.author()
                home = tmp_path / f"{size}-{budget.evaluations}"
                result = self.conduct(home, budget=budget, task_model=task_model, proposer=proposer)
                spent = result.spent
                # Under the smallest cap, too, there is the test that was promised.
                assert result.best.test is not None
                assert spent.evaluations <= size if budget.evaluations else spent.calls <= size
                assert spent.proposer_calls == proposer.calls
                # The engines count by themselves: a call around the ledger shows here, whatever the cap.
                assert spent.calls == task_model.calls + proposer.calls
                assert spent.evaluations == self.cells(task_model)

    def cells(self, task_model: Scripted) -> int:
        """How many cells the task model was asked for: calls, unless an evaluator takes several for one cell."""
        return task_model.calls

    def test_raised_budget_continues(self, tmp_path: Path) -> None:
        """A run that a small budget ended goes on from there under a larger one, to the same end.

        It is a further look at the test, whose verdict is at a stricter level; all else is equal.
        """
        self.conduct(tmp_path, budget=Budget(evaluations=self.sizes[-1]))
        grown = self.conduct(tmp_path)
        by_look = {"look": None, "verdict": None}
        assert {**outcome(grown), **by_look} == {**outcome(self.undisturbed().result), **by_look}

    def test_test_split_stays_sealed(self, tmp_path: Path) -> None:
        """No test example reaches any model before the sealed test, and nothing draws from a global generator."""
        whole = self.undisturbed()
        assert whole.asked
        assert {example["question"] for example in planted_task().test}.isdisjoint(whole.asked)
        assert not whole.drew

    def test_no_test_example_is_reached_from_the_run(self, tmp_path: Path) -> None:
        """Whoever looks around in the run, its task and its evaluator finds no test example."""
        whole = self.undisturbed()
        assert whole.tests_held == 0
        assert whole.reached == ()

    def test_no_prompt_that_breaks_the_contract_is_scored(self, tmp_path: Path) -> None:
        """Every prompt that the task model is asked with, and the winner, keeps what the task forbids and freezes."""
        start = planted_task().initial.texts[0][1]
        # The best words there are, as far as the start does without them: any search would like to use them.
        barred = tuple(word for word in self.words if word not in start)[:2]
        kept = start.split()[-1]
        contract = replace(planted_task().contract, must_not_contain=barred, frozen=(kept,))
        task, task_model = replace(planted_task(), contract=contract), self.task_model()
        result = self.conduct(tmp_path, task=task, budget=Budget(evaluations=self.sizes[-1]), task_model=task_model)
        asked = {flat(each.content) for each in task_model.log}
        for text in (*asked, result.best.text):
            assert kept in text
            assert not any(word in text for word in barred)

    def test_beats_its_start_on_a_planted_landscape(self, tmp_path: Path) -> None:
        """Where better prompts exist and the proposer offers them, one is found."""
        result = self.undisturbed().result
        accuracy = feature_accuracy(self.words, base=self.base, each=self.each)
        assert accuracy(result.best.text) > accuracy(result.start.text)
