from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from promptopt.api import optimize
from promptopt.evaluators.generation import Generation
from promptopt.evaluators.loss import Loss
from promptopt.models.scripted import Scripted
from promptopt.optimizers.pmpo.noise import repeat_noise
from promptopt.protocols import Evaluator
from promptopt.run import Run
from promptopt.tasks.task import Task
from promptopt.testing import planted_task
from promptopt.types import Likelihoods, ScoreRequest, TokenLogProbs


class Engine(Scripted):
    """-2 nats for every target, and `off` more where the shared prefix is another one than in the layout."""

    off: Callable[[int], float] = staticmethod(lambda place: 0.0)
    usual = 0

    def score(self, requests, stopping=lambda: False):
        for index, request in enumerate(requests):
            self._count(request)
            self.usual = max(self.usual, request.shared)
            value = -2.0 + (self.off(index) if request.shared != self.usual else 0.0)
            yield index, Likelihoods((TokenLogProbs(("yes",), (value,)),), 5, served=self.name)


def measured(home: Path, off: Callable[[int], float], evaluator: Callable[[Task], Evaluator]) -> tuple[float, Engine]:
    found: list[float] = []

    @dataclass(frozen=True)
    class Once:
        def optimize(self, run: Run) -> None:
            found.append(repeat_noise(run, run.initial, run.train[:32]))

    task = planted_task()
    engine = Engine(lambda _: "yes", name="engine", scores=lambda *_: [])
    engine.off = off
    given = evaluator(task)
    optimize(task, Once(), model=engine, evaluator=given, check_evaluator=given, store=home / "store.db")
    return found[0], engine


def loss(task: Task) -> Loss:
    return Loss(task, ends=False)


@pytest.mark.parametrize(
    ("off", "noise"),
    [
        (lambda _: 0.0, 0.0),
        # All cells move alike: so does their mean.
        (lambda _: 0.25, 0.25),
        # They move apart by 0.5 each: the mean of 32 moves by a tenth of it.
        (lambda place: 0.5 if place % 2 else -0.5, 0.5 / math.sqrt(32)),
        (lambda _: -math.inf, 0.0),
    ],
)
def test_noise_is_what_moves_when_texts_are_scored_in_another_way(tmp_path: Path, off, noise: float) -> None:
    found, engine = measured(tmp_path, off, loss)
    assert found == pytest.approx(noise)
    again = [request for request in engine.log if isinstance(request, ScoreRequest) and request.shared == 0]
    assert len(again) == 8


def test_replies_are_not_drawn_again(tmp_path: Path) -> None:
    found, engine = measured(tmp_path, lambda _: 1.0, Generation.for_task)
    assert found == 0.0
    assert len(engine.log) == len({str(request.content) for request in engine.log})
