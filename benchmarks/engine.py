"""How fast the machinery is, side by side in one run: `python -m benchmarks.engine [--embedded]`.

Prints, and writes to `benchmarks/results/engine.md`: cells a second through the whole stack with a scripted instant
model, cold and on replay; both transports to an HTTP server beside bare aiohttp; peak memory of a million cells; the
time of `promptopt --help` and `import promptopt`; with `--embedded`, the wall time of the same 500 evaluations on the
embedded model, grouped by prefix and not.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from promptopt.api import optimize
from promptopt.run import Run
from promptopt.tasks.task import Task
from promptopt.testing import planted_task
from promptopt.types import Message, Proposal, Reply, Request, Sampling

if TYPE_CHECKING:
    from promptopt.models.server.openai import OpenAIModel

RESULTS = Path(__file__).parent / "results" / "engine.md"


@dataclass(frozen=True, slots=True)
class Sweep:
    """Scores `prompts` prompts on all of train, one after the other: nothing but the stack itself."""

    prompts: int

    def optimize(self, run: Run) -> None:
        """Propose and score."""
        for number in range(self.prompts):
            prompt = run.initial.replace("instruction", f"Answer the question, take {number}.")
            run.evaluate(run.admit([Proposal(prompt)]), run.train)


class Instant:
    """A model that answers at once and remembers nothing."""

    name = "instant"

    def generate(
        self, requests: Sequence[Request], stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Reply]]:
        """Half of the answers are right."""
        for index, request in enumerate(requests):
            yield index, Reply("yes" if hash(request.content) % 2 else "no", "stop", 20, 1, served="instant")


def sweep(store: Path, prompts: int, examples: int) -> tuple[float, float]:
    """(cells a second of the search, seconds of the whole run)."""
    task: Task = planted_task(train=examples, dev=10, test=10)
    begun = time.perf_counter()
    result = optimize(task, Sweep(prompts), model=Instant(), store=store)
    seconds = time.perf_counter() - begun
    return result.spent.evaluations / seconds, seconds


def cells() -> list[str]:
    """Cold and replayed, three times each; medians."""
    cold: list[float] = []
    warm: list[float] = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            cold.append(sweep(Path(folder) / "store.db", 40, 500)[0])
            warm.append(sweep(Path(folder) / "store.db", 40, 500)[0])
    return [
        f"| cells a second, cold (20,000 cells) | {statistics.median(cold):,.0f} | at least 5,000 |",
        f"| cells a second, replayed | {statistics.median(warm):,.0f} | at least 20,000 |",
    ]


def memory_of_a_million() -> None:
    """Runs in a process of its own; prints its peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        sweep(Path(folder) / "store.db", 1_000, 1_000)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def memory() -> list[str]:
    """Peak resident memory of a process that scores a million cells."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.engine", "--million"], capture_output=True, text=True, check=True
    ).stdout.split()
    return [f"| peak memory of a million cells | {float(done[-1]):,.0f} MB | at most 500 MB |"]


def median_seconds(command: list[str], times: int = 9) -> float:
    """Median wall time of a whole process, after one warm-up."""
    seconds: list[float] = []
    for _ in range(times + 1):
        begun = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[1:])


def start_up() -> list[str]:
    """Whole processes, interpreter included; the bare interpreter beside them."""
    script = shutil.which("promptopt", path=str(Path(sys.executable).parent))
    assert script is not None, "install the package first: pip install -e ."
    bare = median_seconds([sys.executable, "-c", "pass"])
    imported = median_seconds([sys.executable, "-c", "import promptopt"])
    helped = median_seconds([script, "--help"])
    return [
        f"| `import promptopt` (bare interpreter: {bare:.3f} s) | {imported:.3f} s | at most 0.15 s |",
        f"| `promptopt --help` | {helped:.3f} s | at most 0.25 s |",
    ]


def over_http(count: int = 2_000) -> list[str]:
    """The same requests to the same server, 64 at a time: bare aiohttp, and our backend's two transports."""
    from tests.servers import latency_server

    requests = [Request((Message("user", f"question {n}"),), Sampling(max_tokens=4)) for n in range(count)]
    with (
        latency_server(latency_s=0.02) as url,
        served_model(url, local=True) as here,
        served_model(url, local=False) as elsewhere,
    ):
        clients: dict[str, Callable[[], object]] = {
            "bare aiohttp": lambda: asyncio.run(bare_client(url, requests)),
            "`openai/NAME` on this machine (aiohttp alone)": lambda: list(here.generate(requests)),
            "`openai/NAME` elsewhere (the official client)": lambda: list(elsewhere.generate(requests)),
        }
        list(elsewhere.generate(requests[:100]))  # imports the client, which takes 0.4 s once
        rounds = [{name: wall_and_processor(work) for name, work in clients.items()} for _ in range(5)]
    bare = next(iter(clients))
    aims = ("", "at most 1.05 times bare", "at most 1.3 times bare, or not for this machine")
    return [
        f"| {count:,} requests of 20 ms, 64 at a time, {name} | "
        f"{statistics.median(row[name][0] for row in rounds):.2f} s, "
        f"{statistics.median(row[name][0] / row[bare][0] for row in rounds):.2f} times bare, "
        f"{statistics.median(row[name][1] for row in rounds) / count * 1e3:.2f} ms of processor a call | {aim} |"
        for name, aim in zip(clients, aims, strict=True)
    ]


@contextmanager
def served_model(url: str, *, local: bool) -> Iterator[OpenAIModel]:
    """The model behind `url`, taken for one on this machine or elsewhere."""
    from promptopt.models.server import http as openai_http
    from promptopt.models.server.openai import OpenAIModel

    with mock.patch.object(openai_http, "is_this_machine", return_value=local):
        model = OpenAIModel("fake", base_url=url, concurrency=64)
    try:
        yield model
    finally:
        model.close()


def wall_and_processor(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the clock and of this process."""
    begun, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begun, time.process_time() - used


async def bare_client(url: str, requests: list[Request]) -> None:
    """The least a client can do: 64 workers over one aiohttp session, no retries, nothing read but the text."""
    import aiohttp

    queue: asyncio.Queue[Request] = asyncio.Queue()
    for request in requests:
        queue.put_nowait(request)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:

        async def work() -> None:
            while not queue.empty():
                request = queue.get_nowait()
                messages = [{"role": m.role, "content": m.content} for m in request.content if isinstance(m, Message)]
                body = {"model": "fake", "messages": messages, "temperature": 0, "max_tokens": 4}
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    reply = await response.json()
                    assert reply["choices"][0]["message"]["content"]

        await asyncio.gather(*(work() for _ in range(64)))


def grouped_or_not() -> list[str]:
    """500 evaluations of 10 prompts on the embedded model: grouped by prefix, and with the prompts interleaved."""
    from promptopt.models.specs import open_model
    from promptopt.tasks.catalogue import load_task

    task = load_task("support-intent")
    model = open_model("embedded")
    prompts = [
        task.initial.replace("instruction", f"{task.initial['instruction']} This is wording number {n} of ten.")
        for n in range(10)
    ]
    batch: list[Request] = []
    for prompt in prompts:
        for example in task.train[:50]:
            content, shared = task.render(prompt, example)
            batch.append(Request(content, task.sampling, shared=shared))
    grouped = timed(lambda: list(model.generate(batch)))
    alone = [replace(request, shared=0) for request in batch]
    ungrouped = timed(lambda: list(model.generate(alone)))
    return [
        f"| the same 500 evaluations on the embedded model: shared prefixes computed once ({grouped:.0f} s), each "
        f"prompt computed whole ({ungrouped:.0f} s) | {ungrouped / grouped:.2f} times faster | |"
    ]


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--embedded", action="store_true", help="measure the embedded model too (minutes)")
    parser.add_argument("--million", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.million:
        memory_of_a_million()
        return
    begun = time.perf_counter()
    rows = [*cells(), *over_http(), *memory(), *start_up(), *(grouped_or_not() if chosen.embedded else [])]
    lines = [
        "# The engine's own cost",
        "",
        f"`python -m benchmarks.engine{' --embedded' if chosen.embedded else ''}`, {datetime.date.today()}, "
        f"Python {platform.python_version()}, {json.dumps(platform.machine())}, two cores; "
        f"{time.perf_counter() - begun:.0f} s in all.",
        "",
        "| what | measured | aim |",
        "| --- | --- | --- |",
        *rows,
    ]
    print("\n".join(lines))
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
