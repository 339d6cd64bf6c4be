"""RLPrompt on a planted target: the best three words of fifty, by reward calls, against searches that do not learn."""

from __future__ import annotations

import json
import math
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from promptopt.api import optimize
from promptopt.binding.models import Models
from promptopt.evaluators.labels import Labels
from promptopt.models.scripted import Scripted
from promptopt.optimizers.plum.neighbours import Editing
from promptopt.optimizers.plum.patience import Stopping
from promptopt.optimizers.plum.phrases import RuleChunker
from promptopt.optimizers.plum.points import Scoring
from promptopt.optimizers.plum.population import MutationGA
from promptopt.optimizers.rlprompt.method import RLPrompt
from promptopt.optimizers.rlprompt.settings import Learning, Sizes
from promptopt.protocols import Optimizer
from promptopt.run.budget import Budget
from promptopt.tasks.layout import Layout
from promptopt.tasks.splits import Splits
from promptopt.tasks.task import Task
from promptopt.testing.planted import uniform
from promptopt.types import Content, Example, Request, digest
from tests.optimizers.rlprompt.tiny_policy import WORDS, tiny_folder

LENGTH, EXAMPLES, PROMPTS, STEPS = 3, 4, 16, 80
HELD = 16
CALLS = STEPS * PROMPTS * EXAMPLES
"""Reward calls that every method has."""
NATS = (1.0, 0.8, 0.6)
"""What the three good words add to the right label's margin. Three more take 0.5 off; the others do nothing."""
RATES = {"sql": 3e-3, "rloo": 3e-3}
ARMS = ("rlprompt", "rlprompt, rloo", "random prompts", "plum-ga-m")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One search. `found_at`: the reward calls before the best prompt was first asked about; None: it never was."""

    arm: str
    seed: int
    margin: float
    best: float
    found_at: int | None
    calls: int
    seconds: float


def worth(seed: int) -> dict[str, float]:
    """The words that matter, dealt anew by each seed."""
    drawn = random.Random(f"worth {seed}").sample(WORDS, 6)
    return {**dict(zip(drawn, NATS, strict=False)), **dict.fromkeys(drawn[3:], -0.5)}


def margin(prompt: str, known: Mapping[str, float]) -> float:
    """Of the right label, in nats: the worth of the first three words, each counted once."""
    return math.fsum(known.get(word, 0.0) for word in dict.fromkeys(prompt.split()[:LENGTH]))


def target(known: Mapping[str, float]) -> Scripted:
    """An item is hard by 0 to 2 nats, for every prompt alike."""

    def scores(content: Content, label: str) -> list[float]:
        assert isinstance(content, str)
        prompt, _, item = content.rpartition(" Item: ")
        number = int(item.split()[1])
        gap = margin(prompt, known) - 2.0 * uniform("hardness", str(number))
        return [gap if ("good", "bad")[number % 2] == label.strip() else 0.0]

    return Scripted(lambda _: "good", name=f"planted {digest(sorted(known.items()))}", scores=scores)


def task(seed: int) -> Task:
    """Numbered items, and a start of three words that do nothing."""
    known, rng = worth(seed), random.Random(f"start {seed}")
    start = " ".join(rng.sample([word for word in WORDS if word not in known], LENGTH))
    examples = [Example.of(("good", "bad")[number % 2], text=f"item {number}") for number in range(64)]
    return Task.from_examples(
        examples, prompt=start, name="planted", labels=("good", "bad"),
        layout=Layout("text", text="{instruction} Item: {text} Answer:"), splits=Splits(16, 16, 32, seed=seed),
    )  # fmt: skip


def words_for(request: Request) -> str:
    """The scripted proposer of `plum-ga-m`: single words of the fifty."""
    rng = random.Random(f"{request.content}{request.seed}")
    return json.dumps(rng.sample(WORDS, 10))


def method(arm: str) -> Optimizer:
    """What searches, under the same number of reward calls."""
    if arm == "plum-ga-m":
        # It goes on until its calls are spent, as the others do.
        return MutationGA(
            edit=Editing(chunker=RuleChunker("word")),
            score=Scoring(examples=EXAMPLES, entropy_weight=0.0),
            stop=Stopping(iterations=CALLS, patience=CALLS),
        )
    algorithm = "rloo" if arm == "rlprompt, rloo" else "sql"
    # Without a rate nothing is learned, and every draw is even over the fifty words.
    rate = 0.0 if arm == "random prompts" else RATES[algorithm]
    return RLPrompt(
        policy=f"hf/{tiny_folder()}",
        device="cpu",
        length=LENGTH,
        algorithm=algorithm,
        learn=Learning(rate=rate, hidden=64),
        size=Sizes(steps=STEPS, prompts=PROMPTS, examples=EXAMPLES, held=HELD, every=10),
    )


def search(arm: str, seed: int) -> Outcome:
    """One run, its store thrown away."""
    import torch

    torch.set_num_threads(1)
    known, planted, begun = worth(seed), task(seed), time.perf_counter()
    model = target(known)
    # Beside the rewards: the final choice and the test.
    budget = Budget(evaluations=CALLS) if arm == "plum-ga-m" else Budget()
    with tempfile.TemporaryDirectory() as home:
        result = optimize(
            planted, method(arm), model=Models(model, proposer=Scripted(words_for, name="words")),
            evaluator=Labels(planted, value="piecewise"), budget=budget, seed=seed, store=Path(home) / "store.db",
        )  # fmt: skip
    most = math.fsum(NATS)
    asked = [str(request.content).rpartition(" Item: ")[0] for request in model.log]
    found = next((place for place, prompt in enumerate(asked) if margin(prompt, known) > most - 1e-9), None)
    return Outcome(
        arm, seed, margin(result.best.text, known), most, found, result.spent.calls, time.perf_counter() - begun
    )


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """A row an arm."""
    lines = [
        "| method | best prompt found | median calls to it | margin of the winner, of 2.4 | calls asked | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for arm in ARMS:
        rows = [each for each in outcomes if each.arm == arm]
        if not rows:
            continue
        found = sorted(each.found_at for each in rows if each.found_at is not None)
        # Where half never found it there is no median.
        middle = f"{found[len(rows) // 2]:,}" if len(found) > len(rows) // 2 else "-"
        mean = math.fsum(each.margin for each in rows) / len(rows)
        error = math.sqrt(math.fsum((each.margin - mean) ** 2 for each in rows) / max(1, len(rows) - 1) / len(rows))
        calls, seconds = sum(each.calls for each in rows) / len(rows), sum(each.seconds for each in rows) / len(rows)
        lines.append(
            f"| {arm} | {len(found)} of {len(rows)} | {middle} | {mean:.2f} ± {error:.2f} | {calls:,.0f} | "
            f"{seconds:.1f} |"
        )
    return lines


def run(seeds: int, processes: int, arms: Sequence[str] = ARMS) -> list[Outcome]:
    """All searches."""
    tiny_folder()
    jobs = [(arm, seed) for arm in arms for seed in range(seeds)]
    if processes == 1:
        return [search(*job) for job in jobs]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(search, *zip(*jobs, strict=True)))
