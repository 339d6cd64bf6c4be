"""The embedded engine's ways of working, side by side: `python -m benchmarks.embedded [smollm2-135m …]`.

For each model the same 40 short answers after one shared prompt: one engine with all threads and llama.cpp's own
prompt cache, as llama.cpp comes; then ours, one single-threaded engine a core: each prompt computed whole, exact
(shared prefixes brought back to the bit), and fast (continuous batching). And how many answers differ from exact.

Then the peak of memory while exact mode answers eight prompts, of which every other one has 8 to 32 demonstrations.
"""

from __future__ import annotations

import argparse
import datetime
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.memory import Watch
from promptopt.models.files import catalogue
from promptopt.models.llamacpp.model import LlamaCpp
from promptopt.tasks.catalogue import load_task
from promptopt.types import Message, Request

RESULTS = Path(__file__).parent / "results" / "embedded.md"
COUNT = 40
INSTRUCTION = """Decide what the customer wants done now, not which words they use.
- If the customer asks where an order is, answer order_status.
- If the customer wants money back, answer refund.
- If the customer wants an order stopped, answer cancel.
- If a payment fails or was wrong, answer payment_problem."""


def requests() -> list[Request]:
    """The first training messages of support-intent, under one instruction of about 110 tokens."""
    task = load_task("support-intent")
    prompt = task.initial.replace("instruction", INSTRUCTION)
    batch: list[Request] = []
    for example in task.train[:COUNT]:
        content, shared = task.render(prompt, example)
        batch.append(Request(content, task.sampling, shared=shared))
    return batch


def answers(model: LlamaCpp, batch: list[Request]) -> tuple[list[str], float]:
    """(texts, answers a second), after a warm-up that starts the engines."""
    list(model.generate(batch[:2]))
    begun = time.perf_counter()
    found = dict(model.generate(batch))
    seconds = time.perf_counter() - begun
    return [found[index].text for index in range(len(batch))], len(batch) / seconds


def as_it_comes(path: Path, batch: list[Request], threads: int) -> tuple[list[str], float]:
    """One engine with all threads, its own cache, one request after the other."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx, parameters.n_parallel, parameters.verbosity = 4096, 1, -1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    server = xllamacpp.Server(parameters)

    def ask(request: Request) -> str:
        messages = [{"role": m.role, "content": m.content} for m in request.content if isinstance(m, Message)]
        body = {"messages": messages, "temperature": 0, "max_tokens": request.sampling.max_tokens, "cache_prompt": True}
        return server.handle_chat_completions(body)["choices"][0]["message"]["content"]

    ask(batch[0])
    begun = time.perf_counter()
    texts = [ask(request) for request in batch]
    return texts, len(batch) / (time.perf_counter() - begun)


def rows(name: str) -> list[str]:
    """The lines of one model."""
    path, batch = catalogue.pull(name), requests()
    exact, fast = LlamaCpp(path), LlamaCpp(path, mode="fast")
    ways: list[tuple[str, Callable[[], tuple[list[str], float]]]] = [
        ("one engine, all threads, llama.cpp's own cache", lambda: as_it_comes(path, batch, threads=2)),
        ("ours, each prompt computed whole", lambda: answers(exact, [replace(r, shared=0) for r in batch])),
        ("ours, exact", lambda: answers(exact, batch)),
        ("ours, fast", lambda: answers(fast, batch)),
    ]
    measured = {way: run() for way, run in ways}
    exact.close()
    fast.close()
    right, base = measured["ours, exact"]
    lines: list[str] = []
    for way, (texts, speed) in measured.items():
        flips = sum(one.strip() != other.strip() for one, other in zip(texts, right, strict=True))
        lines.append(f"| {name} | {way} | {speed:.2f} | {speed / base:.2f} | {flips} of {len(batch)} |")
    return lines


def long_prompts() -> list[list[Request]]:
    """Two requests for each of eight prompts; every other one has demonstrations: 8, 16, 24 and 32."""
    task = load_task("support-intent")
    batches: list[list[Request]] = []
    for number in range(8):
        prompt = task.initial.replace("instruction", f"{INSTRUCTION}\n- Variant {number}.")
        prompt = prompt.with_demos(task.train[: 4 * (number + 1) if number % 2 else 0])
        rendered = [task.render(prompt, example) for example in task.train[40:42]]
        batches.append([Request(content, task.sampling, shared=shared) for content, shared in rendered])
    return batches


def memory(name: str) -> str:
    """The line of one model: peaks over all of `long_prompts`, and how much of it the first prompt took."""
    model = LlamaCpp(catalogue.pull(name))
    with Watch() as watch:
        peaks: list[int] = []
        for batch in long_prompts():
            dict(model.generate(batch))
            peaks.append(watch.beside())
        model.close()
    return (
        f"| {name} | {watch.resident / 1e6:,.0f} | {watch.mapped / 1e6:,.0f} | {peaks[0] / 1e6:,.0f} "
        f"| {peaks[-1] / 1e6:,.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["smollm2-135m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"])
    chosen = parser.parse_args()
    begun = time.perf_counter()
    # First, before llama.cpp's own engines leave anything behind.
    held = [memory(name) for name in chosen.models]
    table = [line for name in chosen.models for line in rows(name)]
    lines = [
        "# The embedded engine",
        "",
        f"`python -m benchmarks.embedded`, {datetime.date.today()}, two cores, {time.perf_counter() - begun:.0f} s: "
        f"{COUNT} short answers after one shared prompt of about 150 tokens, about 25 own tokens each.",
        "",
        "| model | way | answers a second | over exact | answers that differ from exact |",
        "| --- | --- | --- | --- | --- |",
        *table,
        "",
        f"Peak memory in MB, of this process and its children, exact mode: {len(long_prompts())} prompts, every other "
        f"one with 8 to 32 demonstrations. Weights are counted apart as far as they are mapped from their file (which "
        f"counts once for each engine, and is there once); what llama.cpp repacks of them is among the rest.",
        "",
        "| model | resident | of which mapped | the rest, after one prompt | after all |",
        "| --- | --- | --- | --- | --- |",
        *held,
    ]
    print("\n".join(lines))
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
