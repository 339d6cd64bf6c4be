"""RLPrompt's real runs: SmolLM2-135M as policy and target, one run after the other in one process."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

TASKS = ("sst-2", "agnews")
MANUAL = {"sst-2": "Is this film review negative or positive?", "agnews": "What is this news story about?"}
"""Prompts that a person wrote, once."""
INPUT_FIRST = {
    "sst-2": "{answer_format}\n\nSentence: {text}\n{instruction}",
    "agnews": "{answer_format}\n\nArticle: {text}\n{instruction}",
}
"""The paper's order for models that read from left to right: the label follows the prompt. All prompts share an input's
keys and values, so that a reward costs a prompt's tokens and no more."""
STAGES = (("empty prompt", "manual prompt"), ("rlprompt", "random prompts"), ("rlprompt, rloo", "apo"))
"""Ways to a prompt. All runs of a stage come before the next one's: what is cut short holds whole pairs."""
WAYS = tuple(way for stage in STAGES for way in stage)

APO_EVALUATIONS = 1_000
"""What takes some ten minutes of a core: most of that is the proposer, and a sentence costs ten times three words."""
APO_PROPOSER = "embedded/qwen2.5-coder-0.5b"
"""The policy answers but cannot criticise."""

Key = tuple[str, int, str]
"""Task, seed and way of a run."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one way to a prompt scores on `test` examples, and what it took.

    `size`: of the training. `memory`: GiB of the GPU that were held at most, of 1024 ** 3 bytes.
    """

    task: str
    seed: int
    way: str
    accuracy: float
    calls: int
    minutes: float
    prompt: str
    size: str
    test: int
    where: str
    memory: float = 0.0
    curve: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """Which run it is of."""
        return self.task, self.seed, self.way


def machine(device: str) -> str:
    """What ran it."""
    if device.startswith("cuda"):
        import torch

        return str(torch.cuda.get_device_name(device))
    return f"{os.cpu_count()} cores ({platform.machine()})"


def model_of(path: str, device: str, dtype: str = "float32") -> Any:
    """The target; in float32 what the policy is rewarded by does not depend on company."""
    from promptopt.models.transformers.model import Transformers

    return Transformers(path, device=device, dtype=dtype)


def located(given: str | None) -> str:
    """The model: as named, or the one that `promptopt models pull smollm2-135m` left here."""
    if given is not None:
        return given
    from promptopt.models.files import catalogue

    found = catalogue.locate("smollm2-135m")
    if found is None:
        raise SystemExit("SmolLM2-135M is not here: promptopt models pull smollm2-135m, or give --model PATH")
    return str(found)


def conduct(chosen: argparse.Namespace) -> list[str]:
    """Make the runs that are not known yet, and note each as it ends. The table of all, as lines."""
    kept: Path = chosen.rows
    known = [Row(**json.loads(line)) for line in kept.read_text().splitlines()] if kept.exists() else []
    # Rows of another size or on other test examples are no part of this table.
    rows = [row for row in known if (row.size, row.test) == (size_of(chosen), chosen.test)]
    path, ends, longest = located(chosen.model), time.monotonic() + 60 * chosen.minutes, 0.0
    model = model_of(path, chosen.device, chosen.dtype)
    for key in planned(chosen, {row.key for row in rows}):
        if time.monotonic() + longest > ends:
            print(f"no further run fits into {chosen.minutes} minutes; the same command goes on from here", flush=True)
            break
        begun = time.monotonic()
        row = real_row(key, path, model, chosen)
        longest = max(longest, time.monotonic() - begun)
        rows.append(row)
        with kept.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
        print(f"{', '.join(map(str, row.key))}: {row.accuracy:.3f}, {row.calls:,} calls, {row.minutes:.2f} minutes, "
              f"{row.memory:.2f} GiB; {row.curve[-2:]}", flush=True)  # fmt: skip
    return real_table(rows, path, chosen)


def size_of(chosen: argparse.Namespace) -> str:
    """Of each training, and what its target computes in and reads, as its rows and the table say it."""
    named = [f"--preset {chosen.preset}"] if chosen.preset else []
    named += [f"--steps {chosen.steps}"] if chosen.steps is not None else []
    named += [f"--dtype {chosen.dtype}"] if chosen.dtype != "float32" else []
    named += [f"--layout {chosen.layout}"] if chosen.layout != "text" else []
    return " ".join(named)


def planned(chosen: argparse.Namespace, known: Collection[Key]) -> Iterator[Key]:
    """The runs that are not known yet, pairs of one seed and task together."""
    for stage in STAGES:
        for seed in chosen.runs:
            for task in chosen.tasks:
                for way in stage:
                    if way in chosen.ways and (task, seed, way) not in known:
                        yield task, seed, way


def real_row(key: Key, path: str, model: Any, chosen: argparse.Namespace) -> Row:
    """One run, in the store of all."""
    from promptopt.api import optimize
    from promptopt.binding.models import Models
    from promptopt.evaluation import evaluate
    from promptopt.run.budget import Budget
    from promptopt.tasks.catalogue import load_task
    from promptopt.tasks.layout import Layout
    from promptopt.tasks.splits import Splits

    name, seed, way = key
    task = load_task(name, splits=Splits(test=chosen.test, seed=seed)).with_layout("text")
    if chosen.layout == "input-first":
        task = replace(task, layout=Layout("input first", text=INPUT_FIRST[name]))
    memory, begun = Memory(chosen.device), time.monotonic()
    curve: tuple[str, ...] = ()
    if way in STAGES[0]:
        text = " " if way == "empty prompt" else MANUAL[name]
        prompt = task.initial.replace(task.editable, text)
        found = evaluate(task, prompt, model=Models(model), evaluator="labels", split="test", seed=seed)
        accuracy, calls = found.measured.score, found.paid.calls
    else:
        result = optimize(
            task, way_of(way, path, chosen), model=Models(model, proposer=APO_PROPOSER if way == "apo" else None),
            check_evaluator="labels", seed=seed,
            budget=Budget(evaluations=APO_EVALUATIONS) if way == "apo" else Budget(),
            evaluator="labels" if way == "apo" else None, store=chosen.store,
        )  # fmt: skip
        assert result.best.test is not None
        accuracy, calls, text = result.best.test.score, result.spent.calls, result.best.text
        curve = tuple(step.note for step in result.steps)
    minutes = (time.monotonic() - begun) / 60
    where = machine(chosen.device)
    return Row(
        name, seed, way, accuracy, calls, minutes, text, size_of(chosen), chosen.test, where, memory.most(), curve
    )


def way_of(way: str, path: str, chosen: argparse.Namespace) -> Any:
    """The method behind a way."""
    from promptopt.optimizers.apo.method import APO
    from promptopt.optimizers.rlprompt.method import RLPrompt
    from promptopt.optimizers.rlprompt.settings import Learning, Sizes

    if way == "apo":
        return APO()
    trained = RLPrompt(
        policy=f"hf/{path}", device=chosen.device, length=5, size=Sizes(steps=chosen.steps, prompts=8, every=10)
    )
    if chosen.preset:
        trained = RLPrompt(
            policy=f"hf/{path}", device=chosen.device, preset=chosen.preset, size=Sizes(steps=chosen.steps)
        )
    if way == "random prompts":
        # The policy's own draws, at the same number of rewards: it never learns.
        return replace(trained, learn=Learning(rate=0.0))
    return replace(trained, algorithm="rloo") if way == "rlprompt, rloo" else trained


class Memory:
    """What a GPU holds at most from now on; nothing is measured on a CPU."""

    def __init__(self, device: str) -> None:
        self._device = device if device.startswith("cuda") else ""
        if self._device:
            import torch

            torch.cuda.reset_peak_memory_stats(self._device)

    def most(self) -> float:
        """GiB, of torch's own allocations."""
        if not self._device:
            return 0.0
        import torch

        return float(torch.cuda.max_memory_allocated(self._device)) / 1024**3


def real_table(rows: Sequence[Row], path: str, chosen: argparse.Namespace) -> list[str]:
    """Mean test accuracy of each way, and the paired difference to random prompts over tasks and seeds."""
    from promptopt.comparison.statistics import leads_in

    ways = list(dict.fromkeys(row.way for row in rows))
    where = " and ".join(dict.fromkeys(row.where for row in rows))
    lines = [
        "## Real: SmolLM2-135M as policy and target",
        "",
        f"`python -m benchmarks.rlprompt real --device {chosen.device} {size_of(chosen)}`, {datetime.date.today()}, "
        f"{where}, {Path(path).name}; 16 examples of each label, {chosen.test} test examples.",
        "",
        "| way | " + " | ".join(TASKS) + " | less random prompts | calls | minutes | GiB held |",
        "|---|" + "---|" * (len(TASKS) + 4),
    ]
    blocks: dict[tuple[str, int], dict[str, float]] = {}
    for row in rows:
        blocks.setdefault((row.task, row.seed), {})[row.way] = row.accuracy
    leads = {each.method: each for each in leads_in(list(blocks.values()), ways, "random prompts")}
    for way in ways:
        mine = [row for row in rows if row.way == way]
        cells: list[str] = []
        for task in TASKS:
            values = [row.accuracy for row in mine if row.task == task]
            cells.append(f"{sum(values) / len(values):.3f} ({len(values)})" if values else "")
        lead = leads.get(way)
        shown = "" if lead is None or lead.error is None else f"{lead.mean:+.3f} ± {lead.error:.3f}"
        calls, minutes = sum(row.calls for row in mine) / len(mine), sum(row.minutes for row in mine) / len(mine)
        memory = max(row.memory for row in mine)
        held = f"{memory:.2f}" if memory else ""
        lines.append(f"| {way} | {' | '.join(cells)} | {shown} | {calls:,.0f} | {minutes:.1f} | {held} |")
    lines += ["", "In brackets: seeds. ±: standard errors of the paired difference over tasks and seeds.", ""]
    lines += [f"- {row.way}, {row.task}, seed {row.seed}: {row.accuracy:.3f} by `{row.prompt}`" for row in rows]
    for row in rows:
        if row.way == "rlprompt" and row.curve:
            lines.append(
                f"- {row.task}, seed {row.seed}: {row.curve[0]} … {row.curve[-2 if len(row.curve) > 1 else -1]}"
            )
    return lines
