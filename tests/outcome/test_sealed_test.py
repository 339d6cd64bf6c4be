"""What is said of a sealed test beside its verdict."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.binding.session import Session
from promptopt.errors import ConfigError
from promptopt.models.scripted import Scripted
from promptopt.outcome.sealed_test import shown_by
from promptopt.run import Run
from promptopt.run.events import PhaseBegun
from promptopt.tasks import Task
from promptopt.testing import planted_task
from promptopt.types import Example, Proposal, Sampling

ASKING: tuple[Callable[[Run, list[Example]], object], ...] = (
    lambda run, found: run.evaluate([run.initial], found),
    lambda run, found: run.evaluate_each([(run.initial, each) for each in found]),
    lambda run, found: run.rescore(run.initial, found),
    lambda run, found: run.draw(run.initial, found, Sampling()),
    lambda run, found: run.refused(run.initial, found[0]),
)


@dataclass(frozen=True)
class ReadAgain:
    """Asks about examples that it has from elsewhere than the run."""

    asks: int
    examples: tuple[Example, ...]

    def optimize(self, run: Run) -> None:
        """Search."""
        ASKING[self.asks](run, list(self.examples))


@pytest.mark.parametrize("asks", range(len(ASKING)))
def test_a_search_that_brings_test_examples_of_its_own_is_refused(asks: int, tmp_path: Path) -> None:
    task, model = planted_task(), Scripted(lambda request: "a", name="m")
    read_again = ReadAgain(asks, planted_task().test[:3])
    with pytest.raises(ConfigError, match="a test example was asked about before the test"):
        optimize(task, read_again, model=model, store=tmp_path / "s.db")
    assert model.calls == 0


@pytest.mark.parametrize("asks", range(len(ASKING)))
def test_examples_of_its_own_that_are_not_in_the_test_are_not_refused(asks: int, tmp_path: Path) -> None:
    task = planted_task()
    twice = Task.from_examples(
        [*task.train, *task.dev], prompt="Answer the question.\n\n{question}", metric="exact", answer="text"
    )
    model = Scripted(lambda request: "a", name="m")
    assert optimize(twice, ReadAgain(asks, task.test[:3]), model=model, store=tmp_path / "s.db").status == "finished"


@pytest.mark.parametrize("differ", [0, 1, 5, 20, 40])
@pytest.mark.parametrize("test", [1, 4, 12, 40, 400])
def test_no_gain_is_promised_on_more_examples_than_the_prompts_differ_on(differ: int, test: int) -> None:
    said = shown_by(differ, 40, test, 0.05)
    gain = re.search(r"gain of (\d+) points is found", said)

    assert f"differ on {100 * differ // 40} %" in said
    assert gain is None or int(gain[1]) <= 100 * max(differ, 0.5) / 40
    assert (gain is None) == ("too few to find any gain four times in five" in said)


def test_of_the_worst_of_several_tasks_each_has_to_gain_on_its_own_examples() -> None:
    said = shown_by(25, 100, 200, 0.05, 2)
    assert said.endswith("a true gain of 12 points on each of 2 tasks is found four times in five on 200 test examples "
                         "of each")  # fmt: skip
    assert "12 test examples of each are too few to find any gain on each of 2 tasks" in shown_by(0, 40, 12, 0.05, 2)


@dataclass(frozen=True)
class Says:
    """A search that finds one prompt."""

    text: str

    def optimize(self, run: Run) -> None:
        found = run.admit([Proposal(run.initial.replace("instruction", self.text), (run.initial,))])
        run.evaluate([run.initial, *found], run.dev)


def test_of_examples_in_groups_the_groups_are_what_a_gain_is_found_on(tmp_path: Path) -> None:
    def told(groups: int) -> str:
        examples = [
            Example((("question", f"question {at} ?"),), target="b", group=f"talk {at % groups}" if groups else "")
            for at in range(240)
        ]
        task = Task.from_examples(examples, prompt="Say a.\n\n{question}", metric="exact", answer="text")
        model = Scripted(lambda request: "b" if "Say b" in str(request.content) else "a", name="m")
        said: list[str] = []
        session = Session([lambda event: said.append(event.reason) if isinstance(event, PhaseBegun) else None])
        optimize(task, Says("Say b."), model=model, store=tmp_path / f"{groups}.db", session=session)
        return said[-1]

    assert re.search(r"on \d+ test examples", told(0))
    assert re.search(r"on \d+ groups of test examples", told(60))
    assert "150 groups of test examples" in shown_by(25, 100, 150, 0.05, grouped=True)


def test_enough_examples_are_promised_a_gain() -> None:
    assert "a true gain of 10 points is found" in shown_by(25, 100, 200, 0.05)
    assert "12 test examples are too few to find any gain" in shown_by(0, 40, 12, 0.05)
