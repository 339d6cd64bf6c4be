"""RLPrompt: `python -m benchmarks.rlprompt PART` writes benchmarks/results/rlprompt.md, part by part.

    planted  a scripted target, 20 seeds: minutes on two cores, no model but a random one of two layers
    inputs   a policy that reads the input against one prompt for all, on a scripted target: minutes
    speed    rewards a second with a real model: all of a step in one call, unshared, and one call a reward
    real     sst-2 and agnews with SmolLM2-135M as policy and target; hours on two cores, minutes on a GPU

For `speed` and `real`: tools that fetch models are the repository's (`promptopt models pull smollm2-135m`), or give the
path of a GGUF file or a transformers folder with --model. `real --device cuda --minutes 30` stops between two runs.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks import rlprompt_inputs as inputs
from benchmarks import rlprompt_planted as planted

RESULTS = Path(__file__).parent / "results"
PARTS = RESULTS / "rlprompt.json"
TASKS = ("sst-2", "agnews")
MANUAL = {"sst-2": "Is this film review negative or positive?", "agnews": "What is this news story about?"}
"""Prompts that a person wrote, once."""
WAYS = ("empty prompt", "manual prompt", "rlprompt", "random prompts", "rlprompt, rloo", "apo")


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


@dataclass(frozen=True, slots=True)
class Row:
    """What one way to a prompt scores on the test, and what it took."""

    task: str
    seed: int
    way: str
    accuracy: float
    calls: int
    minutes: float
    prompt: str
    curve: tuple[str, ...] = ()


def model_of(path: str, device: str) -> object:
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
    rows: list[Row] = []
    kept: Path = chosen.rows
    if kept.exists():
        rows = [Row(**json.loads(line)) for line in kept.read_text().splitlines()]
    known = {(row.task, row.seed, row.way) for row in rows}
    path, ends = located(chosen.model), time.monotonic() + 60 * chosen.minutes
    for row in real_rows(path, chosen, known):
        rows.append(row)
        with kept.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
        print(f"{row.task} {row.seed} {row.way}: {row.accuracy:.3f}, {row.calls:,} calls, {row.minutes:.1f} minutes")
        if time.monotonic() > ends:
            print(f"{chosen.minutes} minutes are over; the same command goes on from here")
            break
    write("real", real_table(rows, path, chosen))


def real_rows(path: str, chosen: argparse.Namespace, known: set[tuple[str, int, str]]) -> Iterator[Row]:
    """The rows that are not known yet, one run after the other, all in one store."""
    from promptopt.api import optimize
    from promptopt.binding.models import Models
    from promptopt.evaluation import evaluate
    from promptopt.optimizers.apo.method import APO
    from promptopt.optimizers.rlprompt.method import RLPrompt
    from promptopt.optimizers.rlprompt.settings import Learning, Sizes
    from promptopt.run.budget import Budget
    from promptopt.tasks.catalogue import load_task
    from promptopt.tasks.splits import Splits

    model = model_of(path, chosen.device)
    trained = RLPrompt(
        policy=f"hf/{path}", device=chosen.device, length=5, size=Sizes(steps=chosen.steps, prompts=8, every=10)
    )
    if chosen.preset:
        trained = RLPrompt(policy=f"hf/{path}", device=chosen.device, preset=chosen.preset)
    ways: dict[str, object] = {
        "rlprompt": trained,
        "random prompts": replace(trained, learn=Learning(rate=0.0)),
        "rlprompt, rloo": replace(trained, algorithm="rloo"),
        "apo": APO(),
    }
    if chosen.preset:
        # What it would be compared at is a number of evaluations that none of the presets is.
        del ways["apo"]
    for name in chosen.tasks:
        for seed in chosen.runs:
            task = load_task(name, splits=Splits(test=chosen.test, seed=seed)).with_layout("text")
            for way, text in (("empty prompt", " "), ("manual prompt", MANUAL[name])):
                if way in chosen.ways and (name, seed, way) not in known:
                    begun = time.monotonic()
                    prompt = task.initial.replace(task.editable, text)
                    found = evaluate(task, prompt, model=Models(model), evaluator="labels", split="test", seed=seed)
                    yield Row(name, seed, way, found.measured.score, found.paid.calls,
                              (time.monotonic() - begun) / 60, text)  # fmt: skip
            for way, optimizer in ways.items():
                if way not in chosen.ways or (name, seed, way) in known:
                    continue
                begun = time.monotonic()
                budget = Budget(evaluations=chosen.steps * 8) if way == "apo" else Budget()
                result = optimize(
                    task, optimizer, model=Models(model), check_evaluator="labels", budget=budget, seed=seed,
                    evaluator="labels" if way == "apo" else None, store=chosen.store,
                )  # fmt: skip
                assert result.best.test is not None
                yield Row(name, seed, way, result.best.test.score, result.spent.calls,
                          (time.monotonic() - begun) / 60, result.best.text,
                          tuple(step.note for step in result.steps))  # fmt: skip


def real_table(rows: Sequence[Row], path: str, chosen: argparse.Namespace) -> list[str]:
    """Mean test accuracy of each way, and the paired difference to random prompts over tasks and seeds."""
    from promptopt.comparison.statistics import leads_in

    ways = list(dict.fromkeys(row.way for row in rows))
    size = f"--preset {chosen.preset}" if chosen.preset else f"--steps {chosen.steps}"
    lines = [
        "## Real: SmolLM2-135M as policy and target",
        "",
        f"`python -m benchmarks.rlprompt real --device {chosen.device} {size}`, {datetime.date.today()}, "
        f"{machine(chosen.device)}, {Path(path).name}; 16 examples of each label, {chosen.test} test examples.",
        "",
        "| way | " + " | ".join(TASKS) + " | less random prompts | calls | minutes |",
        "|---|" + "---|" * (len(TASKS) + 3),
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
        lines.append(f"| {way} | {' | '.join(cells)} | {shown} | {calls:,.0f} | {minutes:.1f} |")
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
        list(model.score(shared[:2]))  # type: ignore[attr-defined]
        rates: list[float] = []
        for requests, at_once in ((shared, len(shared)), (apart, len(apart)), (apart[:32], 1)):
            begun = time.perf_counter()
            for first in range(0, len(requests), at_once):
                list(model.score(requests[first : first + at_once]))  # type: ignore[attr-defined]
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
