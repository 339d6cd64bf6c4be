"""What only a GPU can show of `hf`, in some two minutes: `python -m benchmarks.gpu_check FOLDER [--expected FILE]`.

`FOLDER`: a transformers folder of a small chat model (SmolLM2-135M-Instruct). On the way: float32 on the GPU against
float32 on the CPU of the same machine (and against the values of `--expected`, computed elsewhere by `--write FILE`),
whatever the process has set for TF32; what TF32 and bfloat16 differ by; the same replies; batches that do not fit into
memory; whether anything makes the host wait; then `scoring_device` in bfloat16, float32 and TF32, and where the host's
time goes. Ends with exit code 1 where a check failed. Needs torch, transformers and numpy, and no network.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import json
import pstats
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.scoring_device import asked, compare
from benchmarks.scoring_requests import LABELS, TARGET, requests
from promptopt.errors import BackendError
from promptopt.models.transformers.model import Transformers
from promptopt.types import Likelihoods, Message, Request, Sampling, ScoreRequest

TOLERANCE = 1e-4
"""Nats a token."""
LEFT = 1 << 30
"""Bytes that a process may take beside the model where memory is to run out."""

failures: list[str] = []


def told(name: str, good: bool, figures: str) -> None:
    """Print a check, and remember it where it failed."""
    print(f"{'ok  ' if good else 'FAIL'} {name}: {figures}", flush=True)
    if not good:
        failures.append(name)


def examples() -> list[ScoreRequest]:
    """Labels and losses, plain text and chat messages, of two instructions."""
    plain = [each for turn in (7, 8) for after in (LABELS, (TARGET,)) for each in requests(12, 1, after, turn)]
    chat = [ScoreRequest((Message("user", str(r.content)),), r.continuations, r.shared, True) for r in plain[::3]]
    return [*plain, *chat]


def values(model: Transformers, batch: Sequence[ScoreRequest]) -> list[float]:
    """The log-probability of every scored token, in the order of the requests."""
    found: dict[int, Likelihoods] = dict(model.score(batch))
    return [value for index in range(len(batch)) for each in found[index].continuations for value in each.logprobs]


def apart(one: Sequence[float], other: Sequence[float]) -> float:
    return max(abs(left - right) for left, right in zip(one, other, strict=True))


def agreement(folder: str, expected: list[float] | None) -> None:
    """Precision: what the GPU gives against what the CPU gives."""
    cpu, gpu = Transformers(folder, device="cpu"), Transformers(folder, device="cuda", dtype="float32")
    right, found = values(cpu, examples()), values(gpu, examples())
    gap = apart(right, found)
    told("float32 on GPU and CPU", gap <= TOLERANCE, f"{gap:.2e} nats a token at most, {len(found)} tokens; {gpu.name}")
    told("the way", gpu._load().forward.way(256) == "packed", gpu._load().forward.way(256))
    if expected is not None:
        gap = apart(expected, found)
        told("float32 against values from elsewhere", gap <= TOLERANCE, f"{gap:.2e} nats a token at most")
    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    gap = apart(right, values(gpu, examples()))
    torch.backends.cuda.matmul.fp32_precision = before
    told("float32 where the process has set TF32", gap <= TOLERANCE, f"{gap:.2e} nats a token at most")
    batch = [Request(each.content, Sampling(max_tokens=12), shared=each.shared) for each in examples()[::6]]
    one, other = ({index: reply.text for index, reply in model.generate(batch)} for model in (cpu, gpu))
    same = sum(one[index] == other[index] for index in one)
    told("greedy replies on GPU and CPU", same >= len(one) - 1, f"{same} of {len(one)} the same")
    gpu.close()
    for dtype in ("tf32", "bfloat16"):
        half = Transformers(folder, device="cuda", dtype=dtype)
        gap = apart(right, values(half, examples()))
        told(f"{dtype} against float32", gap < 1.0, f"{gap:.3f} nats a token at most; {half.name}")
        half.close()


def out_of_memory(folder: str) -> None:
    """A process that may take little beside the model: batches that do not fit become smaller, and nothing is lost."""
    gpu = Transformers(folder, device="cuda", dtype="float32")
    batch = asked(1536, (TARGET,), 3)
    right = values(gpu, batch)
    room = gpu._load().forward.room
    before = room._shrunk
    gpu._load().forward.prefixes.clear()
    torch.cuda.empty_cache()
    total = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_allocated() + LEFT) / total)
    try:
        gap = apart(right, values(gpu, batch))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    good = gap <= TOLERANCE and room._shrunk < before
    told(
        "memory that ran out",
        good,
        f"batches {before / room._shrunk:.0f} times smaller, {gap:.2e} nats a token at most",
    )
    gpu.close()


def waits(folder: str) -> None:
    """Whether the host waits for the device but for results, and where its time goes."""
    gpu = Transformers(folder, device="cuda", dtype="bfloat16")
    values(gpu, asked(64, LABELS, 4))
    place = "none"
    torch.cuda.set_sync_debug_mode("error")
    try:
        values(gpu, asked(1024, LABELS, 5))
    except (BackendError, RuntimeError) as error:
        cause = error if error.__cause__ is None else error.__cause__
        frames = traceback.extract_tb(cause.__traceback__)[-4:]
        place = f"{cause} at " + ", ".join(f"{Path(each.filename).name}:{each.lineno}" for each in frames)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    told("nothing makes the host wait", place == "none", place)
    profile = cProfile.Profile()
    profile.runcall(values, gpu, asked(2048, LABELS, 6))
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("cumulative").print_stats("promptopt|synchronize|encode_batch", 24)
    print("\n".join(line[:120] for line in text.getvalue().splitlines() if line.strip()), flush=True)
    gpu.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="a transformers folder")
    parser.add_argument("--expected", type=Path, help="values that --write wrote elsewhere for the same weights")
    parser.add_argument("--write", type=Path, help="compute the values on this machine's CPU, write them, and end")
    parser.add_argument("--examples", type=int, help="how many the speeds are measured on; default: 2048")
    chosen = parser.parse_args()
    if chosen.write:
        found = values(Transformers(chosen.folder, device="cpu"), examples())
        chosen.write.write_text(json.dumps([round(value, 7) for value in found]) + "\n", encoding="utf-8")
        return
    expected: Any = json.loads(chosen.expected.read_text("utf-8")) if chosen.expected else None
    agreement(chosen.folder, expected)
    out_of_memory(chosen.folder)
    waits(chosen.folder)
    for dtype in ("bfloat16", "float32", "tf32"):
        print("\n".join(["", *compare(chosen.folder, "cuda", dtype, chosen.examples)]), flush=True)
    print(f"\n{len(failures)} checks failed{': ' if failures else ''}{', '.join(failures)}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
