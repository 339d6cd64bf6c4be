"""Ours against peers: their real packages and clients, one counting proxy, one hard cap of calls, planted landscapes.

    python -m benchmarks.peers --prepare [--venv FOLDER]
    python -m benchmarks.peers [--caps 400,1200] [--players auto,gepa] [--kinds additive] [--seeds 3] [--again auto]

`--prepare` makes the virtual environment that the peers live in; they are no dependency of ours. A run adds a line to
`--rows` for each search and leaves out what stands there, but for the players named by `--again`; the report is made
from all rows. Everything that a player asks counts: task model, proposer, and for ours the final choice and the sealed
test as well. Gains are the true accuracy of the prompt that is returned minus the start's, by the landscape, without
sampling.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from statistics import median

from benchmarks.peers_proxy import PROPOSER, TASK, Counts, Proxy, World
from benchmarks.peers_settings import DESCRIPTION, EVALUATORS, NAMES, OURS, PEERS, VERSIONS, settings_for
from benchmarks.peers_tables import report
from benchmarks.peers_worlds import ARENA, pool
from benchmarks.search import RESULTS, names, numbers, write
from promptopt import registry
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.errors import PromptoptError
from promptopt.run.budget import Budget
from promptopt.tasks.task import Task

VENV = Path("/tmp/promptopt-peers")
CAPS = (400, 1200)
DRIVERS = Path(__file__).with_name("peers_drivers.py")


@dataclass(frozen=True, slots=True)
class Job:
    """One search: a method of ours or a peer, on one pool, under one cap."""

    player: str
    kind: str
    seed: int
    cap: int
    venv: Path = VENV


@dataclass(frozen=True, slots=True)
class Row:
    """What came of a job.

    `gain`: true accuracy of the prompt returned, minus the start's; `found`: the same of the best prompt that the task
    model was asked with. `prompts`: different prompts that it was asked with in the search, and `looks` the median
    number of questions of one. `dev`, `test`: calls of ours that went to the final choice and to the sealed test.
    `refused`: requests beyond the cap.
    """

    player: str
    kind: str
    seed: int
    cap: int
    gain: float = 0.0
    found: float = 0.0
    task: int = 0
    proposer: int = 0
    dev: int = 0
    test: int = 0
    prompts: int = 0
    looks: float = 0.0
    refused: int = 0
    seconds: float = 0.0
    problem: str = ""

    @property
    def key(self) -> tuple[str, str, int, int]:
        """Which job it is."""
        return self.player, self.kind, self.seed, self.cap


def play(job: Job) -> Row:
    """Conduct one search behind a proxy of its own."""
    begun = time.perf_counter()
    world, task = pool(job.kind, job.seed)
    with Proxy(world, job.cap) as proxy:
        try:
            if job.player in PEERS:
                problem, messages = "", _peer(job, world, task, proxy.url)
            else:
                problem, messages = "", _ours(job, task, proxy.url)
        except (PromptoptError, RuntimeError) as why:
            problem, messages = f"{type(why).__name__}: {why}", [{"role": "user", "content": f"{world.start}\n\nq0"}]
    row = Row(job.player, job.kind, job.seed, job.cap, gain=world.gain(messages), problem=problem)
    return replace(counted(row, proxy.counts, world, task), seconds=round(time.perf_counter() - begun, 1))


def counted(row: Row, counts: Counts, world: World, task: Task) -> Row:
    """The row with what the proxy counted."""
    parts = {part: {_question(example) for example in getattr(task, part)} for part in ("dev", "test")}
    ours = row.player not in PEERS
    asked = [question for questions in counts.cells.values() for question in questions]
    searched = {
        cell: [question for question in questions if not (ours and question in parts["dev"] | parts["test"])]
        for cell, questions in counts.cells.items()
    }
    looks = [len(set(questions)) for questions in searched.values() if questions]
    start = world.accuracy(world.start)
    return replace(
        row,
        found=max((world.accuracy(text, len(demos)) - start for text, demos in counts.cells), default=0.0),
        task=counts.task,
        proposer=counts.proposer,
        dev=sum(question in parts["dev"] for question in asked) if ours else 0,
        test=sum(question in parts["test"] for question in asked) if ours else 0,
        prompts=len(looks),
        looks=median(looks) if looks else 0.0,
        refused=counts.refused,
    )


def _question(example: object) -> str:
    return dict(example.fields)["question"]  # type: ignore[attr-defined]


def _ours(job: Job, task: Task, url: str) -> list[dict[str, str]]:
    """A method as shipped, through the client that users have; the messages of its winner before a question."""
    with tempfile.TemporaryDirectory() as folder:
        result = optimize(
            task,
            NAMES.get(job.player, job.player),
            model=Models(f"openai/{TASK}", proposer=f"openai/{PROPOSER}", base_url=url),
            budget=Budget(calls=job.cap),
            seed=job.seed,
            store=Path(folder) / "store.db",
            evaluator=EVALUATORS.get(job.player),
        )
    if result.status == "suspended":
        raise RuntimeError(f"suspended: {result.reason}")
    content = task.render(result.prompt, task.train[0])[0]
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    return [{"role": message.role, "content": message.content} for message in content]


def _peer(job: Job, world: World, task: Task, url: str) -> list[dict[str, str]]:
    """A peer in its own python; the message of the prompt that it returned. Raises RuntimeError where it gave none."""
    order = {
        "peer": job.player, "url": url, "cap": job.cap, "seed": job.seed, "start": world.start,
        "description": DESCRIPTION, "settings": settings_for(job.player, job.cap),
        **{part: [(_question(each), each.target) for each in getattr(task, part)] for part in ("train", "dev")},
    }  # fmt: skip
    return [{"role": "user", "content": f"{returned(job.venv, order)}\n\nInput: q0"}]


def returned(folder: Path, order: Mapping[str, object]) -> str:
    """The prompt that a peer returned for that order. Raises RuntimeError where it gave none."""
    driver = _driver(folder)
    assert driver.stdin is not None
    assert driver.stdout is not None
    driver.stdin.write(json.dumps(order) + "\n")
    driver.stdin.flush()
    answer = json.loads(driver.stdout.readline() or '{"problem": "the driver died"}')
    if "problem" in answer:
        raise RuntimeError(answer["problem"])
    return str(answer["prompt"])


@cache
def _driver(folder: Path) -> subprocess.Popen[str]:
    """The peers' process of this worker; it ends when its input does."""
    return subprocess.Popen(
        [folder / "bin" / "python", DRIVERS],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def prepare(folder: Path) -> None:
    """Make the peers' virtual environment, with the versions that the settings were written for."""
    venv.create(folder, with_pip=True)
    wanted = [f"{name}=={version}" for name, version in VERSIONS.items()]
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", *wanted], check=True)


def conduct(jobs: Sequence[Job], processes: int, rows: Path) -> None:
    """All searches; each adds its line when it is done."""
    with ProcessPoolExecutor(processes) as workers, rows.open("a", encoding="utf-8") as out:
        for row in workers.map(play, jobs):
            out.write(json.dumps(asdict(row)) + "\n")
            out.flush()


def recorded(rows: Path) -> dict[tuple[str, str, int, int], Row]:
    """The rows of a file, the last one of each job."""
    lines: Iterable[str] = rows.read_text(encoding="utf-8").splitlines() if rows.exists() else ()
    return {row.key: row for row in (Row(**json.loads(line)) for line in lines)}


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prepare", action="store_true", help="make the peers' virtual environment, and no more")
    parser.add_argument("--venv", type=Path, default=VENV)
    parser.add_argument("--players", type=names, default=(*OURS, *PEERS), help="default: all")
    parser.add_argument("--again", type=names, default=(), help="players whose rows are made anew")
    parser.add_argument("--kinds", type=names, default=ARENA)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--caps", type=numbers, default=CAPS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rows", type=Path, default=RESULTS / "peers.jsonl")
    parser.add_argument("--out", type=Path, default=RESULTS / "peers.md")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    given = list(sys.argv[1:] if arguments is None else arguments)
    chosen = parser().parse_args(given)
    if chosen.prepare:
        prepare(chosen.venv)
        return
    known = recorded(chosen.rows)
    wanted = [
        Job(player, kind, seed, cap, chosen.venv)
        for cap in chosen.caps for kind in chosen.kinds for seed in range(chosen.seeds) for player in chosen.players
        if player in PEERS or NAMES.get(player, player) in registry.names("optimizers")
    ]  # fmt: skip
    left = [
        job for job in wanted if job.player in chosen.again or (job.player, job.kind, job.seed, job.cap) not in known
    ]
    conduct(left, chosen.processes, chosen.rows)
    found = recorded(chosen.rows)
    rows = [found[job.player, job.kind, job.seed, job.cap] for job in wanted]
    command = " ".join(["python -m benchmarks.peers", *given])
    head = [
        "# Ours against peers",
        "",
        f"`{command}`, {datetime.date.today()}; all rows took {sum(row.seconds for row in rows) / 60:.0f} minutes of "
        f"one process. Peers: {', '.join(f'{name} {version}' for name, version in VERSIONS.items())}.",
        "",
    ]
    write([*head, *report(rows, tuple(PEERS))], chosen.out)


if __name__ == "__main__":
    main()
