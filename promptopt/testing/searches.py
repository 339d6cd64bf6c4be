"""The contract of every optimizer: replay, crashes, hash seeds, budgets, the sealed test, a better prompt."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from promptopt.api import optimize
from promptopt.models.scripted import Scripted
from promptopt.outcome.result import Result
from promptopt.protocols import Model
from promptopt.run import Optimizer
from promptopt.run.budget import Budget
from promptopt.run.events import Event, PhaseBegun
from promptopt.testing.planted import feature_accuracy, planted_model, planted_task
from promptopt.types import Request


class OptimizerContract:
    """What every optimizer keeps; `optimizer` and `propose` (the scripted proposer) are the subclass's."""

    optimizer: Optimizer
    words: tuple[str, ...] = ("carefully", "exactly", "twice")
    """Words that make an instruction better in truth; the scripted proposer should come up with some of them."""
    base = 0.4
    each = 0.15
    evaluator: str | None = None
    """What the search goes by; None: the method's own choice, or generation."""
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
        task_model: Model | None = None,
        proposer: Model | None = None,
        observers: Sequence[Callable[[Event], None]] = (),
    ) -> Result:
        """One run on the planted task, in a store of its own under `home`."""
        return optimize(
            planted_task(),
            self.optimizer,
            model=self.task_model() if task_model is None else task_model,
            proposer=Scripted(self.propose, name="proposer") if proposer is None else proposer,
            evaluator=self.evaluator,
            budget=self.budget if budget is None else budget,
            seed=seed,
            store=home / "store.db",
            observers=observers,
        )

    def task_model(self) -> Scripted:
        """The planted task model."""
        return planted_model(feature_accuracy(self.words, base=self.base, each=self.each))

    def test_replay_pays_nothing(self, tmp_path: Path) -> None:
        """The second time everything comes from the store, and the result is the same."""
        first = self.conduct(tmp_path)
        second = self.conduct(tmp_path)
        assert first.paid.calls > 0
        assert second.paid.calls == 0
        assert second.paid.evaluations == 0
        assert outcome(second) == outcome(first)

    def test_survives_a_crash_at_any_call(self, tmp_path: Path) -> None:
        """Failing at call k, then running again, ends as an undisturbed run does, and pays nothing twice."""
        whole = self.conduct(tmp_path / "whole")
        for role, total in (
            ("task", whole.spent.calls - whole.spent.proposer_calls),
            ("proposer", whole.spent.proposer_calls),
        ):
            for call in sorted(call for call in {1, 2, total // 3, total // 2, total - 1, total} if 0 < call <= total):
                home = tmp_path / f"{role}-{call}"
                task_model, proposer = self.task_model(), Scripted(self.propose, name="proposer")
                broken = task_model if role == "task" else proposer
                broken._fail_at = call  # pyright: ignore[reportPrivateUsage]
                stopped = self.conduct(home, task_model=task_model, proposer=proposer)
                assert stopped.status == "suspended", f"{role} call {call} of {total}"
                resumed = self.conduct(home)
                assert outcome(resumed) == outcome(whole)
                assert stopped.paid.calls + resumed.paid.calls == whole.paid.calls

    def test_same_run_under_other_hash_seeds(self, tmp_path: Path) -> None:
        """Nothing depends on the order of a set or on string hashing: this process and two others, one outcome."""
        kind = type(self)
        program = (
            "import sys, json, importlib; from pathlib import Path; from promptopt.testing import outcome; "
            f"kind = importlib.import_module({kind.__module__!r}).{kind.__qualname__}; "
            "print(json.dumps(outcome(kind().conduct(Path(sys.argv[1])))))"
        )
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", program, str(tmp_path / hash_seed)],
                env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
                stdout=subprocess.PIPE,
                text=True,
            )
            for hash_seed in ("1", "2")
        ]
        own = json.loads(json.dumps(outcome(self.conduct(tmp_path / "own"))))
        assert [json.loads(process.communicate()[0]) for process in processes] == [own, own]

    def test_budget_is_exact(self, tmp_path: Path) -> None:
        """A cap on evaluations or calls is never passed, and is used up when the search is cut by it."""
        for size in self.sizes:
            result = self.conduct(tmp_path / f"evaluations-{size}", budget=Budget(evaluations=size))
            assert result.spent.evaluations <= size
            assert result.best.test is not None
            called = self.conduct(tmp_path / f"calls-{size}", budget=Budget(calls=size))
            assert called.spent.calls <= size
            assert called.best.test is not None

    def test_raised_budget_continues(self, tmp_path: Path) -> None:
        """A run that a small budget ended goes on from there under a larger one, to the same end."""
        whole = self.conduct(tmp_path / "whole")
        self.conduct(tmp_path / "grown", budget=Budget(evaluations=self.sizes[-1]))
        grown = self.conduct(tmp_path / "grown")
        assert outcome(grown) == outcome(whole)

    def test_test_split_stays_sealed(self, tmp_path: Path) -> None:
        """No test example reaches any model before the sealed test, and nothing draws from a global generator."""
        sealed = {example["question"] for example in planted_task().test}
        task_model, proposer = self.task_model(), Scripted(self.propose, name="proposer")
        seen: list[str] = []

        def watch(event: Event) -> None:
            if isinstance(event, PhaseBegun) and event.name == "test":
                for request in [*task_model.log, *proposer.log]:
                    content = request.content
                    texts = [content] if isinstance(content, str) else [message.content for message in content]
                    seen.extend(line for text in texts for line in text.splitlines())

        state = random.getstate()
        self.conduct(tmp_path, task_model=task_model, proposer=proposer, observers=[watch])
        assert seen
        assert sealed.isdisjoint(seen)
        assert random.getstate() == state

    def test_beats_its_start_on_a_planted_landscape(self, tmp_path: Path) -> None:
        """Where better prompts exist and the proposer offers them, one is found."""
        result = self.conduct(tmp_path)
        accuracy = feature_accuracy(self.words, base=self.base, each=self.each)
        assert accuracy(result.best.text) > accuracy(result.start.text)


def outcome(result: Result) -> dict[str, object]:
    """What two executions of one run must agree on: everything but the clock and what this session paid."""
    data = result.to_json()
    return {name: value for name, value in data.items() if name not in ("paid", "wall_s", "warnings")}
