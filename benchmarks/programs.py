"""What programs in lockstep cost beside the bare calls, and what a million of their calls take in memory.

usage: python -m benchmarks.programs [--cells 1000] [--repeats 3] [--calls 1000000]

Time: cells of three calls, one after the other, against a scripted model that answers in 20 ms and has 64 requests in
flight. Bare: the same calls handed to the same model in three batches, without programs, run or store.
"""

from __future__ import annotations

import argparse
import gc
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from promptopt.programs import ProgramEvaluator
from promptopt.run.budget import Limits
from promptopt.run.door import Door
from promptopt.store.runs import Store
from promptopt.types import Cell, Example, Prompt, Reply, Request

LATENCY_S, IN_FLIGHT, CALLS = 0.02, 64, 3
PROMPT = Prompt((("plan", "Plan the work."), ("solve", "Solve the task.")))


class Slow:
    """Answers every request after `latency` seconds, so many at a time."""

    name = "slow"

    def __init__(self, latency: float = LATENCY_S, in_flight: int = IN_FLIGHT) -> None:
        self.latency, self.in_flight, self.calls = latency, in_flight, 0
        self.idle_s = self.idle_cpu_s = 0.0
        """Seconds, and CPU seconds of this process, in which nothing was out."""
        self.rest()

    def rest(self) -> None:
        """From now on nothing is out."""
        self._rested = time.perf_counter(), time.process_time()

    def wake(self) -> None:
        """From now on something is out, or nothing is left to do."""
        self.idle_s += time.perf_counter() - self._rested[0]
        self.idle_cpu_s += time.process_time() - self._rested[1]

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """Replies settle so many at a time; what is done with them meanwhile delays none."""
        self.wake()
        self.calls += len(requests)
        begun = time.perf_counter()
        for place in range(len(requests)):
            if self.latency and place % self.in_flight == 0:
                settles = begun + (place // self.in_flight + 1) * self.latency
                time.sleep(max(0.0, settles - time.perf_counter()))
                if place + self.in_flight >= len(requests):
                    self.rest()
            yield place, Reply("yes", prompt_tokens=20, completion_tokens=1, served=self.name)


def program(prompt: Prompt, example: Example, ask) -> str:
    plan = ask(f"{prompt['plan']} {example['question']}", part="plan").text
    found = ask(f"{prompt['solve']} {plan} {example['question']}", part="solve").text
    return ask(f"Repeat: {found} {example['question']}").text


def cells(begin: int, count: int) -> list[Cell]:
    return [Cell(PROMPT, Example.of("yes", question=f"question {begin + each}")) for each in range(count)]


def bare(model: Slow, count: int) -> float:
    batches = [[Request(f"call {each} of {number}") for number in range(count)] for each in range(CALLS)]
    begun = time.perf_counter()
    for batch in batches:
        list(model.generate(batch))
    return time.perf_counter() - begun


def in_lockstep(model: Slow, home: Path, count: int) -> float:
    """Seconds that so many cells take, through a door with a store of its own."""
    with Store(home / "store.db") as store:
        door = Door(
            models={"task": model, "proposer": model, "judge": model}, prices={}, cache=store.cache, journal=None,
            limits=Limits(), seed=0, stopping=lambda: None, warn=print,
        )  # fmt: skip
        evaluator, given = ProgramEvaluator(program), cells(0, count)
        begun = time.perf_counter()
        model.rest()
        scores = evaluator.score(given, door)
        model.wake()
        assert all(score.value == 1.0 for score in scores)
        return time.perf_counter() - begun


def timed(count: int, repeats: int) -> None:
    ideal = count * CALLS / IN_FLIGHT * LATENCY_S
    pairs: list[tuple[float, float]] = []
    asked, cpu = [Slow() for _ in range(repeats)], list[float]()
    for model in asked:
        with tempfile.TemporaryDirectory() as home:
            alone, begun = bare(Slow(), count), time.process_time()
            pairs.append((alone, in_lockstep(model, Path(home), count)))
            cpu.append(time.process_time() - begun)
    best_bare, best = (min(each) for each in zip(*pairs, strict=True))
    idle, idle_cpu = min(each.idle_s for each in asked), min(each.idle_cpu_s for each in asked)
    print(f"{count:,} cells of {CALLS} calls, {1000 * LATENCY_S:.0f} ms, {IN_FLIGHT} in flight, best of {repeats}")
    print(f"  arithmetic {ideal:.2f} s, bare {best_bare:.2f} s, programs {best:.2f} s")
    print(f"  programs / bare: {best / best_bare:.2f}")
    print(f"  with nothing out: {idle:.3f} s, of which {idle_cpu:.3f} s of CPU (all of it: {min(cpu):.2f} s of CPU)")


def memory(calls: int) -> None:
    """Peak memory of so many calls, whose scores and traces are all kept, as a run keeps them."""
    gc.collect()
    held = []
    with tempfile.TemporaryDirectory() as home, Store(Path(home) / "store.db") as store:
        model = Slow(0.0)
        door = Door(
            models={"task": model, "proposer": model, "judge": model}, prices={}, cache=store.cache, journal=None,
            limits=Limits(), seed=0, stopping=lambda: None, warn=print,
        )  # fmt: skip
        evaluator = ProgramEvaluator(program)
        begun = time.perf_counter()
        for batch in range(0, calls // CALLS, 2_048):
            held += evaluator.score(cells(batch, min(2_048, calls // CALLS - batch)), door)
        seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{model.calls:,} scripted calls: {seconds:.0f} s, peak {peak:.0f} MB with {len(held):,} scores and traces kept"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--calls", type=int, default=0)
    given = parser.parse_args()
    if given.calls:
        memory(given.calls)
    else:
        timed(given.cells, given.repeats)
