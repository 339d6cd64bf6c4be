"""Our MIPROv2 beside DSPy's on scripted models inside DSPy: many seeds, and what is true of a program is known.

    python -m benchmarks.originals_scripted [--seeds 24] [--worlds gains,harm,demos]

The settings are those of `benchmarks.originals_dspy`. DSPy's goes first, and ours is given as many calls as it asked
for. Ours is played a second time with the calls of its final choice and of its sealed test on top, which DSPy's has
not: what is then left of a difference is the search's. A program is as good as it is on 600 unseen questions.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import io
import random
import re
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import dspy
from dspy import lm15

from benchmarks.originals_dspy import CANDIDATES, TRIALS, UNCAPPED, VALIDATION
from benchmarks.search import RESULTS, names, write
from promptopt.dspy import PromptOpt
from promptopt.run.budget import Budget
from promptopt.testing import uniform

TRAIN, DEV, HELD = 120, 30, range(1_000, 1_600)
ASIDE = 80
"""Calls of some 180 that ours sets aside for its final choice and its sealed test."""
START = "Answer the question."
GOOD = ("carefully", "exactly", "soberly", "briefly", "plainly")
BAD = ("wildly", "loosely", "hastily", "vaguely", "poetically")
IDLE = ("daily", "today", "again", "here", "often")
TARGETS = ["yes" if uniform(f"target {number}") < 0.5 else "no" for number in range(HELD.stop)]


@dataclass(frozen=True, slots=True)
class World:
    """What a good word in an instruction gains, a bad one costs, and a demonstration that is shown gains."""

    good: float
    bad: float
    demo: float


WORLDS = {"gains": World(0.05, 0.05, 0.02), "harm": World(0.0, 0.06, -0.02), "demos": World(0.01, 0.03, 0.05)}


@dataclass(slots=True)
class Engine:
    """The task model where an objective is stated, else the proposer, in the form that is asked for."""

    world: World
    calls: int = 0
    supported_params: frozenset[str] = field(default=frozenset({"temperature", "max_tokens"}))

    def complete(self, request: Any) -> Any:
        """One reply."""
        self.calls += 1
        said = [("".join(part.text for part in each.parts), each.role) for each in request.messages]
        system = str(request.system or "")
        answers = "Your input fields are:\n1. `question`" in system
        text = self._answer(system, said) if answers else self._propose(said[-1][0])
        usage = lm15.Usage(input_tokens=1, output_tokens=1, total_tokens=2)
        message = lm15.Message.assistant(text)
        return lm15.Response(id="1", model="scripted", message=message, finish_reason="stop", usage=usage)

    def _answer(self, system: str, said: Sequence[tuple[str, str]]) -> str:
        objective, world = system.split("your objective is")[1], self.world
        question = int(re.findall(r"q(\d+)", said[-1][0])[-1])
        shown = [text for text, role in said[:-1] if role == "user"]
        share = 0.6 + world.good * sum(word in objective for word in GOOD)
        share += world.demo * len(shown) - world.bad * sum(word in objective for word in BAD)
        # Some demonstrations are better than others.
        share += 0.02 * sum(2 * uniform("demo", text) - 1 for text in shown)
        hard = 0.5 * uniform(str(question)) + 0.5 * uniform(str(question), objective, *shown)
        target = TARGETS[question]
        answer = target if hard < share else "no" if target == "yes" else "yes"
        return f"[[ ## answer ## ]]\n{answer}\n\n[[ ## completed ## ]]"

    def _propose(self, asked: str) -> str:
        words = random.Random(f"{self.calls} {asked}").sample((*GOOD, *BAD, *IDLE), 4)
        text = f"{START} Work {', '.join(words)}."
        outputs = re.findall(r"`\[\[ ## (\w+) ## \]\]`", asked)
        if outputs:
            return "\n\n".join(f"[[ ## {name} ## ]]\n{text if name != 'completed' else ''}" for name in outputs)
        tag = re.findall(r"<(\w+)>", asked)[-1]
        return f"<{tag}>{text}</{tag}>"

    def __deepcopy__(self, memo: object) -> Engine:
        return self


def lm(engine: Engine, temperature: float) -> Any:
    return dspy.LM(model="scripted", engine=engine, cache=False, num_retries=0, temperature=temperature)


def student() -> Any:
    return dspy.Predict(dspy.Signature("question -> answer", START))


def examples(numbers: Sequence[int]) -> list[Any]:
    return [dspy.Example(question=f"q{each} is it?", answer=TARGETS[each]).with_inputs("question") for each in numbers]


def metric(gold: Any, found: Any, trace: object = None) -> bool:
    return gold.answer == found.answer


def truth(program: Any, world: World) -> float:
    """The share of the questions that nobody has seen which a program gets right."""
    with dspy.context(lm=lm(Engine(world), 0.0)):
        return fmean(metric(each, program(question=each.question)) for each in examples(HELD))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What DSPy prints and draws on the terminal is no result."""
    silent = io.StringIO()
    with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def original(world: World, seed: int, train: list[Any], dev: list[Any]) -> tuple[Any, int]:
    """The program that DSPy's MIPROv2 returns, and the calls that it took."""
    engine = Engine(world)
    with dspy.context(lm=lm(engine, 0.0)):
        optimizer = dspy.MIPROv2(
            metric, prompt_model=lm(engine, 1.0), auto=None, num_candidates=CANDIDATES, num_threads=1, seed=seed + 1,
            max_errors=UNCAPPED,
        )  # fmt: skip
        found = optimizer.compile(
            student(), trainset=train, valset=dev[:VALIDATION], num_trials=TRIALS, minibatch=False
        )
    return found, engine.calls


def ours(world: World, seed: int, train: list[Any], dev: list[Any], calls: int) -> Any:
    """The program that ours returns, as shipped."""
    engine = Engine(world)
    with tempfile.TemporaryDirectory() as folder, dspy.context(lm=lm(engine, 0.0)):
        optimizer = PromptOpt(
            "mipro", metric=metric, budget=Budget(calls=calls), seed=seed, store=Path(folder) / "store.db",
            proposer=lm(engine, 1.0),
        )  # fmt: skip
        return optimizer.compile(student(), trainset=train, valset=dev)


def played(world: World, seed: int) -> list[float]:
    """The truth of the start, of DSPy's program, of ours at as many calls, and of ours with those set aside on top."""
    drawn = random.Random(seed).sample(range(HELD.start), TRAIN + DEV)
    train, dev = examples(drawn[:TRAIN]), examples(drawn[TRAIN:])
    with quiet():
        theirs, calls = original(world, seed, train, dev)
        found = [student(), theirs, *(ours(world, seed, train, dev, calls + more) for more in (0, ASIDE))]
    return [truth(program, world) for program in found]


def row(name: str, plays: Sequence[Sequence[float]]) -> str:
    """A line of the table: means, and ours minus DSPy's with its standard error over seeds."""
    start, theirs, ours, more = zip(*plays, strict=True)
    apart = [[own - other for own, other in zip(each, theirs, strict=True)] for each in (ours, more)]
    told = [f"{fmean(each):+.3f} ± {stdev(each) / len(each) ** 0.5:.3f}" for each in apart]
    means = " | ".join(f"{fmean(each):.3f}" for each in (start, theirs, ours))
    worse = [sum(end < begun - 0.005 for end, begun in zip(each, start, strict=True)) for each in (theirs, ours)]
    return f"| {name} | {len(plays)} | {means} | {told[0]} | {told[1]} | {worse[0]} | {worse[1]} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=names, default=tuple(WORLDS))
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--out", type=Path, default=RESULTS / "originals-scripted.md")
    chosen = parser.parse_args(arguments)
    head = ("world", "seeds", "start", "dspy", "ours", "ours - dspy", f"with {ASIDE} calls more", "worse: dspy", "ours")
    lines = ["# MIPROv2 beside its original, on scripted models inside DSPy", "",
             f"`python -m benchmarks.originals_scripted --seeds {chosen.seeds}`, {datetime.date.today()}, DSPy "
             f"{dspy.__version__}.", "", f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]  # fmt: skip
    for name in chosen.worlds:
        lines.append(row(name, [played(WORLDS[name], seed) for seed in range(chosen.seeds)]))
        print(lines[-1], flush=True)
    write(lines, chosen.out)


if __name__ == "__main__":
    main()
