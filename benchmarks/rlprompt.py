"""RLPrompt: `python -m benchmarks.rlprompt PART` writes benchmarks/results/rlprompt.md, part by part.

    planted  a scripted target, 20 seeds: minutes on two cores, no model but a random one of two layers
    inputs   a policy that reads the input against one prompt for all, on a scripted target: minutes
    speed    rewards a second with a real model: all of a step in one call, unshared, and one call a reward
    real     sst-2 and agnews with SmolLM2-135M as policy and target; hours on two cores, minutes on a GPU

For `speed` and `real`: tools that fetch models are the repository's (`promptopt models pull smollm2-135m`), or give the
path of a GGUF file or a transformers folder with --model. `real` makes one run after the other in one process, notes
each as it ends, begins none that --minutes do not hold, and goes on where it stopped.
"""

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

from benchmarks import rlprompt_inputs as inputs
from benchmarks import rlprompt_planted as planted

RESULTS = Path(__file__).parent / "results"
PARTS = RESULTS / "rlprompt.json"
TASKS = ("sst-2", "agnews")
MANUAL = {"sst-2": "Is this film review negative or positive?", "agnews": "What is this news story about?"}
"""Prompts that a person wrote, once."""
STAGES = (("empty prompt", "manual prompt"), ("rlprompt", "random prompts"), ("rlprompt, rloo", "apo"))
"""Ways to a prompt. All runs of a stage come before the next one's: what is cut short holds whole pairs."""
WAYS = tuple(way for stage in STAGES for way in stage)


def write(part: str, lines: Sequence[str]) -> None:
    """Put a part into the results, in the place of what it said before."""
    known: dict[str, list[str]] = json.loads(PARTS.read_text()) if PARTS.exists() else {}
    known[part] = list(lines)
    PARTS.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    text = ["# RLPrompt", ""]
    for name in ("planted", "inputs", "speed", "real"):
        if name in known:
            text += [*known[name], ""]
    (RESULTS / "rlprompt.md").write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
    print("\n".join(lines))


def machine(device: str) -> str:
    """What ran it."""
    if device.startswith("cuda"):
        import torch

        return str(torch.cuda.get_device_name(device))
    return f"{os.cpu_count()} cores ({platform.machine()})"


def run_planted(chosen: argparse.Namespace) -> None:
    begun = time.perf_counter()
    outcomes = planted.run(chosen.seeds, chosen.processes)
    write(
        "planted",
        [
            "## Planted: the best three of fifty words",
            "",
            f"`python -m benchmarks.rlprompt planted --seeds {chosen.seeds}`, {datetime.date.today()}, "
            f"{(time.perf_counter() - begun) / 60:.1f} minutes on {chosen.processes} of {machine('cpu')}.",
            "",
            "The right label's margin is the sum of what the prompt's first three words are worth, less what an item "
            "is hard by (0 to 2 nats). Three words of fifty add 1.0, 0.8 and 0.6, three take off 0.5, 44 do nothing. "
            f"Every method has {planted.CALLS:,} reward calls: {planted.STEPS} steps of {planted.PROMPTS} prompts on "
            f"{planted.EXAMPLES} examples. Random prompts are the policy's own, untrained. Plum's proposer offers "
            "words of the fifty. Calls asked hold looks at dev and the verdict; a prompt that comes again is free.",
            "",
            *planted.table(outcomes),
        ],
    )


def run_inputs(chosen: argparse.Namespace) -> None:
    outcomes = inputs.run(chosen.seeds)
    write(
        "inputs",
        [
            "## Planted: two kinds of inputs that want opposite prompts",
            "",
            f"`python -m benchmarks.rlprompt inputs --seeds {chosen.seeds}`, {datetime.date.today()}, one thread of "
            f"{machine('cpu')}.",
            "",
            "A prompt of one token that begins with a letter up to m adds a nat to the right label's margin on half of "
            "the items and takes one off on the others; another letter does the reverse. Items are hard by 0 to 0.9 "
            f"nats. {inputs.STEPS} steps of 8 prompts: 4 for each of 2 inputs, or 8 on 8 examples. The policy is a "
            "random model of two layers with a byte-level vocabulary.",
            "",
            *inputs.table(outcomes),
        ],
    )


# --- real models ---


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


def model_of(path: str, device: str) -> Any:
    """The target, in float32: what the policy is rewarded by should not depend on company."""
    from promptopt.models.transformers.model import Transformers

    return Transformers(path, device=device, dtype="float32")


def located(given: str | None) -> str:
    """The model: as named, or the one that `promptopt models pull smollm2-135m` left here."""
    if given is not None:
        return given
    from promptopt.models.files import catalogue

    found = catalogue.locate("smollm2-135m")
    if found is None:
        raise SystemExit("SmolLM2-135M is not here: promptopt models pull smollm2-135m, or give --model PATH")
    return str(found)


def run_real(chosen: argparse.Namespace) -> None:
    kept: Path = chosen.rows
    known = [Row(**json.loads(line)) for line in kept.read_text().splitlines()] if kept.exists() else []
    # Rows of another size or on other test examples are no part of this table.
    rows = [row for row in known if (row.size, row.test) == (size_of(chosen), chosen.test)]
    path, ends, longest = located(chosen.model), time.monotonic() + 60 * chosen.minutes, 0.0
    model = model_of(path, chosen.device)
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
    write("real", real_table(rows, path, chosen))


def size_of(chosen: argparse.Namespace) -> str:
    """Of each training, as its rows and the table say it."""
    return f"--preset {chosen.preset}" if chosen.preset else f"--steps {chosen.steps}"


def planned(chosen: argparse.Namespace, known: Collection[Key]) -> Iterator[Key]:
    """The runs that are not known yet, pairs of one seed and task together."""
    for stage in STAGES:
        for seed in chosen.runs:
            for task in chosen.tasks:
                for way in stage:
                    # What apo is compared at is a number of evaluations that none of the presets is.
                    if way in chosen.ways and (task, seed, way) not in known and not (way == "apo" and chosen.preset):
                        yield task, seed, way


def real_row(key: Key, path: str, model: Any, chosen: argparse.Namespace) -> Row:
    """One run, in the store of all."""
    from promptopt.api import optimize
    from promptopt.binding.models import Models
    from promptopt.evaluation import evaluate
    from promptopt.run.budget import Budget
    from promptopt.tasks.catalogue import load_task
    from promptopt.tasks.splits import Splits

    name, seed, way = key
    task = load_task(name, splits=Splits(test=chosen.test, seed=seed)).with_layout("text")
    memory, begun = Memory(chosen.device), time.monotonic()
    curve: tuple[str, ...] = ()
    if way in STAGES[0]:
        text = " " if way == "empty prompt" else MANUAL[name]
        prompt = task.initial.replace(task.editable, text)
        found = evaluate(task, prompt, model=Models(model), evaluator="labels", split="test", seed=seed)
        accuracy, calls = found.measured.score, found.paid.calls
    else:
        result = optimize(
            task, way_of(way, path, chosen), model=Models(model), check_evaluator="labels", seed=seed,
            budget=Budget(evaluations=chosen.steps * 8) if way == "apo" else Budget(),
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
        trained = RLPrompt(policy=f"hf/{path}", device=chosen.device, preset=chosen.preset)
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


def run_speed(chosen: argparse.Namespace) -> None:
    """Rewards of one step: 8 prompts on 16 examples of sst-2's form, the prompt before the input and after it."""
    from promptopt.types import ScoreRequest

    model = model_of(located(chosen.model), chosen.device)
    prompts = [f" word{number} of the great film {number}" for number in range(8)]
    inputs = [f"the film number {number} is a long story that nobody who saw it forgets" for number in range(16)]
    ways = {
        "prompt first": [(f"{p}\nSentence: {x}\nSentiment:", len(p)) for p in prompts for x in inputs],
        "input first": [(f"Sentence: {x}\n{p}\nSentiment:", len(x) + 11) for x in inputs for p in prompts],
    }
    lines = [
        "## Speed: rewards a second",
        "",
        f"{machine(chosen.device)}, {datetime.date.today()}; one step: 8 prompts on 16 inputs.",
        "",
        "| layout | one call, shared | one call, unshared | a call a reward | ratios |",
        "|---|---|---|---|---|",
    ]
    for name, texts in ways.items():
        labels = (" negative", " positive")
        shared = [ScoreRequest(text, labels, length) for text, length in texts]
        apart = [ScoreRequest(text, labels, 0) for text, _ in texts]
        list(model.score(shared[:2]))
        rates: list[float] = []
        for requests, at_once in ((shared, len(shared)), (apart, len(apart)), (apart[:32], 1)):
            begun = time.perf_counter()
            for first in range(0, len(requests), at_once):
                list(model.score(requests[first : first + at_once]))
            rates.append(len(requests) / (time.perf_counter() - begun))
        lines.append(
            f"| {name} | {rates[0]:.1f} | {rates[1]:.1f} | {rates[2]:.1f} | {rates[0] / rates[1]:.1f} and "
            f"{rates[0] / rates[2]:.1f} |"
        )
    write("speed", lines)


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("planted", "inputs", "speed", "real"))
    parser.add_argument("--seeds", type=int, default=20, help="of planted and inputs")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--model", help="a GGUF file or a transformers folder, for both roles")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument(
        "--preset", choices=("cpu-small", "smoke"), help="of real, in the place of 5 tokens and --steps"
    )
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--runs", nargs="+", type=int, default=(0, 1, 2), help="seeds of real")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="of real")
    parser.add_argument("--rows", type=Path, default=RESULTS / "rlprompt-real.jsonl", help="where runs are noted")
    parser.add_argument("--test", type=int, default=400, help="test examples of real")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--store", default="rlprompt-benchmark.db", help="where real runs are kept, to go on from")
    chosen = parser.parse_args(given)
    {"planted": run_planted, "inputs": run_inputs, "speed": run_speed, "real": run_real}[chosen.part](chosen)


if __name__ == "__main__":
    main()
