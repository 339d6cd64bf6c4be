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
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import rlprompt_inputs as inputs
from benchmarks import rlprompt_planted as planted
from benchmarks import rlprompt_real as real
from benchmarks import rlprompt_speed as speed
from benchmarks.rlprompt_page import RESULTS, write
from benchmarks.rlprompt_real import machine

STEPS = 300
"""Of a training of `real` without a preset."""


def run_planted(chosen: argparse.Namespace) -> None:
    begun = time.perf_counter()
    outcomes = planted.run(chosen.seeds, chosen.processes)
    write(
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


def run_speed(chosen: argparse.Namespace) -> None:
    model = real.model_of(real.located(chosen.model), chosen.device)
    lines = speed.table(model, chosen.device)
    seconds = "seconds of one core" if chosen.device == "cpu" else "seconds"
    write(
        [
            "## Speed: rewards a second",
            "",
            f"`python -m benchmarks.rlprompt speed --device {chosen.device}`, {datetime.date.today()}, "
            f"{machine(chosen.device)}, {real.located(chosen.model).rpartition('/')[2]}, float32, by {seconds}; steps "
            f"of {speed.PROMPTS} prompts of three words on {speed.INPUTS} articles of agnews. In brackets: tokens that "
            "go through the model for a reward. Unshared: padded batches of whole texts. Ratios: a later step over the "
            "three ways at the right.",
            "",
            *lines,
        ],
    )


def run_real(chosen: argparse.Namespace) -> None:
    write(real.conduct(chosen))


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("planted", "inputs", "speed", "real"))
    parser.add_argument("--seeds", type=int, default=20, help="of planted and inputs")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--model", help="a GGUF file or a transformers folder, for both roles")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", help="of real's target; tf32 is faster on a GPU")
    parser.add_argument("--steps", type=int, help="of each training: default 300, or the preset's")
    parser.add_argument("--preset", choices=("cpu-small", "smoke"), help="of real, in the place of 5 tokens")
    parser.add_argument("--layout", choices=("text", "input-first"), default="text", help="of real: text has it last")
    parser.add_argument("--tasks", nargs="+", choices=real.TASKS, default=real.TASKS)
    parser.add_argument("--runs", nargs="+", type=int, default=(0, 1, 2), help="seeds of real")
    parser.add_argument("--ways", nargs="+", choices=real.WAYS, default=real.WAYS, help="of real")
    parser.add_argument("--rows", type=Path, default=RESULTS / "rlprompt-real.jsonl", help="where runs are noted")
    parser.add_argument("--test", type=int, default=400, help="test examples of real")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--store", default="rlprompt-benchmark.db", help="where real runs are kept, to go on from")
    chosen = parser.parse_args(given)
    if chosen.steps is None and not chosen.preset:
        chosen.steps = STEPS
    {"planted": run_planted, "inputs": run_inputs, "speed": run_speed, "real": run_real}[chosen.part](chosen)


if __name__ == "__main__":
    main()
