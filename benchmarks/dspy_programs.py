"""What it costs to run a DSPy program under promptopt, beside `dspy.Evaluate` on the same program and LM.

usage: python -m benchmarks.dspy_programs [--examples 500] [--latency 0.02] [--threads 8]

Both run a program of two predictors on the same examples, with as many requests in flight, against one scripted engine;
DSPy's cache is off in both. promptopt's time holds its store, its keys and its journal.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import dspy
from dspy import lm15

from promptopt.dspy.lm import DspyModel
from promptopt.dspy.task import Data, bind
from promptopt.run.budget import Limits
from promptopt.run.door import Door
from promptopt.store.runs import Store
from promptopt.types import Cell

REPLIES = {
    "plan": "[[ ## plan ## ]]\nlook\n\n[[ ## completed ## ]]",
    "answer": "[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]",
}


class Engine:
    """Answers after `latency` seconds."""

    def __init__(self, latency: float) -> None:
        self.latency, self.calls, self.out_s, self._lock = latency, 0, 0.0, threading.Lock()

    def complete(self, request: lm15.Request) -> lm15.Response:
        """One reply."""
        begun = time.perf_counter()
        time.sleep(self.latency)
        with self._lock:
            self.calls += 1
            self.out_s += time.perf_counter() - begun
        text = REPLIES["answer" if "1. `answer`" in str(request.system) else "plan"]
        return lm15.Response(
            id="1",
            model=request.model,
            message=lm15.Message.assistant(text),
            finish_reason="stop",
            usage=lm15.Usage(input_tokens=3, output_tokens=4, total_tokens=7),
        )

    def __deepcopy__(self, memo: object) -> Engine:
        return self


class Two(dspy.Module):
    """Plans, then answers."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = dspy.Predict(dspy.Signature("question -> plan", "Plan it."))
        self.solve = dspy.Predict(dspy.Signature("question, plan -> answer", "Solve it."))

    def forward(self, question: str) -> dspy.Prediction:
        """One run."""
        return self.solve(question=question, plan=self.plan(question=question).plan)


def metric(gold: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> bool:
    return gold.answer == prediction.answer


class Measured(NamedTuple):
    """Seconds, those in which places for requests were free (of all places together), and CPU seconds."""

    wall_s: float
    idle_s: float
    cpu_s: float


def measured(
    run: Callable[[Engine, list[dspy.Example], int], float], given: argparse.Namespace, examples: list[dspy.Example]
) -> Measured:
    engine, begun = Engine(given.latency), time.process_time()
    wall = run(engine, examples, given.threads)
    assert engine.calls == 2 * given.examples
    return Measured(wall, wall - engine.out_s / given.threads, time.process_time() - begun)


def theirs(engine: Engine, examples: list[dspy.Example], threads: int) -> float:
    evaluate = dspy.Evaluate(devset=examples, metric=metric, num_threads=threads, display_progress=False)
    with dspy.context(lm=dspy.LM("scripted", engine=engine, cache=False, num_retries=0)):
        begun = time.perf_counter()
        assert evaluate(Two()).score == 100.0
        return time.perf_counter() - begun


def ours(engine: Engine, examples: list[dspy.Example], threads: int) -> float:
    lm = dspy.LM("scripted", engine=engine, cache=False, num_retries=0)
    bound = bind(Two(), Data(examples[2:], examples[:1], examples[1:2]), metric, lm=lm)
    evaluator = bound.task.scored_by
    cells = [Cell(bound.task.initial, example) for example in bound.task.train]
    with tempfile.TemporaryDirectory() as home, Store(Path(home) / "store.db") as store:
        model = DspyModel(lm, threads=threads)
        door = Door(
            models={"task": model, "proposer": model, "judge": model}, prices={}, cache=store.cache, journal=None,
            limits=Limits(), seed=0, stopping=lambda: None, warn=print,
        )  # fmt: skip
        begun = time.perf_counter()
        assert all(score.value == 1.0 for score in evaluator.score(cells, door))
        return time.perf_counter() - begun


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=500)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    examples = [
        dspy.Example(question=f"q{number}", answer="yes").with_inputs("question")
        for number in range(given.examples + 2)
    ]
    found: list[list[Measured]] = []
    for _ in range(given.repeats):
        found.append([measured(theirs, given, examples[2:]), measured(ours, given, examples)])
    print(f"{given.examples} examples, two calls each, {1000 * given.latency:.0f} ms, {given.threads} in flight")
    best = [Measured(*map(min, zip(*each, strict=True))) for each in zip(*found, strict=True)]
    for name, each in zip(("dspy.Evaluate", "promptopt"), best, strict=True):
        print(
            f"  {name}: {each.wall_s:.2f} s, of which {each.idle_s:.2f} s with places free; {each.cpu_s:.2f} s of CPU"
        )
    print(f"  best of {given.repeats}: ratio {best[1].wall_s / best[0].wall_s:.2f}")
