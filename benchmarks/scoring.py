"""Scoring by log-probabilities, engines side by side: `python -m benchmarks.scoring MODEL.gguf [--ways hf,llamacpp]`.

One model; an instruction of about 160 tokens and 256 examples of about 22 own tokens: labels (the better of two words
of one token) and loss (a target of about 8 tokens). Then vLLM with about 400 shared tokens, with and without its prefix
cache; and the memory of 10,000 examples. Every way runs in a process of its own, one after the other.

The bound is what the plain loop would do if it read the tokens that cannot be shared, and no others, at its speed.
llama.cpp computes with other weights at another speed, so it has a bound of its own beside: from its own speed where it
is told of nothing that could be shared.

`python -m benchmarks.scoring FOLDER --device cuda --dtype bfloat16`: `hf` alone on one device, beside a plain loop in
batches of 128, and the host's part of its time; needs torch and transformers, and no network (`scoring_device`).
"""

from __future__ import annotations

import argparse
import datetime
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.scoring_requests import LABELS, TARGET, requests
from promptopt.protocols import TextScorer
from promptopt.types import Likelihoods, ScoreRequest

RESULTS = Path(__file__).parent / "results" / "scoring.md"
EXAMPLES = 256
MANY = 10_000
FEW = 48
"""Examples by which a speed is found where nothing is shared."""
BATCH = 16
TURNS = 1


Way = Callable[[Sequence[ScoreRequest]], list[list[float]]]
"""Requests to the log-likelihood of each continuation of each."""


def ours(model: TextScorer) -> Way:
    """Any of our backends."""

    def score(batch: Sequence[ScoreRequest]) -> list[list[float]]:
        found: dict[int, Likelihoods] = dict(model.score(batch))
        return [[each.total for each in found[index].continuations] for index in range(len(batch))]

    return score


def plain(folder: str, device: str = "cpu", dtype: str = "float32", size: int = BATCH) -> Way:
    """What one writes first: batches of whole texts, padded, logits gathered at the target's tokens."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).to(device).eval()
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:  # a folder made of a GGUF file names none
        tokenizer.pad_token = tokenizer.eos_token

    @torch.inference_mode()
    def score(batch: Sequence[ScoreRequest]) -> list[list[float]]:
        texts = [(str(each.content), after) for each in batch for after in each.continuations]
        # Labels of one token stand at the same place, so one text of each example is enough.
        labels = len(batch[0].continuations) if len(batch[0].continuations) > 1 else 0
        step = labels if labels else 1
        totals: list[float] = []
        for begin in range(0, len(texts), size * step):
            part = texts[begin : begin + size * step]
            read = [context if labels else context + after for context, after in part[::step]]
            encoded = tokenizer(read, return_tensors="pt", padding=True).to(device)
            logits = model(**encoded).logits.log_softmax(-1)
            for place, (context, after) in enumerate(part):
                row, ids = place // step, encoded.input_ids[place // step]
                if labels:
                    last = int(encoded.attention_mask[row].sum()) - 1
                    totals.append(float(logits[row, last, tokenizer(after).input_ids[-1]]))
                else:
                    start, end = len(tokenizer(context).input_ids), int(encoded.attention_mask[row].sum())
                    rows = logits[row, start - 1 : end - 1]
                    totals.append(float(rows.gather(-1, ids[start:end, None]).sum()))
        count = len(batch[0].continuations)
        return [totals[begin : begin + count] for begin in range(0, len(totals), count)]

    return score


def harness(folder: str) -> Way:
    """lm-evaluation-harness's own transformers model."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=folder, device="cpu", dtype="float32", batch_size=BATCH)

    def score(batch: Sequence[ScoreRequest]) -> list[list[float]]:
        asked = [
            Instance("loglikelihood", {}, (str(each.content), after), number)
            for number, each in enumerate(batch)
            for after in each.continuations
        ]
        totals = [total for total, _ in model.loglikelihood(asked, disable_tqdm=True)]
        count = len(batch[0].continuations)
        return [totals[begin : begin + count] for begin in range(0, len(totals), count)]

    return score


def unshared(score: Way) -> Way:
    """The same way, told of nothing that could be shared."""
    return lambda batch: score([replace(each, shared=0) for each in batch])


def transformers(path: str) -> Way:
    from promptopt.models.transformers.model import Transformers

    return ours(Transformers(path))


def llamacpp(path: str) -> Way:
    from promptopt.models.llamacpp.model import LlamaCpp

    return ours(LlamaCpp(Path(path)))


def vllm(path: str) -> Way:
    from promptopt.models.vllm.model import VLLM

    return ours(VLLM(path))


def uncached(path: str) -> Way:
    """Plain vLLM, asked without its prefix cache: labels by their ids, a loss by `prompt_logprobs`."""
    import os

    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "0-1")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    from vllm import LLM, SamplingParams

    engine = LLM(path, dtype="float32", enforce_eager=True, max_model_len=2048, enable_prefix_caching=False)
    tokenizer = engine.get_tokenizer()

    def score(batch: Sequence[ScoreRequest]) -> list[list[float]]:
        contexts = [tokenizer(str(each.content)).input_ids for each in batch]
        if len(batch[0].continuations) > 1:
            ids = [tokenizer(text).input_ids[-1] for text in batch[0].continuations]
            asked = SamplingParams(max_tokens=1, temperature=0, logprob_token_ids=ids)
            replies = engine.generate([{"prompt_token_ids": c} for c in contexts], asked, use_tqdm=False)
            return [[reply.outputs[0].logprobs[0][token].logprob for token in ids] for reply in replies]
        wholes = [tokenizer(f"{each.content}{each.continuations[0]}").input_ids for each in batch]
        asked = SamplingParams(max_tokens=1, temperature=0, prompt_logprobs=0)
        replies = engine.generate([{"prompt_token_ids": w} for w in wholes], asked, use_tqdm=False)
        return [
            [sum(reply.prompt_logprobs[i][whole[i]].logprob for i in range(len(context), len(whole)))]
            for reply, context, whole in zip(replies, contexts, wholes, strict=True)
        ]

    return score


WAYS: dict[str, Callable[[str], Way]] = {
    "plain": plain, "lm-eval": harness, "hf": transformers, "vllm": vllm, "llamacpp": llamacpp, "uncached": uncached,
}  # fmt: skip
TITLES = {
    "plain": "a plain batched transformers loop",
    "lm-eval": "lm-evaluation-harness, `hf`",
    "hf": "ours, hf",
    "vllm": "ours, vllm",
    "llamacpp": "ours, llamacpp (quantized)",
    "uncached": "vLLM without its prefix cache; loss by prompt_logprobs",
}


def measure(score: Way, count: int, rules: int, continuations: tuple[str, ...]) -> dict[str, Any]:
    """The best of the turns, each under an instruction that nothing has seen yet; sums to compare by."""
    score(requests(BATCH, rules, continuations))
    seconds: list[float] = []
    totals: list[list[float]] = []
    for turn in range(1, TURNS + 1):
        begun = time.perf_counter()
        totals = score(requests(count, rules, continuations, turn))
        seconds.append(time.perf_counter() - begun)
    return {"rate": count / min(seconds), "spread": max(seconds) / min(seconds), "totals": totals}


def one(way: str, path: str, many: bool) -> dict[str, Any]:
    """Everything measured of one way, in this process; of vLLM without its cache only what it is there to compare."""
    score = WAYS[way](path)
    if many:
        score(requests(EXAMPLES, 1, LABELS))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begun = time.perf_counter()
        score(requests(MANY, 1, LABELS))
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {"before": before, "after": after, "rate": MANY / (time.perf_counter() - begun)}
    found: dict[str, Any] = {}
    if way != "uncached":
        found = {"labels": measure(score, EXAMPLES, 1, LABELS), "loss": measure(score, EXAMPLES, 1, (TARGET,))}
    if way == "llamacpp":
        for kind, after in (("labels", LABELS), ("loss", (TARGET,))):
            found[f"{kind}, nothing shared"] = measure(unshared(score), FEW, 1, after)
    if way in ("vllm", "uncached"):
        found["labels, 400 shared"] = measure(score, 64, 3, LABELS)
        found["loss, 400 shared"] = measure(score, 64, 3, (TARGET,))
    return found


def run(way: str, path: str, *, many: bool = False) -> dict[str, Any]:
    """`one`, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scoring", path, "--only", way, *(["--many"] if many else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def counted(folder: str) -> dict[str, float]:
    """Mean tokens of the shared and the own part, by kind."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    found: dict[str, float] = {}
    for kind, after in (("labels", ""), ("loss", TARGET)):
        batch = requests(EXAMPLES, 1, (after,))
        shared = len(tokenizer(str(batch[0].content)[: batch[0].shared]).input_ids)
        whole = statistics.fmean(len(tokenizer(f"{each.content}{after}").input_ids) for each in batch)
        found |= {"shared": shared, f"{kind} own": whole - shared}
    return found


def folder_of(gguf: str) -> str:
    """The same weights as a transformers folder, beside the GGUF file; made where it is not there yet."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.quantization_config import GgufConfig

    path = Path(gguf)
    folder = path.with_name(path.stem + "-hf")
    if not folder.exists():
        whole = GgufConfig(dequantize=True)
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        model = AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=torch.float32, quantization_config=whole
        )
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return str(folder)


def report(found: dict[str, dict[str, Any]], tokens: dict[str, float], memory: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for kind in ("labels", "loss"):
        own = tokens[f"{kind} own"]
        base = found["plain"][kind]["rate"]
        bound = base * (tokens["shared"] + own) / own
        lines += [
            "",
            f"## {kind.capitalize()}: {tokens['shared']:.0f} shared tokens, {own:.1f} own",
            "",
            f"Bound: {bound:.1f} examples a second.",
            "",
            "| way | examples a second | over the plain loop | over lm-eval | of the bound | sums differ by, nats |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        right = [total for row in found["plain"][kind]["totals"] for total in row]
        for way, measured in found.items():
            if kind not in measured:
                continue
            rate = measured[kind]["rate"]
            other = f"{rate / found['lm-eval'][kind]['rate']:.2f}" if "lm-eval" in found else "-"
            totals = [total for row in measured[kind]["totals"] for total in row]
            gap = statistics.fmean(abs(one - two) for one, two in zip(totals, right, strict=True))
            lines.append(
                f"| {TITLES[way]} | {rate:.1f} | {rate / base:.2f} | {other} | {rate / bound:.2f} | {gap:.5f} |"
            )
        alone = found.get("llamacpp", {}).get(f"{kind}, nothing shared")
        if alone is not None:
            own_bound = alone["rate"] * (tokens["shared"] + own) / own
            lines += [
                "",
                f"llama.cpp, told of nothing that could be shared: {alone['rate']:.1f} examples a second, so its own "
                f"bound is {own_bound:.1f}, of which ours is {found['llamacpp'][kind]['rate'] / own_bound:.2f}.",
            ]
    if "vllm" in found and "uncached" in found:
        lines += [
            "",
            "## vLLM, about 400 shared tokens",
            "",
            "| | ours | without the cache | ratio |",
            "| --- | --- | --- | --- |",
        ]
        for kind in ("labels, 400 shared", "loss, 400 shared"):
            fast, slow = found["vllm"][kind]["rate"], found["uncached"][kind]["rate"]
            lines.append(f"| {kind} | {fast:.1f} | {slow:.1f} | {fast / slow:.2f} |")
    lines += ["", f"Memory of ours, hf: at most {memory['before'] / 1e6:.2f} GB after {EXAMPLES} examples, "
              f"{memory['after'] / 1e6:.2f} GB after {MANY:,} ({memory['rate']:.0f} examples a second)."]  # fmt: skip
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a GGUF file of SmolLM2-135M-Instruct; or, with --device, a transformers folder")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--only", help="measure one way in this process, and print JSON")
    parser.add_argument("--many", action="store_true")
    parser.add_argument("--device", help="measure hf alone on this device: cpu, cuda")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--examples", type=int, help="how many, with --device; default: 2048 on a GPU, 32 on a CPU")
    chosen = parser.parse_args()
    if chosen.device:
        from benchmarks.scoring_device import compare

        folder = chosen.model if Path(chosen.model).is_dir() else folder_of(chosen.model)
        print("\n".join(compare(folder, chosen.device, chosen.dtype, chosen.examples)))
        return
    if chosen.only:
        print(json.dumps(one(chosen.only, chosen.model, chosen.many)))
        return
    begun = time.perf_counter()
    folder = folder_of(chosen.model)
    found = {way: run(way, chosen.model if way == "llamacpp" else folder) for way in chosen.ways.split(",")}
    lines = [
        "# Scoring by log-probabilities",
        "",
        *report(found, counted(folder), run("hf", folder, many=True)),
    ]
    minutes = (time.perf_counter() - begun) / 60
    lines.insert(2, f"`python -m benchmarks.scoring {Path(chosen.model).name}`, {datetime.date.today()}, two cores, "
                    f"{minutes:.0f} minutes; {EXAMPLES} examples, one turn after a warm-up.")  # fmt: skip
    print("\n".join(lines))
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
