"""Our GEPA and the real package on a real small model: a cell (task, seed) at a time, as many as there is time for.

    python -m benchmarks.originals [--tasks sst-2,cr] [--seeds 3] [--cap 300] [--held 100] [--cpu-minutes 20]

Both are asked through one server that counts and refuses beyond the cap; behind it stands the embedded model, as task
model and as proposer. Both begin with the same system prompt, are given the same examples and the same rule for a right
answer (the label that a reply names first), and the prompts that they return are scored on the same held-out ones.
Each player adds a row when it is done, and is not run a second time: the same command goes on. Nothing is begun that
would not fit into what is left of `--cpu-minutes`, as long as the longest took so far. Data: `PROMPTOPT_DATA_HOME`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import random
import resource
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from benchmarks.peers import VENV, returned
from benchmarks.peers_proxy import PROPOSER, TASK, Cell, Proxy
from benchmarks.peers_settings import VERSIONS, settings_for
from benchmarks.search import RESULTS, names, write
from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.models.specs import open_model
from promptopt.protocols import Model
from promptopt.run.budget import Budget
from promptopt.tasks.catalogue import load_task
from promptopt.tasks.layout import Layout
from promptopt.tasks.task import Task
from promptopt.testing import uniform
from promptopt.types import Example, Message, Request, Sampling

MODEL = "embedded/qwen2.5-coder-0.5b"
TASKS = ("support-intent", "sst-2", "cr")
PLAYERS = ("our-gepa", "gepa")
TRAIN, DEV, TEST = 60, 30, 60
"""Examples to learn from and to choose by, which both have, and ours' own sealed test."""
REPLY, PROPOSAL = 16, 160
"""Tokens of a reply of the task model, and of the proposer, at most: the server cuts both players alike."""
LONGEST_S = 3_600


@dataclass(frozen=True, slots=True)
class Row:
    """What a player made of a cell: accuracy on the held-out examples, of its prompt and of the start's."""

    player: str
    task: str
    seed: int
    cap: int
    start: float = math.nan
    score: float = math.nan
    asked: int = 0
    proposed: int = 0
    cpu_s: float = 0.0
    prompt: str = ""
    problem: str = ""

    @property
    def key(self) -> tuple[str, str, int, int]:
        """Which one it is."""
        return self.player, self.task, self.seed, self.cap


@dataclass(slots=True)
class Served:
    """A real model behind the server; equal greedy requests are computed once, and counted each time."""

    model: Model
    longest: int = REPLY
    """Tokens of a reply of the task model."""
    _known: dict[str, str] = field(default_factory=dict[str, str])

    def read(self, messages: Sequence[Mapping[str, str]]) -> Cell:
        """The system prompt, and what is asked under it."""
        system = [each["content"] for each in messages if each["role"] == "system"]
        return Cell("\n".join(system), (), messages[-1]["content"])

    def reply(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Greedily, and short."""
        text = json.dumps(messages)
        if text not in self._known:
            self._known[text] = self._said(messages, Sampling(max_tokens=self.longest), None)
        return self._known[text]

    def propose(self, messages: Sequence[Mapping[str, str]], draw: int) -> str:
        """Sampled at 1.0, which both players ask for; `draw` tells equal requests apart."""
        seed = int(uniform("draw", json.dumps(messages), str(draw)) * 2**31)
        return self._said(messages, Sampling(temperature=1.0, max_tokens=PROPOSAL), seed)

    def _said(self, messages: Sequence[Mapping[str, str]], sampling: Sampling, seed: int | None) -> str:
        content = tuple(Message(each["role"], each["content"]) for each in messages)  # type: ignore[arg-type]
        # All but the question is the candidate's: computed once for each, and brought back to the bit.
        shared = sum(len(each["content"]) for each in messages[:-1])
        [(_, reply)] = self.model.generate([Request(content, sampling, seed=seed, shared=shared)])
        return reply.text


def first_label(reply: str, labels: Sequence[str]) -> str | None:
    """The label that a reply names first, of two at one place the longer; None for none."""
    places = {label: reply.lower().find(label.lower()) for label in labels}
    named = [label for label in labels if places[label] >= 0]
    return min(named, key=lambda label: (places[label], -len(label))) if named else None


def cell(name: str, seed: int, held: int) -> tuple[Task, list[Example]]:
    """The task in a chat of one system prompt, and the examples that nobody is given, `held` of them."""
    given = load_task(name)
    pool = [*given.train, *given.dev, *given.test]
    drawn = random.Random(f"originals/{name}/{seed}").sample(pool, TRAIN + DEV + TEST + held)
    rows = [Example.of(each.target, input="\n".join(value for _, value in each.fields)) for each in drawn]
    labels = tuple(given.labels)
    instruction = given.initial[given.editable]
    made = Task.from_examples(
        rows,
        prompt=f"{instruction}\nAnswer with one of: {', '.join(labels)}.",
        name=f"{name}-originals",
        layout=Layout("system", messages=(("system", "{instruction}"), ("user", "{input}"))),
        metric=lambda answer, example: float(first_label(answer, labels) == example.target),
        answer="text",
        max_tokens=REPLY,
    )
    ends = [0, TRAIN, TRAIN + DEV, TRAIN + DEV + TEST]
    train, dev, test = (tuple(rows[begin:end]) for begin, end in pairwise(ends))
    return replace(made, train=train, dev=dev, test=test, labels=labels), rows[ends[-1] :]


def play(row: Row, served: Served, task: Task, held: Sequence[Example], venv: Path) -> Row:
    """One search behind a server of its own, and its prompt scored on what is held out. `row`: whose."""
    start, seed, cap = task.initial[task.editable], row.seed, row.cap
    begun = cpu_seconds()
    with Proxy(served, cap) as proxy:
        try:
            found = (
                ours(task, seed, cap, proxy.url) if row.player != "gepa" else original(task, seed, cap, proxy.url, venv)
            )
        except RuntimeError as why:
            found, row = start, replace(row, problem=str(why))
    spent = cpu_seconds() - begun
    scores = [accuracy(served, prompt, held, task.labels) for prompt in (start, found)]
    counts = proxy.counts
    return replace(
        row, start=scores[0], score=scores[1], asked=counts.task, proposed=counts.proposer, cpu_s=round(spent, 1),
        prompt=found,
    )  # fmt: skip


def ours(task: Task, seed: int, cap: int, url: str) -> str:
    """The prompt that ours returns, as shipped. Raises RuntimeError where it was suspended."""
    with tempfile.TemporaryDirectory() as folder:
        models = Models(f"openai/{TASK}", proposer=f"openai/{PROPOSER}", base_url=url)
        result = optimize(
            task, "gepa", model=models, budget=Budget(calls=cap), seed=seed, store=Path(folder) / "store.db"
        )
    if result.status == "suspended":
        raise RuntimeError(f"suspended: {result.reason}")
    return result.prompt[task.editable]


def original(task: Task, seed: int, cap: int, url: str, venv: Path) -> str:
    """The prompt that the package returns. Raises RuntimeError where it returned none."""
    pairs = {part: [(each["input"], each.target) for each in getattr(task, part)] for part in ("train", "dev")}
    order = {"peer": "gepa", "url": url, "cap": cap, "seed": seed, "start": task.initial[task.editable],
             "description": "", "settings": settings_for("gepa", cap), "labels": list(task.labels),
             "seconds": LONGEST_S, **pairs}  # fmt: skip
    return returned(venv, order)


def accuracy(served: Served, prompt: str, held: Sequence[Example], labels: Sequence[str]) -> float:
    """The share of the held-out examples that a system prompt gets right."""
    said = (
        served.reply([{"role": "system", "content": prompt}, {"role": "user", "content": each["input"]}])
        for each in held
    )
    return sum(first_label(text, labels) == each.target for text, each in zip(said, held, strict=True)) / len(held)


def cpu_seconds() -> float:
    """CPU seconds of this process and of the children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def table(rows: Sequence[Row], players: tuple[str, str] = PLAYERS) -> list[str]:
    """A line a cell of both `players`, ours first, and the mean difference with its standard error over cells."""
    peer = players[1]
    lines = [
        f"| task | seed | start | ours | {peer} | ours - {peer} | calls, ours | calls, {peer} |",
        "|" + " --- |" * 8,
    ]
    cells = {(row.task, row.seed): {} for row in rows}
    for row in rows:
        cells[row.task, row.seed][row.player] = row
    apart: list[float] = []
    for (name, seed), found in cells.items():
        if len(found) == len(players):
            own, other = (found[player] for player in players)
            apart.append(own.score - other.score)
            calls = " | ".join(f"{each.asked} + {each.proposed}" for each in (own, other))
            lines.append(f"| {name} | {seed} | {own.start:.2f} | {own.score:.2f} | {other.score:.2f} | "
                         f"{apart[-1]:+.2f} | {calls} |")  # fmt: skip
    if len(apart) > 1:
        mean = math.fsum(apart) / len(apart)
        error = math.sqrt(math.fsum((each - mean) ** 2 for each in apart) / (len(apart) - 1) / len(apart))
        lines += ["", f"Ours minus the package's: {mean:+.3f} ± {error:.3f} over {len(apart)} cells."]
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=names, default=TASKS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cap", type=int, default=300)
    parser.add_argument("--held", type=int, default=100)
    parser.add_argument("--cpu-minutes", type=float, default=20.0)
    parser.add_argument("--venv", type=Path, default=VENV)
    parser.add_argument("--rows", type=Path, default=RESULTS / "originals-real.jsonl")
    parser.add_argument("--out", type=Path, default=RESULTS / "originals-real.md")
    given = list(sys.argv[1:] if arguments is None else arguments)
    chosen = parser.parse_args(given)
    lines = chosen.rows.read_text(encoding="utf-8").splitlines() if chosen.rows.exists() else []
    rows = {row.key: row for row in (Row(**json.loads(line)) for line in lines)}
    served, longest = Served(open_model(MODEL)), 0.0
    for seed in range(chosen.seeds):
        for name in chosen.tasks:
            for player in PLAYERS:
                left = 60 * chosen.cpu_minutes - cpu_seconds()
                if (player, name, seed, chosen.cap) in rows or left < longest:
                    continue
                begun = cpu_seconds()
                task, held = cell(name, seed, chosen.held)
                row = play(Row(player, name, seed, chosen.cap), served, task, held, chosen.venv)
                longest = max(longest, cpu_seconds() - begun)
                rows[row.key] = row
                with chosen.rows.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(asdict(row)) + "\n")
                print(
                    f"{player} {name} {seed}: {row.start:.2f} -> {row.score:.2f}, {row.cpu_s:.0f} CPU s {row.problem}"
                )
    head = ["# GEPA beside its original, on a real model", "",
            f"`{' '.join(['python -m benchmarks.originals', *given])}`, {datetime.date.today()}, gepa "
            f"{VERSIONS['gepa']}, `{MODEL}` as task model and proposer.", ""]  # fmt: skip
    write([*head, *table([row for row in rows.values() if row.cap == chosen.cap])], chosen.out)


if __name__ == "__main__":
    main()
