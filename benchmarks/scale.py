"""How far a sweep grows: runs on 1, 2, 4, 8 workers of Ray, and cells a second that a store takes from 8 writers.

    python -m benchmarks.scale workers [--counts 1,2,4,8] [--latency 0.02]
    python -m benchmarks.scale actors [--counts 1,2,4,8] [--latency 0.02]
    python -m benchmarks.scale store [--writers 8] [--cells 4000] [--url postgresql+psycopg://…]

`workers`: 8 scripted runs of some 200 calls, each answered after 20 ms; the time on one worker over N times that on N.
`actors`: 800 requests of one run, over 8 prefixes, spread over N actors that each answer one after the other in 20 ms.
`store`: processes that hand over replies of 200 characters as a run does, each flushed in batches of 64.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

BATCH = 64
RUNS = 8
REQUESTS = 800
REPLY = "x" * 200


def one_run(seed: int, latency: float, folder: str) -> float:
    """A scripted search of some 200 calls; its seconds."""
    from promptopt.api import optimize
    from promptopt.binding.models import Models
    from promptopt.models.scripted import Scripted
    from promptopt.run.budget import Budget
    from promptopt.testing import feature_accuracy, planted_model, planted_task

    model = planted_model(feature_accuracy(["carefully"], base=0.4, each=0.4))
    model.latency_s = latency
    proposer = Scripted(lambda _: "<prompt>Answer carefully.</prompt>", name="proposer", latency_s=latency)
    begun = time.perf_counter()
    optimize(planted_task(), "random", model=Models(model, proposer=proposer), budget=Budget(evaluations=200),
             seed=seed, store=Path(folder) / f"{seed}-{begun}.db")  # fmt: skip
    return time.perf_counter() - begun


def sweep(counts: Sequence[int], latency: float) -> None:
    ray: Any = import_module("ray")
    print("| workers | seconds | share of N times one worker |\n| --- | --- | --- |")
    alone = 0.0
    for count in counts:
        ray.init(num_cpus=count, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        asked = ray.remote(one_run)
        with tempfile.TemporaryDirectory() as folder:
            # Every worker has imported all of it before the clock runs.
            ray.get([asked.remote(100 + place, 0.0, folder) for place in range(2 * count)])
            begun = time.perf_counter()
            ray.get([asked.remote(seed, latency, folder) for seed in range(RUNS)])
            seconds = time.perf_counter() - begun
        ray.shutdown()
        alone = alone or seconds * count
        print(f"| {count} | {seconds:.1f} | {alone / (count * seconds):.2f} |", flush=True)


def slow(latency: str) -> Any:
    """A model that answers one request after another, each after so many seconds."""
    from promptopt.models.scripted import Scripted

    return Scripted(lambda _: "x", name="slow", latency_s=float(latency))


def spread(counts: Sequence[int], latency: float) -> None:
    from promptopt.models.actors.fleet import Fleet
    from promptopt.models.actors.model import FleetModel
    from promptopt.models.actors.on_ray import Actors
    from promptopt.models.actors.worker import ModelWorker, Named
    from promptopt.types import Request

    ray: Any = import_module("ray")
    requests = [Request(f"{'abcdefgh'[number % 8] * 40} question {number}", shared=40) for number in range(REQUESTS)]
    print("| actors | seconds | share of N times one actor |\n| --- | --- | --- |")
    alone = 0.0
    for count in counts:
        ray.init(num_cpus=count, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        made = ray.remote(ModelWorker).options(num_cpus=1, max_concurrency=8)
        model = FleetModel(Fleet(Actors(ray, [made.remote(slow) for _ in range(count)])), Named(str(latency)))
        begun = time.perf_counter()
        assert len(dict(model.generate(requests))) == REQUESTS
        seconds = time.perf_counter() - begun
        ray.shutdown()
        alone = alone or seconds * count
        print(f"| {count} | {seconds:.1f} | {alone / (count * seconds):.2f} |", flush=True)


def write(place: int, cells: int, url: str, ready: Any) -> None:
    """Hand over so many replies, and flush each batch, as a run does."""
    from promptopt.store.call_keys import call_key
    from promptopt.store.runs import Store

    with Store(url) as store:
        ready.wait()
        for begin in range(0, cells, BATCH):
            for number in range(begin, min(cells, begin + BATCH)):
                store.cache.put(call_key("model", f"{place} {number}", "greedy"), "model", REPLY, f'"{REPLY}"')
            store.cache.flush()


def store(writers: int, cells: int, url: str) -> None:
    from promptopt.store.runs import Store

    context = multiprocessing.get_context("spawn")
    Store(url).close()
    ready = context.Barrier(writers + 1)
    processes = [context.Process(target=write, args=(place, cells, url, ready)) for place in range(writers)]
    for process in processes:
        process.start()
    ready.wait()
    begun = time.perf_counter()
    for process in processes:
        process.join()
    seconds = time.perf_counter() - begun
    kind = "PostgreSQL" if url.startswith("postgresql") else "SQLite"
    total = writers * cells
    print(f"{kind}: {writers} writers, {total:,} cells in {seconds:.1f} s: {total / seconds:,.0f} a second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("workers", "actors", "store"))
    parser.add_argument("--counts", default="1,2,4,8")
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--cells", type=int, default=4000, help="of each writer")
    parser.add_argument("--url", help="a store; default: a file")
    chosen = parser.parse_args()
    if chosen.part != "store":
        measure = sweep if chosen.part == "workers" else spread
        measure([int(each) for each in chosen.counts.split(",")], chosen.latency)
        return
    with tempfile.TemporaryDirectory() as folder:
        store(chosen.writers, chosen.cells, chosen.url or os.path.join(folder, "store.db"))


if __name__ == "__main__":
    main()
